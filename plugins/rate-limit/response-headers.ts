import { Headers } from '../../src/filters/headers.ts'
import type { FilterConfig } from './config.ts'
import type { Decision } from './decision.ts'
import type { Limit } from './limit.ts'

/** `10, 10;w=60;name="per-path", 1000;w=3600`: the tightest limit, then all of them (draft 03). */
export function xRateLimitLimit(limits: readonly Limit[], tightest: number): string {
  let text = String(limits[tightest]!.quota.limit)
  for (const limit of limits) {
    text += `, ${limit.quota.limit};w=${limit.quota.periodMs / 1000}`
    if (limit.name !== '') text += `;name="${limit.name}"`
  }
  return text
}

/** Fields of a denial; `more` (name, value, ...) is what an external service adds. */
export function denialHeaders(
  config: FilterConfig,
  limits: readonly Limit[],
  decision: Decision,
  more: readonly string[] = NONE,
): Headers {
  const headers = new Headers()
  if (config.envoyRateLimitedHeader) headers.add('x-envoy-ratelimited', 'true')
  if (config.xRateLimitHeaders && limits.length > 0) {
    headers.add('x-ratelimit-limit', xRateLimitLimit(limits, decision.tightest))
    headers.add('x-ratelimit-remaining', String(decision.remaining))
    headers.add('x-ratelimit-reset', String(decision.resetSeconds))
  }
  for (const { name, value, append } of config.responseHeaders) {
    if (append) headers.add(name, value)
    else headers.set(name, value)
  }
  for (let i = 0; i + 1 < more.length; i += 2) headers.add(more[i]!, more[i + 1]!)
  // An external service may not say how long.
  const { retryAfterSeconds } = decision
  if (config.retryAfterHeader && retryAfterSeconds > 0 && !headers.has('retry-after')) {
    headers.add('retry-after', String(retryAfterSeconds))
  }
  return headers
}

const NONE: readonly string[] = []
