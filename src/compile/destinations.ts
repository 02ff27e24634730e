import type { ClusterPlan } from '../clusters/plan.ts'
import { expandHost } from '../config/hosts.ts'
import { isFqdn, isIpLiteral, isShortName } from '../config/names.ts'
import type { DestinationSpec } from '../config/kinds/virtual-service.ts'
import { clusterName, type ClusterBook, OTHER_NAMESPACES } from './clusters.ts'
import type { CompileSettings } from './compile-input.ts'
import { describe, type Findings, type Place } from './findings.ts'
import type { MeshService, MeshServicePort } from './registry/mesh-service.ts'
import type { ServiceRegistry } from './registry/service-registry.ts'
import { NO_TRAITS } from './registry/workloads.ts'

/** Where a rule is being compiled: decides defaults of its destinations. */
export interface DestinationScope {
  /** The Gateway server's number, or the port the egress client asked for. */
  readonly listenerPort: number
  /** `mesh`: the client's own destination is known, so a host without endpoints can be passed to it. */
  readonly side: 'gateway' | 'mesh'
  /** What findings say comes of it when there is no cluster. Default: `requests get 503 NC`. */
  readonly loss?: string
}

export interface ResolvedDestination {
  readonly clusterName: string
  /** null: 503 NC. */
  readonly cluster: ClusterPlan | null
  /** null: nothing has this host. */
  readonly service: MeshService | null
  /** Of a ServiceEntry with resolution DYNAMIC_DNS, which leads to the host each client asks for; else 0. */
  readonly dynamicPort: number
}

/** What routes need of `Destinations`. */
export interface DestinationResolver {
  resolve(spec: DestinationSpec, place: Place, scope: DestinationScope): ResolvedDestination
}

/** Finds the cluster a destination means, or says why there is none. */
export class Destinations implements DestinationResolver {
  readonly #registry: ServiceRegistry
  readonly #clusters: ClusterBook
  readonly #settings: CompileSettings
  readonly #findings: Findings
  readonly #bareHosts = new Map<string, MeshService>()
  /** Whose requests suffer, in findings: '' for everybody's. */
  readonly #whose: string

  constructor(init: {
    registry: ServiceRegistry
    clusters: ClusterBook
    settings: CompileSettings
    findings: Findings
    /** The egress clients that the clusters are for; absent: everybody. */
    clientNamespace?: string
  }) {
    this.#registry = init.registry
    this.#clusters = init.clusters
    this.#settings = init.settings
    this.#findings = init.findings
    this.#whose = whoseRequests(init.clientNamespace)
  }

  resolve(spec: DestinationSpec, place: Place, scope: DestinationScope): ResolvedDestination {
    const { namespace } = place.resource.metadata
    const written = spec.host ?? ''
    const host = expandHost(written, namespace, this.#settings.domain).toLowerCase()
    const subset = spec.subset ?? ''
    const known = this.#registry.find(host)
    const service = known ?? this.#bareService(host, spec, place, this.#loss(scope))
    const number = this.#port(spec, service, place, scope)
    const name = clusterName(number, subset, host)
    if (service === null) return { clusterName: name, cluster: null, service: null, dynamicPort: 0 }
    const port = service.ports.get(number)
    if (port === undefined) {
      if (spec.port?.number !== undefined)
        this.#reportPort(service, number, place, this.#loss(scope))
      return { clusterName: name, cluster: null, service, dynamicPort: 0 }
    }
    const lookup = this.#clusters.lookup(service, port, subset)
    const secure = lookup.type === 'found' && lookup.cluster.tls !== null
    const dynamicPort = service.isDynamic === true && !secure ? number : 0
    if (service.discovery === 'passthrough') {
      if (secure) this.#reportSecure(service, place)
      else if (scope.side === 'gateway' && dynamicPort === 0) {
        this.#reportPassthrough(service, place, scope)
      }
    }
    if (lookup.type === 'no-subset') {
      this.#findings.report(
        'error',
        'destination-subset-not-found',
        at(place, 'subset'),
        `no DestinationRule that applies to ${host} has the subset ${subset}: ${this.#loss(scope)}`,
        lookup.known.length > 0
          ? `subsets there: ${lookup.known.join(', ')}`
          : 'a DestinationRule is looked up in the namespace of the gateway, of the service, then the root namespace',
      )
    }
    const cluster = lookup.type === 'found' ? lookup.cluster : null
    return { clusterName: cluster === null ? name : cluster.name, cluster, service, dynamicPort }
  }

  /** What comes of it when there is no cluster. */
  #loss(scope: DestinationScope): string {
    return (scope.loss ?? 'requests get 503 NC') + this.#whose
  }

  /** Given, else the only port of the service, else the listener's. */
  #port(
    spec: DestinationSpec,
    service: MeshService | null,
    place: Place,
    scope: DestinationScope,
  ): number {
    const given = spec.port?.number
    if (given !== undefined) return given
    if (service === null) return scope.listenerPort
    const [only, ...others] = service.ports.keys()
    if (only !== undefined && others.length === 0) return only
    const served = service.ports.has(scope.listenerPort)
    const ports = [...service.ports.keys()].join(', ')
    this.#findings.report(
      served ? 'warning' : 'error',
      'destination-port-ambiguous',
      place,
      served
        ? `${service.host} has several ports (${ports}) and none is given: the port of the listener, ${scope.listenerPort}, is taken`
        : `${service.host} has ${ports === '' ? 'no ports' : `several ports (${ports})`} and none is given: the port of the listener, ${scope.listenerPort}, is no port of it, so that ${this.#loss(scope)}`,
      'add port.number to the destination',
    )
    return scope.listenerPort
  }

  #reportPort(service: MeshService, number: number, place: Place, loss: string): void {
    const ports = [...service.ports.keys()].join(', ')
    this.#findings.report(
      'error',
      'destination-port-not-found',
      at(place, 'port'),
      `${service.host} has no port ${number}: ${loss}`,
      ports === '' ? null : `its ports: ${ports} (a Service's port, not its targetPort)`,
    )
  }

  /** Nobody originates TLS for hosts that each client names: refused rather than sent in the clear. */
  #reportSecure(service: MeshService, place: Place): void {
    this.#findings.report(
      'error',
      'tls-without-endpoints',
      at(place, 'host'),
      `a DestinationRule asks for TLS to ${service.host}, whose ServiceEntry has no endpoints of its own (resolution NONE or DYNAMIC_DNS): requests get 503 rather than go in clear text`,
      'name the hosts in a ServiceEntry with resolution DNS, or let clients speak TLS themselves',
    )
  }

  #reportPassthrough(service: MeshService, place: Place, scope: DestinationScope): void {
    const loss = scope.loss ?? `requests routed to ${service.host} get 503 UH`
    this.#findings.report(
      'warning',
      'destination-without-endpoints',
      at(place, 'host'),
      `ServiceEntry ${service.source === null ? service.host : describe(service.source)} has no endpoints of its own (resolution NONE): ${loss}`,
      'use resolution DNS or STATIC for hosts that routes lead to, DYNAMIC_DNS for wildcards',
    )
  }

  /** An address or outside name that no registry entry has, where the policy lets requests go anywhere. */
  #bareService(
    host: string,
    spec: DestinationSpec,
    place: Place,
    loss: string,
  ): MeshService | null {
    const reason = this.#whyNoBareHost(host, spec)
    if (reason !== null) {
      const hidden = this.#registry.hiddenBy(host)
      this.#findings.report(
        'error',
        'destination-host-not-found',
        at(place, 'host'),
        hidden === null
          ? `no Service or ServiceEntry has the host ${host}: ${loss}`
          : `${hidden.kind} ${describe(hidden)} has the host ${host}, but exportTo hides it from namespace ${this.#settings.namespace}: ${loss}`,
        reason,
      )
      return null
    }
    const number = spec.port?.number ?? 0
    const longer = `${host}.svc.${this.#settings.domain}`
    this.#findings.report(
      'info',
      'destination-host-not-registered',
      at(place, 'host'),
      `no Service or ServiceEntry has the host ${host}: requests go to it directly, because outboundTrafficPolicy is ALLOW_ANY`,
      this.#registry.find(longer) === null
        ? 'declare it with a ServiceEntry to keep it under REGISTRY_ONLY'
        : `did you mean ${longer}? Only hosts without a dot are completed`,
    )
    return this.#bareHost(host, number, place.resource.metadata.namespace)
  }

  /** null when the host may be used as it is. */
  #whyNoBareHost(host: string, spec: DestinationSpec): string | null {
    const { compat, domain, mesh, namespace } = this.#settings
    const inCluster = host.endsWith(`.svc.${domain}`)
    if (isShortName(spec.host ?? '')) {
      return 'a short host belongs to the namespace of the VirtualService'
    }
    if (inCluster || this.#registry.hiddenBy(host) !== null) {
      return `check name and namespace; the gateway looks from namespace ${namespace}`
    }
    if (!isIpLiteral(host) && !isFqdn(host)) {
      return 'only a ServiceEntry with the same wildcard can stand behind it'
    }
    if (compat)
      return 'with --compat only registered hosts are reached, as in Istio: add a ServiceEntry'
    if (mesh.outboundTrafficPolicy?.mode === 'REGISTRY_ONLY') {
      return 'outboundTrafficPolicy is REGISTRY_ONLY: add a ServiceEntry'
    }
    return spec.port?.number === undefined ? 'add port.number, or a ServiceEntry' : null
  }

  /** Its DestinationRule may stand in the namespace of the first VirtualService that names it. */
  #bareHost(host: string, number: number, namespace: string): MeshService {
    const present = this.#bareHosts.get(host)
    const ports = new Map<number, MeshServicePort>(present?.ports)
    ports.set(number, {
      number,
      name: '',
      protocol: 'auto',
      endpoints: [{ address: host, port: number, weight: 1, ...NO_TRAITS }],
    })
    const service: MeshService = {
      host,
      namespace: present?.namespace ?? namespace,
      name: host,
      source: null,
      ports,
      discovery: 'static',
      addresses: [],
      subjectAltNames: [],
    }
    this.#bareHosts.set(host, service)
    return service
  }
}

function whoseRequests(clientNamespace: string | undefined): string {
  if (clientNamespace === undefined) return ''
  if (clientNamespace === OTHER_NAMESPACES)
    return ' (those of other namespaces, at the egress proxy)'
  return ` (those of clients in namespace ${clientNamespace}, at the egress proxy)`
}

function at(place: Place, ...steps: (string | number)[]): Place {
  return { resource: place.resource, path: [...place.path, ...steps] }
}
