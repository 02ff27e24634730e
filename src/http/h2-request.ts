import { randomBytes } from 'node:crypto'
import { isAuthority, isAuthorityWithPort } from './authority.ts'
import type { UnderscoreNames } from './field-block.ts'
import {
  AUTHORIZATION,
  CONNECTION,
  CONTENT_LENGTH,
  CONTENT_TYPE,
  DROPPED,
  EXPECT,
  fieldNames,
  HOST,
  KEEP_ALIVE,
  TE,
  TRANSFER_ENCODING,
  UPGRADE,
} from './field-names.ts'
import { isFieldValue } from './field-syntax.ts'
import { FIELD_OVERHEAD, parseContentLength } from './h2-fields.ts'
import { Headers } from './headers.ts'
import { isMethod } from './method.ts'
import type { PathRules } from './path-normalization.ts'
import {
  BAD_CONNECTION,
  BAD_CONTENT_LENGTH,
  BAD_CONTROL,
  BAD_FIELD_NAME,
  BAD_HOST,
  BAD_START_LINE,
  BAD_TARGET,
  HEAD_TOO_LARGE,
  MISSING_HOST,
  Refusal,
  REPEATED_FIELD,
  TOO_MANY_FIELDS,
  UNDERSCORE_NAME,
  UNKNOWN_EXPECTATION,
} from './refusal.ts'
import { Request, UNKNOWN_LENGTH } from './request.ts'
import { parsePath, Target } from './target.ts'

/** What building a request needs to know besides its fields. */
export interface H2RequestRules {
  /** As SETTINGS_MAX_HEADER_LIST_SIZE counts; binds a client that never acknowledged ours too. */
  readonly maxHeadBytes: number
  readonly maxHeaderFields: number
  readonly paths: PathRules
  readonly underscoreNames: UnderscoreNames
  readonly allowConnect: boolean
}

export const CONNECT_REFUSED = new Refusal(405, 'connect-refused')
const BAD_PSEUDO_FIELD = new Refusal(400, 'bad-pseudo-field')
/** RFC 9220 3: a `:protocol` that is not known. */
const PROTOCOL_REFUSED = new Refusal(501, 'protocol-refused')
const WEBSOCKET = 'websocket'
/** RFC 6455 4.1 */
const WEBSOCKET_KEY_BYTES = 16

/**
 * Builds the canonical request from the field list of one HEADERS block (pseudo fields included),
 * or says why it is refused. nghttp2 checks much of this already; nothing here relies on it,
 * because the same fields go on to an HTTP/1 upstream (RFC 9113 8.3.1, 10.3).
 */
export function buildH2Request(
  rawHeaders: readonly string[],
  endStream: boolean,
  scheme: 'http' | 'https',
  rules: H2RequestRules,
): Request | Refusal {
  const head = new HeadReader()
  const refusal = head.read(rawHeaders, rules)
  if (refusal !== null) return refusal
  if (!isMethod(head.method)) return BAD_START_LINE
  const bodyLength = head.bodyLength(endStream)
  if (bodyLength === INVALID) return BAD_CONTENT_LENGTH
  if (head.protocol !== '') return buildWebSocket(head, bodyLength, scheme, rules)
  if (head.method === 'CONNECT') return buildConnect(head, bodyLength, scheme, rules)
  if (head.scheme !== 'http' && head.scheme !== 'https') return BAD_PSEUDO_FIELD
  if (head.authority === '' && head.host === '') return MISSING_HOST
  const authority = head.agreedAuthority()
  if (authority === null) return BAD_HOST
  const target =
    head.path === '*' && head.method === 'OPTIONS'
      ? new Target(null, '*', '')
      : parsePath(head.path, rules.paths, null)
  if (target === null) return BAD_TARGET
  return toRequest(head, scheme, authority, target, bodyLength)
}

/** CONNECT has `:authority` with a port, and neither `:scheme` nor `:path` (RFC 9113 8.5). */
function buildConnect(
  head: HeadReader,
  bodyLength: number,
  scheme: 'http' | 'https',
  rules: H2RequestRules,
): Request | Refusal {
  if (!rules.allowConnect) return CONNECT_REFUSED
  if (head.scheme !== '' || head.path !== '') return BAD_PSEUDO_FIELD
  if (!isAuthorityWithPort(head.authority) || head.agreedAuthority() === null) return BAD_HOST
  return toRequest(head, scheme, head.authority, new Target(null, '', ''), bodyLength)
}

/**
 * Extended CONNECT opens a WebSocket on a stream (RFC 8441 4). Above the wire it is what it is in
 * HTTP/1.1, a GET that asks for an upgrade, with the key that only HTTP/1.1 has.
 */
function buildWebSocket(
  head: HeadReader,
  bodyLength: number,
  scheme: 'http' | 'https',
  rules: H2RequestRules,
): Request | Refusal {
  if (head.method !== 'CONNECT' || bodyLength !== UNKNOWN_LENGTH) return BAD_PSEUDO_FIELD
  if (head.scheme !== 'http' && head.scheme !== 'https') return BAD_PSEUDO_FIELD
  if (head.protocol.toLowerCase() !== WEBSOCKET) return PROTOCOL_REFUSED
  if (head.authority === '' && head.host === '') return MISSING_HOST
  const authority = head.agreedAuthority()
  if (authority === null) return BAD_HOST
  const target = parsePath(head.path, rules.paths, null)
  if (target === null) return BAD_TARGET
  const headers = new Headers(head.fields)
  headers.set('sec-websocket-key', randomBytes(WEBSOCKET_KEY_BYTES).toString('base64'))
  return new Request({
    protocol: 'HTTP/2',
    method: 'GET',
    scheme,
    authority,
    path: target.path,
    query: target.query,
    headers,
    bodyLength: 0,
    upgrade: WEBSOCKET,
    expectsContinue: false,
    absoluteForm: false,
    redirects: target.redirects,
  })
}

function toRequest(
  head: HeadReader,
  scheme: 'http' | 'https',
  authority: string,
  target: Target,
  bodyLength: number,
): Request {
  return new Request({
    protocol: 'HTTP/2',
    method: head.method,
    scheme,
    authority,
    path: target.path,
    query: target.query,
    headers: new Headers(head.fields),
    bodyLength,
    upgrade: null,
    expectsContinue: head.expectsContinue,
    absoluteForm: false,
    redirects: target.redirects,
  })
}

const INVALID = -2

/** One pass over a field list; keeps apart what the canonical request keeps apart. '' is absent. */
class HeadReader {
  method: string
  path: string
  scheme: string
  authority: string
  host: string
  /** `:protocol` of an extended CONNECT. */
  protocol: string
  expectsContinue: boolean
  readonly fields: string[]
  #contentLength: string
  #cookieAt: number
  #authorized: boolean
  #typed: boolean

  constructor() {
    this.method = ''
    this.path = ''
    this.scheme = ''
    this.authority = ''
    this.host = ''
    this.protocol = ''
    this.expectsContinue = false
    this.fields = []
    this.#contentLength = ''
    this.#cookieAt = -1
    this.#authorized = false
    this.#typed = false
  }

  read(rawHeaders: readonly string[], rules: H2RequestRules): Refusal | null {
    let count = 0
    let bytes = 0
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
      const raw = rawHeaders[i]!
      const value = rawHeaders[i + 1]!
      bytes += raw.length + value.length + FIELD_OVERHEAD
      if (bytes > rules.maxHeadBytes) return HEAD_TOO_LARGE
      if (!isCleanValue(value)) return BAD_CONTROL
      if (raw.charCodeAt(0) === 0x3a /* : */) {
        // Pseudo fields come first and once (RFC 9113 8.3).
        if (count > 0 || !this.#takePseudo(raw, value)) return BAD_PSEUDO_FIELD
        continue
      }
      if (++count > rules.maxHeaderFields) return TOO_MANY_FIELDS
      const name = fieldNames.find(raw)
      if (name === null || name.text !== raw) return BAD_FIELD_NAME
      if (name.hasUnderscore && rules.underscoreNames !== 'allow') {
        if (rules.underscoreNames === 'reject') return UNDERSCORE_NAME
        continue
      }
      const refusal = this.#takeField(name.kind, raw, value)
      if (refusal !== null) return refusal
    }
    return null
  }

  #takePseudo(name: string, value: string): boolean {
    if (value === '') return false
    switch (name) {
      case ':method':
        if (this.method !== '') return false
        this.method = value
        return true
      case ':path':
        if (this.path !== '') return false
        this.path = value
        return true
      case ':scheme':
        if (this.scheme !== '') return false
        this.scheme = value.toLowerCase()
        return true
      case ':authority':
        if (this.authority !== '') return false
        this.authority = value
        return true
      case ':protocol':
        if (this.protocol !== '') return false
        this.protocol = value
        return true
      default:
        return false
    }
  }

  #takeField(kind: number, name: string, value: string): Refusal | null {
    switch (kind) {
      case HOST:
        if (this.host !== '' || value === '') return BAD_HOST
        this.host = value
        return null
      case CONTENT_LENGTH:
        if (this.#contentLength !== '' || value === '') return BAD_CONTENT_LENGTH
        this.#contentLength = value
        return null
      case CONNECTION:
      case KEEP_ALIVE:
      case TRANSFER_ENCODING:
      case UPGRADE:
      case DROPPED:
        return BAD_CONNECTION
      case TE:
        if (value.toLowerCase() !== 'trailers') return BAD_CONNECTION
        break
      case EXPECT:
        if (value.toLowerCase() !== '100-continue') return UNKNOWN_EXPECTATION
        this.expectsContinue = true
        return null
      case AUTHORIZATION:
        if (this.#authorized) return REPEATED_FIELD
        this.#authorized = true
        break
      case CONTENT_TYPE:
        if (this.#typed) return REPEATED_FIELD
        this.#typed = true
        break
      default:
        if (name === 'cookie') {
          this.#addCookie(value)
          return null
        }
    }
    this.fields.push(name, value)
    return null
  }

  /** Crumbs become one field again (RFC 9113 8.2.3). */
  #addCookie(value: string): void {
    if (this.#cookieAt === -1) {
      this.#cookieAt = this.fields.length + 1
      this.fields.push('cookie', value)
    } else this.fields[this.#cookieAt] = `${this.fields[this.#cookieAt]!}; ${value}`
  }

  /** `:authority`; Host may repeat it or stand in for it, but not differ (RFC 9113 8.3.1). */
  agreedAuthority(): string | null {
    const authority = this.authority === '' ? this.host : this.authority
    if (!isAuthority(authority)) return null
    if (this.host !== '' && this.host.toLowerCase() !== authority.toLowerCase()) return null
    return authority
  }

  /** As Request.bodyLength, or INVALID. */
  bodyLength(endStream: boolean): number {
    if (this.#contentLength === '') return endStream ? 0 : UNKNOWN_LENGTH
    const length = parseContentLength(this.#contentLength)
    if (length === -1 || (endStream && length > 0)) return INVALID
    return length
  }
}

/** A field value without surrounding white space (RFC 9113 8.2.1). */
function isCleanValue(value: string): boolean {
  if (value === '') return true
  const first = value.charCodeAt(0)
  const last = value.charCodeAt(value.length - 1)
  return !isBlank(first) && !isBlank(last) && isFieldValue(value)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}
