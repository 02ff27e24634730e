import type { Registry } from 'prom-client'
import { PublishedCounter, PublishedGauge, type Sample } from './published-metric.ts'

/** Where rate limits are counted, and how that goes. */
export interface RateLimitStoreState {
  readonly kind: 'memory' | 'redis'
  /** Servers without credentials, or null. */
  readonly server: string | null
  /** False: requests are decided by onFailure and failure_mode_deny. */
  readonly available: boolean
  /** Live counters in memory, or requests that wait for Redis. */
  readonly size: number
  /** Live counters in memory that had to make room. */
  readonly evicted: number
  /** null when counters are in memory. */
  readonly redis: {
    readonly trips: number
    readonly checks: number
    readonly nearDenials: number
    readonly nearKeys: number
    readonly replicas: number
  } | null
}

/** The Redis side exists only where counters are shared. */
export function publishRateLimitStore(registry: Registry, state: () => RateLimitStoreState): void {
  new PublishedGauge(
    {
      name: 'tidegate_rate_limit_degraded',
      help: '1 while shared rate limit counters are away and failure policies decide',
      registry,
    },
    () => one(state().available ? 0 : 1),
  )
  const counters = [
    ['trips', 'tidegate_rate_limit_redis_trips_total', 'Round trips to Redis for checks'],
    ['checks', 'tidegate_rate_limit_redis_checks_total', 'Checks that Redis was asked for'],
    [
      'nearDenials',
      'tidegate_rate_limit_near_denials_total',
      'Checks denied without asking Redis: the counter was known to be used up',
    ],
  ] as const
  for (const [field, name, help] of counters) {
    new PublishedCounter({ name, help, registry }, () => {
      const { redis } = state()
      return redis === null ? [] : one(redis[field])
    })
  }
  new PublishedGauge(
    {
      name: 'tidegate_rate_limit_replicas',
      help: 'Processes that share the counters in Redis, this one included',
      registry,
    },
    () => {
      const { redis } = state()
      return redis === null ? [] : one(redis.replicas)
    },
  )
}

function one(value: number): readonly Sample[] {
  return [{ labels: {}, value }]
}
