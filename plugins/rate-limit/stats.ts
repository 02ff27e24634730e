import { HotKeys } from './hot-keys.ts'
import type { Limit } from './limit.ts'

/** A rule of a RateLimitPolicy, a limit of a descriptor file, or buckets of this process. */
export type LimitKind = 'policy' | 'global' | 'local'

/** What one rule or limit did. Labels come from configuration alone. */
export class RuleStats {
  /** `namespace/name` of a RateLimitPolicy, or the domain of a descriptor file. */
  readonly policy: string
  readonly rule: string
  readonly kind: LimitKind
  allowed = 0
  limited = 0
  /** Would have been limited by a rule that only looks on. */
  shadowed = 0
  /** Decided without the store. */
  unavailable = 0
  /** Requests that wait for the limit to admit them, at this moment. */
  queued = 0
  /** Requests that waited so far. */
  waits = 0
  /** How long they did, in milliseconds altogether. */
  waitedMs = 0
  /** How often an upstream said that it must not be asked for a while. */
  closings = 0

  constructor(policy: string, rule: string, kind: LimitKind = 'policy') {
    this.policy = policy
    this.rule = rule
    this.kind = kind
  }
}

/** Rules that are counted apart; those beyond share one entry. Outlives configuration changes. */
const MAX_RULES = 2000

/** What the limiter did since it was made. Plain counters, read by `status`. */
export class RateLimitStats {
  /** Requests that met at least one limit. */
  checks = 0
  /** Requests answered because a limit was used up. */
  denied = 0
  /** Checks without counters: Redis away, late or in error. */
  failures = 0
  /** Of those, requests refused because failure_mode_deny says so. */
  deniedOnFailure = 0
  /** Counters that are met near or over their limits. */
  readonly hot = new HotKeys()
  readonly #rules = new Map<string, RuleStats>()
  readonly #limits = new WeakMap<Limit, RuleStats>()
  readonly #others = new RuleStats('other', 'other')

  /** The counters of a rule: the same ones after a change of configuration. */
  rule(policy: string, rule: string, kind: LimitKind = 'policy'): RuleStats {
    const key = `${policy} ${rule}`
    let stats = this.#rules.get(key)
    if (stats === undefined) {
      if (this.#rules.size >= MAX_RULES) return this.#others
      stats = new RuleStats(policy, rule, kind)
      this.#rules.set(key, stats)
    }
    return stats
  }

  /** The counters of a limit of a descriptor file. */
  limit(domain: string, limit: Limit): RuleStats {
    let stats = this.#limits.get(limit)
    if (stats === undefined) {
      stats = this.rule(domain, limit.path, 'global')
      this.#limits.set(limit, stats)
    }
    return stats
  }

  /** For metrics. */
  get rules(): readonly RuleStats[] {
    return [...this.#rules.values(), this.#others]
  }
}
