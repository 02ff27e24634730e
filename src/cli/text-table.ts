/** Text of a configuration can neither steer a terminal nor begin a line of its own. */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

const GAP = 3

/** Columns as istioctl prints them: upper-case titles, padded by spaces. Ends in a newline. */
export function textTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [titles, ...rows].map((row) => row.map((cell) => cell.replace(UNPRINTABLE, ' ')))
  const widths = titles.map((_title, column) =>
    lines.reduce((width, row) => Math.max(width, (row[column] ?? '').length), 0),
  )
  return lines.map((row) => `${lineOf(row, widths)}\n`).join('')
}

function lineOf(row: readonly string[], widths: readonly number[]): string {
  return row
    .map((cell, column) => cell.padEnd((widths[column] ?? 0) + GAP))
    .join('')
    .trimEnd()
}

/** `a, b + 3 more`: cells stay readable, JSON has them all. */
export function shortList(items: readonly string[], shown: number): string {
  const rest = items.length - shown
  const text = items.slice(0, shown).join(', ')
  return rest > 0 ? `${text} + ${rest} more` : text
}
