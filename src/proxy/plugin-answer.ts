import type { DownstreamExchange } from '../http/exchange.ts'
import { Exchange } from './exchange.ts'
import { ownForwardedHeaders } from './forwarded-headers.ts'
import type { ProxyRuntime } from './runtime.ts'

/**
 * An exchange that a plugin answers by itself: there is nothing to route, but it is counted, logged
 * and waited for like any other. Its status comes with onStatusReplaced.
 */
export function observePluginAnswer(
  runtime: ProxyRuntime,
  downstream: DownstreamExchange,
  gatewayPort: number,
): void {
  const exchange = new Exchange(runtime, downstream, 'ingress', gatewayPort)
  const { request, connection, mesh, direction } = exchange
  const client = ownForwardedHeaders(request, connection, mesh, direction)
  exchange.clientAddress = client.clientAddress
  exchange.requestId = client.requestId
}
