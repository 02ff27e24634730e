import { expandHost, hostMatches, hostCovers } from '../../config/hosts.ts'
import type { DestinationRuleSpec, TrafficPolicySpec } from '../../config/kinds/destination-rule.ts'
import type { Resource } from '../../config/resource.ts'
import type { CompileSettings } from '../compile-input.ts'
import { describe, type Findings, type Place } from '../findings.ts'
import { type Labels, selects } from '../labels.ts'
import { byAge } from '../ordering.ts'
import { visibilityOf } from '../visibility.ts'

/** A traffic policy and where it stands. */
export interface PlacedPolicy {
  readonly spec: TrafficPolicySpec
  readonly place: Place
}

export interface RuleSubset {
  readonly name: string
  readonly labels: Labels
  readonly policy: PlacedPolicy | null
  readonly place: Place
}

/** The DestinationRules of one host string in one namespace, merged. */
export interface MergedRule {
  readonly host: string
  readonly policy: PlacedPolicy | null
  readonly subsets: ReadonlyMap<string, RuleSubset>
  readonly sources: readonly Resource<DestinationRuleSpec>[]
  /** The rule with errors whose trafficPolicy, TLS and all, would be this one's; see withheldRules. */
  readonly withheld: Resource<DestinationRuleSpec> | null
}

type Rule = Resource<DestinationRuleSpec>

/**
 * Which DestinationRule applies to a host: namespaces are asked in the order own, the service's,
 * root; the first with any match ends the search, and inside it an exact host beats the longest
 * wildcard. Rules for the same host string are merged: the oldest keeps its policy, subsets are
 * united.
 */
export class DestinationRules {
  readonly #byNamespace = new Map<string, Map<string, MergedRule>>()
  /** Rules that exportTo keeps inside our own namespace: they apply even when it is the root. */
  readonly #privateOwn = new Map<string, MergedRule>()
  readonly #used = new Set<Rule>()
  readonly #rules: readonly Rule[]
  readonly #withheld: ReadonlySet<Rule>
  readonly #settings: CompileSettings
  readonly #findings: Findings

  /** `withheld`: stand-ins for rules with errors, which take their places in the lookup. */
  constructor(
    rules: readonly Rule[],
    settings: CompileSettings,
    findings: Findings,
    withheld: readonly Rule[] = [],
  ) {
    this.#rules = rules
    this.#withheld = new Set(withheld)
    this.#settings = settings
    this.#findings = findings
    const groups = new Map<string, { host: string; namespace: string; rules: Rule[] }>()
    for (const rule of [...rules, ...withheld].toSorted(byAge)) {
      if (!this.#appliesHere(rule)) continue
      const host = this.#hostOf(rule)
      const exportTo = [...(rule.spec.exportTo ?? ['*'])].toSorted().join(',')
      const selector = JSON.stringify(rule.spec.workloadSelector ?? null)
      const key = [rule.metadata.namespace, host, exportTo, selector].join('\n')
      const group = groups.get(key)
      if (group === undefined) {
        groups.set(key, { host, namespace: rule.metadata.namespace, rules: [rule] })
      } else group.rules.push(rule)
    }
    for (const group of groups.values()) this.#place(group.namespace, this.#merge(group))
  }

  find(host: string, serviceNamespace: string): MergedRule | null {
    const { namespace, rootNamespace } = this.#settings
    const own = namespace === rootNamespace ? this.#privateOwn : this.#byNamespace.get(namespace)
    const rule =
      mostSpecific(own, host) ??
      mostSpecific(this.#byNamespace.get(serviceNamespace), host) ??
      mostSpecific(this.#byNamespace.get(rootNamespace), host)
    if (rule !== null) for (const source of rule.sources) this.#used.add(source)
    return rule
  }

  /** Says which rules no lookup found. `knows` tells whether any host under a pattern exists. */
  reportUnused(knows: (host: string) => boolean): void {
    for (const rule of this.#rules) {
      if (this.#used.has(rule)) continue
      const host = this.#hostOf(rule)
      const place = { resource: rule, path: ['spec', 'host'] }
      if (visibilityOf(rule, this.#settings.namespace) === 'hidden') {
        const message = `exportTo hides this rule from namespace ${this.#settings.namespace}, where the gateway stands`
        this.#findings.report('info', 'hidden-by-export-to', place, message)
      } else if (!knows(host)) {
        const message = `no Service or ServiceEntry has the host ${host}: the rule is not used`
        const hint = 'a short host belongs to the namespace of the DestinationRule'
        this.#findings.report('info', 'destination-rule-host-not-found', place, message, hint)
      } else {
        const message = `another DestinationRule decides for ${host}, or none of its clusters is reached: the rule is not used`
        const hint =
          'lookup order: namespace of the gateway, of the service, then the root namespace; an exact host hides a wildcard'
        this.#findings.report('info', 'destination-rule-not-used', place, message, hint)
      }
    }
  }

  #hostOf(rule: Rule): string {
    const { host = '' } = rule.spec
    return expandHost(host, rule.metadata.namespace, this.#settings.domain).toLowerCase()
  }

  #appliesHere(rule: Rule): boolean {
    const { namespace, ownLabels } = this.#settings
    if (visibilityOf(rule, namespace) === 'hidden') return false
    const selector = rule.spec.workloadSelector?.matchLabels
    if (selector === undefined) return true
    if (rule.metadata.namespace !== namespace) return false
    return ownLabels.some((labels) => selects(selector, labels))
  }

  /** A rule with a workloadSelector goes before one without, whatever their ages. */
  #place(namespace: string, rule: MergedRule): void {
    const byHost = this.#byNamespace.get(namespace) ?? new Map<string, MergedRule>()
    this.#byNamespace.set(namespace, byHost)
    prefer(byHost, rule)
    const visibility = rule.sources[0] && visibilityOf(rule.sources[0], this.#settings.namespace)
    if (namespace === this.#settings.namespace && visibility === 'private') {
      prefer(this.#privateOwn, rule)
    }
  }

  #merge(group: { readonly host: string; readonly rules: readonly Rule[] }): MergedRule {
    let policy: PlacedPolicy | null = null
    let withheld: Rule | null = null
    const subsets = new Map<string, RuleSubset>()
    for (const rule of group.rules) {
      const { trafficPolicy } = rule.spec
      const place = { resource: rule, path: ['spec', 'trafficPolicy'] }
      if (this.#withheld.has(rule)) {
        if (policy === null) withheld = rule
        continue
      }
      if (trafficPolicy !== undefined) {
        if (policy === null) policy = { spec: trafficPolicy, place }
        else {
          const message = `DestinationRule ${describe(policy.place.resource)} for the same host is older: its trafficPolicy applies, this one is dropped`
          this.#findings.report('warning', 'destination-rule-policy-dropped', place, message)
        }
      }
      this.#mergeSubsets(subsets, rule)
    }
    return { host: group.host, policy, subsets, sources: group.rules, withheld }
  }

  #mergeSubsets(subsets: Map<string, RuleSubset>, rule: Rule): void {
    for (const [index, subset] of (rule.spec.subsets ?? []).entries()) {
      const path = ['spec', 'subsets', index]
      const place = { resource: rule, path }
      const name = subset.name ?? ''
      const present = subsets.get(name)
      if (present !== undefined) {
        const message = `subset ${name} is already defined by ${describe(present.place.resource)}: this one is dropped`
        this.#findings.report('warning', 'destination-rule-subset-dropped', place, message)
        continue
      }
      const spec = subset.trafficPolicy
      const policyPlace = { resource: rule, path: [...path, 'trafficPolicy'] }
      const policy = spec === undefined ? null : { spec, place: policyPlace }
      subsets.set(name, { name, labels: subset.labels ?? {}, policy, place })
    }
  }
}

function prefer(byHost: Map<string, MergedRule>, rule: MergedRule): void {
  const present = byHost.get(rule.host)
  const isSelected = (one: MergedRule): boolean =>
    one.sources[0]?.spec.workloadSelector?.matchLabels !== undefined
  if (present === undefined || (isSelected(rule) && !isSelected(present))) {
    byHost.set(rule.host, rule)
  }
}

function mostSpecific(
  byHost: ReadonlyMap<string, MergedRule> | undefined,
  host: string,
): MergedRule | null {
  if (byHost === undefined) return null
  const exact = byHost.get(host)
  if (exact !== undefined) return exact
  let best: MergedRule | null = null
  for (const [pattern, rule] of byHost) {
    if (!pattern.startsWith('*') || !covers(pattern, host)) continue
    if (best === null || pattern.length > best.host.length) best = rule
  }
  return best
}

function covers(pattern: string, host: string): boolean {
  return host.startsWith('*') ? hostCovers(pattern, host) : hostMatches(pattern, host)
}
