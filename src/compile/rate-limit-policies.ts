import { closest } from '../base/closest.ts'
import type { RateLimitPolicySpec } from '../config/kinds/rate-limit-policy.ts'
import type { ResourceSet } from '../config/resource-set.ts'
import type { Resource } from '../config/resource.ts'
import type { FilterLayer } from '../filters/filter.ts'
import type { RouteScope, RuleSettings } from './envoy-filters-scope.ts'
import type { Findings } from './findings.ts'
import { resolveGatewayName } from './routes/gateway-names.ts'

/** Full names of the Gateways that a VirtualService names anywhere, by its `namespace/name`. */
type GatewaysOf = ReadonlyMap<string, ReadonlySet<string>>

/** One policy with the routes it is meant for. */
class TargetedPolicy {
  readonly resource: Resource<RateLimitPolicySpec>
  /** What the filter reads: names for counters and answers, and the rules. */
  readonly settings: Readonly<Record<string, unknown>>
  /** Lower-case hosts of a targeted ServiceEntry. */
  readonly #hosts: ReadonlySet<string>
  readonly #target: string
  readonly #gatewaysOf: GatewaysOf
  /** Some route carries it. */
  used = false
  /** Some rule has a condition on claims. */
  readonly asksClaims: boolean
  /** A route carries it where nobody validates tokens: its claims are absent there. */
  unauthenticated = false
  /** Names of the target's routes that were served. */
  readonly routeNames = new Set<string>()

  constructor(
    resource: Resource<RateLimitPolicySpec>,
    hosts: readonly string[],
    gatewaysOf: GatewaysOf,
  ) {
    const { namespace, name } = resource.metadata
    this.#gatewaysOf = gatewaysOf
    this.resource = resource
    this.settings = { namespace, name, spec: resource.spec }
    this.asksClaims = (resource.spec.rules ?? []).some(({ match }) => match?.claims !== undefined)
    this.#target = `${namespace}/${resource.spec.targetRef?.name ?? ''}`
    this.#hosts = new Set(hosts.map((host) => host.toLowerCase()))
  }

  appliesTo(scope: RouteScope): boolean {
    const { kind, sectionName = '' } = this.resource.spec.targetRef ?? {}
    switch (kind) {
      case 'Gateway':
        return scope.gateways.includes(this.#target) && this.#isBound(scope)
      case 'ServiceEntry':
        if (scope.context !== 'SIDECAR_OUTBOUND') return false
        if (sectionName !== '' && !scope.domains.includes(sectionName.toLowerCase())) return false
        return scope.domains.some((domain) => this.#hosts.has(domain))
      case 'VirtualService':
        return this.#isRule(scope) && this.#isSection(scope.routeName, sectionName)
      default:
        return false
    }
  }

  /** Gateways of one port share a table: its routes are those of all their VirtualServices. */
  #isBound({ origin }: RouteScope): boolean {
    if (origin?.kind !== 'VirtualService') return true
    const gateways = this.#gatewaysOf.get(`${origin.namespace}/${origin.name}`)
    // A delegate stands wherever it is delegated to.
    return gateways === undefined || gateways.size === 0 || gateways.has(this.#target)
  }

  #isRule({ origin }: RouteScope): boolean {
    if (origin?.kind !== 'VirtualService') return false
    return `${origin.namespace}/${origin.name}` === this.#target
  }

  /** A route is called `http[].name`, with `match[].name` behind a dot. */
  #isSection(routeName: string, sectionName: string): boolean {
    this.routeNames.add(routeName)
    return (
      sectionName === '' || routeName === sectionName || routeName.startsWith(`${sectionName}.`)
    )
  }
}

/** RateLimitPolicies resolved to routes: ask for every route, then `finish` to hear of the others. */
export class RateLimitPolicies {
  readonly #policies: readonly TargetedPolicy[]
  readonly #set: ResourceSet
  readonly #findings: Findings
  readonly #authenticates: (gateways: readonly string[]) => boolean
  /** Routes with the same policies share one layer, and with it what the filter makes of it. */
  readonly #layers = new Map<string, FilterLayer>()

  /** `authenticates`: tokens are validated on these Gateways (`namespace/name`). */
  constructor(
    set: ResourceSet,
    findings: Findings,
    authenticates: (gateways: readonly string[]) => boolean,
  ) {
    this.#authenticates = authenticates
    this.#set = set
    this.#findings = findings
    const gatewaysOf = set.rateLimitPolicies.length === 0 ? NO_GATEWAYS : boundGateways(set)
    this.#policies = set.rateLimitPolicies.map(
      (resource) => new TargetedPolicy(resource, hostsOf(set, resource), gatewaysOf),
    )
  }

  get isEmpty(): boolean {
    return this.#policies.length === 0
  }

  /** What a route's rule says to filters, with the policies of the route. */
  added(scope: RouteScope, rule: RuleSettings): RuleSettings {
    if (this.#policies.length === 0) return rule
    const chosen = this.#policies.filter((policy) => policy.appliesTo(scope))
    if (chosen.length === 0) return rule
    for (const policy of chosen) {
      policy.used = true
      if (policy.asksClaims && !this.#authenticates(scope.gateways)) policy.unauthenticated = true
    }
    return { ...rule, rateLimitPolicies: this.#layerOf(chosen) }
  }

  /** Reports policies that no route carries. Call once, after the last route. */
  finish(): void {
    for (const policy of this.#policies) {
      if (!policy.used) this.#reportUnused(policy)
      else if (policy.unauthenticated) this.#reportUnauthenticated(policy)
    }
  }

  #layerOf(chosen: readonly TargetedPolicy[]): FilterLayer {
    const key = chosen.map((policy) => this.#policies.indexOf(policy)).join(' ')
    let layer = this.#layers.get(key)
    if (layer === undefined) {
      const { kind, metadata, location } = chosen[0]!.resource
      const { namespace, name } = metadata
      const origin = { kind, namespace, name, path: ['spec'], file: location.file }
      layer = {
        value: { policies: chosen.map(({ settings }) => settings) },
        origin: { ...origin, line: location.lineOf(['spec']) },
      }
      this.#layers.set(key, layer)
    }
    return layer
  }

  #reportUnauthenticated({ resource }: TargetedPolicy): void {
    const { rules = [] } = resource.spec
    const index = rules.findIndex(({ match }) => match?.claims !== undefined)
    this.#findings.report(
      'warning',
      'claims-without-authentication',
      { resource, path: ['spec', 'rules', index, 'match', 'claims'] },
      'no RequestAuthentication validates tokens on a route of this policy: claims count as absent there',
      'add a RequestAuthentication that applies to the gateway',
    )
  }

  #reportUnused(policy: TargetedPolicy): void {
    const { resource } = policy
    const { kind = '', name = '', sectionName = '' } = resource.spec.targetRef ?? {}
    const { namespace } = resource.metadata
    const present = targetsOf(this.#set, kind).filter(
      ({ metadata }) => metadata.namespace === namespace,
    )
    const found = present.find(({ metadata }) => metadata.name === name)
    if (found === undefined) {
      const near = closest(
        name,
        present.map(({ metadata }) => metadata.name),
      )
      this.#report(
        policy,
        'name',
        `there is no ${kind} "${name}" in namespace "${namespace}"`,
        near === null
          ? 'A policy stands in the namespace of its target.'
          : `Did you mean "${near}"?`,
      )
      return
    }
    const sections = kind === 'ServiceEntry' ? hostsOf(this.#set, resource) : [...policy.routeNames]
    const named = sections.filter((section) => section !== '')
    if (sectionName !== '' && !named.includes(sectionName)) {
      const near = closest(sectionName, named)
      const listed = named.length === 0 ? 'It has no named ones.' : `There is: ${named.join(', ')}.`
      this.#report(
        policy,
        'sectionName',
        `${kind} "${name}" has no served ${kind === 'ServiceEntry' ? 'host' : 'route'} "${sectionName}"`,
        near === null ? listed : `Did you mean "${near}"?`,
      )
      return
    }
    this.#report(
      policy,
      'name',
      `no route of ${kind} "${name}" is served here`,
      HINTS[kind] ?? null,
    )
  }

  #report(policy: TargetedPolicy, field: string, message: string, hint: string | null): void {
    const place = { resource: policy.resource, path: ['spec', 'targetRef', field] }
    this.#findings.report(
      'warning',
      'rate-limit-policy-unmatched',
      place,
      `${message}: nothing is limited`,
      hint,
    )
  }
}

const NO_GATEWAYS: GatewaysOf = new Map()

function boundGateways(set: ResourceSet): GatewaysOf {
  return new Map(
    set.virtualServices.map(({ metadata: { namespace, name }, spec }) => {
      const written = [
        ...(spec.gateways ?? []),
        ...(spec.http ?? []).flatMap((rule) =>
          (rule.match ?? []).flatMap((match) => match.gateways ?? []),
        ),
      ]
      const gateways = new Set(written.map((one) => resolveGatewayName(one, namespace)))
      return [`${namespace}/${name}`, gateways] as const
    }),
  )
}

const HINTS: Readonly<Record<string, string>> = {
  Gateway: 'Bind a VirtualService to the Gateway, and see that its selector matches --labels.',
  VirtualService:
    'Bind it to a served Gateway or to mesh; routes of a delegate belong to the delegate.',
  ServiceEntry: 'Give it a port of protocol HTTP.',
}

function targetsOf(set: ResourceSet, kind: string): readonly Resource<unknown>[] {
  if (kind === 'Gateway') return set.gateways
  return kind === 'VirtualService' ? set.virtualServices : set.serviceEntries
}

function hostsOf(set: ResourceSet, policy: Resource<RateLimitPolicySpec>): readonly string[] {
  const { targetRef } = policy.spec
  if (targetRef?.kind !== 'ServiceEntry') return []
  const entry = set.serviceEntries.find(
    ({ metadata }) =>
      metadata.name === targetRef.name && metadata.namespace === policy.metadata.namespace,
  )
  return entry?.spec.hosts ?? []
}
