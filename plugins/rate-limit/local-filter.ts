import type { Random } from '../../src/base/random.ts'
import {
  ANSWERED,
  CONTINUE,
  type Filter,
  type FilterExchange,
  type Verdict,
} from '../../src/filters/filter.ts'
import { Headers } from '../../src/filters/headers.ts'
import type { AddedHeader } from './config.ts'
import { counterKey } from './counter-key.ts'
import { type Counting, EACH } from './counter-store.ts'
import { wholeSeconds } from './decision.ts'
import type { DescriptorRule } from './descriptors.ts'
import { isGrpcRequest, RESOURCE_EXHAUSTED } from './grpc-request.ts'
import { LimitCheck } from './limit-check.ts'
import type { LocalConfig, LocalDescriptor } from './local-config.ts'
import type { MemoryStore } from './memory-store.ts'
import type { RateLimitStats, RuleStats } from './stats.ts'

/** Everything about the local limits of one route that configuration decides. */
export interface LocalPlan {
  readonly config: LocalConfig
  /** Names the buckets: the same after a change of other configuration. */
  readonly identity: string
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

const DETAILS = 'local_rate_limited'

/** Envoy's local rate limit: token buckets of this process. */
export class LocalRateLimitFilter implements Filter {
  readonly name: string
  readonly #plan: LocalPlan

  constructor(name: string, plan: LocalPlan) {
    this.name = name
    this.#plan = plan
  }

  onRequest(exchange: FilterExchange): Verdict {
    const { config, random, stats, counts } = this.#plan
    if (!config.enabled.draw(random)) return CONTINUE
    stats.checks++
    const checks = this.#consume(exchange)
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

  /** Takes of each matching bucket, slowest first, until one has too little: that is the last one. */
  #consume(exchange: FilterExchange): readonly LimitCheck[] {
    const { config } = this.#plan
    const checks: LimitCheck[] = []
    const described = describeAll(config.rules, exchange)
    let matched = false
    for (const descriptor of config.descriptors) {
      for (const { entries, hits } of described) {
        if (!matches(descriptor, entries)) continue
        matched = true
        const check = this.#take(exchange, descriptor.entries.length, entries, descriptor, hits)
        if (check.over && descriptor.shadowMode) continue
        checks.push(check)
        if (check.over) return checks
      }
    }
    if (!matched || config.alwaysConsumeDefault) {
      checks.push(this.#take(exchange, 0, [], config, 1))
    }
    // Only shadows matched: they let everybody pass.
    if (checks.length === 0) checks.push(new LimitCheck('', config.quota, 0, false))
    return checks
  }

  #take(
    exchange: FilterExchange,
    depth: number,
    entries: readonly string[],
    { quota }: Pick<LocalDescriptor, 'quota'>,
    hits: number,
  ): LimitCheck {
    const { identity, config, connections, store } = this.#plan
    const owner = config.perConnection
      ? `${identity} ${connections.numberOf(exchange.connection)}`
      : identity
    const key = counterKey(`local ${owner}`, [String(depth), ...entries], quota.periodMs / 1000)
    const check = new LimitCheck(key, quota, hits, true)
    store.count(new Bucket(check))
    return check
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

interface Described {
  readonly entries: readonly string[]
  readonly hits: number
}

const NOTHING: readonly Described[] = []

function describeAll(
  rules: readonly DescriptorRule[],
  exchange: FilterExchange,
): readonly Described[] {
  if (rules.length === 0) return NOTHING
  const described: Described[] = []
  for (const rule of rules) {
    const entries = rule.describe(exchange)
    if (entries !== null) described.push({ entries, hits: rule.hits })
  }
  return described
}

/** Same length, order, keys and values. */
function matches(descriptor: LocalDescriptor, entries: readonly string[]): boolean {
  const wanted = descriptor.entries
  if (wanted.length !== entries.length) return false
  for (let i = 0; i < wanted.length; i += 2) {
    if (wanted[i] !== entries[i]) return false
    if (wanted[i + 1] !== '' && wanted[i + 1] !== entries[i + 1]) return false
  }
  return true
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
