import type { Headers } from '../http/headers.ts'
import type { Request } from '../http/request.ts'
import type { UpstreamRequest } from '../upstream/transport.ts'
import type { Exchange } from './exchange.ts'
import { leaveTraceUnsampled } from './mirror-trace.ts'

const SUFFIX = '-shadow'

/** The copy of a request as an upstream transport takes it. */
export class MirrorRequest implements UpstreamRequest {
  readonly method: string
  readonly scheme: 'http' | 'https'
  readonly authority: string
  readonly target: string
  readonly headers: Headers
  readonly bodyLength: number
  readonly upgrade: null
  /** What the client waits for is the answer of the one real upstream. */
  readonly expectsContinue: boolean
  readonly clientHttp2: boolean

  constructor(request: Request, authority: string, headers: Headers) {
    this.method = request.method
    this.scheme = request.scheme
    this.authority = authority
    this.target = request.path + request.query
    this.headers = headers
    this.bodyLength = request.bodyLength
    this.upgrade = null
    this.expectsContinue = false
    this.clientHttp2 = request.clientHttp2
  }
}

/**
 * The fields of a copy: those of the request as it goes upstream, with this gateway behind them in
 * x-forwarded-for, as Envoy writes it for a request of its own. An outside host (egress) learns no
 * address. All mirrors of one request share them.
 */
export function mirrorHeaders(exchange: Exchange): Headers {
  const headers = exchange.request.headers.clone()
  if (exchange.direction === 'ingress') {
    const before = headers.combined('x-forwarded-for')
    const own = exchange.connection.localAddress
    headers.set('x-forwarded-for', before === null ? own : `${before},${own}`)
  }
  if (exchange.mesh.attemptCountHeader) headers.set('x-envoy-attempt-count', '1')
  leaveTraceUnsampled(headers)
  return headers
}

/**
 * `shop.test:8080` becomes `shop.test-shadow:8080`. An IPv6 address stays: with a suffix it would
 * be no Host at all.
 */
export function shadowAuthority(authority: string): string {
  if (authority.charCodeAt(0) === 0x5b /* [ */) return authority
  const colon = authority.indexOf(':')
  return colon === -1
    ? authority + SUFFIX
    : authority.slice(0, colon) + SUFFIX + authority.slice(colon)
}
