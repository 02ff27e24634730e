import { hostCovers, narrower } from '../../config/hosts.ts'
import { TlsChainPlan } from '../../snapshot/listener-plan.ts'
import { type ClusterBook, passingName } from '../clusters.ts'
import type { Destinations } from '../destinations.ts'
import { describe, type Findings, type Place } from '../findings.ts'
import type { ServiceRegistry } from '../registry/service-registry.ts'
import { type Bindings, type BoundService, domainsOn } from './bindings.ts'
import type { PlacedServer } from './gateway-servers.ts'
import { NO_HTTP, REFUSING_TLS } from './server-tls.ts'
import { appliesOn, tcpShares } from './tcp-server.ts'

/** Names that a tls rule took on a port, with where. */
export type SniClaims = Map<string, Place>

/** Makes the chains of servers that pass TLS through, by server name. */
export class PassingChains {
  readonly #bindings: Bindings
  readonly #destinations: Destinations
  readonly #clusters: ClusterBook
  readonly #registry: ServiceRegistry
  readonly #findings: Findings

  constructor(init: {
    bindings: Bindings
    destinations: Destinations
    clusters: ClusterBook
    registry: ServiceRegistry
    findings: Findings
  }) {
    this.#bindings = init.bindings
    this.#destinations = init.destinations
    this.#clusters = init.clusters
    this.#registry = init.registry
    this.#findings = init.findings
  }

  /** PASSTHROUGH: one chain for each match of a tls rule. `claims` are those of the whole port. */
  routed(name: string, server: PlacedServer, claims: SniClaims): readonly TlsChainPlan[] {
    const chains: TlsChainPlan[] = []
    for (const bound of this.#bindings.of(server.gateway.name)) {
      if (domainsOn(bound, server).length === 0) continue
      const { resource } = bound
      for (const [index, rule] of (resource.spec.tls ?? []).entries()) {
        const path = ['spec', 'tls', index]
        const hosts = this.#sniHosts(bound, server, { resource, path }, claims)
        if (hosts.length === 0) continue
        const scope = { listenerPort: server.number, side: 'gateway', loss: LOSS } as const
        const shares = tcpShares(rule.route ?? [], { resource, path }, scope, this.#destinations)
        const own = `${name}.${resource.metadata.namespace}/${resource.metadata.name}.${index}`
        const tcp = shares.destinations.length === 0 ? null : { name: own, ...shares }
        chains.push(passing('PASSTHROUGH', own, server, hosts, tcp))
      }
    }
    if (chains.length === 0) this.#reportUnrouted(server)
    return chains
  }

  /** AUTO_PASSTHROUGH: one chain for each port and subset of each service among the server's hosts. */
  automatic(name: string, server: PlacedServer): readonly TlsChainPlan[] {
    const chains: TlsChainPlan[] = []
    for (const service of this.#registry.all()) {
      const { host, discovery } = service
      if (host.startsWith('*') || discovery === 'passthrough') continue
      if (!server.hosts.some((one) => hostCovers(one.host, host))) continue
      for (const port of service.ports.values()) {
        for (const subset of ['', ...this.#clusters.subsetsOf(service)]) {
          const cluster = this.#clusters.passing(service, port, subset)
          if (cluster === null) continue
          const sni = passingName(port.number, subset, host)
          const destinations = [{ clusterName: cluster.name, cluster }]
          const tcp = { name: `${name}.${sni}`, destinations, cumulativeWeights: [1] }
          chains.push(passing('AUTO_PASSTHROUGH', tcp.name, server, [sni], tcp))
        }
      }
    }
    return chains
  }

  /** What a rule's matches ask for on this server, as far as its hosts allow and nobody took it. */
  #sniHosts(
    bound: BoundService,
    server: PlacedServer,
    place: Place,
    claims: SniClaims,
  ): readonly string[] {
    const hosts: string[] = []
    const rule = bound.resource.spec.tls?.[Number(place.path.at(-1))]
    for (const [index, match] of (rule?.match ?? []).entries()) {
      if (!appliesOn(match, bound, server)) continue
      for (const [position, written] of (match.sniHosts ?? []).entries()) {
        const path = [...place.path, 'match', index, 'sniHosts', position]
        const at = { resource: place.resource, path }
        for (const host of within(written, bound, server)) {
          const taken = claims.get(host)
          if (taken === undefined) {
            claims.set(host, at)
            hosts.push(host)
          } else this.#reportTaken(host, at, taken)
        }
      }
    }
    return hosts
  }

  #reportTaken(host: string, at: Place, taken: Place): void {
    if (taken.resource === at.resource) return
    const message = `server name ${host} is already taken by ${describe(taken.resource, taken.path)}: this entry is not used on the port`
    const hint = 'the older resource is kept: give the names to one of them'
    this.#findings.report('warning', 'sni-host-claimed', at, message, hint)
  }

  #reportUnrouted(server: PlacedServer): void {
    this.#findings.report(
      'warning',
      'tls-server-without-route',
      server.place,
      'no tls rule of any VirtualService applies to this server: its connections are closed',
      'bind a VirtualService with a tls rule to the Gateway; http rules are not used where TLS passes through',
    )
  }
}

const LOSS = 'connections are closed'

/** The names that an sniHosts entry and the server's hosts for that namespace both stand for. */
function within(written: string, bound: BoundService, server: PlacedServer): ReadonlySet<string> {
  const { namespace } = bound.resource.metadata
  const names = new Set<string>()
  for (const { namespace: owner, host } of server.hosts) {
    if (owner !== null && owner !== namespace) continue
    const name = narrower(written, host)
    if (name !== null) names.add(name)
  }
  return names
}

/** `tcp` null: the names are known, and lead nowhere. */
export function passing(
  mode: 'PASSTHROUGH' | 'AUTO_PASSTHROUGH',
  name: string,
  server: PlacedServer,
  hosts: readonly string[],
  tcp: TlsChainPlan['tcp'],
): TlsChainPlan {
  const gateway = server.gateway.name
  return new TlsChainPlan({ name, gateway, hosts, mode, tls: REFUSING_TLS, http: NO_HTTP, tcp })
}
