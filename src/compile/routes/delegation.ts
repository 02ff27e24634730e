import type { HttpMatchSpec, VirtualServiceSpec } from '../../config/kinds/virtual-service.ts'
import { formatPath } from '../../config/problems.ts'
import type { Resource } from '../../config/resource.ts'
import type { CompileSettings } from '../compile-input.ts'
import { describe, type Findings, type Place } from '../findings.ts'
import { visibilityFrom } from '../visibility.ts'
import { MAX_MERGED_MATCHES, mergeRule } from './delegate-merge.ts'
import { placedRule, type PlacedRule } from './placed-rule.ts'

type Service = Resource<VirtualServiceSpec>

/** `match.gateways` as written. */
interface MatchedGateways {
  readonly names: readonly string[]
  /** Of the VirtualService that it is written in. */
  readonly namespace: string
}

/**
 * VirtualServices without hosts are parts of others: a rule with `delegate` is replaced, in its
 * place, by the rules of the VirtualService it names. One level only.
 */
export class Delegation {
  /** Named by some rule, whether that worked or not. */
  readonly #used = new Set<Service>()
  readonly #services: readonly Service[]
  /** Made when the first rule delegates. */
  #byName: ReadonlyMap<string, Service> | null = null
  readonly #rules = new Map<Service, readonly PlacedRule[]>()
  readonly #delegating: ReadonlySet<Service>
  readonly #settings: CompileSettings
  readonly #findings: Findings

  constructor(services: readonly Service[], settings: CompileSettings, findings: Findings) {
    this.#services = services
    this.#settings = settings
    this.#findings = findings
    const delegating = services.filter(({ spec }) =>
      (spec.http ?? []).some((rule) => rule.delegate !== undefined),
    )
    this.#delegating = new Set(delegating)
    for (const service of delegating) this.rulesOf(service)
    for (const service of services) {
      if (isDelegate(service) && !this.#used.has(service)) this.#reportUnused(service)
    }
  }

  /** The http rules of a VirtualService with hosts, in order, delegates filled in. */
  rulesOf(service: Service): readonly PlacedRule[] {
    if (isDelegate(service)) return []
    const present = this.#rules.get(service)
    if (present !== undefined) return present
    const rules = this.#expand(service)
    this.#rules.set(service, rules)
    return rules
  }

  /** The gateways that match entries name, each list with the namespace that short names belong to. */
  matchedGateways(service: Service): readonly MatchedGateways[] {
    const { namespace } = service.metadata
    // Most delegate nothing: their rules are not looked at more closely for it.
    const found = this.delegates(service)
      ? this.rulesOf(service).flatMap(({ matches }) =>
          matches.map(({ spec, place }) => gatewaysOf(spec, place.resource.metadata.namespace)),
        )
      : (service.spec.http ?? []).flatMap(({ match = [] }) =>
          match.map((spec) => gatewaysOf(spec, namespace)),
        )
    return found.filter(({ names }) => names.length > 0)
  }

  /** Some rule of it is written in another VirtualService. */
  delegates(service: Service): boolean {
    return this.#delegating.has(service)
  }

  #expand(service: Service): readonly PlacedRule[] {
    const rules: PlacedRule[] = []
    for (const [index, rule] of (service.spec.http ?? []).entries()) {
      const placed = placedRule(service, rule, index)
      if (rule.delegate === undefined) rules.push(placed)
      else rules.push(...this.#delegated(placed, rule.delegate))
    }
    return rules
  }

  #delegated(root: PlacedRule, named: { name?: string; namespace?: string }): PlacedRule[] {
    const { resource, path } = root.place
    const place = { resource, path: [...path, 'delegate'] }
    const delegate = this.#find(named, place)
    if (delegate === null) return []
    const rules = (delegate.spec.http ?? []).map((rule, index) => placedRule(delegate, rule, index))
    if (rules.length === 0) {
      this.#findings.report(
        'warning',
        'delegate-without-rules',
        place,
        `VirtualService ${describe(delegate)} has no http rules: nothing stands in for this rule`,
        'add http rules to it',
      )
    }
    const merged: PlacedRule[] = []
    let pairs = 0
    for (const rule of rules) {
      pairs += Math.max(1, root.matches.length) * Math.max(1, rule.matches.length)
      if (pairs > MAX_MERGED_MATCHES) {
        this.#reportTooMany(root, rule)
        break
      }
      const outcome = mergeRule(root, rule, this.#settings.domain)
      if ('rule' in outcome) merged.push(outcome)
      else this.#reportConflict(root, rule, outcome.match.place, outcome.field)
    }
    return merged
  }

  #find(named: { name?: string; namespace?: string }, place: Place): Service | null {
    const own = place.resource.metadata.namespace
    const namespace = (named.namespace ?? '') === '' ? own : (named.namespace ?? own)
    const key = `${namespace}/${named.name ?? ''}`
    this.#byName ??= new Map(this.#services.map((service) => [nameOf(service), service]))
    const delegate = this.#byName.get(key)
    if (delegate === undefined || !isDelegate(delegate)) {
      const reason =
        delegate === undefined
          ? 'does not exist'
          : `has hosts (${describe(delegate, ['spec', 'hosts'])}), so it is no delegate`
      this.#findings.report(
        'error',
        'delegate-not-found',
        place,
        `VirtualService ${key} ${reason}: this rule is left out, the others apply`,
        delegate === undefined
          ? 'without namespace the one of the delegating VirtualService is meant'
          : 'a delegate has neither hosts nor gateways',
      )
      return null
    }
    this.#used.add(delegate)
    if (visibilityFrom(delegate.spec.exportTo, namespace, own) !== 'hidden') return delegate
    this.#findings.report(
      'error',
      'delegate-not-exported',
      place,
      `exportTo of VirtualService ${describe(delegate, ['spec', 'exportTo'])} hides it from namespace ${own}: this rule is left out, the others apply`,
      `add ${own} to its exportTo`,
    )
    return null
  }

  #reportConflict(root: PlacedRule, rule: PlacedRule, match: Place, field: string): void {
    this.#findings.report(
      'warning',
      'delegate-rule-conflict',
      match,
      `${formatPath(rule.place.path)} is left out where ${at(root.place)} delegates to it: ${field} of this match lies within no match of that rule`,
      'a delegate may only narrow what the delegating rule matches; where one of the two is a regex, the other must not name the field',
    )
  }

  #reportTooMany(root: PlacedRule, rule: PlacedRule): void {
    this.#findings.report(
      'error',
      'delegate-too-large',
      rule.place,
      `together with the matches of ${at(root.place)} there are more than ${MAX_MERGED_MATCHES} match entries: this rule and those behind it are left out there`,
      'delegate to smaller VirtualServices',
    )
  }

  #reportUnused(service: Service): void {
    this.#findings.report(
      'warning',
      'delegate-not-used',
      { resource: service, path: ['spec'] },
      'this VirtualService has no hosts and no other one delegates to it: it has no effect',
      'add hosts, or name it as delegate in a rule of a VirtualService with hosts',
    )
  }
}

function gatewaysOf({ gateways = [] }: HttpMatchSpec, namespace: string): MatchedGateways {
  return { names: gateways, namespace }
}

/** Without hosts a VirtualService is a part of another one. */
export function isDelegate(service: Service): boolean {
  return (service.spec.hosts ?? []).length === 0
}

function nameOf({ metadata }: Service): string {
  return `${metadata.namespace}/${metadata.name}`
}

function at(place: Place): string {
  return `${formatPath(place.path)} of VirtualService ${describe(place.resource, place.path)}`
}
