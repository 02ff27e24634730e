import type { DownstreamExchange } from '../http/exchange.ts'
import { Headers } from '../http/headers.ts'
import { httpsLocation } from '../routing/redirect.ts'
import type { HttpServerPlan } from '../snapshot/listener-plan.ts'
import { Exchange } from './exchange.ts'
import { takeRoute } from './filter-chain.ts'
import { ownForwardedHeaders } from './forwarded-headers.ts'
import { sendLocalReply } from './local-reply.ts'
import { redirectUnescaped } from './path-redirect.ts'
import type { ProxyRuntime } from './runtime.ts'

/**
 * An HTTP exchange on a Gateway server: own headers, virtual host, https redirect, route, filters,
 * action. `ownedElsewhere` tells whether another server of the same port serves the host, which turns a 404
 * into 421 (RFC 9110 15.5.20).
 */
export function handleHttp(
  runtime: ProxyRuntime,
  downstream: DownstreamExchange,
  server: HttpServerPlan,
  gatewayPort: number,
  ownedElsewhere: ((authority: string) => boolean) | null,
): void {
  const exchange = new Exchange(runtime, downstream, 'ingress', gatewayPort)
  const request = exchange.request
  const client = ownForwardedHeaders(
    request,
    exchange.connection,
    exchange.mesh,
    exchange.direction,
  )
  exchange.clientAddress = client.clientAddress
  exchange.requestId = client.requestId
  request.headers.set('x-envoy-external-address', client.clientAddress)
  if (request.redirects) {
    redirectUnescaped(exchange)
    return
  }
  if (request.method === 'CONNECT') {
    downstream.closeAfter()
    sendLocalReply(
      exchange,
      405,
      new Headers(),
      'CONNECT is not served here\n',
      '',
      'connect_not_allowed',
    )
    return
  }
  if (request.upgrade !== null && request.upgrade !== 'websocket') {
    downstream.closeAfter()
    sendLocalReply(exchange, 403, new Headers(), '', '', 'upgrade_failed')
    return
  }
  const virtualHost = server.hosts.lookup(request.authority)
  if (virtualHost === null) {
    const misdirected = ownedElsewhere !== null && ownedElsewhere(request.authority)
    if (misdirected) sendLocalReply(exchange, 421, new Headers(), '', 'NR', 'misdirected_request')
    else sendLocalReply(exchange, 404, new Headers(), '', 'NR', 'route_not_found')
    return
  }
  if (virtualHost.httpsRedirect && request.scheme === 'http') {
    const headers = new Headers()
    headers.add('location', httpsLocation(request))
    sendLocalReply(exchange, 301, headers, '', '', 'https_redirect')
    return
  }
  const route = virtualHost.route(request)
  if (route === null) {
    sendLocalReply(exchange, 404, new Headers(), '', 'NR', 'route_not_found')
    return
  }
  takeRoute(exchange, route)
}
