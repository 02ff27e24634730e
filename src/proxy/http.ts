import type { DownstreamExchange } from '../http/exchange.ts'
import { Headers } from '../http/headers.ts'
import { httpsLocation } from '../routing/redirect.ts'
import type { HttpServerPlan } from '../snapshot/listener-plan.ts'
import { answerAcmeChallenge } from './acme-challenge.ts'
import { decideHttp, NoRoute } from './decision.ts'
import { Exchange } from './exchange.ts'
import { takeRoute } from './filter-chain.ts'
import { sendLocalReply } from './local-reply.ts'
import { ownIngressHeaders } from './own-headers.ts'
import { redirectUnescaped } from './path-redirect.ts'
import type { ProxyRuntime } from './runtime.ts'

/**
 * An HTTP exchange on a Gateway server: own headers, the decision (virtual host, https redirect,
 * route), filters, action. `misdirected` tells whether the host belongs to another server, which
 * this connection must not reach: 421 (RFC 9110 15.5.20).
 */
export function handleHttp(
  runtime: ProxyRuntime,
  downstream: DownstreamExchange,
  server: HttpServerPlan,
  gatewayPort: number,
  misdirected: ((authority: string) => boolean) | null,
): void {
  const exchange = new Exchange(runtime, downstream, 'ingress', gatewayPort)
  const request = exchange.request
  const client = ownIngressHeaders(request, exchange.connection, exchange.mesh)
  exchange.clientAddress = client.clientAddress
  exchange.requestId = client.requestId
  const { challenges } = runtime
  if (challenges !== null && answerAcmeChallenge(exchange, challenges)) return
  const decision = decideHttp(request, server, misdirected)
  if (decision instanceof NoRoute) answerWithoutRoute(exchange, decision)
  else takeRoute(exchange, decision)
}

/** Local answer of a request that no route takes. */
export function answerWithoutRoute(exchange: Exchange, decision: NoRoute): void {
  if (decision.kind === 'escaped-slashes') {
    redirectUnescaped(exchange)
    return
  }
  if (decision.closes) exchange.downstream.closeAfter()
  const headers = new Headers()
  if (decision.kind === 'https-redirect') headers.add('location', httpsLocation(exchange.request))
  sendLocalReply(exchange, decision.status, headers, decision.body, decision.flag, decision.details)
}
