import { expandHost } from '../../config/hosts.ts'
import type { DestinationRuleSpec, TrafficPolicySpec } from '../../config/kinds/destination-rule.ts'
import type { Resource } from '../../config/resource.ts'
import { describe, type Findings, type Place } from '../findings.ts'
import type { Labels } from '../labels.ts'
import { byAge } from '../ordering.ts'

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
  readonly sources: readonly Rule[]
  /** The rule with errors whose trafficPolicy, TLS and all, would be this one's; see withheldRules. */
  readonly withheld: Rule | null
}

export type Rule = Resource<DestinationRuleSpec>

/** Rules that are one: same host, namespace, exportTo and selector. */
export interface RuleGroup {
  readonly host: string
  readonly namespace: string
  readonly exportTo: readonly string[] | undefined
  /** null: for every proxy. */
  readonly selector: Labels | null
  /** Oldest first. */
  readonly rules: Rule[]
}

/**
 * All DestinationRules, whoever sees them: those for the same host string are merged, the oldest
 * keeps its policy, subsets are united. What is merged and reported waits until somebody sees it.
 */
export class RuleGroups {
  /** Oldest first. */
  readonly all: readonly RuleGroup[]
  /** As given, without those withheld. */
  readonly written: readonly Rule[]
  /** Some lookup found them. */
  readonly used = new Set<Rule>()
  readonly #merged = new Map<RuleGroup, MergedRule>()
  readonly #withheld: ReadonlySet<Rule>
  readonly #findings: Findings

  /** `withheld`: stand-ins for rules with errors, which take their places in the lookup. */
  constructor(init: {
    rules: readonly Rule[]
    withheld: readonly Rule[]
    domain: string
    findings: Findings
  }) {
    this.written = init.rules
    this.#withheld = new Set(init.withheld)
    this.#findings = init.findings
    const groups = new Map<string, RuleGroup>()
    for (const rule of [...init.rules, ...init.withheld].toSorted(byAge)) {
      const { exportTo, workloadSelector } = rule.spec
      const { namespace } = rule.metadata
      const host = hostOf(rule, init.domain)
      const exported = [...(exportTo ?? ['*'])].toSorted().join(',')
      const selectorText = JSON.stringify(workloadSelector ?? null)
      const key = [namespace, host, exported, selectorText].join('\n')
      const selector = workloadSelector?.matchLabels ?? null
      const group = groups.get(key)
      if (group === undefined) {
        groups.set(key, { host, namespace, exportTo, selector, rules: [rule] })
      } else group.rules.push(rule)
    }
    this.all = [...groups.values()]
  }

  /** One object for one group, whoever asks. */
  merged(group: RuleGroup): MergedRule {
    const present = this.#merged.get(group)
    if (present !== undefined) return present
    const made = this.#merge(group)
    this.#merged.set(group, made)
    return made
  }

  #merge(group: RuleGroup): MergedRule {
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

/** The full name a rule is for, lower-case. */
export function hostOf(rule: Rule, domain: string): string {
  const { host = '' } = rule.spec
  return expandHost(host, rule.metadata.namespace, domain).toLowerCase()
}
