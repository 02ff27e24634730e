import { isIP } from 'node:net'
import { parseDurationMs } from '../base/duration.ts'
import { ClusterPlan, type EndpointPlan } from '../clusters/plan.ts'
import type { MeshConfigSpec } from '../config/mesh-config.ts'
import type { Resource } from '../config/resource.ts'
import type { CompileSettings } from './compile-input.ts'
import type { CompileMemory } from './compile-memory.ts'
import type { Credentials } from './credentials.ts'
import type { Findings } from './findings.ts'
import { selects } from './labels.ts'
import { compareText } from './ordering.ts'
import { connectionLimits } from './policy/connection-limits.ts'
import type { DestinationRules, MergedRule, RuleSubset } from './policy/destination-rules.ts'
import { healthCheckPlan } from './policy/health-check.ts'
import { loadBalancerPlan } from './policy/load-balancer.ts'
import { placeEndpoints } from './policy/locality.ts'
import { outlierPlan } from './policy/outlier.ts'
import { retryLimits } from './policy/retry-limits.ts'
import { effectivePolicy, type EffectivePolicy } from './policy/traffic-policy.ts'
import { tunnelPlan } from './policy/tunnel.ts'
import { upstreamTls } from './policy/upstream-tls.ts'
import type { MeshService, MeshServicePort, ServiceDiscovery } from './registry/mesh-service.ts'

/** The clients of the egress proxy that belong to no namespace with rules of its own. */
export const OTHER_NAMESPACES = '*'

/** `outbound|8080|v1|reviews.default.svc.cluster.local`: Istio's cluster name. */
export function clusterName(port: number, subset: string, host: string): string {
  return `outbound|${port}|${subset}|${host}`
}

/** `outbound_.8080_.v1_.reviews.default.svc.cluster.local`: the cluster name as a server name. */
export function passingName(port: number, subset: string, host: string): string {
  return `outbound_.${port}_.${subset}_.${host}`
}

export type ClusterLookup =
  | { readonly type: 'found'; readonly cluster: ClusterPlan }
  | { readonly type: 'no-subset'; readonly known: readonly string[] }
  /** The policy could not be met safely; a finding says why. */
  | { readonly type: 'refused' }

/** A cluster as those see it for whom `rule` applies to its host. */
interface ClusterVariant {
  readonly rule: MergedRule | null
  readonly lookup: ClusterLookup
}

/** Makes each cluster once, however many routes reach it. */
export class ClusterBook {
  /** What everybody sees for whom the same DestinationRule applies; null: this is it. */
  readonly #common: ClusterBook | null
  /** Of all books with the same common one, by the common name. */
  readonly #variants: Map<string, ClusterVariant[]>
  readonly #clientNamespace: string | null
  readonly #isCommon: (service: MeshService) => boolean
  readonly #lookups = new Map<string, ClusterLookup>()
  readonly #passing = new Map<string, ClusterPlan>()
  readonly #rules: DestinationRules
  readonly #credentials: Credentials
  readonly #settings: CompileSettings
  readonly #memory: CompileMemory
  readonly #findings: Findings

  constructor(init: {
    rules: DestinationRules
    credentials: Credentials
    settings: CompileSettings
    memory: CompileMemory
    findings: Findings
    view?: {
      common: ClusterBook
      variants: Map<string, ClusterVariant[]>
      namespace: string
      isCommon: (service: MeshService) => boolean
    }
  }) {
    this.#rules = init.rules
    this.#credentials = init.credentials
    this.#settings = init.settings
    this.#memory = init.memory
    this.#findings = init.findings
    this.#common = init.view?.common ?? null
    this.#variants = init.view?.variants ?? new Map<string, ClusterVariant[]>()
    this.#clientNamespace = init.view?.namespace ?? null
    this.#isCommon = init.view?.isCommon ?? (() => true)
  }

  /**
   * The clusters of clients in another namespace: the same ones, but where another DestinationRule
   * applies (not `isCommon`), which is then in force for these clients alone.
   */
  seenFrom(
    namespace: string,
    rules: DestinationRules,
    isCommon: (service: MeshService) => boolean,
  ): ClusterBook {
    return new ClusterBook({
      rules,
      credentials: this.#credentials,
      settings: this.#settings,
      memory: this.#memory,
      findings: this.#findings,
      view: { common: this, variants: this.#variants, namespace, isCommon },
    })
  }

  /** `subset` is '' for the whole service. */
  lookup(service: MeshService, port: MeshServicePort, subset: string): ClusterLookup {
    const common = this.#common
    if (common !== null && this.#isCommon(service)) return common.lookup(service, port, subset)
    const name = clusterName(port.number, subset, service.host)
    const present = this.#lookups.get(name)
    if (present !== undefined) return present
    const lookup =
      common === null
        ? this.#make(service, port, { subset, passing: false })
        : this.#variant(service, port, subset)
    this.#lookups.set(name, lookup)
    return lookup
  }

  /** Two namespaces for whom the same rule applies share a cluster. */
  #variant(service: MeshService, port: MeshServicePort, subset: string): ClusterLookup {
    const name = clusterName(port.number, subset, service.host)
    const rule = this.#rules.find(service.host, service.namespace)
    const variants = this.#variants.get(name) ?? []
    const present = variants.find((variant) => variant.rule === rule)
    if (present !== undefined) return present.lookup
    const lookup = this.#make(service, port, { subset, passing: false })
    this.#variants.set(name, [...variants, { rule, lookup }])
    return lookup
  }

  /**
   * The cluster for connections that bring their own TLS (AUTO_PASSTHROUGH), under the server name
   * they come with: no TLS is added to them.
   */
  passing(service: MeshService, port: MeshServicePort, subset: string): ClusterPlan | null {
    const name = passingName(port.number, subset, service.host)
    const present = this.#passing.get(name)
    if (present !== undefined) return present
    const made = this.#make(service, port, { subset, passing: true })
    if (made.type !== 'found') return null
    this.#passing.set(name, made.cluster)
    return made.cluster
  }

  /** Names of the subsets a service has. */
  subsetsOf(service: MeshService): readonly string[] {
    return [...(this.#rules.find(service.host, service.namespace)?.subsets.keys() ?? [])]
  }

  /** Ordered by name; those of other namespaces' clients too. */
  all(): readonly ClusterPlan[] {
    const plans: ClusterPlan[] = [...this.#passing.values()]
    const variants = [...this.#variants.values()].flat().map(({ lookup }) => lookup)
    for (const lookup of [...this.#lookups.values(), ...variants]) {
      if (lookup.type === 'found') plans.push(lookup.cluster)
    }
    return plans.toSorted((a, b) => compareText(a.name, b.name))
  }

  #make(
    service: MeshService,
    port: MeshServicePort,
    { subset: subsetName, passing }: { readonly subset: string; readonly passing: boolean },
  ): ClusterLookup {
    const rule = this.#rules.find(service.host, service.namespace)
    if (rule !== null && rule.withheld !== null) return this.#withhold(service, rule.withheld)
    const subset = subsetOf(rule, subsetName)
    if (subset === undefined) {
      return { type: 'no-subset', known: [...(rule?.subsets.keys() ?? [])] }
    }
    const policy = effectivePolicy(rule, subset, port.number)
    const members = this.#endpoints(service, port, subset)
    const endpoints = placeEndpoints(
      members,
      { ...policy, service },
      this.#settings,
      this.#findings,
    )
    const { meshCertificates, mesh } = this.#settings
    const tls = upstreamTls(
      passing ? null : policy.tls,
      { service, port: port.number, subset: subsetName, meshCertificates, mesh },
      this.#credentials,
      this.#findings,
    )
    if (tls.type === 'refused') return { type: 'refused' }
    const protocol = passing ? 'tcp' : this.#protocol(port, policy)
    const nameOf = passing ? passingName : clusterName
    const name = nameOf(port.number, subsetName, service.host)
    const clientNamespace = this.#clientNamespace
    const cluster = new ClusterPlan({
      name: clientNamespace === null ? name : `${name}|${clientNamespace}`,
      destination: {
        service: service.host,
        serviceName: service.name,
        serviceNamespace: service.source === null ? 'unknown' : service.namespace,
        ...(clientNamespace === null ? {} : { clientNamespace }),
      },
      protocol,
      discovery: discoveryOf(service.discovery, endpoints),
      endpoints,
      loadBalancer: loadBalancerPlan(policy.loadBalancer, this.#findings),
      limits: connectionLimits(policy.connectionPool, this.#settings.mesh, this.#settings.limits),
      outlier: outlierPlan(policy.outlierDetection, this.#settings.compat),
      retries: retryLimits(policy),
      tls: tls.type === 'tls' ? tls.plan : null,
      clientProtocol: policy.connectionPool?.spec.http?.useClientProtocol ?? false,
      dnsRefreshMs: dnsRefreshMs(this.#settings.mesh),
      proxyProtocol: policy.proxyProtocol === null ? null : (policy.proxyProtocol.version ?? 'V1'),
      tunnel: tunnelPlan(rule, subset),
      healthCheck: healthCheckPlan(rule, service, protocol === 'http2', this.#findings),
    })
    return { type: 'found', cluster: this.#memory.sameAsBefore(cluster) }
  }

  /** The rule would have said how to encrypt; without it requests would leave in plain text. */
  #withhold(service: MeshService, rule: Resource<unknown>): ClusterLookup {
    this.#findings.report(
      'error',
      'destination-rule-withheld',
      { resource: rule, path: ['spec', 'trafficPolicy', 'tls'] },
      `this DestinationRule has errors and no earlier version that was good: ${service.host} is not reached (503 NC), since requests would leave without the TLS it asks for`,
      'mend the errors of this rule; to send plain text meanwhile, write tls.mode: DISABLE',
    )
    return { type: 'refused' }
  }

  #endpoints(
    service: MeshService,
    port: MeshServicePort,
    subset: RuleSubset | null,
  ): readonly EndpointPlan[] {
    if (subset === null) return port.endpoints
    const endpoints = port.endpoints.filter((endpoint) => selects(subset.labels, endpoint.labels))
    if (endpoints.length === 0 && port.endpoints.length > 0) {
      this.#findings.report(
        'warning',
        'subset-without-endpoints',
        subset.place,
        `no endpoint of ${service.host} has the labels of subset ${subset.name}: requests to it get 503 UH`,
        'labels are read from the Pod or WorkloadEntry behind an endpoint',
      )
    }
    return endpoints
  }

  /** HTTP towards a port declared opaque is HTTP/1.1. */
  #protocol(port: MeshServicePort, policy: EffectivePolicy): 'http1' | 'http2' | 'tcp' {
    if (port.protocol === 'http2') return 'http2'
    if (port.protocol === 'tcp' || port.protocol === 'tls') return 'tcp'
    return this.#upgradesToHttp2(policy) ? 'http2' : 'http1'
  }

  #upgradesToHttp2(policy: EffectivePolicy): boolean {
    const own = policy.connectionPool?.spec.http?.h2UpgradePolicy ?? 'DEFAULT'
    if (own !== 'DEFAULT') return own === 'UPGRADE'
    return this.#settings.mesh.h2UpgradePolicy === 'UPGRADE'
  }
}

const DEFAULT_DNS_REFRESH_MS = 60_000

/** MeshConfig dnsRefreshRate: how often a name that fails is looked up; others by their TTL. */
function dnsRefreshMs({ dnsRefreshRate: text }: MeshConfigSpec): number {
  return (text === undefined ? null : parseDurationMs(text)) ?? DEFAULT_DNS_REFRESH_MS
}

/** null: the whole service; undefined: no such subset. */
function subsetOf(rule: MergedRule | null, name: string): RuleSubset | null | undefined {
  return name === '' ? null : rule?.subsets.get(name)
}

/** A static list with a name in it (a WorkloadEntry behind a Service) is looked up as a whole. */
function discoveryOf(
  discovery: ServiceDiscovery,
  endpoints: readonly EndpointPlan[],
): 'static' | 'dns' | 'dns-round-robin' {
  if (discovery === 'dns' || discovery === 'dns-round-robin') return discovery
  const isName = (address: string): boolean => isIP(address) === 0 && !/^[/@]/.test(address)
  return endpoints.some((endpoint) => isName(endpoint.address)) ? 'dns' : 'static'
}
