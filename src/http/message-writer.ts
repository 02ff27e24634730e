import { STATUS_CODES } from 'node:http'

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
    const name = fields[i]!
    const value = fields[i + 1]!
    if (!isSafeName(name) || !isSafeValue(value)) {
      invariants.violations++
      return null
    }
    out += `${name}: ${value}\r\n`
  }
  return out
}

/** Text for a start line: no blank, no control, nothing beyond latin1. */
export function isSafeWord(text: string): boolean {
  if (text.length === 0) return false
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code <= 0x20 || code === 0x7f || code > 0xff) return false
  }
  return true
}

function isSafeName(name: string): boolean {
  if (name.length === 0) return false
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    if (code <= 0x20 || code >= 0x7f || code === 0x3a) return false
  }
  return !isFraming(name)
}

function isSafeValue(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if ((code < 0x20 && code !== 0x09) || code === 0x7f || code > 0xff) return false
  }
  return true
}

/** Only these lengths need a comparison. */
function isFraming(name: string): boolean {
  switch (name.length) {
    case 4:
      return name.toLowerCase() === 'host'
    case 7:
      return name.toLowerCase() === 'upgrade'
    case 10:
      return name.toLowerCase() === 'connection'
    case 14:
      return name.toLowerCase() === 'content-length'
    case 17:
      return name.toLowerCase() === 'transfer-encoding'
    default:
      return false
  }
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
