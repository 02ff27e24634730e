import type { HostTable } from '../../routing/host-table.ts'
import { Destination, type RouteAction } from '../../routing/route.ts'
import type { VirtualHost } from '../../routing/virtual-host.ts'
import { type ClusterBook, type ClusterLookup, clusterName } from '../clusters.ts'
import type { CompileSettings } from '../compile-input.ts'
import { NO_RULE_SETTINGS } from '../envoy-filters-scope.ts'
import type { Findings, Place } from '../findings.ts'
import type { MeshService, MeshServicePort } from '../registry/mesh-service.ts'
import { isHttp } from '../registry/port-protocol.ts'
import type { ServiceRegistry } from '../registry/service-registry.ts'
import { MESH } from '../routes/gateway-names.ts'
import { type HttpRules, originOf } from '../routes/http-rules.ts'
import { pickPreferences } from '../routes/pick-preferences.ts'
import { retryPlan } from '../routes/retry-policy.ts'
import { catchAllsLast, type RouteDraft } from '../routes/route-draft.ts'
import { buildVirtualHost, type FiltersFor } from '../routes/virtual-host-builder.ts'
import type { HostNames } from './host-names.ts'
import type { MeshOwner } from './mesh-owners.ts'
import { sharedTable } from './shared-tables.ts'
import type { VirtualHostMemo } from './virtual-host-memo.ts'

/** Where Istio serves a VirtualService host that is no service. */
const PLAIN_HOST_PORT = 80

/** Virtual hosts of one port while they are collected. */
class PortTable {
  readonly byHost = new Map<string, VirtualHost>()
  readonly aliases: (readonly [string, VirtualHost])[] = []

  entries(): readonly (readonly [string, VirtualHost])[] {
    // A name of its own wins over what another host may also be called.
    return [...this.byHost, ...this.aliases]
  }
}

/** Compiles what the egress proxy knows of HTTP: by asked port, then by host. */
export class EgressHttp {
  readonly #ports = new Map<number, PortTable>()
  readonly #claimed = new Set<string>()
  readonly #registry: ServiceRegistry
  readonly #clusters: ClusterBook
  readonly #rules: HttpRules
  readonly #names: HostNames
  readonly #filtersFor: FiltersFor
  readonly #memo: VirtualHostMemo
  readonly #settings: CompileSettings
  readonly #findings: Findings

  constructor(init: {
    registry: ServiceRegistry
    clusters: ClusterBook
    rules: HttpRules
    names: HostNames
    filtersFor: FiltersFor
    memo: VirtualHostMemo
    settings: CompileSettings
    findings: Findings
  }) {
    this.#registry = init.registry
    this.#clusters = init.clusters
    this.#rules = init.rules
    this.#names = init.names
    this.#filtersFor = init.filtersFor
    this.#memo = init.memo
    this.#settings = init.settings
    this.#findings = init.findings
  }

  /** Call once. Tables that say what those of `common` say are those. */
  build(
    owners: readonly MeshOwner[],
    common: ReadonlyMap<number, HostTable<VirtualHost>> | null,
  ): ReadonlyMap<number, HostTable<VirtualHost>> {
    for (const owner of owners) this.#addOwner(owner)
    for (const service of this.#registry.all()) {
      if (!this.#claimed.has(service.host)) this.#addService(service)
    }
    const sorted = [...this.#ports].toSorted(([a], [b]) => a - b)
    return new Map(
      sorted.map(([port, table]) => [port, sharedTable(port, table.entries(), common)]),
    )
  }

  /** The virtual host of a service on one of its ports; null when requests there are unknown. */
  virtualHost(host: string, port: number): VirtualHost | null {
    return this.#ports.get(port)?.byHost.get(host) ?? null
  }

  /** A service with rules has only the ports on which one of them applies. */
  #addOwner(owner: MeshOwner): void {
    const { bound, services, hosts } = owner
    const ports = new Map<number, MeshService[]>()
    for (const service of services) {
      for (const port of service.ports.values()) {
        if (!isHttp(port.protocol)) continue
        ports.set(port.number, [...(ports.get(port.number) ?? []), service])
      }
    }
    if (ports.size === 0 && hosts.length > 0) ports.set(PLAIN_HOST_PORT, [])
    const unruled: number[] = []
    let ruled = false
    for (const [port, portServices] of ports) {
      const scope = { gateway: MESH, listed: bound.listed, port }
      const drafts = this.#rules.drafts(bound.resource, scope)
      if (drafts.length === 0) {
        unruled.push(port)
        continue
      }
      ruled = true
      for (const service of portServices) this.#claimed.add(service.host)
      const names = [...portServices.map((service) => service.host), ...hosts]
      for (const host of names) this.#addHost(host, port, () => drafts, drafts)
    }
    if (!ruled || unruled.length === 0) return
    this.#findings.report(
      'info',
      'virtual-service-port-without-rule',
      { resource: bound.resource, path: ['spec', 'http'] },
      `no rule applies to port ${unruled.join(', ')} inside the mesh: requests there count as to an unknown host`,
      'add a rule without match.port',
    )
  }

  #addService(service: MeshService): void {
    for (const port of service.ports.values()) {
      // Opaque ports carry HTTP as well as anything else; TLS ones want a CONNECT.
      if (!isHttp(port.protocol) && port.protocol !== 'tcp') continue
      const { source } = service
      if (source === null) continue
      const lookup = this.#clusters.lookup(service, port, '')
      const drafts = (): readonly RouteDraft[] => [
        this.#defaultDraft({ resource: source, path: ['spec'] }, service, port, lookup),
      ]
      this.#addHost(service.host, port.number, drafts, lookup)
    }
  }

  #defaultDraft(
    place: Place,
    service: MeshService,
    port: MeshServicePort,
    lookup: ClusterLookup,
  ): RouteDraft {
    return {
      name: 'default',
      origin: originOf(place),
      place,
      match: null,
      spec: null,
      action: this.#defaultAction(service, port, lookup),
      requestHeaders: null,
      responseHeaders: null,
      settings: NO_RULE_SETTINGS,
    }
  }

  #defaultAction(service: MeshService, port: MeshServicePort, lookup: ClusterLookup): RouteAction {
    const cluster = lookup.type === 'found' ? lookup.cluster : null
    if (service.discovery === 'passthrough') {
      if (cluster === null || cluster.tls === null) return { type: 'passthrough' }
      this.#reportSecure(service)
    }
    const name = cluster?.name ?? clusterName(port.number, '', service.host)
    const destinations = [new Destination(name, cluster, 1, null, null)]
    const retry = retryPlan(undefined, this.#settings.mesh, 0)
    return {
      type: 'forward',
      destinations,
      cumulativeWeights: [1],
      sticky: null,
      preferences: pickPreferences(destinations, retry),
      rewrite: null,
      rewriteAuthority: null,
      timeoutMs: 0,
      retry,
      mirrors: null,
    }
  }

  #reportSecure(service: MeshService): void {
    if (service.source === null) return
    this.#findings.report(
      'error',
      'tls-without-endpoints',
      { resource: service.source, path: ['spec', 'resolution'] },
      `a DestinationRule asks for TLS to ${service.host}, which has no endpoints of its own: plain HTTP to it gets 503 rather than go on in clear text`,
      'name the hosts in a ServiceEntry with resolution DNS, or let clients speak TLS themselves',
    )
  }

  /** `content` stands for the drafts. */
  #addHost(host: string, port: number, drafts: () => readonly RouteDraft[], content: object): void {
    const table = this.#ports.get(port) ?? new PortTable()
    this.#ports.set(port, table)
    if (table.byHost.has(host)) return
    const aliases = this.#names.aliases(host)
    const name = `${host}:${port}`
    const virtualHost = this.#memo.get(content, name, () =>
      buildVirtualHost(
        {
          name,
          domains: [host, ...aliases],
          drafts: catchAllsLast(drafts()),
          httpsRedirect: false,
        },
        { context: 'SIDECAR_OUTBOUND', gateways: [], portNumber: port, routeTable: String(port) },
        this.#filtersFor,
      ),
    )
    table.byHost.set(host, virtualHost)
    for (const alias of aliases) table.aliases.push([alias, virtualHost])
  }
}
