import { isAuthority } from './authority.ts'
import { ConnectionOptions } from './connection-options.ts'
import { FieldBlock } from './field-block.ts'
import { isToken } from './field-syntax.ts'
import { framedLength, NO_FRAMING } from './framing.ts'
import { Headers } from './headers.ts'
import type { HttpSettings } from './http-settings.ts'
import { isMethod } from './method.ts'
import * as refusals from './refusal.ts'
import { Refusal } from './refusal.ts'
import { Request, UNKNOWN_LENGTH, type HttpProtocol } from './request.ts'
import { readSpellings } from './spellings.ts'
import { parseTarget } from './target.ts'

/** Any control but CR, LF and tab, or CR and LF without each other. */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const FORBIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|\n(?<!\r\n)/

/** True when `text` holds a control character or a line end that no message head may hold. */
export function hasForbiddenControl(text: string): boolean {
  return FORBIDDEN.test(text)
}

/**
 * Reads request heads of one connection. Strict: what two parsers could read differently is
 * refused. One instance per connection; its members describe the head read last.
 */
export class RequestHeadParser {
  /** Connection: close, HTTP/1.0, or a request that may only end in a tunnel. */
  closes = false
  /** The client said `te: trailers`. */
  wantsTrailers = false

  readonly #settings: HttpSettings
  readonly #scheme: 'http' | 'https'
  readonly #block = new FieldBlock()
  readonly #options = new ConnectionOptions()

  constructor(settings: HttpSettings, scheme: 'http' | 'https') {
    this.#settings = settings
    this.#scheme = scheme
  }

  /** The Connection field as it came, or null. */
  get connection(): string | null {
    return this.#block.connection
  }

  /** `end` is the index of the CRLF closing the last line; an empty line follows. */
  parse(text: string, end: number): Request | Refusal {
    const head = text.slice(0, end + 2)
    const block = this.#block
    const lineEnd = head.indexOf('\r\n')
    const repeated = block.repeats(head, lineEnd + 2)
    if (hasForbiddenControl(repeated ? head.slice(0, lineEnd + 2) : head)) {
      return refusals.BAD_CONTROL
    }
    const methodEnd = head.indexOf(' ')
    const targetEnd = head.indexOf(' ', methodEnd + 1)
    if (methodEnd === -1 || targetEnd === -1 || targetEnd > lineEnd) return refusals.BAD_START_LINE
    const method = knownMethod(head, methodEnd)
    if (method === null) return refusals.BAD_START_LINE
    const protocol = readVersion(head, targetEnd + 1, lineEnd)
    if (protocol instanceof Refusal) return protocol
    if (protocol === 'HTTP/1.0' && !this.#settings.acceptHttp10) return refusals.OLD_VERSION
    const settings = this.#settings
    if (repeated) block.repeat()
    else {
      const { maxHeaderFields, underscoreNames } = settings
      const refusal = block.read(head, lineEnd + 2, maxHeaderFields, underscoreNames)
      if (refusal !== null) return refusal
    }
    const request = this.#build(protocol, method, head.slice(methodEnd + 1, targetEnd))
    if (settings.preserveHeaderCase && request instanceof Request) {
      request.headers.spellings = readSpellings(head, lineEnd + 2)
    }
    return request
  }

  #build(protocol: HttpProtocol, method: string, rawTarget: string): Request | Refusal {
    const block = this.#block
    const options = this.#options
    const old = protocol === 'HTTP/1.0'
    if (block.hostCount > 1) return refusals.BAD_HOST
    if (block.host === null && !old) return refusals.MISSING_HOST
    if (block.host !== null && !isAuthority(block.host)) return refusals.BAD_HOST
    const target = parseTarget(method, rawTarget, this.#settings.paths)
    if (target === null) return refusals.BAD_TARGET
    if (!options.read(block)) return refusals.BAD_CONNECTION
    const bodyLength = this.#bodyLength(old, method)
    if (typeof bodyLength !== 'number') return bodyLength
    if (block.expect !== null && block.expect.toLowerCase() !== '100-continue') {
      return refusals.UNKNOWN_EXPECTATION
    }
    this.wantsTrailers = acceptsTrailers(block.te)
    if (this.wantsTrailers) block.fields.push('te', 'trailers')
    const upgrade = this.#upgrade(old, method, bodyLength)
    this.closes = options.close || old || upgrade !== null || method === 'CONNECT'
    return new Request({
      protocol,
      method,
      scheme: this.#scheme,
      authority: target.authority ?? block.host ?? '',
      path: target.path,
      query: target.query,
      headers: new Headers(block.fields),
      bodyLength,
      upgrade,
      expectsContinue: block.expect !== null && bodyLength !== 0 && !old,
      absoluteForm: target.authority !== null && method !== 'CONNECT',
      redirects: target.redirects,
    })
  }

  #bodyLength(old: boolean, method: string): number | Refusal {
    const length = framedLength(this.#block)
    if (typeof length !== 'number') return length
    if (length === NO_FRAMING) return 0
    if (old && length === UNKNOWN_LENGTH) return refusals.BAD_TRANSFER_ENCODING
    if (method === 'CONNECT' && length !== 0) return refusals.UNEXPECTED_BODY
    return length
  }

  /**
   * The protocol of a well-formed Upgrade: GET, HTTP/1.1, named in Connection, one protocol and no
   * body. Anything else, and h2c (RFC 9113 dropped it), is not an upgrade: the field is dropped.
   */
  #upgrade(old: boolean, method: string, bodyLength: number): string | null {
    const upgrade = this.#block.upgrade
    if (upgrade === null || old || method !== 'GET' || bodyLength !== 0) return null
    if (!this.#options.upgrade) return null
    const slash = upgrade.indexOf('/')
    const isProtocol =
      slash === -1
        ? isToken(upgrade)
        : isToken(upgrade.slice(0, slash)) && isToken(upgrade.slice(slash + 1))
    if (!isProtocol) return null
    const protocol = upgrade.toLowerCase()
    return protocol === 'h2c' ? null : protocol
  }
}

/** Methods worth a pointer comparison later; others are any token. */
const METHODS: ReadonlyMap<string, string> = new Map(
  ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'CONNECT', 'TRACE'].map((name) => [
    name,
    name,
  ]),
)

function knownMethod(head: string, end: number): string | null {
  if (head.startsWith('GET ')) return 'GET'
  const raw = head.slice(0, end)
  return METHODS.get(raw) ?? (isMethod(raw) ? raw : null)
}

/** Length of `HTTP/1.1`. */
const VERSION_LENGTH = 8

/** A higher minor version of HTTP/1 is read as HTTP/1.1 (RFC 9110 2.5). */
function readVersion(head: string, start: number, end: number): HttpProtocol | Refusal {
  if (end - start !== VERSION_LENGTH || !head.startsWith('HTTP/', start)) {
    return refusals.BAD_START_LINE
  }
  const major = head.charCodeAt(start + 5) - 0x30
  const minor = head.charCodeAt(start + 7) - 0x30
  if (!isDigit(major) || !isDigit(minor) || head.charCodeAt(start + 6) !== 0x2e) {
    return refusals.BAD_START_LINE
  }
  if (major !== 1) return refusals.UNKNOWN_VERSION
  return minor === 0 ? 'HTTP/1.0' : 'HTTP/1.1'
}

function isDigit(value: number): boolean {
  return value >= 0 && value <= 9
}

function acceptsTrailers(te: string | null): boolean {
  if (te === null) return false
  if (te === 'trailers') return true
  return te.split(',').some(isTrailers)
}

function isTrailers(item: string): boolean {
  return item.trim().toLowerCase() === 'trailers'
}
