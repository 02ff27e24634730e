import {
  ANSWERED,
  CONTINUE,
  type Filter,
  type FilterExchange,
  type Verdict,
  WAIT,
} from '../../src/filters/filter.ts'
import { COUNTED, type Counting, type CounterStore, PENDING, TOGETHER } from './counter-store.ts'
import { isGrpcRequest } from './grpc-request.ts'
import type { LimitCheck } from './limit-check.ts'
import { denial, describeLimits, refusal, type RuleCheck } from './policy-answers.ts'
import type { PolicyRule } from './policy-rule.ts'
import type { RateLimitStats } from './stats.ts'

/** The rules of one route, and where they are counted. */
export interface PolicyPlan {
  readonly rules: readonly PolicyRule[]
  readonly store: CounterStore
  /** Counts in this process while `store` is away. Never waits. */
  readonly fallback: CounterStore
  readonly stats: RateLimitStats
}

const TOO_MANY_REQUESTS = 429
const UNAVAILABLE_STATUS = 503

/** One request at the limits of the rules that apply to it. */
class PolicyCheck implements Counting {
  readonly checks: readonly LimitCheck[]
  readonly charge = TOGETHER
  readonly timeoutMs: number
  readonly #plan: PolicyPlan
  readonly #exchange: FilterExchange
  readonly #entries: readonly RuleCheck[]

  constructor(plan: PolicyPlan, exchange: FilterExchange, entries: readonly RuleCheck[]) {
    this.#plan = plan
    this.#exchange = exchange
    this.#entries = entries
    this.checks = entries.map(({ check }) => check)
    let timeoutMs = 1
    for (const { rule } of entries) timeoutMs = Math.max(timeoutMs, rule.timeoutMs)
    this.timeoutMs = timeoutMs
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
    const exchange = this.#exchange
    const entries = this.#entries
    const violated = entries.filter(({ check }) => check.over && check.enforces)
    this.#count(violated.length > 0)
    if (violated.length === 0) {
      describeLimits(entries, new ResponseFields(exchange))
      return false
    }
    this.#plan.stats.denied++
    const { headers, body, details } = denial(entries, violated, isGrpcRequest(exchange))
    exchange.answer(TOO_MANY_REQUESTS, headers, body, 'RL', details)
    return true
  }

  /** Decides without the store; true when the request was answered. */
  fallBack(): boolean {
    const { stats, fallback } = this.#plan
    stats.failures++
    const local: RuleCheck[] = []
    let denying: PolicyRule | null = null
    let last: PolicyRule | null = null
    for (const entry of this.#entries) {
      const { rule } = entry
      if (rule !== last) rule.stats.unavailable++
      last = rule
      if (rule.onFailure === 'local') local.push(entry)
      else if (rule.onFailure === 'deny' && !rule.shadow) denying ??= rule
    }
    if (denying !== null) {
      stats.deniedOnFailure++
      const exchange = this.#exchange
      const { headers, body } = refusal(denying, isGrpcRequest(exchange))
      exchange.answer(UNAVAILABLE_STATUS, headers, body, 'RLSE', 'rate_limiter_error')
      return true
    }
    if (local.length === 0) return false
    const check = new PolicyCheck(this.#plan, this.#exchange, local)
    return fallback.count(check) === COUNTED && check.conclude()
  }

  /** Each rule once, by the worst of its limits. Entries of a rule stand together. */
  #count(denied: boolean): void {
    const entries = this.#entries
    for (let i = 0; i < entries.length; i++) {
      const { rule, check } = entries[i]!
      let over = check.over
      this.#plan.stats.hot.note(rule.stats, check)
      while (i + 1 < entries.length && entries[i + 1]!.rule === rule) {
        i++
        this.#plan.stats.hot.note(rule.stats, entries[i]!.check)
        if (entries[i]!.check.over) over = true
      }
      if (over && rule.shadow) rule.stats.shadowed++
      else if (over) rule.stats.limited++
      else if (!denied) rule.stats.allowed++
    }
  }
}

/** Fields for an answer that somebody else gives. */
class ResponseFields {
  readonly #exchange: FilterExchange

  constructor(exchange: FilterExchange) {
    this.#exchange = exchange
  }

  add(name: string, value: string): void {
    this.#exchange.addResponseHeader(name, value)
  }
}

/** Holds the requests of a route against its RateLimitPolicies: one question to the store for all. */
export class PolicyFilter implements Filter {
  readonly name = 'rate-limit-policy'
  readonly #plan: PolicyPlan

  constructor(plan: PolicyPlan) {
    this.#plan = plan
  }

  onRequest(exchange: FilterExchange): Verdict {
    const { rules, store, stats } = this.#plan
    const entries: RuleCheck[] = []
    const checks: LimitCheck[] = []
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i]!
      const from = checks.length
      rule.check(exchange, checks)
      for (let at = from; at < checks.length; at++) {
        entries.push({ rule, label: rule.quotas[at - from]!.label, check: checks[at]! })
      }
    }
    if (entries.length === 0) return CONTINUE
    const check = new PolicyCheck(this.#plan, exchange, entries)
    stats.checks++
    const result = store.count(check)
    if (result === PENDING) return WAIT
    const answered = result === COUNTED ? check.conclude() : check.fallBack()
    return answered ? ANSWERED : CONTINUE
  }

  describe(): Readonly<Record<string, unknown>> {
    return {
      rules: this.#plan.rules.map(({ label, shadow, onFailure, quotas }) => ({
        rule: label,
        shadow,
        onFailure,
        limits: quotas.map(({ quota, algorithm }) => ({
          algorithm,
          requests: quota.limit,
          periodMs: quota.periodMs,
          burst: quota.burst,
        })),
      })),
    }
  }
}
