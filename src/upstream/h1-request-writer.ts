import { invariants, isSafeWord, writeFields } from '../http/message-writer.ts'
import { UNKNOWN_LENGTH } from '../http/request.ts'
import { respell } from '../http/spellings.ts'
import type { UpstreamRequest } from './transport.ts'

/**
 * A request head as it goes on the wire, or null when the last check finds something that a
 * backend could read as more than one request: a control, a second Host, framing of its own.
 */
export function writeRequestHead(request: UpstreamRequest): string | null {
  const target = request.method === 'CONNECT' ? request.authority : request.target
  const fields = writeFields(request.headers.fields)
  if (fields === null) return null
  if (!isSafeWord(request.method) || !isSafeWord(target) || !isSafeHost(request.authority)) {
    invariants.violations++
    return null
  }
  const lines = `host: ${request.authority}\r\n${fields}${hopFields(request)}`
  const { spellings } = request.headers
  const spelled = spellings === null ? lines : respell(lines, spellings)
  return `${request.method} ${target} HTTP/1.1\r\n${spelled}\r\n`
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
  else if (bodyLength > 0) out += `content-length: ${bodyLength}\r\n`
  else if (hasBodySemantics(request.method)) out += 'content-length: 0\r\n'
  return out
}

/** Methods whose requests are expected to carry content (RFC 9110 8.6). */
export function hasBodySemantics(method: string): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH'
}
