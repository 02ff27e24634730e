import type { Registry } from 'prom-client'
import { PublishedCounter } from './published-metric.ts'

/** What became of requests where tokens are validated (RequestAuthentication). */
export interface JwtCounts {
  /** Without a token. */
  readonly anonymous: number
  readonly preflights: number
  readonly allowed: number
  /** Of those allowed: the token was verified before. */
  readonly cached: number
  /** By reason. */
  readonly denied: ReadonlyMap<string, number>
  readonly fetches: { readonly ok: number; readonly failed: number }
}

export function publishJwtStats(registry: Registry, counts: JwtCounts): void {
  const help = 'Requests on listeners where tokens are validated, by what became of their token'
  new PublishedCounter({ name: 'tidegate_jwt_requests_total', help, registry }, () => [
    { labels: { result: 'anonymous', reason: '' }, value: counts.anonymous },
    { labels: { result: 'preflight', reason: '' }, value: counts.preflights },
    { labels: { result: 'allowed', reason: '' }, value: counts.allowed },
    ...Array.from(counts.denied, ([reason, value]) => {
      return { labels: { result: 'denied', reason }, value }
    }),
  ])
  new PublishedCounter(
    {
      name: 'tidegate_jwt_cache_hits_total',
      help: 'Tokens that were not verified again because they had been',
      registry,
    },
    () => [{ labels: {}, value: counts.cached }],
  )
  new PublishedCounter(
    { name: 'tidegate_jwks_fetches_total', help: 'Fetches of the keys of tokens', registry },
    () => [
      { labels: { result: 'ok' }, value: counts.fetches.ok },
      { labels: { result: 'failed' }, value: counts.fetches.failed },
    ],
  )
}
