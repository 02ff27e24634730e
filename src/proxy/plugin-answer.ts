import type { ClientView } from '../http/client-view.ts'
import type { DownstreamExchange } from '../http/exchange.ts'
import { Exchange } from './exchange.ts'
import { ownIngressHeaders } from './own-headers.ts'
import type { ProxyRuntime } from './runtime.ts'

/**
 * An exchange that a plugin answers by itself: there is nothing to route, but it is counted, logged
 * and waited for like any other. Its status comes with onStatusReplaced. `found` as for handleHttp.
 */
export function observePluginAnswer(
  runtime: ProxyRuntime,
  downstream: DownstreamExchange,
  gatewayPort: number,
  found: ClientView | null,
): void {
  const exchange = new Exchange(runtime, downstream, 'ingress', gatewayPort)
  const { request, connection, mesh } = exchange
  const client = found ?? ownIngressHeaders(request, connection, mesh)
  exchange.clientAddress = client.clientAddress
  exchange.requestId = client.requestId
}
