import { copyOf } from '../base/latin1.ts'
import { MAX_REMEMBERED } from '../http/field-block.ts'
import {
  contentLength,
  invariants,
  isSafeWord,
  spelled,
  writeFields,
  writeHead,
} from '../http/message-writer.ts'
import { UNKNOWN_LENGTH } from '../http/request.ts'
import type { UpstreamRequest } from './transport.ts'

/**
 * A request head as it goes on the wire, or null when the last check finds something that a
 * backend could read as more than one request: a control, a second Host, framing of its own.
 */
export function writeRequestHead(request: UpstreamRequest): string | null {
  const { headers } = request
  const start = startLines(request)
  if (start === null) return null
  const framing = hopFields(request)
  if (headers.spellings === null) return writeHead(start, headers, framing)
  const fields = writeFields(headers)
  if (fields === null) return null
  // Host is spelled too.
  const host = start.indexOf('\r\n') + 2
  return `${start.slice(0, host)}${spelled(start.slice(host) + fields + framing, headers)}\r\n`
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
  if (kept === null || text.length > MAX_REMEMBERED) return text
  kept.start = { method, target, authority, text: copyOf(text) }
  return kept.start.text
}

/** The host of an HTTP/1.0 request without Host is empty, and may be. */
export function isSafeHost(authority: string): boolean {
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
