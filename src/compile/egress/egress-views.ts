import { compareText } from '../ordering.ts'
import type { EgressTables } from '../../snapshot/egress-plan.ts'
import { type ClusterBook, OTHER_NAMESPACES } from '../clusters.ts'
import type { CompileSettings } from '../compile-input.ts'
import { Destinations } from '../destinations.ts'
import type { Findings } from '../findings.ts'
import type { Bindings, BoundService } from '../gateway/bindings.ts'
import type { DestinationRules } from '../policy/destination-rules.ts'
import type { MeshService } from '../registry/mesh-service.ts'
import type { ServiceRegistry } from '../registry/service-registry.ts'
import { MESH } from '../routes/gateway-names.ts'
import type { HttpRules } from '../routes/http-rules.ts'
import { RouteActions } from '../routes/route-actions.ts'
import type { FiltersFor } from '../routes/virtual-host-builder.ts'
import { egressAddresses } from './egress-addresses.ts'
import { EgressHttp } from './egress-http.ts'
import { EgressTunnels } from './egress-tunnels.ts'
import { HostNames } from './host-names.ts'
import { meshOwners, type ReportsLoss } from './mesh-owners.ts'
import { sharedAddresses } from './shared-tables.ts'
import { VirtualHostMemo } from './virtual-host-memo.ts'

/** Key of the tables for namespaces without any of their own. */
const ANY_NAMESPACE = ''

/** Of the compilation, what the tables are made of. */
export interface EgressParts {
  readonly registry: ServiceRegistry
  readonly rules: DestinationRules
  readonly clusters: ClusterBook
  readonly destinations: Destinations
  readonly httpRules: HttpRules
  readonly bindings: Bindings
  readonly filtersFor: FiltersFor
  readonly settings: CompileSettings
  readonly findings: Findings
}

/** How some clients see the mesh. */
interface EgressView {
  readonly bound: readonly BoundService[]
  readonly clusters: ClusterBook
  readonly destinations: Destinations
  readonly rules: HttpRules
  readonly reports: ReportsLoss
}

/**
 * The tables of the egress proxy: as the gateway's namespace sees the mesh, and as those namespaces
 * of clients do that see it otherwise. Namespaces that see the same share their tables, and tables
 * share what is equal in them: a namespace costs what is peculiar to it.
 */
export class EgressViews {
  /** As the gateway's namespace sees it. */
  readonly own: EgressTables
  readonly names: HostNames
  readonly #parts: EgressParts
  readonly #memo = new VirtualHostMemo()

  constructor(parts: EgressParts) {
    this.#parts = parts
    const { registry, bindings, clusters, destinations, httpRules, settings } = parts
    const bound = bindings.of(MESH)
    const plainHosts = bound.flatMap(({ hosts }) => hosts.filter((host) => !host.startsWith('*')))
    const hosts = new Set([...registry.all().map((service) => service.host), ...plainHosts])
    this.names = new HostNames(hosts, settings.domain)
    const reports = (): boolean => true
    this.own = this.#tables({ bound, clusters, destinations, rules: httpRules, reports }, null)
  }

  /** By the namespace of clients, '' for any that is not named; null: everybody sees what `own` says. */
  byNamespace(): ReadonlyMap<string, EgressTables> | null {
    const { registry, rules, bindings, settings } = this.#parts
    const homeOf = (host: string): string | null => registry.find(host)?.namespace ?? null
    const ruled = rules.peculiarities(homeOf)
    const routed = bindings.meshPeculiarities()
    const sightOf = (namespace: string): string =>
      `${routed.get(namespace)?.join() ?? ''}\n${ruled.get(namespace)?.join() ?? ''}`
    const bySight = new Map([[sightOf(settings.namespace), this.own]])
    const tables = new Map<string, EgressTables>()
    const peculiar = new Set([...ruled.keys(), ...routed.keys(), settings.namespace])
    for (const namespace of [ANY_NAMESPACE, ...[...peculiar].toSorted(compareText)]) {
      const sight = sightOf(namespace)
      const seen = bySight.get(sight) ?? this.#tables(this.#viewOf(namespace), this.own)
      bySight.set(sight, seen)
      tables.set(namespace, seen)
    }
    return bySight.size === 1 ? null : tables
  }

  #viewOf(namespace: string): EgressView {
    const { registry, bindings, settings, findings, ...common } = this.#parts
    const clientNamespace = namespace === ANY_NAMESPACE ? OTHER_NAMESPACES : namespace
    const rules = common.rules.seenFrom(clientNamespace)
    const isSame = ({ host, namespace: home }: MeshService): boolean =>
      rules.find(host, home) === common.rules.find(host, home)
    const changed = new Set(registry.all().filter((service) => !isSame(service)))
    // Hosts that no resource declares are not among the services.
    const isCommon = (service: MeshService): boolean =>
      service.source === null ? isSame(service) : !changed.has(service)
    const clusters = common.clusters.seenFrom(clientNamespace, rules, isCommon)
    const destinations = new Destinations({
      registry,
      clusters,
      settings,
      findings,
      clientNamespace,
    })
    const areSame = (hosts: ReadonlySet<string>): boolean => {
      for (const host of hosts) {
        const service = registry.find(host)
        if (service === null || changed.has(service)) return false
      }
      return true
    }
    return {
      bound: bindings.meshSeenFrom(clientNamespace),
      clusters,
      destinations,
      rules: common.httpRules.seenFrom(new RouteActions(destinations, settings, findings), areSame),
      // That one's own namespace wins over another is no mistake.
      reports: (winner, loser) =>
        winner.resource.metadata.namespace === loser.resource.metadata.namespace,
    }
  }

  #tables(view: EgressView, common: EgressTables | null): EgressTables {
    const { registry, filtersFor, settings, findings } = this.#parts
    const { bound, clusters, destinations, rules, reports } = view
    const { names } = this
    const memo = this.#memo
    const parts = { registry, clusters, rules, names, filtersFor, memo, settings, findings }
    const http = new EgressHttp(parts)
    const owners = meshOwners(bound, registry, findings, reports)
    const httpTables = http.build(owners, common?.http ?? null)
    const tunnels = new EgressTunnels({ registry, clusters, destinations, bound, names })
    const addresses = egressAddresses(registry, clusters, http)
    return {
      http: httpTables,
      ...tunnels.build(common),
      addresses: sharedAddresses(addresses, common?.addresses ?? null),
    }
  }
}
