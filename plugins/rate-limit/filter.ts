import type { Random } from '../../src/base/random.ts'
import {
  ANSWERED,
  CONTINUE,
  type Filter,
  type FilterExchange,
  type Verdict,
  WAIT,
} from '../../src/filters/filter.ts'
import { Headers } from '../../src/filters/headers.ts'
import type { FilterConfig } from './config.ts'
import { counterKey } from './counter-key.ts'
import { COUNTED, type Counting, type CounterStore, EACH, PENDING } from './counter-store.ts'
import { decide } from './decision.ts'
import type { DescriptorRule } from './descriptors.ts'
import { type DescriptorNode, matchDescriptor } from './descriptor-tree.ts'
import { isGrpcRequest, RESOURCE_EXHAUSTED } from './grpc-request.ts'
import type { Limit } from './limit.ts'
import { LimitCheck } from './limit-check.ts'
import { denialHeaders, xRateLimitLimit } from './response-headers.ts'
import type { RateLimitStats } from './stats.ts'
import { windowKey } from './window-key.ts'

/** Everything about one route's limits that configuration decides, and where they are counted. */
export interface RateLimitPlan {
  readonly config: FilterConfig
  readonly domain: string
  readonly root: DescriptorNode
  readonly rules: readonly DescriptorRule[]
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
    const { domain, store } = this.#plan
    const key = store.envoyKeys
      ? windowKey(domain, entries)
      : counterKey(domain, entries, limit.quota.periodMs / 1000)
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

  /** null when no limit applies: nothing is counted, nobody is asked. */
  #checkFor(exchange: FilterExchange): Check | null {
    const { rules, root } = this.#plan
    let check: Check | null = null
    let replacing = false
    const matched: { limit: Limit; entries: string[]; hits: number }[] = []
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i]!
      const entries = rule.describe(exchange)
      if (entries === null) continue
      const limit = matchDescriptor(root, entries)
      if (limit === null) continue
      if (limit.replaces.length > 0) replacing = true
      matched.push({ limit, entries, hits: rule.hits })
    }
    for (let i = 0; i < matched.length; i++) {
      const { limit, entries, hits } = matched[i]!
      if (limit.unlimited || (replacing && isReplaced(limit, matched))) continue
      check ??= new Check(this.#plan, exchange)
      check.add(limit, entries, hits)
    }
    return check
  }
}

/** Another limit of the same request takes its place. */
function isReplaced(limit: Limit, matched: readonly { limit: Limit }[]): boolean {
  if (limit.name === '') return false
  for (let i = 0; i < matched.length; i++) {
    if (matched[i]!.limit.replaces.includes(limit.name)) return true
  }
  return false
}
