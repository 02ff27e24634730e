import type { DownstreamExchange } from '../http/exchange.ts'
import type { HttpServerPlan } from '../snapshot/listener-plan.ts'
import { answerAcmeChallenge } from './acme-challenge.ts'
import { arrive } from './arrival.ts'
import { Exchange } from './exchange.ts'
import { ownIngressHeaders } from './own-headers.ts'
import type { ProxyRuntime } from './runtime.ts'

/**
 * An HTTP exchange on a Gateway server: own headers, who the client is, the decision (virtual host,
 * https redirect, route), filters, action. `misdirected` tells whether the host belongs to another server, which
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
  arrive(exchange, server, misdirected)
}
