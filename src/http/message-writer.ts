import { STATUS_CODES } from 'node:http'
import { copyOf } from '../base/latin1.ts'
import { fieldLines } from './field-lines.ts'
import type { Headers } from './headers.ts'
import { respell } from './spellings.ts'

/** Lengths up to this have their line kept. */
const MAX_KNOWN_LENGTH = 4_096

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const UNSAFE_WORD = /[\0-\x20\x7f\u0100-\uffff]/

/** Hits of the last check before a message is written. Zero unless there is a bug in the gateway. */
export class InvariantCounter {
  violations = 0
}

export const invariants = new InvariantCounter()

/**
 * Field lines of `headers` as they go on the wire, or null when a name or value could be read as
 * something else: a control, a character beyond latin1 (its low byte could be CR or LF), or a
 * framing field, which only the wire may write.
 */
export function writeFields(headers: Headers): string | null {
  const { fields } = headers
  return checked(fieldLines.range(fields, 0, fields.length))
}

/**
 * A head as it goes on the wire: `start`, the field lines of `headers` (null as above), those of
 * `framing`, the empty line.
 */
export function writeHead(start: string, headers: Headers, framing: string): string | null {
  const { kept, spellings } = headers
  if (kept !== null && spellings === null)
    return checked(kept.write(start, headers.fields, framing))
  const lines = writeFields(headers)
  if (lines === null) return null
  return `${start}${spelled(lines + framing, headers)}\r\n`
}

/** Field lines of `headers`, spelled as their sender did where that is kept. */
export function spelled(lines: string, { spellings }: Headers): string {
  return spellings === null ? lines : respell(lines, spellings)
}

function checked(lines: string | null): string | null {
  if (lines === null) invariants.violations++
  return lines
}

const lengthLines: string[] = Array.from({ length: MAX_KNOWN_LENGTH + 1 }, () => '')

/** `content-length: bytes` with its line end. */
export function contentLength(bytes: number): string {
  const known = lengthLines[bytes]
  if (known !== undefined && known !== '') return known
  const line = copyOf(`content-length: ${bytes}\r\n`)
  if (known === '') lengthLines[bytes] = line
  return line
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
