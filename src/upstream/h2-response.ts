import { isFieldValue, isToken } from '../http/field-syntax.ts'
import { isConnectionSpecific, parseContentLength } from '../http/h2-fields.ts'
import { Headers } from '../http/headers.ts'
import { UNKNOWN_LENGTH } from '../http/request.ts'

/** A response head as node:http2 lists it, checked and taken apart. */
export class H2ResponseHead {
  readonly status: number
  readonly headers: Headers
  /** content-length, or UNKNOWN_LENGTH. */
  readonly length: number

  constructor(status: number, headers: Headers, length: number) {
    this.status = status
    this.headers = headers
    this.length = length
  }
}

/** null when the head is malformed: bad status, name, value or content-length (RFC 9113 8.1.1). */
export function readResponseHead(rawHeaders: readonly string[]): H2ResponseHead | null {
  const fields: string[] = []
  let status = 0
  let length = UNKNOWN_LENGTH
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    const value = rawHeaders[i + 1]!
    if (name === ':status') {
      if (status !== 0) return null
      status = parseStatus(value)
      if (status === -1) return null
    } else if (!isToken(name) || !isFieldValue(value)) return null
    else if (name === 'content-length') {
      const parsed = parseContentLength(value)
      if (parsed === -1 || (length !== UNKNOWN_LENGTH && length !== parsed)) return null
      length = parsed
    } else if (!isConnectionSpecific(name)) fields.push(name, value)
  }
  return status === 0 ? null : new H2ResponseHead(status, new Headers(fields), length)
}

function parseStatus(text: string): number {
  if (text.length !== 3) return -1
  const status = Number(text)
  return Number.isInteger(status) && status >= 100 ? status : -1
}
