import type { LimitCheck } from './limit-check.ts'
import type { RuleStats } from './stats.ts'

/** Counters watched at once. */
const MAX_KEYS = 256

/** Used to this part a counter is near its limit, as envoyproxy/ratelimit has it. */
const NEAR_SHARE = 0.8

/** A counter that is used up, or soon will be. */
export interface HotKey {
  /** As in Redis, without its prefix; holds no client data. */
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

class Entry {
  readonly key: string
  readonly rule: RuleStats
  readonly countError: number
  count: number
  over = 0
  limit = 0
  remaining = 0
  lastSeenMs = 0

  constructor(key: string, rule: RuleStats, countError: number) {
    this.key = key
    this.rule = rule
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
    const entry = this.#entries.get(check.key) ?? this.#admit(check.key, rule)
    entry.count++
    if (check.over) entry.over++
    entry.limit = limit
    entry.remaining = check.over ? 0 : check.remaining
    entry.lastSeenMs = this.#now()
  }

  /** Most frequent first. */
  list(): readonly HotKey[] {
    return [...this.#entries.values()]
      .sort((a, b) => b.count - a.count)
      .map(({ key, rule, count, countError, over, limit, remaining, lastSeenMs }) => ({
        key,
        policy: rule.policy,
        rule: rule.rule,
        count,
        countError,
        over,
        limit,
        remaining,
        lastSeen: new Date(lastSeenMs).toISOString(),
      }))
  }

  /** A new key takes the place of the least frequent, and its count with it. */
  #admit(key: string, rule: RuleStats): Entry {
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
    const entry = new Entry(key, rule, countError)
    this.#entries.set(key, entry)
    return entry
  }
}
