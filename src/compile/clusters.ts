import { isIP } from 'node:net'
import { ClusterPlan, type EndpointPlan } from '../clusters/plan.ts'
import type { CompileSettings } from './compile-input.ts'
import type { Credentials } from './credentials.ts'
import type { Findings } from './findings.ts'
import { selects } from './labels.ts'
import { compareText } from './ordering.ts'
import { connectionLimits } from './policy/connection-limits.ts'
import type { DestinationRules, MergedRule, RuleSubset } from './policy/destination-rules.ts'
import { loadBalancerPlan } from './policy/load-balancer.ts'
import { outlierPlan } from './policy/outlier.ts'
import { effectivePolicy, type EffectivePolicy } from './policy/traffic-policy.ts'
import { upstreamTls } from './policy/upstream-tls.ts'
import type { MeshService, MeshServicePort, ServiceDiscovery } from './registry/mesh-service.ts'

/** `outbound|8080|v1|reviews.default.svc.cluster.local`: Istio's cluster name. */
export function clusterName(port: number, subset: string, host: string): string {
  return `outbound|${port}|${subset}|${host}`
}

export type ClusterLookup =
  | { readonly type: 'found'; readonly cluster: ClusterPlan }
  | { readonly type: 'no-subset'; readonly known: readonly string[] }
  /** The policy could not be met safely; a finding says why. */
  | { readonly type: 'refused' }

/** Makes each cluster once, however many routes reach it. */
export class ClusterBook {
  readonly #lookups = new Map<string, ClusterLookup>()
  readonly #rules: DestinationRules
  readonly #credentials: Credentials
  readonly #settings: CompileSettings
  readonly #findings: Findings

  constructor(init: {
    rules: DestinationRules
    credentials: Credentials
    settings: CompileSettings
    findings: Findings
  }) {
    this.#rules = init.rules
    this.#credentials = init.credentials
    this.#settings = init.settings
    this.#findings = init.findings
  }

  /** `subset` is '' for the whole service. */
  lookup(service: MeshService, port: MeshServicePort, subset: string): ClusterLookup {
    const name = clusterName(port.number, subset, service.host)
    const present = this.#lookups.get(name)
    if (present !== undefined) return present
    const lookup = this.#make(service, port, subset)
    this.#lookups.set(name, lookup)
    return lookup
  }

  /** Ordered by name. */
  all(): readonly ClusterPlan[] {
    const plans: ClusterPlan[] = []
    for (const lookup of this.#lookups.values()) {
      if (lookup.type === 'found') plans.push(lookup.cluster)
    }
    return plans.toSorted((a, b) => compareText(a.name, b.name))
  }

  #make(service: MeshService, port: MeshServicePort, subsetName: string): ClusterLookup {
    const rule = this.#rules.find(service.host, service.namespace)
    const subset = subsetOf(rule, subsetName)
    if (subset === undefined) {
      return { type: 'no-subset', known: [...(rule?.subsets.keys() ?? [])] }
    }
    const endpoints = this.#endpoints(service, port, subset)
    const policy = effectivePolicy(rule, subset, port.number)
    const tls = upstreamTls(policy.tls, service, this.#credentials, this.#findings)
    if (tls.type === 'refused') return { type: 'refused' }
    const cluster = new ClusterPlan({
      name: clusterName(port.number, subsetName, service.host),
      destination: {
        service: service.host,
        serviceName: service.name,
        serviceNamespace: service.source === null ? 'unknown' : service.namespace,
      },
      protocol: this.#protocol(port, policy),
      discovery: discoveryOf(service.discovery, endpoints),
      endpoints,
      loadBalancer: loadBalancerPlan(policy.loadBalancer, this.#findings),
      limits: connectionLimits(policy.connectionPool, this.#settings.mesh),
      outlier: outlierPlan(policy.outlierDetection, this.#settings.compat),
      tls: tls.type === 'tls' ? tls.plan : null,
    })
    return { type: 'found', cluster }
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
