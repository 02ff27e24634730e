import type { Random } from '../../src/base/random.ts'
import {
  ANSWERED,
  CONTINUE,
  type Filter,
  type FilterExchange,
  type SettingOrigin,
  type Verdict,
} from '../../src/filters/filter.ts'
import { Headers } from '../../src/filters/headers.ts'
import type { LimitReport } from '../../src/filters/limit-report.ts'
import type { AddedHeader } from './config.ts'
import type { CounterOwnerName, CounterSelection, SelectedCounters } from './counter-selection.ts'
import { type Counting, EACH } from './counter-store.ts'
import { wholeSeconds } from './decision.ts'
import { isGrpcRequest, RESOURCE_EXHAUSTED } from './grpc-request.ts'
import type { LimitCheck } from './limit-check.ts'
import { type BucketTaker, takeFromBuckets } from './local-buckets.ts'
import type { LocalConfig } from './local-config.ts'
import { describeLocal, localCounters, reportLocal } from './local-report.ts'
import type { MemoryStore } from './memory-store.ts'
import type { RateLimitStats, RuleStats } from './stats.ts'

/** Everything about the local limits of one route that configuration decides. */
export interface LocalPlan {
  readonly config: LocalConfig
  /** Names the buckets: the same after a change of other configuration. */
  readonly identity: string
  /** Where the message stands. */
  readonly origin: SettingOrigin
  /** Always this process' own. */
  readonly store: MemoryStore
  readonly connections: ConnectionBuckets
  readonly stats: RateLimitStats
  readonly counts: RuleStats
  readonly random: Random
}

/** Numbers for connections that have buckets of their own. Forgotten with the connection. */
export class ConnectionBuckets {
  readonly #numbers = new WeakMap<object, number>()
  #last = 0

  numberOf(connection: object): number {
    let number = this.#numbers.get(connection)
    if (number === undefined) {
      number = ++this.#last
      this.#numbers.set(connection, number)
    }
    return number
  }
}

/** One bucket at a time, in memory: answered at once. */
class Bucket implements Counting {
  readonly checks: readonly LimitCheck[]
  readonly charge = EACH
  readonly timeoutMs = 0

  constructor(check: LimitCheck) {
    this.checks = [check]
  }

  counted(): void {}
  failed(): void {}
}

/** Charges buckets, and remembers which are nearly empty. */
class CountingTaker implements BucketTaker {
  readonly #plan: LocalPlan

  constructor(plan: LocalPlan) {
    this.#plan = plan
  }

  take(check: LimitCheck): void {
    const { store, stats, counts } = this.#plan
    store.count(new Bucket(check))
    stats.hot.note(counts, check)
  }
}

const DETAILS = 'local_rate_limited'

/** Envoy's local rate limit: token buckets of this process. */
export class LocalRateLimitFilter implements Filter {
  readonly name: string
  readonly #plan: LocalPlan
  readonly #taker: BucketTaker

  constructor(name: string, plan: LocalPlan) {
    this.name = name
    this.#plan = plan
    this.#taker = new CountingTaker(plan)
  }

  onRequest(exchange: FilterExchange): Verdict {
    const { config, random, stats, counts } = this.#plan
    if (!config.enabled.draw(random)) return CONTINUE
    stats.checks++
    const checks = takeFromBuckets(this.#plan, exchange, this.#taker)
    const refusing = checks.at(-1)!
    if (!refusing.over) {
      counts.allowed++
      if (config.xRateLimitHeaders) addBucketHeaders(exchange, tightestOf(checks))
      return CONTINUE
    }
    if (!config.enforced.draw(random)) {
      counts.shadowed++
      addTo(exchange.request.headers, config.requestHeaders)
      return CONTINUE
    }
    counts.limited++
    stats.denied++
    this.#deny(exchange, refusing)
    return ANSWERED
  }

  describe(): Readonly<Record<string, unknown>> {
    return describeLocal(this.#plan)
  }

  reportLimits(exchange: FilterExchange, look: boolean): Promise<LimitReport> {
    return reportLocal(this.name, this.#plan, { exchange, look })
  }

  get counterSource(): object {
    return this
  }

  counterOwners(): readonly CounterOwnerName[] {
    return [{ kind: 'policy', name: this.#plan.counts.policy }]
  }

  countersOf(selection: CounterSelection): SelectedCounters {
    return localCounters(this.#plan, selection)
  }

  #deny(exchange: FilterExchange, check: LimitCheck): void {
    const { config } = this.#plan
    const headers = new Headers()
    headers.add('x-envoy-ratelimited', 'true')
    if (config.xRateLimitHeaders) {
      headers.add('x-ratelimit-limit', String(check.quota.burst))
      headers.add('x-ratelimit-remaining', String(check.remaining))
      headers.add('x-ratelimit-reset', String(wholeSeconds(check.retryMs)))
    }
    addTo(headers, config.responseHeaders)
    if (!headers.has('retry-after')) headers.add('retry-after', String(wholeSeconds(check.retryMs)))
    if (config.resourceExhausted && isGrpcRequest(exchange)) {
      headers.add('grpc-status', RESOURCE_EXHAUSTED)
    }
    exchange.answer(config.status, headers, DETAILS, 'RL', DETAILS)
  }
}

function tightestOf(checks: readonly LimitCheck[]): LimitCheck {
  let tightest = checks[0]!
  for (const check of checks) if (check.remaining < tightest.remaining) tightest = check
  return tightest
}

function addBucketHeaders(
  exchange: FilterExchange,
  { quota, remaining, resetMs }: LimitCheck,
): void {
  exchange.addResponseHeader('x-ratelimit-limit', String(quota.burst))
  exchange.addResponseHeader('x-ratelimit-remaining', String(remaining))
  exchange.addResponseHeader('x-ratelimit-reset', String(Math.ceil(resetMs / 1000)))
}

function addTo(headers: Headers, added: readonly AddedHeader[]): void {
  for (const { name, value, append } of added) {
    if (append) headers.add(name, value)
    else headers.set(name, value)
  }
}
