const NOT_ASCII = /[^\0-\x7f]/

/**
 * Text of configuration as requests carry it: its UTF-8 bytes, one latin1 character each, which is
 * how header values and paths are kept.
 */
export function literal(text: string): string {
  return NOT_ASCII.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text
}
