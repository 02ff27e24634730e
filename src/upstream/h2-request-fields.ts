import { fieldLines } from '../http/field-lines.ts'
import { isFieldValue, isToken } from '../http/field-syntax.ts'
import { isConnectionSpecific } from '../http/h2-fields.ts'
import type { Headers } from '../http/headers.ts'
import { invariants, isSafeWord } from '../http/message-writer.ts'
import { hasBodySemantics, isSafeHost } from './h1-request-writer.ts'
import type { UpstreamRequest } from './transport.ts'

/**
 * A request head as a flat name, value list for node:http2, or null when the last check finds what
 * HTTP/1.1 refuses to write too: a control, a second Host, framing of its own. node:http2 hands its
 * list on with NUL as separator and checks no value.
 */
export function requestFields(request: UpstreamRequest): string[] | null {
  const list = pseudoFields(request)
  if (list === null || !addFields(list, request.headers)) {
    invariants.violations++
    return null
  }
  const { bodyLength, method } = request
  if (bodyLength > 0 || (bodyLength === 0 && hasBodySemantics(method))) {
    list.push('content-length', String(bodyLength))
  }
  if (request.expectsContinue) list.push('expect', '100-continue')
  return list
}

function pseudoFields({ method, scheme, authority, target }: UpstreamRequest): string[] | null {
  if (method === 'CONNECT') {
    return isSafeWord(authority) ? [':method', method, ':authority', authority] : null
  }
  if (!isSafeWord(method) || !isSafeWord(target) || !isSafeHost(authority)) return null
  return [':method', method, ':scheme', scheme, ':authority', authority, ':path', target]
}

/** False: there is one that may not be sent. What only HTTP/1.1 has (RFC 9113 8.2.2) is left out. */
function addFields(list: string[], { fields }: Headers): boolean {
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!
    const value = fields[i + 1]!
    // fieldLines knows the fields that only the wire may write.
    if (!isToken(name) || !isFieldValue(value) || fieldLines.start(name) === null) return false
    const isLeftOut = isConnectionSpecific(name) || (name === 'te' && value !== 'trailers')
    if (!isLeftOut) list.push(name, value)
  }
  return true
}
