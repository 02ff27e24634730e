import { STATUS_CODES } from 'node:http'
import { fieldLines } from './field-lines.ts'

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const UNSAFE_WORD = /[\0-\x20\x7f\u0100-\uffff]/

/** Hits of the last check before a message is written. Zero unless there is a bug in the gateway. */
export class InvariantCounter {
  violations = 0
}

export const invariants = new InvariantCounter()

/**
 * Field lines of `fields` as they go on the wire, or null when a name or value could be read as
 * something else: a control, a character beyond latin1 (its low byte could be CR or LF), or a
 * framing field, which only the wire may write.
 */
export function writeFields(fields: readonly string[]): string | null {
  let out = ''
  for (let i = 0; i < fields.length; i += 2) {
    const line = fieldLines.of(fields[i]!, fields[i + 1]!)
    if (line === null) {
      invariants.violations++
      return null
    }
    out += line
  }
  return out
}

/** Text for a start line: no blank, no control, nothing beyond latin1. */
export function isSafeWord(text: string): boolean {
  return text !== '' && !UNSAFE_WORD.test(text)
}

const STATUS_LINES = buildStatusLines()

function buildStatusLines(): readonly string[] {
  const lines: string[] = []
  for (let status = 0; status < 1000; status++) {
    lines.push(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`)
  }
  return lines
}

/** `HTTP/1.1 200 OK` with its line end; `status` is 100..999. */
export function statusLine(status: number): string {
  return STATUS_LINES[status]!
}
