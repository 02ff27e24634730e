import type { Request } from '../http/request.ts'
import type { Route } from '../routing/route.ts'
import type { VirtualHost } from '../routing/virtual-host.ts'
import type { HttpServerPlan } from '../snapshot/listener-plan.ts'

/**
 * Why a request is answered before any route is asked for, or because none was found. The answers
 * are constants: refusing costs no object.
 */
export class NoRoute {
  /** What is in the way, for the code that answers. */
  readonly kind:
    | 'escaped-slashes'
    | 'connect'
    | 'foreign-upgrade'
    | 'misdirected'
    | 'unknown-host'
    | 'https-redirect'
    | 'no-rule'
  readonly status: number
  /** Response flag, or ''. */
  readonly flag: string
  /** Envoy's response code details. */
  readonly details: string
  readonly body: string
  /** The connection takes no further request. */
  readonly closes: boolean

  constructor(
    kind: NoRoute['kind'],
    status: number,
    flag: string,
    details: string,
    last: { body: string } | null = null,
  ) {
    this.kind = kind
    this.status = status
    this.flag = flag
    this.details = details
    this.body = last === null ? '' : last.body
    this.closes = last !== null
  }
}

/** The client is to ask for the path without escaped slashes: see path-redirect. */
export const ESCAPED_SLASHES = new NoRoute(
  'escaped-slashes',
  307,
  '',
  'path_normalization_redirect',
)
const CONNECT = new NoRoute('connect', 405, '', 'connect_not_allowed', {
  body: 'CONNECT is not served here\n',
})
const FOREIGN_UPGRADE = new NoRoute('foreign-upgrade', 403, '', 'upgrade_failed', { body: '' })
/** RFC 9110 15.5.20 */
const MISDIRECTED = new NoRoute('misdirected', 421, 'NR', 'misdirected_request')
const UNKNOWN_HOST = new NoRoute('unknown-host', 404, 'NR', 'route_not_found')
const HTTPS_REDIRECT = new NoRoute('https-redirect', 301, '', 'https_redirect')
const NO_RULE = new NoRoute('no-rule', 404, 'NR', 'route_not_found')

/** What no virtual host can change; null lets the request go on. */
export function refusedOutright(request: Request): NoRoute | null {
  if (request.redirects) return ESCAPED_SLASHES
  if (request.upgrade !== null && request.upgrade !== 'websocket') return FOREIGN_UPGRADE
  return null
}

/** What a virtual host makes of a request: https redirect, else the first rule that matches. */
export function decideIn(virtualHost: VirtualHost, request: Request): Route | NoRoute {
  if (virtualHost.httpsRedirect && request.scheme === 'http') return HTTPS_REDIRECT
  return virtualHost.route(request) ?? NO_RULE
}

/**
 * Where a request on a Gateway server goes: virtual host, https redirect, route. Pure. The request
 * has been given its own headers before. `misdirected` tells whether the host belongs to another
 * server of the same port, which this connection must not reach (421).
 */
export function decideHttp(
  request: Request,
  server: HttpServerPlan,
  misdirected: ((authority: string) => boolean) | null,
): Route | NoRoute {
  const refused = refusedAtServer(request, misdirected)
  if (refused !== null) return refused
  const virtualHost = server.hosts.lookup(request.authority)
  return virtualHost === null ? UNKNOWN_HOST : decideIn(virtualHost, request)
}

/** What is refused on a Gateway server whoever asks; null lets the request go on. */
export function refusedAtServer(
  request: Request,
  misdirected: ((authority: string) => boolean) | null,
): NoRoute | null {
  const refused = refusedOutright(request)
  if (refused !== null) return refused
  if (request.method === 'CONNECT') return CONNECT
  return misdirected !== null && misdirected(request.authority) ? MISDIRECTED : null
}
