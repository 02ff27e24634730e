import type { ClusterDescription } from '../clusters/description.ts'
import type { ClusterPlan, HashKeyPlan, LoadBalancerPlan } from '../clusters/plan.ts'
import type { CompileSettings } from '../compile/compile-input.ts'
import { Findings } from '../compile/findings.ts'
import { DestinationRules } from '../compile/policy/destination-rules.ts'
import type { ResourceSet } from '../config/resource-set.ts'
import type { ExplainedCluster, ExplainedEndpoint, Place, Refusal } from './explanation.ts'
import { placeOf } from './resource-places.ts'

/** Clusters as explanations show them: the plan, its DestinationRule, and the runtime where there is one. */
export class ClusterView {
  readonly #rules: DestinationRules | null

  /** `set` in Istio's order. */
  constructor(set: ResourceSet | null, settings: CompileSettings) {
    this.#rules =
      set === null ? null : DestinationRules.of(set.destinationRules, settings, new Findings())
  }

  explain(plan: ClusterPlan): ExplainedCluster {
    const runtime = plan.runtime === null ? null : plan.runtime.describe()
    const subset = subsetOf(plan)
    return {
      protocol: plan.protocol,
      discovery: plan.discovery,
      loadBalancer: loadBalancerText(plan.loadBalancer),
      subset,
      tls: tlsText(plan),
      outlierDetection: plan.outlier !== null,
      destinationRules: this.#destinationRules(plan, subset),
      endpoints: runtime === null ? planned(plan) : running(runtime),
      panic: runtime === null ? false : runtime.panic,
      dnsFailures: runtime === null ? [] : runtime.dnsFailures,
    }
  }

  #destinationRules(plan: ClusterPlan, subset: string | null): readonly Place[] {
    const { service, serviceNamespace, clientNamespace } = plan.destination
    const own = this.#rules
    const rules = clientNamespace === undefined ? own : (own?.seenFrom(clientNamespace) ?? null)
    const rule = rules === null ? null : rules.find(service, serviceNamespace)
    if (rule === null) return []
    const found = subset === null ? undefined : rule.subsets.get(subset)
    const places = [found?.place, rule.policy?.place].filter((place) => place !== undefined)
    if (places.length === 0) return rule.sources.slice(0, 1).map((source) => placeOf(source))
    return places.map(({ resource, path }) => placeOf(resource, path))
  }
}

/** `outbound|8080|v1|host` */
function subsetOf(plan: ClusterPlan): string | null {
  const subset = plan.name.split('|')[2] ?? ''
  return subset === '' ? null : subset
}

function planned(plan: ClusterPlan): readonly ExplainedEndpoint[] {
  return plan.endpoints.map(({ address, port, weight, locality, priority = 0 }) => ({
    address: address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
    weight,
    locality,
    priority,
    health: 'unknown',
    returnsInMs: 0,
  }))
}

function running({ endpoints }: ClusterDescription): readonly ExplainedEndpoint[] {
  return endpoints.map(({ address, weight, locality, priority = 0, health, returnsInMs }) => ({
    address,
    weight,
    locality,
    priority,
    health,
    returnsInMs,
  }))
}

/** Why a cluster takes no request now, or null. */
export function clusterRefusal(cluster: ExplainedCluster): Refusal | null {
  const { endpoints, panic, dnsFailures } = cluster
  if (endpoints.length === 0) {
    const [failure] = dnsFailures
    if (failure !== undefined) {
      return { status: 503, flag: 'DF', reason: `its name could not be looked up: ${failure}` }
    }
    const why =
      cluster.subset === null ? 'it has no endpoints' : `subset ${cluster.subset} has no endpoints`
    return { status: 503, flag: 'UH', reason: why }
  }
  if (panic || endpoints.some(({ health }) => health !== 'ejected')) return null
  const first = Math.min(...endpoints.map(({ returnsInMs }) => returnsInMs))
  const reason = `outlier detection ejected all ${endpoints.length} endpoints; the first may return in ${Math.ceil(first / 1000)} s`
  return { status: 503, flag: 'UH', reason }
}

function loadBalancerText(plan: LoadBalancerPlan): string {
  return 'key' in plan ? `${plan.policy} by ${keyText(plan.key)}` : plan.policy
}

function keyText(key: HashKeyPlan): string {
  switch (key.from) {
    case 'header':
      return `header ${key.name}`
    case 'cookie':
      return `cookie ${key.name}`
    case 'query':
      return `query parameter ${key.name}`
    case 'source-ip':
      return 'client address'
  }
}

function tlsText({ tls }: ClusterPlan): string {
  if (tls === null) return 'off'
  const mode = tls.client === null ? 'TLS' : 'mutual TLS'
  const name = tls.serverName === null ? 'server name as Host' : `server name ${tls.serverName}`
  const trust = tls.insecureSkipVerify ? 'certificate not verified' : 'certificate verified'
  return `${mode}, ${name}, ${trust}`
}
