import type { Random } from '../../../src/base/random.ts'
import {
  ANSWERED,
  CONTINUE,
  type Filter,
  type FilterExchange,
  type Verdict,
  WAIT,
  type Waiter,
} from '../../../src/filters/filter.ts'
import { Headers } from '../../../src/filters/headers.ts'
import type { LimitReport } from '../../../src/filters/limit-report.ts'
import type { FilterConfig } from '../config.ts'
import type { DescriptorRule } from '../descriptors.ts'
import { isGrpcRequest, RESOURCE_EXHAUSTED } from '../grpc-request.ts'
import { denialHeaders, xRateLimitLimit } from '../response-headers.ts'
import { reportService } from '../service-report.ts'
import type { RateLimitStats, RuleStats } from '../stats.ts'
import { messageOf } from '../wire/proto-bytes.ts'
import { encodeDescriptor } from '../wire/request-message.ts'
import { OVER_LIMIT, type ServiceResponse } from '../wire/response-message.ts'
import { readAnswer } from './service-answer.ts'
import { addFields, usableFields } from './service-headers.ts'
import type { Asking, Question, RateLimitService } from './rate-limit-service.ts'

/** Everything about one route that configuration decides, and whom to ask. */
export interface ServicePlan {
  readonly config: FilterConfig
  readonly domain: string
  /** What each request begins with (`encodeDomain`). */
  readonly encodedDomain: string
  readonly rules: readonly DescriptorRule[]
  readonly service: RateLimitService
  readonly stats: RateLimitStats
  readonly counts: RuleStats
  readonly random: Random
}

/** One request that waits for the service. */
class Inquiry implements Asking, Waiter {
  readonly #plan: ServicePlan
  readonly #exchange: FilterExchange
  question: Question | null = null

  constructor(plan: ServicePlan, exchange: FilterExchange) {
    this.#plan = plan
    this.#exchange = exchange
  }

  exchangeEnded(): void {
    this.question?.giveUp()
  }

  answered(response: ServiceResponse): void {
    if (this.#exchange.ended) return
    const { config, counts, random } = this.#plan
    if (response.code !== OVER_LIMIT) {
      counts.allowed++
      addFields(this.#exchange.request.headers, usableFields(response.requestHeaders))
      this.#goOn(response)
    } else if (config.enforced.draw(random)) {
      counts.limited++
      this.#deny(response)
    } else {
      counts.shadowed++
      this.#goOn(response)
    }
  }

  failed(): void {
    if (this.#exchange.ended) return
    if (!this.fallBack()) this.#exchange.resume()
  }

  /** Decides without the service; true when the request was answered. */
  fallBack(): boolean {
    const { config, counts, stats, random } = this.#plan
    stats.failures++
    counts.unavailable++
    if (!config.failureDeny.draw(random)) return false
    stats.deniedOnFailure++
    this.#exchange.answer(config.statusOnError, new Headers(), '', 'RLSE', 'rate_limiter_error')
    return true
  }

  #goOn(response: ServiceResponse): void {
    const exchange = this.#exchange
    const added = usableFields(response.responseHeaders)
    for (let i = 0; i + 1 < added.length; i += 2) {
      exchange.addResponseHeader(added[i]!, added[i + 1]!)
    }
    if (this.#plan.config.xRateLimitHeaders) {
      const { limits, decision } = readAnswer(response)
      if (limits.length > 0) {
        exchange.addResponseHeader('x-ratelimit-limit', xRateLimitLimit(limits, decision.tightest))
        exchange.addResponseHeader('x-ratelimit-remaining', String(decision.remaining))
        exchange.addResponseHeader('x-ratelimit-reset', String(decision.resetSeconds))
      }
    }
    exchange.resume()
  }

  #deny(response: ServiceResponse): void {
    const { config, stats } = this.#plan
    stats.denied++
    const { limits, decision } = readAnswer(response)
    const fields = usableFields(response.responseHeaders)
    const headers = denialHeaders(config, limits, decision, fields)
    if (config.resourceExhausted && isGrpcRequest(this.#exchange)) {
      headers.set('grpc-status', RESOURCE_EXHAUSTED)
    }
    const status = config.rateLimitedStatus
    this.#exchange.answer(status, headers, response.body, 'RL', 'request_rate_limited')
  }
}

/** Limits the requests of one route as an external rate limit service says. */
export class ServiceFilter implements Filter {
  readonly name: string
  readonly #plan: ServicePlan

  constructor(name: string, plan: ServicePlan) {
    this.name = name
    this.#plan = plan
  }

  onRequest(exchange: FilterExchange): Verdict {
    const { config, encodedDomain, service, stats, random } = this.#plan
    if (!config.enabled.draw(random)) return CONTINUE
    const descriptors = this.#describe(exchange)
    if (descriptors === '') return CONTINUE
    stats.checks++
    const inquiry = new Inquiry(this.#plan, exchange)
    const message = messageOf(encodedDomain + descriptors)
    inquiry.question = service.ask(message, config.timeoutMs, inquiry)
    if (inquiry.question === null) return inquiry.fallBack() ? ANSWERED : CONTINUE
    exchange.waitWith(inquiry)
    return WAIT
  }

  describe(): Readonly<Record<string, unknown>> {
    const { domain, service, config } = this.#plan
    return { domain, rateLimitService: service.name, timeoutMs: config.timeoutMs }
  }

  reportLimits(exchange: FilterExchange): Promise<LimitReport> {
    return Promise.resolve(reportService(this.name, this.#plan, exchange))
  }

  /** The descriptors of a request as they go out; '' when it has none. */
  #describe(exchange: FilterExchange): string {
    const { rules } = this.#plan
    let descriptors = ''
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i]!
      const entries = rule.describe(exchange)
      if (entries === null) continue
      descriptors += encodeDescriptor(entries, rule.hits === 1 ? null : rule.hits)
    }
    return descriptors
  }
}
