import type { LimitCheck, Quota } from './limit-check.ts'
import type { RuleStats } from './stats.ts'

/** Counters watched at once. */
const MAX_KEYS = 256

/** Used to this part a counter is near its limit, as envoyproxy/ratelimit has it. */
export const NEAR_SHARE = 0.8

/** A counter that is used up, or soon will be. */
export interface HotKey {
  /** As in Redis, without its prefix: a hash. Values of requests stand in it only with `keys=envoy`. */
  readonly key: string
  readonly policy: string
  readonly rule: string
  /** Requests that found it near or over its limit: at most `countError` too many. */
  readonly count: number
  readonly countError: number
  /** Requests among them that did not fit, shadow limits included. */
  readonly over: number
  readonly limit: number
  readonly remaining: number
  /** ISO 8601. */
  readonly lastSeen: string
}

/** A counter as it was last met, for whoever asks for its state of now. */
export interface WatchedKey {
  readonly key: string
  readonly rule: RuleStats
  readonly quota: Quota
  readonly count: number
  readonly countError: number
  readonly over: number
  /** Of `over`, those that met a shadow limit. */
  readonly shadowed: number
  /** Units the last request took. */
  readonly cost: number
  readonly remaining: number
  /** Milliseconds since the epoch. */
  readonly resetAtMs: number
  readonly lastSeenMs: number
}

class Entry implements WatchedKey {
  readonly key: string
  readonly rule: RuleStats
  readonly countError: number
  quota: Quota
  count: number
  over = 0
  shadowed = 0
  cost = 0
  remaining = 0
  resetAtMs = 0
  lastSeenMs = 0

  constructor({ key, quota }: LimitCheck, rule: RuleStats, countError: number) {
    this.key = key
    this.rule = rule
    this.quota = quota
    this.countError = countError
    this.count = countError
  }
}

/**
 * The counters that are met near or over their limits most often (Metwally et al., "space saving"):
 * bounded, and none that makes up more than 1/256 of those requests is missed.
 */
export class HotKeys {
  readonly #entries = new Map<string, Entry>()
  readonly #maxKeys: number
  readonly #now: () => number

  /** `now` gives milliseconds since the epoch. */
  constructor(maxKeys: number = MAX_KEYS, now: () => number = Date.now) {
    this.#maxKeys = maxKeys
    this.#now = now
  }

  /** A request met a counter. */
  note(rule: RuleStats, check: LimitCheck): void {
    const { limit, burst } = check.quota
    const units = Math.max(limit, burst)
    if (!check.over && units - check.remaining < units * NEAR_SHARE) return
    const entry = this.#entries.get(check.key) ?? this.#admit(check, rule)
    const now = this.#now()
    entry.count++
    if (check.over) entry.over++
    if (check.over && !check.enforces) entry.shadowed++
    entry.quota = check.quota
    entry.cost = check.cost
    entry.remaining = check.over ? 0 : check.remaining
    entry.resetAtMs = now + check.resetMs
    entry.lastSeenMs = now
  }

  /** Most frequent first. */
  watched(): readonly WatchedKey[] {
    return [...this.#entries.values()].sort((a, b) => b.count - a.count)
  }

  /** Most frequent first. */
  list(): readonly HotKey[] {
    return this.watched().map(
      ({ key, rule, quota, count, countError, over, remaining, lastSeenMs }) => ({
        key,
        policy: rule.policy,
        rule: rule.rule,
        count,
        countError,
        over,
        limit: quota.limit,
        remaining,
        lastSeen: new Date(lastSeenMs).toISOString(),
      }),
    )
  }

  /** A new key takes the place of the least frequent, and its count with it. */
  #admit(check: LimitCheck, rule: RuleStats): Entry {
    let countError = 0
    if (this.#entries.size >= this.#maxKeys) {
      let least: Entry | null = null
      for (const entry of this.#entries.values()) {
        if (least === null || entry.count < least.count) least = entry
      }
      if (least !== null) {
        countError = least.count
        this.#entries.delete(least.key)
      }
    }
    const entry = new Entry(check, rule, countError)
    this.#entries.set(check.key, entry)
    return entry
  }
}
