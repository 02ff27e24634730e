import type { Claims } from '../base/claims.ts'
import type { Headers } from './headers.ts'

export type HttpProtocol = 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2'

/** Body length when the framing does not tell it (chunked, or HTTP/2 without content-length). */
export const UNKNOWN_LENGTH = -1

/** What a request is made of. */
export interface RequestInit {
  readonly protocol: HttpProtocol
  readonly method: string
  readonly scheme: 'http' | 'https'
  readonly authority: string
  readonly path: string
  readonly query: string
  readonly headers: Headers
  readonly bodyLength: number
  readonly upgrade: string | null
  readonly expectsContinue: boolean
  readonly absoluteForm: boolean
  /** Default: false. */
  readonly redirects?: boolean
}

/**
 * The one canonical request: parsed, validated and normalised once by the wire, then routed,
 * limited, logged and forwarded from this same object. Routing and header operations change it in
 * place before it goes upstream; the `original*` fields keep what the client sent for the log.
 */
export class Request {
  readonly protocol: HttpProtocol
  readonly method: string
  /** `http` or `https`: the socket's, until trusted forwarding headers say otherwise. */
  scheme: 'http' | 'https'
  /** Host with optional port, as received (absolute-form and `:authority` win over Host). */
  authority: string
  /** Normalised path without query, always beginning with `/` (or `*` for OPTIONS). For CONNECT: ''. */
  path: string
  /** Query with its leading `?`, or ''. Never normalised. */
  query: string
  /**
   * All fields but Host and the framing of this hop: `connection` and the fields it names,
   * keep-alive, proxy-connection, transfer-encoding, upgrade, te (unless `trailers`), expect and
   * http2-settings are taken out by the wire. content-length stays out too: see bodyLength.
   */
  readonly headers: Headers
  /** Bytes of body, 0 for none, UNKNOWN_LENGTH when the framing does not tell. */
  readonly bodyLength: number
  /** Lower-case protocol of a well-formed Upgrade request (`websocket`), or null. */
  readonly upgrade: string | null
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean
  /** True when the client sent absolute-form (a forward-proxy request). */
  readonly absoluteForm: boolean
  /**
   * The path came with escaped slashes and the client is to ask for the one without (307):
   * connectionSettings.httpPathWithEscapedSlashesAction UNESCAPE_AND_REDIRECT.
   */
  readonly redirects: boolean
  /** Goes on to another proxy, in absolute form (RFC 9112 3.2.2). Set while it is routed. */
  toProxy: boolean
  /** What the client's validated token says, or null. Set before it is routed. */
  claims: Claims | null

  /** `init` may be a request; toProxy and claims begin anew, `headers` take the place of its own. */
  constructor(init: RequestInit, headers: Headers = init.headers) {
    this.protocol = init.protocol
    this.method = init.method
    this.scheme = init.scheme
    this.authority = init.authority
    this.path = init.path
    this.query = init.query
    this.headers = headers
    this.bodyLength = init.bodyLength
    this.upgrade = init.upgrade
    this.expectsContinue = init.expectsContinue
    this.absoluteForm = init.absoluteForm
    this.redirects = init.redirects ?? false
    this.toProxy = false
    this.claims = null
  }

  /** No body follows, and no bytes of a tunnel. */
  get endsWithHead(): boolean {
    return this.bodyLength === 0 && this.upgrade === null && this.method !== 'CONNECT'
  }

  /** Path with query as it goes on the wire (RFC 9112 3.2). */
  get target(): string {
    const target = this.path + this.query
    return this.toProxy ? `http://${this.authority}${target}` : target
  }

  get clientHttp2(): boolean {
    return this.protocol === 'HTTP/2'
  }

  /** The same request once more, with other fields. Only of one that was not routed. */
  again(headers: Headers): Request {
    return new Request(this, headers)
  }
}
