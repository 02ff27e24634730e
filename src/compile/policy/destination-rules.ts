import { hostMatches, hostCovers } from '../../config/hosts.ts'
import type { CompileSettings } from '../compile-input.ts'
import type { Findings } from '../findings.ts'
import { selects } from '../labels.ts'
import { audienceOf, visibilityFrom, visibilityOf } from '../visibility.ts'
import { hostOf, type MergedRule, type Rule, type RuleGroup, RuleGroups } from './rule-groups.ts'

export type { MergedRule, PlacedPolicy, RuleSubset } from './rule-groups.ts'

/** What a lookup depends on besides the rules. */
type Viewer = Pick<CompileSettings, 'namespace' | 'rootNamespace' | 'ownLabels' | 'domain'>

/**
 * Which DestinationRule applies to a host, as one namespace sees it: namespaces are asked in the
 * order own, the service's, root; the first with any match ends the search, and inside it an exact
 * host beats the longest wildcard.
 */
export class DestinationRules {
  readonly #byNamespace = new Map<string, RulesByHost>()
  /** Rules that exportTo keeps inside our own namespace: they apply even when it is the root. */
  readonly #privateOwn = new RulesByHost()
  readonly #groups: RuleGroups
  readonly #viewer: Viewer

  /** `withheld`: stand-ins for rules with errors, which take their places in the lookup. */
  static of(
    rules: readonly Rule[],
    viewer: Viewer,
    findings: Findings,
    withheld: readonly Rule[] = [],
  ): DestinationRules {
    const { domain } = viewer
    return new DestinationRules(new RuleGroups({ rules, withheld, domain, findings }), viewer)
  }

  private constructor(groups: RuleGroups, viewer: Viewer) {
    this.#groups = groups
    this.#viewer = viewer
    for (const group of groups.all) if (this.#appliesHere(group)) this.#place(group)
  }

  /**
   * The same rules as workloads of another namespace see them. A workloadSelector is not asked
   * there: nobody knows the labels of a namespace.
   */
  seenFrom(namespace: string): DestinationRules {
    return new DestinationRules(this.#groups, { ...this.#viewer, namespace, ownLabels: [] })
  }

  find(host: string, serviceNamespace: string): MergedRule | null {
    const { namespace, rootNamespace } = this.#viewer
    const own = namespace === rootNamespace ? this.#privateOwn : this.#byNamespace.get(namespace)
    const rule =
      own?.find(host) ??
      this.#byNamespace.get(serviceNamespace)?.find(host) ??
      this.#byNamespace.get(rootNamespace)?.find(host) ??
      null
    if (rule !== null) for (const source of rule.sources) this.#groups.used.add(source)
    return rule
  }

  /**
   * By namespace, the rules that it sees otherwise than most do: two namespaces with the same list
   * find the same rule for every host, as do all without one. `homeOf` tells the namespace of a
   * service, null for a host that is none.
   */
  peculiarities(homeOf: (host: string) => string | null): ReadonlyMap<string, readonly string[]> {
    const found = new Map<string, string[]>()
    for (const [index, group] of this.#groups.all.entries()) {
      for (const namespace of this.#minorities(group, homeOf)) {
        const list = found.get(namespace) ?? []
        // What is one's own is asked first, what others export may not be asked at all.
        list.push(namespace === group.namespace ? `${index} own` : `${index}`)
        found.set(namespace, list)
      }
    }
    return found
  }

  /** Says which rules no lookup found. `knows` tells whether any host under a pattern exists. */
  reportUnused(knows: (host: string) => boolean, findings: Findings): void {
    const { namespace, domain } = this.#viewer
    for (const rule of this.#groups.written) {
      if (this.#groups.used.has(rule)) continue
      const host = hostOf(rule, domain)
      const place = { resource: rule, path: ['spec', 'host'] }
      if (visibilityOf(rule, namespace) === 'hidden') {
        const message = `exportTo hides this rule from namespace ${namespace}, where the gateway stands`
        findings.report('info', 'hidden-by-export-to', place, message)
      } else if (!knows(host)) {
        const message = `no Service or ServiceEntry has the host ${host}: the rule is not used`
        const hint = 'a short host belongs to the namespace of the DestinationRule'
        findings.report('info', 'destination-rule-host-not-found', place, message, hint)
      } else {
        const message = `another DestinationRule decides for ${host}, or none of its clusters is reached: the rule is not used`
        const hint =
          'lookup order: namespace of the gateway, of the service, then the root namespace; an exact host hides a wildcard'
        findings.report('info', 'destination-rule-not-used', place, message, hint)
      }
    }
  }

  /** The namespaces for which a rule means another thing than for the rest. */
  #minorities(group: RuleGroup, homeOf: (host: string) => string | null): Iterable<string> {
    const { host, namespace, exportTo, selector } = group
    if (selector !== null) return this.#appliesHere(group) ? [namespace] : []
    const audience = audienceOf(exportTo, namespace)
    if (audience !== null) return audience
    // Asked first by its own namespace, and by everybody else at home or in the root.
    const atHome = host.startsWith('*')
      ? host.endsWith(`.${namespace}.svc.${this.#viewer.domain}`)
      : homeOf(host) === namespace
    return atHome || namespace === this.#viewer.rootNamespace ? [] : [namespace]
  }

  #appliesHere(group: RuleGroup): boolean {
    const { namespace, ownLabels } = this.#viewer
    const { selector } = group
    if (visibilityFrom(group.exportTo, group.namespace, namespace) === 'hidden') return false
    if (selector === null) return true
    if (group.namespace !== namespace) return false
    return ownLabels.some((labels) => selects(selector, labels))
  }

  #place(group: RuleGroup): void {
    const { namespace } = group
    const rule = this.#groups.merged(group)
    const byHost = this.#byNamespace.get(namespace) ?? new RulesByHost()
    this.#byNamespace.set(namespace, byHost)
    byHost.add(rule)
    const own = this.#viewer.namespace
    const visibility = visibilityFrom(group.exportTo, namespace, own)
    if (namespace === own && visibility === 'private') this.#privateOwn.add(rule)
  }
}

/** The rules of one namespace. */
class RulesByHost {
  readonly #exact = new Map<string, MergedRule>()
  readonly #wildcards = new Map<string, MergedRule>()

  /** A rule with a workloadSelector goes before one without, whatever their ages. */
  add(rule: MergedRule): void {
    const byHost = rule.host.startsWith('*') ? this.#wildcards : this.#exact
    const present = byHost.get(rule.host)
    if (present === undefined || (isSelected(rule) && !isSelected(present))) {
      byHost.set(rule.host, rule)
    }
  }

  /** An exact host (of a wildcard service its wildcard), else the longest wildcard that covers it. */
  find(host: string): MergedRule | null {
    const exact = this.#exact.get(host) ?? this.#wildcards.get(host)
    if (exact !== undefined) return exact
    let best: MergedRule | null = null
    for (const [pattern, rule] of this.#wildcards) {
      if (!covers(pattern, host)) continue
      if (best === null || pattern.length > best.host.length) best = rule
    }
    return best
  }
}

function isSelected({ sources }: MergedRule): boolean {
  return sources[0]?.spec.workloadSelector?.matchLabels !== undefined
}

function covers(pattern: string, host: string): boolean {
  return host.startsWith('*') ? hostCovers(pattern, host) : hostMatches(pattern, host)
}
