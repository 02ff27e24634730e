import type { FastifyInstance } from 'fastify'
import type { FilterFactory } from '../../src/filters/filter.ts'
import type { FilterRegistry } from '../../src/filters/registry.ts'
import type { CounterStore, StoreStatus } from './counter-store.ts'
import { RateLimitFactory } from './factory.ts'
import { LocalRateLimitFactory } from './local-factory.ts'
import { LocalShare } from './local-share.ts'
import { MemoryStore } from './memory-store.ts'
import { RateLimitPolicyFactory } from './policy-factory.ts'
import { type Log, RedisStore } from './redis-store.ts'
import { RateLimitStats } from './stats.ts'

export interface RateLimitOptions {
  /** `redis://` or `rediss://`; null counts in this process. */
  readonly redisUrl: string | null
  /** Said once per change of state, never per request. */
  log: Log
  /** Milliseconds since the epoch, for counters in memory. Redis keeps its own time. */
  readonly now?: () => number
}

export interface RateLimitStatus extends StoreStatus {
  readonly checks: number
  readonly denied: number
  readonly failures: number
  readonly deniedOnFailure: number
}

export interface RateLimit {
  /** The filter of Envoy's global rate limit. */
  readonly factory: FilterFactory
  /** All filters that limit, `factory` among them. */
  readonly factories: readonly FilterFactory[]
  readonly stats: RateLimitStats
  status(): RateLimitStatus
  storeStatus(): StoreStatus
  /** Ends the connection to Redis; waiting requests are decided by failure_mode_deny. */
  close(): Promise<void>
}

/** A limiter whose counters outlive snapshots. Throws when the Redis URL is none. */
export function createRateLimit(options: RateLimitOptions): RateLimit {
  const store: CounterStore =
    options.redisUrl === null
      ? new MemoryStore(options.now)
      : new RedisStore(options.redisUrl, options.log)
  const memory = new MemoryStore(options.now)
  const fallback = store instanceof RedisStore ? new LocalShare(store.share, memory) : memory
  const stats = new RateLimitStats()
  const factory = new RateLimitFactory(store, stats)
  return {
    factory,
    factories: [
      factory,
      new LocalRateLimitFactory(memory, stats),
      new RateLimitPolicyFactory(store, fallback, stats),
    ],
    stats,
    storeStatus: () => store.status(),
    status: () => ({
      ...store.status(),
      checks: stats.checks,
      denied: stats.denied,
      failures: stats.failures,
      deniedOnFailure: stats.deniedOnFailure,
    }),
    close: () => store.close(),
  }
}

export interface RateLimitPluginOptions extends RateLimitOptions {
  readonly registry: FilterRegistry
}

/** The limiter as a Fastify plugin: registers its factory, closes with the instance. */
export function rateLimitPlugin(
  instance: FastifyInstance,
  options: RateLimitPluginOptions,
  done: (error?: Error) => void,
): void {
  const rateLimit = createRateLimit(options)
  for (const factory of rateLimit.factories) options.registry.add(factory)
  instance.addHook('onClose', () => rateLimit.close())
  done()
}
