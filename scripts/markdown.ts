/** Text inside a table cell: nothing in it may end the cell or start markup. */
export function cell(text: string): string {
  return text.replace(/[\\|*<]/g, '\\$&').replace(/\s+/g, ' ')
}
