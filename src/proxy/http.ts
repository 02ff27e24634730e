import type { ClientView } from '../http/client-view.ts'
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
 * this connection must not reach: 421 (RFC 9110 15.5.20). `found` is the client when headers are true
 * already, made so before plugins saw them; null otherwise.
 */
export function handleHttp(
  runtime: ProxyRuntime,
  downstream: DownstreamExchange,
  server: HttpServerPlan,
  gatewayPort: number,
  misdirected: ((authority: string) => boolean) | null,
  found: ClientView | null,
): void {
  const exchange = new Exchange(runtime, downstream, 'ingress', gatewayPort)
  const request = exchange.request
  if (found === null) {
    const client = ownIngressHeaders(request, exchange.connection, exchange.mesh)
    exchange.clientAddress = client.clientAddress
    exchange.requestId = client.requestId
  } else {
    exchange.clientAddress = found.clientAddress
    // Plugins may have chosen another one.
    exchange.requestId = request.headers.get('x-request-id') ?? ''
  }
  const { challenges } = runtime
  if (challenges !== null && answerAcmeChallenge(exchange, challenges)) return
  arrive(exchange, server, misdirected)
}
