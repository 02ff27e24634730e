import { setImmediate } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { systemRandom } from '../../src/base/random.ts'
import type { Filter, FilterFactory } from '../../src/filters/filter.ts'
import type {
  HotLimit,
  LimitReset,
  LimitResetOutcome,
  LimitResetProblem,
} from '../../src/filters/limit-report.ts'
import type { FilterRegistry } from '../../src/filters/registry.ts'
import { resetLimits } from './counter-reset.ts'
import type { CounterStore, StoreStatus } from './counter-store.ts'
import { RateLimitFactory } from './factory.ts'
import { hotLimits } from './hot-limits.ts'
import { LocalRateLimitFactory } from './local-factory.ts'
import { LeasedStore } from './leased-store.ts'
import { LocalShare } from './local-share.ts'
import { MemoryStore } from './memory-store.ts'
import { RateLimitPolicyFactory } from './policy-factory.ts'
import { type Log, RedisStore } from './redis-store.ts'
import { RateLimitServer, type RateLimitServerOptions } from './server/rate-limit-server.ts'
import { ServedDomains } from './server/served-domains.ts'
import type { RateLimitMode } from './service/service-decisions.ts'
import { Services } from './service/services.ts'
import { RateLimitStats } from './stats.ts'

export interface RateLimitServeOptions extends RateLimitServerOptions {
  /** Answers carry RateLimit-Limit, RateLimit-Remaining and RateLimit-Reset for the response. */
  readonly responseHeaders: boolean
}

export interface RateLimitOptions {
  /** `redis://` or `rediss://`; null counts in this process. */
  readonly redisUrl: string | null
  /** Said once per change of state, never per request. */
  log: Log
  /** Milliseconds since the epoch, for counters in memory. Redis keeps its own time. */
  readonly now?: () => number
  /** When external rate limit services are asked; absent: `auto`. */
  readonly mode?: RateLimitMode
  /** Others may ask (`serve`): what is wrong with any descriptor file is reported. Default: no. */
  readonly serves?: boolean
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
  /** What was compiled last is served from now on. */
  published(): void
  /** Answers others (RateLimitService v3) from the same files and counters. Needs `serves`. */
  serve(options: RateLimitServeOptions): Promise<RateLimitServer>
  /** Counters met near or over their limit, with their state of now. */
  hotLimits(): Promise<readonly HotLimit[]>
  /** Forgets counters of the limits that `filters` have. */
  reset(
    asked: LimitReset,
    filters: readonly Filter[],
  ): Promise<LimitResetOutcome | LimitResetProblem>
  /** Requests that wait for a limit are refused: the process ends. Resolves when they are told. */
  refuseWaiting(): Promise<void>
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
  const services = new Services(options.log)
  const domains = new ServedDomains()
  const factory = new RateLimitFactory(store, stats, systemRandom, {
    mode: options.mode ?? 'auto',
    services,
    served: options.serves === true ? domains : null,
  })
  const shared = store instanceof RedisStore ? store : null
  const leased = shared === null ? null : new LeasedStore(shared)
  const policies = new RateLimitPolicyFactory(store, fallback, stats, shared, leased)
  return {
    factory,
    factories: [factory, new LocalRateLimitFactory(memory, stats), policies],
    stats,
    storeStatus: () => store.status(),
    hotLimits: () => hotLimits(stats.hot, { store, memory }),
    reset: (asked, filters) => {
      const recheckMs = store instanceof RedisStore ? store.recheckMs : null
      return resetLimits(
        { store: leased ?? store, memory, hot: stats.hot, filters, recheckMs },
        asked,
      )
    },
    status: () => ({
      ...store.status(),
      checks: stats.checks,
      denied: stats.denied,
      failures: stats.failures,
      deniedOnFailure: stats.deniedOnFailure,
    }),
    refuseWaiting: async () => {
      policies.close()
      // Answers leave when the turn is over.
      await setImmediate()
    },
    published: () => {
      services.published()
      domains.published()
    },
    serve: ({ responseHeaders, ...address }) =>
      RateLimitServer.start({ domains, store, stats, responseHeaders }, address),
    close: async () => {
      services.close()
      policies.close()
      if (leased !== null) {
        await leased.close()
        // What is given back leaves when the turn is over.
        await setImmediate()
      }
      await store.close()
    },
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
