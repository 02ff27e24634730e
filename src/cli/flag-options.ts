import { Option } from 'commander'
import { parseChoice } from './flag-values.ts'
import { OUTPUT_FORMATS, type OutputFormat } from './output.ts'

/** A flag that may be given several times; `none` is shown as its default. */
export function repeatable(flags: string, description: string): Option {
  return new Option(flags, `${description} (repeatable)`)
    .default([], 'none')
    .argParser((value: string, previous: string[]) => [...previous, value])
}

/** `-o, --output`, of every verb that prints data. */
export function outputOption(): Option {
  return new Option('-o, --output <format>', OUTPUT_FORMATS.join(', ')).default('table')
}

export function parseOutput(text: string): OutputFormat {
  return parseChoice('--output', text, OUTPUT_FORMATS)
}
