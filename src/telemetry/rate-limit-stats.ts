import type { Registry } from 'prom-client'
import { PublishedCounter } from './published-metric.ts'

/** What one rule or limit of configuration did with requests. */
export interface RateLimitCounts {
  /** `namespace/name` of a RateLimitPolicy, or the domain of a descriptor file. */
  readonly policy: string
  readonly rule: string
  readonly allowed: number
  readonly limited: number
  readonly shadowed: number
  readonly unavailable: number
}

const RESULTS = [
  ['allowed', 'allowed'],
  ['limited', 'limited'],
  ['shadowed', 'shadow_limited'],
  ['unavailable', 'store_unavailable'],
] as const

/** Labels come from configuration, never from requests: as many series as there are rules. */
export function publishRateLimitStats(
  registry: Registry,
  rules: () => readonly RateLimitCounts[],
): void {
  new PublishedCounter(
    {
      name: 'tidegate_rate_limit_requests_total',
      help: 'Requests that met a rate limit, by rule and by what became of them',
      registry,
    },
    () =>
      rules().flatMap((counts) =>
        RESULTS.filter(([field]) => counts[field] > 0).map(([field, result]) => ({
          labels: { policy: counts.policy, rule: counts.rule, result },
          value: counts[field],
        })),
      ),
  )
}
