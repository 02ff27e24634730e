import { isIP } from 'node:net'
import { splitHostPort } from '../base/host-port.ts'
import type { ClusterPlan } from '../clusters/plan.ts'
import type { HostTable } from '../routing/host-table.ts'
import type { VirtualHost } from '../routing/virtual-host.ts'
import type { EgressTunnelSettings } from '../snapshot/connection-settings.ts'
import type { EgressTables, TunnelRule } from '../snapshot/egress-plan.ts'
import { PASSTHROUGH } from './egress-refusal.ts'

const HTTP_PORT = 80
const HTTPS_PORT = 443
const FIRST_HIGH_PORT = 1024

/**
 * The port an egress request asks for: its authority's, else the one the connection had before it
 * was redirected (0: not known), else the default of its kind.
 */
export function askedPort(authority: string, connect: boolean, originalPort: number = 0): number {
  const { port } = splitHostPort(authority)
  if (port !== null) return port
  if (originalPort !== 0) return originalPort
  return connect ? HTTPS_PORT : HTTP_PORT
}

/** The virtual host that a resource declares for `host` on `port`, or null: an unknown host. */
export function knownHost(tables: EgressTables, host: string, port: number): VirtualHost | null {
  const table = tables.http.get(port)
  const found = table === undefined ? null : table.find(host)
  if (found !== null || isIP(host) === 0) return found
  for (const entry of tables.addresses) {
    if (entry.port === port && entry.virtualHost !== null && entry.cidr.contains(host)) {
      return entry.virtualHost
    }
  }
  return null
}

/** Where a CONNECT to a declared host goes. */
export interface KnownTunnel {
  readonly name: string
  /** null: to the place asked for, or as `rule` says. */
  readonly cluster: ClusterPlan | null
  /** A weighted split among destinations, one of which is picked for each tunnel; else null. */
  readonly rule: TunnelRule | null
  /** Declared by a wildcard: the address it resolves to is judged as for an undeclared host. */
  readonly guarded: boolean
  /** TLS server names that may be said inside besides the host's own; null: any. */
  readonly serverNames: HostTable<string> | null
}

/** null: nobody declared the host on this port. */
export function knownTunnel(tables: EgressTables, host: string, port: number): KnownTunnel | null {
  const rules = tables.tunnelRules.get(port)
  const rule = rules === undefined ? null : rules.find(host)
  if (rule !== null) {
    const split = rule.destinations.length > 0
    const guarded = !split && rule.name.includes('*')
    const serverNames = declaredNames(tables, host, port)
    return { name: rule.name, cluster: null, rule: split ? rule : null, guarded, serverNames }
  }
  const table = tables.tunnels.get(port)
  const found = table === undefined ? null : table.find(host)
  if (found !== null) {
    const serverNames = declaredNames(tables, host, port)
    return { name: found.name, cluster: found, rule: null, guarded: false, serverNames }
  }
  if (isIP(host) === 0) return null
  for (const entry of tables.addresses) {
    if (entry.port !== port || !entry.cidr.contains(host)) continue
    const { cluster, serverNames } = entry
    const name = cluster === null ? PASSTHROUGH : cluster.name
    return { name, cluster, rule: null, guarded: false, serverNames }
  }
  return null
}

function declaredNames(tables: EgressTables, host: string, port: number): HostTable<string> | null {
  const table = tables.serverNames.get(port)
  return table === undefined ? null : table.find(host)
}

/** Whether a tunnel to a host that nobody declares may lead to this port. */
export function isTunnelPort(port: number, ports: EgressTunnelSettings['connectPorts']): boolean {
  if (ports === 'any' || port === HTTPS_PORT || port === HTTP_PORT) return true
  return ports === 'common' && port >= FIRST_HIGH_PORT
}
