import { stringify } from 'yaml'

export const OUTPUT_FORMATS = ['table', 'json', 'yaml'] as const
export type OutputFormat = (typeof OUTPUT_FORMATS)[number]

/** Prints `value` as JSON or YAML, or calls `table` for people. */
export function printOutput(format: OutputFormat, value: unknown, table: () => void): void {
  if (format === 'json') console.log(JSON.stringify(value, null, 2))
  else if (format === 'yaml') process.stdout.write(stringify(value))
  else table()
}
