import { formatBindAddress } from '../listeners/bind-address.ts'
import type { EgressListener } from '../listeners/egress-listener.ts'
import type { Listener } from '../listeners/listener.ts'

/** A socket that accepts traffic. */
export interface BoundListener {
  /** Identity of the listener: `<bind>:<target port>`, or `egress`. */
  readonly name: string
  readonly type: 'http' | 'tls' | 'tcp' | 'egress'
  readonly address: string
  readonly port: number
  readonly gatewayPorts: readonly number[]
  readonly connections: number
  /** HTTP/1.1 connections for which a time runs: none without connections. */
  readonly runningDeadlines: number
}

/** Every socket that accepts traffic, as bound: one entry for each address of each listener. */
export function boundListeners(
  listeners: readonly Listener[],
  egress: readonly EgressListener[],
): readonly BoundListener[] {
  const bound: BoundListener[] = []
  for (const listener of listeners) {
    for (const address of listener.addresses) {
      bound.push({
        name: listener.key,
        type: listener.plan.accept.type,
        address: formatBindAddress(address),
        port: address.port,
        gatewayPorts: listener.plan.gatewayPorts,
        connections: listener.connections,
        runningDeadlines: listener.runningDeadlines,
      })
    }
  }
  for (const { address, connections, runningDeadlines } of egress) {
    bound.push({
      name: 'egress',
      type: 'egress',
      address: formatBindAddress(address),
      port: address.port,
      gatewayPorts: [],
      connections,
      runningDeadlines,
    })
  }
  return bound
}
