import type { ClusterPlan } from '../../clusters/plan.ts'
import { hostCovers, hostMatches } from '../../config/hosts.ts'
import type { HostTable } from '../../routing/host-table.ts'
import type { TunnelRule } from '../../snapshot/egress-plan.ts'
import { type ClusterBook, clusterName } from '../clusters.ts'
import type { Destinations } from '../destinations.ts'
import type { BoundService } from '../gateway/bindings.ts'
import { tcpShares, type TcpShares } from '../gateway/tcp-server.ts'
import type { MeshService, MeshServicePort } from '../registry/mesh-service.ts'
import type { ServiceRegistry } from '../registry/service-registry.ts'
import { MESH, resolveGatewayName } from '../routes/gateway-names.ts'
import type { HostNames } from './host-names.ts'
import { allowedNames } from './server-names.ts'
import { isSameRule, sharedTable } from './shared-tables.ts'

interface L4Match {
  readonly port?: number
  readonly gateways?: readonly string[]
  readonly sniHosts?: readonly string[]
}

/** Tunnels of one port while they are collected: by host, and by what it is also called. */
class PortTunnels {
  /** A name of its own wins over what another host may also be called. */
  readonly names = new Set<string>()
  readonly clusters: (readonly [string, ClusterPlan])[] = []
  readonly rules: (readonly [string, TunnelRule])[] = []
  readonly serverNames: (readonly [string, HostTable<string>])[] = []
}

/** CONNECT by port and host. */
export interface EgressTunnelTables {
  readonly tunnels: ReadonlyMap<number, HostTable<ClusterPlan>>
  readonly tunnelRules: ReadonlyMap<number, HostTable<TunnelRule>>
  readonly serverNames: ReadonlyMap<number, HostTable<HostTable<string>>>
}

/** Compiles where CONNECT goes: every port of every service, and tls and tcp rules on them. */
export class EgressTunnels {
  readonly #ports = new Map<number, PortTunnels>()
  readonly #registry: ServiceRegistry
  readonly #clusters: ClusterBook
  readonly #destinations: Destinations
  readonly #bound: readonly BoundService[]
  readonly #names: HostNames

  constructor(init: {
    registry: ServiceRegistry
    clusters: ClusterBook
    destinations: Destinations
    bound: readonly BoundService[]
    names: HostNames
  }) {
    this.#registry = init.registry
    this.#clusters = init.clusters
    this.#destinations = init.destinations
    this.#bound = init.bound.filter(({ resource: { spec } }) => {
      return (spec.tls ?? []).length > 0 || (spec.tcp ?? []).length > 0
    })
    this.#names = init.names
  }

  /** Call once. Tables that say what those of `common` say are those. */
  build(common: EgressTunnelTables | null): EgressTunnelTables {
    const services = this.#registry.all()
    for (const service of services) this.#addService(service, [service.host])
    for (const service of services) this.#addService(service, this.#names.aliases(service.host))
    for (const service of services) this.#addNarrower(service)
    const tunnels = new Map<number, HostTable<ClusterPlan>>()
    const tunnelRules = new Map<number, HostTable<TunnelRule>>()
    const serverNames = new Map<number, HostTable<HostTable<string>>>()
    for (const [port, found] of [...this.#ports].toSorted(([a], [b]) => a - b)) {
      const { clusters, rules } = found
      if (found.serverNames.length > 0) {
        // The names of one pattern are those of one service, whoever asks.
        const sameNames = (): boolean => true
        const shared = common?.serverNames ?? null
        serverNames.set(port, sharedTable(port, found.serverNames, shared, sameNames))
      }
      if (clusters.length > 0) {
        tunnels.set(port, sharedTable(port, clusters, common?.tunnels ?? null))
      }
      if (rules.length > 0) {
        const all = [...rules, ...hiddenByWildcards(clusters, rules)]
        tunnelRules.set(port, sharedTable(port, all, common?.tunnelRules ?? null, isSameRule))
      }
    }
    return { tunnels, tunnelRules, serverNames }
  }

  #addService(service: MeshService, names: readonly string[]): void {
    const allowed = allowedNames(service)
    for (const port of service.ports.values()) {
      const shares = this.#ruleShares(service.host, port)
      const tunnels = this.#ports.get(port.number) ?? new PortTunnels()
      this.#ports.set(port.number, tunnels)
      for (const name of names) {
        if (tunnels.names.has(name)) continue
        tunnels.names.add(name)
        if (allowed !== null && port.protocol !== 'tcp') tunnels.serverNames.push([name, allowed])
        if (shares === null) this.#addDefault(tunnels, name, service, port)
        else addShares(tunnels, name, ruleName(service, port), shares)
      }
    }
  }

  /** Names below a wildcard ServiceEntry that tls rules single out by sniHosts. */
  #addNarrower(service: MeshService): void {
    if (!service.host.startsWith('*')) return
    const allowed = allowedNames(service)
    const patterns = this.#bound
      .flatMap(({ resource }) => resource.spec.tls ?? [])
      .flatMap(({ match = [] }) => match.flatMap(({ sniHosts = [] }) => sniHosts))
      .map((pattern) => pattern.toLowerCase())
    const narrower = new Set(
      patterns.filter((pattern) => pattern !== service.host && covers(service.host, pattern)),
    )
    for (const port of service.ports.values()) {
      const tunnels = this.#ports.get(port.number)!
      for (const name of narrower) {
        const shares = tunnels.names.has(name) ? null : this.#ruleShares(name, port)
        if (shares === null) continue
        tunnels.names.add(name)
        if (allowed !== null) tunnels.serverNames.push([name, allowed])
        addShares(tunnels, name, clusterName(port.number, '', name), shares)
      }
    }
  }

  #addDefault(
    tunnels: PortTunnels,
    name: string,
    service: MeshService,
    port: MeshServicePort,
  ): void {
    if (service.discovery === 'passthrough') {
      const rule = { name: ruleName(service, port), destinations: [], cumulativeWeights: [] }
      tunnels.rules.push([name, rule])
      return
    }
    const lookup = this.#clusters.lookup(service, port, '')
    if (lookup.type === 'found') tunnels.clusters.push([name, lookup.cluster])
  }

  /** First tls or tcp rule of a mesh-bound VirtualService for this host and port. */
  #ruleShares(asked: string, port: MeshServicePort): TcpShares | null {
    const { protocol, number } = port
    const mayBeTls = protocol === 'https' || protocol === 'tls' || protocol === 'auto'
    const mayBeTcp = protocol === 'tcp' || protocol === 'auto'
    if (!mayBeTls && !mayBeTcp) return null
    for (const bound of this.#bound) {
      if (!bound.hosts.some((host) => covers(host, asked))) continue
      const { spec } = bound.resource
      const lists = [
        ...(mayBeTls ? [['tls', spec.tls ?? []] as const] : []),
        ...(mayBeTcp ? [['tcp', spec.tcp ?? []] as const] : []),
      ]
      for (const [list, rules] of lists) {
        for (const [index, rule] of rules.entries()) {
          if (!appliesTo(rule.match ?? [], bound, asked, number)) continue
          const place = { resource: bound.resource, path: ['spec', list, index] }
          const scope = { listenerPort: number, side: 'mesh' } as const
          const shares = tcpShares(rule.route ?? [], place, scope, this.#destinations)
          // Led to a host of DYNAMIC_DNS it is the client's own host that counts, as without a rule.
          return shares.destinations.every(({ dynamicPort = 0 }) => dynamicPort !== 0)
            ? null
            : shares
        }
      }
    }
    return null
  }
}

function appliesTo(
  matches: readonly L4Match[],
  bound: BoundService,
  host: string,
  port: number,
): boolean {
  if (matches.length === 0) return bound.listed
  const { namespace } = bound.resource.metadata
  return matches.some(({ port: asked = 0, gateways = [], sniHosts }) => {
    const inMesh =
      gateways.length === 0
        ? bound.listed
        : gateways.some((name) => resolveGatewayName(name, namespace) === MESH)
    const named = sniHosts === undefined || sniHosts.some((pattern) => covers(pattern, host))
    return inMesh && named && (asked === 0 || asked === port)
  })
}

/** A share that is all of one known cluster needs no rule. */
function addShares(tunnels: PortTunnels, name: string, rule: string, shares: TcpShares): void {
  const [first] = shares.destinations
  if (shares.destinations.length === 1 && first !== undefined && first.cluster !== null) {
    tunnels.clusters.push([name, first.cluster])
  } else tunnels.rules.push([name, { name: rule, ...shares }])
}

/** Rules are asked first: an exact name with a plain cluster must not fall to a rule's wildcard. */
function hiddenByWildcards(
  clusters: PortTunnels['clusters'],
  rules: PortTunnels['rules'],
): PortTunnels['rules'] {
  const patterns = rules.map(([pattern]) => pattern).filter((pattern) => pattern.startsWith('*'))
  return clusters
    .filter(([name]) => patterns.some((pattern) => covers(pattern, name)))
    .map(([name, cluster]) => {
      const destinations = [{ clusterName: cluster.name, cluster }]
      return [name, { name: cluster.name, destinations, cumulativeWeights: [1] }] as const
    })
}

function ruleName(service: MeshService, port: MeshServicePort): string {
  return clusterName(port.number, '', service.host)
}

function covers(pattern: string, host: string): boolean {
  return host.startsWith('*') ? hostCovers(pattern, host) : hostMatches(pattern, host)
}
