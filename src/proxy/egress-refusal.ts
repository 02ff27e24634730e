import { Headers } from '../http/headers.ts'
import type { Exchange } from './exchange.ts'
import { sendLocalReply } from './local-reply.ts'

/** Istio's names for traffic to hosts that no resource declares. */
export const PASSTHROUGH = 'PassthroughCluster'
export const BLACK_HOLE = 'BlackHoleCluster'

/** REGISTRY_ONLY and a host nobody declared: 502 as in Istio, CONNECT too, with a body that names the host and the reason. */
export function refuseEgress(exchange: Exchange, host: string): void {
  exchange.clusterLabel = BLACK_HOLE
  const body =
    `egress to ${host}:${exchange.port} is blocked: no Service, ServiceEntry or VirtualService declares ` +
    `this host on port ${exchange.port} and outboundTrafficPolicy is REGISTRY_ONLY\n`
  sendLocalReply(exchange, 502, new Headers(), body, '', 'direct_response')
}

/** The host resolved to an address that unknown hosts must not reach: 403 that names both. */
export function refuseAddress(exchange: Exchange, reason: string): void {
  exchange.clusterLabel = BLACK_HOLE
  const body =
    `egress to ${exchange.destinationHost} is refused: ${reason}; declare the host in a ServiceEntry ` +
    'or allow the range with --egress-allow\n'
  sendLocalReply(exchange, 403, new Headers(), body, '', 'egress_address_refused')
}
