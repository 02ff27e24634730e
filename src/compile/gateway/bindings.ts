import { expandHost, narrower } from '../../config/hosts.ts'
import type { VirtualServiceSpec } from '../../config/kinds/virtual-service.ts'
import type { Resource } from '../../config/resource.ts'
import type { CompileSettings } from '../compile-input.ts'
import type { Findings } from '../findings.ts'
import type { Kept } from '../kept.ts'
import { type Delegation, isDelegate } from '../routes/delegation.ts'
import { MESH, resolveGatewayName } from '../routes/gateway-names.ts'
import { audienceOf, type Visibility, visibilityOf, visibleInOrder } from '../visibility.ts'
import type { PlacedServer } from './gateway-servers.ts'
import type { ServedGateway } from './selection.ts'

/** A VirtualService as one Gateway, or the mesh, sees it. */
export interface BoundService {
  readonly resource: Resource<VirtualServiceSpec>
  /** Full names, lower-case. */
  readonly hosts: readonly string[]
  /** Its own `gateways` names the Gateway; otherwise only a match.gateways does. */
  readonly listed: boolean
}

/** Full names of what a VirtualService is for. */
export interface WrittenNames {
  /** Lower-case. */
  readonly hosts: readonly string[]
  /** Gateways of the VirtualService itself. */
  readonly listed: ReadonlySet<string>
  /** And those that only a match names. */
  readonly named: ReadonlySet<string>
}

/** Which VirtualServices belong to which Gateway, in the order in which their routes are pooled. */
export class Bindings {
  readonly #byGateway = new Map<string, BoundService[]>()
  /** Bound to the mesh, whoever sees them; in Istio's order. */
  readonly #mesh: readonly BoundService[]
  readonly #meshBound = new Map<Resource<VirtualServiceSpec>, BoundService>()
  readonly #delegation: Delegation
  readonly #names: Kept<WrittenNames>
  readonly #settings: CompileSettings

  constructor(
    services: readonly Resource<VirtualServiceSpec>[],
    delegation: Delegation,
    names: Kept<WrittenNames>,
    settings: CompileSettings,
    findings: Findings,
  ) {
    this.#delegation = delegation
    this.#names = names
    this.#settings = settings
    const ordered = visibleInOrder(services, settings.namespace)
    for (const service of ordered) this.#bind(service)
    for (const service of services) {
      // A delegate has to be visible where it is delegated to, not here.
      if (isDelegate(service) || visibilityOf(service, settings.namespace) !== 'hidden') continue
      if (this.#bindHidden(service)) continue
      findings.report(
        'warning',
        'hidden-by-export-to',
        { resource: service, path: ['spec', 'exportTo'] },
        `exportTo hides this VirtualService from namespace ${settings.namespace}, where the gateway stands`,
        'exportTo is judged from the namespace of the gateway',
      )
    }
    this.#mesh = services.flatMap((service) => this.#meshBound.get(service) ?? [])
  }

  /** `gateway`: `namespace/name`, or `mesh`. */
  of(gateway: string): readonly BoundService[] {
    return this.#byGateway.get(gateway) ?? []
  }

  /** What egress clients of a namespace see: those private to it, exported to it, then public ones. */
  meshSeenFrom(namespace: string): readonly BoundService[] {
    const order: Record<Visibility, BoundService[]> = {
      private: [],
      exported: [],
      public: [],
      hidden: [],
    }
    for (const bound of this.#mesh) order[visibilityOf(bound.resource, namespace)].push(bound)
    return [...order.private, ...order.exported, ...order.public]
  }

  /**
   * By namespace, the mesh-bound ones that not everybody sees: two namespaces with the same list see
   * the same in the same order, as do all without one.
   */
  meshPeculiarities(): ReadonlyMap<string, readonly string[]> {
    const found = new Map<string, string[]>()
    for (const [index, { resource }] of this.#mesh.entries()) {
      const audience = audienceOf(resource.spec.exportTo, resource.metadata.namespace)
      for (const namespace of audience ?? []) {
        const list = found.get(namespace) ?? []
        found.set(namespace, list)
        list.push(`${index} ${visibilityOf(resource, namespace)}`)
      }
    }
    return found
  }

  #bind(service: Resource<VirtualServiceSpec>): void {
    // Without hosts it is a part of another VirtualService.
    if (isDelegate(service)) return
    const { hosts, listed, named } = this.#namesIn(service)
    for (const gateway of named) {
      const bound = { resource: service, hosts, listed: listed.has(gateway) }
      if (gateway === MESH) this.#meshBound.set(service, bound)
      const present = this.#byGateway.get(gateway)
      if (present === undefined) this.#byGateway.set(gateway, [bound])
      else present.push(bound)
    }
  }

  /** One that exportTo hides from the gateway. True: it is for egress clients and for nobody else. */
  #bindHidden(service: Resource<VirtualServiceSpec>): boolean {
    if (!this.#settings.egressOpen) return false
    const { hosts, listed, named } = this.#namesIn(service)
    if (!named.has(MESH)) return false
    this.#meshBound.set(service, { resource: service, hosts, listed: listed.has(MESH) })
    return named.size === 1
  }

  /** What delegates add may have changed; all else is written in the VirtualService itself. */
  #namesIn(service: Resource<VirtualServiceSpec>): WrittenNames {
    const read = (): WrittenNames => ({
      hosts: this.#hostsOf(service),
      ...this.#gatewaysOf(service),
    })
    if (this.#delegation.delegates(service)) return read()
    return this.#names.now(service, () => this.#names.before(service) ?? read())
  }

  #hostsOf(service: Resource<VirtualServiceSpec>): readonly string[] {
    const { namespace } = service.metadata
    return (service.spec.hosts ?? []).map((host) =>
      expandHost(host, namespace, this.#settings.domain).toLowerCase(),
    )
  }

  #gatewaysOf(service: Resource<VirtualServiceSpec>): Omit<WrittenNames, 'hosts'> {
    const { namespace } = service.metadata
    const { gateways = [], tcp = [], tls = [] } = service.spec
    const written = gateways.length === 0 ? [MESH] : gateways
    const listed = new Set(written.map((name) => resolveGatewayName(name, namespace)))
    const named = new Set(listed)
    for (const rule of [...tcp, ...tls]) {
      for (const match of rule.match ?? []) {
        for (const name of match.gateways ?? []) named.add(resolveGatewayName(name, namespace))
      }
    }
    for (const { names, namespace: owner } of this.#delegation.matchedGateways(service)) {
      for (const name of names) named.add(resolveGatewayName(name, owner))
    }
    return { listed, named }
  }
}

/** Says which Gateways a VirtualService names in vain, and which servers its hosts miss. */
export function reportBindings(
  services: readonly Resource<VirtualServiceSpec>[],
  gateways: { readonly names: ReadonlySet<string>; readonly served: readonly ServedGateway[] },
  settings: CompileSettings,
  findings: Findings,
): void {
  const byName = new Map(gateways.served.map((gateway) => [gateway.name, gateway]))
  for (const service of services) {
    if (visibilityOf(service, settings.namespace) === 'hidden') continue
    for (const [index, written] of (service.spec.gateways ?? []).entries()) {
      const name = resolveGatewayName(written, service.metadata.namespace)
      const place = { resource: service, path: ['spec', 'gateways', index] }
      const gateway = byName.get(name)
      if (name === MESH) continue
      if (!gateways.names.has(name)) {
        const message = `Gateway ${name} does not exist: the VirtualService is not used there`
        const hint = 'a name without namespace means the namespace of the VirtualService'
        findings.report('warning', 'gateway-not-found', place, message, hint)
      } else if (gateway !== undefined && !meets(service, gateway, settings.domain)) {
        const message = `no host of this VirtualService is among the hosts of Gateway ${name}: it is not used there`
        const hint =
          'a server host may also be limited to VirtualServices of one namespace (ns/host)'
        findings.report('warning', 'virtual-service-host-not-on-gateway', place, message, hint)
      }
    }
  }
}

function meets(
  service: Resource<VirtualServiceSpec>,
  gateway: ServedGateway,
  domain: string,
): boolean {
  const { namespace } = service.metadata
  const own = gateway.resource.metadata.namespace
  for (const server of gateway.resource.spec.servers ?? []) {
    for (const written of server.hosts ?? []) {
      const [host = '', owner = '*'] = written.split('/').toReversed()
      const admitted = owner === '*' || (owner === '.' ? own : owner) === namespace
      if (!admitted) continue
      const hosts = service.spec.hosts ?? []
      if (hosts.some((one) => narrower(expandHost(one, namespace, domain), host) !== null))
        return true
    }
  }
  return false
}

/** The domains a VirtualService gets on a server: the narrower of its host and the server's. */
export function domainsOn(bound: BoundService, server: PlacedServer): readonly string[] {
  const { namespace } = bound.resource.metadata
  const domains = new Set<string>()
  for (const { namespace: owner, host } of server.hosts) {
    if (owner !== null && owner !== namespace) continue
    for (const own of bound.hosts) {
      const domain = narrower(own, host)
      if (domain !== null) domains.add(domain)
    }
  }
  return [...domains]
}
