/** One line of a rendered explanation. */
export type Line = string

const NAME_WIDTH = 14

/** A line with its name in the first column. */
export function line(name: string, text: string): Line {
  return `${name.padEnd(NAME_WIDTH)}${text}`
}

/** A line that belongs to the one above. */
export function more(name: string, text: string): Line {
  return `  ${name.padEnd(NAME_WIDTH - 2)}${text}`
}
