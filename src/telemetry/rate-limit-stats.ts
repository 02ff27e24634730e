import type { Registry } from 'prom-client'
import { PublishedCounter, PublishedGauge } from './published-metric.ts'

/** What one rule or limit of configuration did with requests. */
export interface RateLimitCounts {
  /** `namespace/name` of a RateLimitPolicy, or the domain of a descriptor file. */
  readonly policy: string
  readonly rule: string
  readonly allowed: number
  readonly limited: number
  readonly shadowed: number
  readonly unavailable: number
  /** Requests that wait at this moment, that waited so far, and for how many milliseconds. */
  readonly queued: number
  readonly waits: number
  readonly waitedMs: number
  /** How often an upstream asked not to be asked. */
  readonly closings: number
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
  publishQueues(registry, rules)
}

/** Of rules in which somebody waited, and of policies whose upstreams said something. */
function publishQueues(registry: Registry, rules: () => readonly RateLimitCounts[]): void {
  const samples = (
    wanted: (counts: RateLimitCounts) => boolean,
    value: (counts: RateLimitCounts) => number,
  ) =>
    rules()
      .filter(wanted)
      .map((counts) => ({
        labels: { policy: counts.policy, rule: counts.rule },
        value: value(counts),
      }))
  new PublishedGauge(
    {
      name: 'tidegate_rate_limit_queued_requests',
      help: 'Requests that wait for a rate limit to admit them',
      registry,
    },
    () =>
      samples(
        ({ waits }) => waits > 0,
        ({ queued }) => queued,
      ),
  )
  new PublishedCounter(
    {
      name: 'tidegate_rate_limit_waits_total',
      help: 'Requests that waited for a rate limit, admitted in the end or not',
      registry,
    },
    () =>
      samples(
        ({ waits }) => waits > 0,
        ({ waits }) => waits,
      ),
  )
  new PublishedCounter(
    {
      name: 'tidegate_rate_limit_wait_milliseconds_total',
      help: 'How long requests waited for a rate limit altogether',
      registry,
    },
    () =>
      samples(
        ({ waits }) => waits > 0,
        ({ waitedMs }) => waitedMs,
      ),
  )
  new PublishedCounter(
    {
      name: 'tidegate_rate_limit_upstream_closings_total',
      help: 'How often an upstream said by its own rate limit that it must not be asked',
      registry,
    },
    () =>
      samples(
        ({ closings }) => closings > 0,
        ({ closings }) => closings,
      ),
  )
}
