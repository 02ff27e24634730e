import type { Random } from '../../src/base/random.ts'
import {
  ANSWERED,
  CONTINUE,
  type Filter,
  type FilterExchange,
  type SettingOrigin,
  type Verdict,
  WAIT,
} from '../../src/filters/filter.ts'
import { Headers } from '../../src/filters/headers.ts'
import type { LimitReport } from '../../src/filters/limit-report.ts'
import type { FilterConfig } from './config.ts'
import { COUNTED, type Counting, type CounterStore, EACH, PENDING } from './counter-store.ts'
import { decide } from './decision.ts'
import type { DescriptorRule } from './descriptors.ts'
import type { CounterOwnerName, CounterSelection, SelectedCounters } from './counter-selection.ts'
import type { DescriptorNode } from './descriptor-tree.ts'
import { describeGlobal, globalCounters, reportGlobal } from './filter-report.ts'
import { isGrpcRequest, RESOURCE_EXHAUSTED } from './grpc-request.ts'
import type { Limit } from './limit.ts'
import { LimitCheck } from './limit-check.ts'
import { isReplaced, limitKey, matchLimits } from './limit-match.ts'
import { denialHeaders, xRateLimitLimit } from './response-headers.ts'
import type { RateLimitStats } from './stats.ts'

/** Everything about one route's limits that configuration decides, and where they are counted. */
export interface RateLimitPlan {
  readonly config: FilterConfig
  readonly domain: string
  readonly root: DescriptorNode
  /** Where the descriptor file stands. */
  readonly rootOrigin: SettingOrigin | null
  readonly rules: readonly DescriptorRule[]
  /** Rules that can reach no limit: for people, no request is held against them. */
  readonly idleRules: readonly DescriptorRule[]
  readonly store: CounterStore
  readonly stats: RateLimitStats
  readonly random: Random
}

/** One request at its limits: what is counted, and what follows from it. */
class Check implements Counting {
  readonly checks: LimitCheck[] = []
  /** The limit of each check. */
  readonly limits: Limit[] = []
  readonly charge = EACH
  readonly timeoutMs: number
  readonly #plan: RateLimitPlan
  readonly #exchange: FilterExchange

  constructor(plan: RateLimitPlan, exchange: FilterExchange) {
    this.#plan = plan
    this.#exchange = exchange
    this.timeoutMs = plan.config.timeoutMs
  }

  /** One more limit, the counter of which `entries` identify. */
  add(limit: Limit, entries: readonly string[], hits: number): void {
    this.limits.push(limit)
    const key = limitKey(this.#plan, entries, limit)
    this.checks.push(new LimitCheck(key, limit.quota, hits, !limit.shadowMode))
  }

  counted(): void {
    if (this.#exchange.ended) return
    if (!this.conclude()) this.#exchange.resume()
  }

  failed(): void {
    if (this.#exchange.ended) return
    if (!this.fallBack()) this.#exchange.resume()
  }

  /** True when the request was answered. */
  conclude(): boolean {
    const { config, stats, random } = this.#plan
    const decision = decide(this.limits, this.checks)
    const denied = decision.overLimit && config.enforced.draw(random)
    this.#count(denied)
    if (denied) {
      stats.denied++
      const headers = denialHeaders(config, this.limits, decision)
      if (config.resourceExhausted && isGrpcRequest(this.#exchange)) {
        headers.add('grpc-status', RESOURCE_EXHAUSTED)
      }
      this.#exchange.answer(config.rateLimitedStatus, headers, '', 'RL', 'request_rate_limited')
      return true
    }
    if (config.xRateLimitHeaders) {
      const limit = xRateLimitLimit(this.limits, decision.tightest)
      this.#exchange.addResponseHeader('x-ratelimit-limit', limit)
      this.#exchange.addResponseHeader('x-ratelimit-remaining', String(decision.remaining))
      this.#exchange.addResponseHeader('x-ratelimit-reset', String(decision.resetSeconds))
    }
    return false
  }

  /** What each limit did; what it only would have done counts as shadow. */
  #count(denied: boolean): void {
    const { stats, domain } = this.#plan
    for (let i = 0; i < this.limits.length; i++) {
      const limit = this.limits[i]!
      const counts = stats.limit(domain, limit)
      stats.hot.note(counts, this.checks[i]!)
      if (!this.checks[i]!.over) {
        if (!denied) counts.allowed++
      } else if (denied && !limit.shadowMode) counts.limited++
      else counts.shadowed++
    }
  }

  /** Decides without counters; true when the request was answered. */
  fallBack(): boolean {
    const { config, domain, stats, random } = this.#plan
    stats.failures++
    for (const limit of this.limits) stats.limit(domain, limit).unavailable++
    if (!config.failureDeny.draw(random)) return false
    stats.deniedOnFailure++
    this.#exchange.answer(config.statusOnError, new Headers(), '', 'RLSE', 'rate_limiter_error')
    return true
  }
}

/** Limits the requests of one route. */
export class RateLimitFilter implements Filter {
  readonly name: string
  readonly #plan: RateLimitPlan

  constructor(name: string, plan: RateLimitPlan) {
    this.name = name
    this.#plan = plan
  }

  onRequest(exchange: FilterExchange): Verdict {
    const { config, store, stats, random } = this.#plan
    if (!config.enabled.draw(random)) return CONTINUE
    const check = this.#checkFor(exchange)
    if (check === null) return CONTINUE
    stats.checks++
    const result = store.count(check)
    if (result === PENDING) return WAIT
    const answered = result === COUNTED ? check.conclude() : check.fallBack()
    return answered ? ANSWERED : CONTINUE
  }

  describe(): Readonly<Record<string, unknown>> {
    return describeGlobal(this.#plan)
  }

  reportLimits(exchange: FilterExchange, look: boolean): Promise<LimitReport> {
    return reportGlobal(this.name, this.#plan, { exchange, look })
  }

  get counterSource(): object {
    return this.#plan.root
  }

  counterOwners(): readonly CounterOwnerName[] {
    return [{ kind: 'domain', name: this.#plan.domain }]
  }

  countersOf(selection: CounterSelection): SelectedCounters {
    return globalCounters(this.#plan, selection)
  }

  /** null when no limit applies: nothing is counted, nobody is asked. */
  #checkFor(exchange: FilterExchange): Check | null {
    const { rules, root } = this.#plan
    let check: Check | null = null
    const matched = matchLimits(rules, root, exchange)
    for (let i = 0; i < matched.length; i++) {
      const { limit, entries, rule } = matched[i]!
      if (limit.unlimited || isReplaced(limit, matched)) continue
      check ??= new Check(this.#plan, exchange)
      check.add(limit, entries, rule.hits)
    }
    return check
  }
}
