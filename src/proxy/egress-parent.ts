import { isIP } from 'node:net'
import { Headers } from '../http/headers.ts'
import { literalRefusal } from '../upstream/literal-refusal.ts'
import { tunnelRequest, WrappedTunnel } from '../upstream/wrapped-tunnel.ts'
import { undeclaredHost } from './egress-access.ts'
import type { EgressExchange } from './egress-exchange.ts'
import { refuseAddress } from './egress-refusal.ts'
import { sendLocalReply } from './local-reply.ts'

/** outboundTrafficPolicy.egressProxy, where there is one, takes the request. False: it is answered already. */
export function takeParent(exchange: EgressExchange): boolean {
  const { parent } = exchange.plan
  if (parent === null) return true
  // The parent resolves names itself; an address is judged as if we dialled it.
  const refused = literalRefusal(exchange.runtime.passthrough, exchange.askedHost, exchange.port)
  if (refused !== null) {
    refuseAddress(exchange, refused)
    return false
  }
  exchange.clusterLabel = parent.clusterName
  exchange.cluster = parent.cluster
  const cluster = exchange.runtimeCluster
  if (cluster === null) {
    sendLocalReply(exchange, 503, new Headers(), '', 'NC', 'cluster_not_found')
    return false
  }
  exchange.request.toProxy = cluster.plan.protocol === 'http1'
  return true
}

/** The tunnel is one through the parent: CONNECT within its connection. */
export function connectThroughParent(exchange: EgressExchange, host: string, port: number): void {
  exchange.route = undeclaredHost(exchange).routes[0] ?? null
  if (!takeParent(exchange)) return
  const cluster = exchange.runtimeCluster!
  const authority = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
  const request = tunnelRequest({ method: 'CONNECT', authority }, false)
  const via = exchange.request.headers.combined('via')
  if (via !== null) request.headers.add('via', via)
  const tunnel = new WrappedTunnel(exchange, cluster.plan.limits.connectTimeoutMs)
  exchange.attempt = tunnel.begin(cluster.startRequest(request, tunnel, exchange))
}
