import { copyOf } from '../base/latin1.ts'
import { MAX_REMEMBERED } from '../http/field-block.ts'
import { contentLength, invariants, isSafeWord, writeFields } from '../http/message-writer.ts'
import { UNKNOWN_LENGTH } from '../http/request.ts'
import { respell } from '../http/spellings.ts'
import type { UpstreamRequest } from './transport.ts'

/**
 * A request head as it goes on the wire, or null when the last check finds something that a
 * backend could read as more than one request: a control, a second Host, framing of its own.
 */
export function writeRequestHead(request: UpstreamRequest): string | null {
  const fields = writeFields(request.headers)
  const start = fields === null ? null : startLines(request)
  if (fields === null || start === null) return null
  const { spellings } = request.headers
  if (spellings === null) return `${start}${fields}${hopFields(request)}\r\n`
  const host = start.indexOf('\r\n') + 2
  const lines = `${start.slice(host)}${fields}${hopFields(request)}`
  return `${start.slice(0, host)}${respell(lines, spellings)}\r\n`
}

/** The start line and Host: as they were written before, or looked at. */
function startLines(request: UpstreamRequest): string | null {
  const { method, authority } = request
  const { kept } = request.headers
  const target = method === 'CONNECT' ? authority : request.target
  const last = kept === null ? null : kept.start
  const isSame =
    last !== null &&
    last.method === method &&
    last.target === target &&
    last.authority === authority
  if (isSame) return last.text
  if (!isSafeWord(method) || !isSafeWord(target) || !isSafeHost(authority)) {
    invariants.violations++
    return null
  }
  const text = `${method} ${target} HTTP/1.1\r\nhost: ${authority}\r\n`
  if (kept !== null && text.length <= MAX_REMEMBERED)
    kept.start = { method, target, authority, text: copyOf(text) }
  return text
}

/** The host of an HTTP/1.0 request without Host is empty, and may be. */
function isSafeHost(authority: string): boolean {
  return authority === '' || isSafeWord(authority)
}

function hopFields(request: UpstreamRequest): string {
  const { bodyLength, upgrade } = request
  let out = ''
  if (upgrade !== null) out += `connection: Upgrade\r\nupgrade: ${upgrade}\r\n`
  else if (request.headers.has('te')) out += 'connection: te\r\n'
  if (request.expectsContinue && bodyLength !== 0) out += 'expect: 100-continue\r\n'
  if (bodyLength === UNKNOWN_LENGTH) out += 'transfer-encoding: chunked\r\n'
  else if (bodyLength > 0 || hasBodySemantics(request.method)) out += contentLength(bodyLength)
  return out
}

/** Methods whose requests are expected to carry content (RFC 9110 8.6). */
export function hasBodySemantics(method: string): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH'
}
