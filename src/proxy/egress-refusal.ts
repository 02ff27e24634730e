import { Headers } from '../http/headers.ts'
import type { Exchange } from './exchange.ts'
import { sendLocalReply } from './local-reply.ts'

/** Istio's names for traffic to hosts that no resource declares. */
export const PASSTHROUGH = 'PassthroughCluster'
export const BLACK_HOLE = 'BlackHoleCluster'
/** Response code details of a refused address. */
export const ADDRESS_REFUSED = 'egress_address_refused'

/** TLS alert record: fatal, unrecognized_name (RFC 6066 3). */
const UNRECOGNIZED_NAME = Buffer.from([21, 3, 1, 0, 2, 2, 112])
/** What a client gets to read the alert in before the connection is reset. */
const ALERT_LINGER_MS = 1_000

function refuse(exchange: Exchange, status: number, body: string, details: string): void {
  exchange.clusterLabel = BLACK_HOLE
  sendLocalReply(exchange, status, new Headers(), body, '', details)
}

/** REGISTRY_ONLY and a host nobody declared: 502 as in Istio, CONNECT too, with a body that names the host and the reason. */
export function refuseEgress(exchange: Exchange, host: string): void {
  const body =
    `egress to ${host}:${exchange.port} is blocked: no Service, ServiceEntry or VirtualService declares ` +
    `this host on port ${exchange.port} and outboundTrafficPolicy is REGISTRY_ONLY\n`
  refuse(exchange, 502, body, 'direct_response')
}

/** The host resolved to an address that unknown hosts must not reach: 403 that names both. */
export function refuseAddress(exchange: Exchange, reason: string): void {
  const body =
    `egress to ${exchange.destinationHost} is refused: ${reason}; declare the host in a ServiceEntry ` +
    'or allow the range with --egress-allow\n'
  refuse(exchange, 403, body, ADDRESS_REFUSED)
}

/** A tunnel to a port that undeclared hosts are not reached on. */
export function refusePort(exchange: Exchange): void {
  const body =
    `a tunnel to ${exchange.destinationHost} is refused: nobody declares the host, and --limit ` +
    `egress-connect-ports=${exchange.mesh.connections.egressTunnels.connectPorts} leaves out port ` +
    `${exchange.port}; declare it in a ServiceEntry\n`
  refuse(exchange, 403, body, 'egress_port_refused')
}

/** The request was here before: RFC 5842 7.2. */
export function refuseLoop(exchange: Exchange): void {
  const body = `egress to ${exchange.destinationHost} comes back to this proxy\n`
  refuse(exchange, 508, body, 'egress_loop')
}

/** The client has as many tunnels as one client may have. */
export function refuseTunnelCount(exchange: Exchange): void {
  const { perClient } = exchange.mesh.connections.egressTunnels
  const body = `${perClient} tunnels of this client are open: --limit egress-tunnels-per-client\n`
  refuse(exchange, 429, body, 'egress_tunnel_limit')
}

/** An open tunnel whose client asks for another server than the tunnel was for: alert, then the end. */
export function refuseServerName(exchange: Exchange, name: string, host: string): void {
  const { downstream } = exchange
  exchange.transportFailure = `TLS server name ${name} in a tunnel to ${host}`
  if (!downstream.headSent) {
    const body = `${exchange.transportFailure} is refused\n`
    refuse(exchange, 403, body, 'egress_server_name_refused')
    return
  }
  exchange.clusterLabel = BLACK_HOLE
  exchange.details = 'egress_server_name_refused'
  downstream.sendBody(UNRECOGNIZED_NAME)
  downstream.sendEnd(null)
  setTimeout(() => downstream.abort(), ALERT_LINGER_MS).unref()
  exchange.finish()
}
