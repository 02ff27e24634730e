import type { Counting } from './counter-store.ts'
import type { Limit } from './limit.ts'

/** What the counters of one request mean. */
export interface Decision {
  readonly overLimit: boolean
  /** Index of the limit with the least left, the first on ties. */
  readonly tightest: number
  /** Hits left on it. */
  readonly remaining: number
  /** Seconds until its window ends, at least 1. */
  readonly resetSeconds: number
  /** Longest wait among the limits that deny, at least 1; 0 when none does. */
  readonly retryAfterSeconds: number
}

/** Over once more than `requestsPerUnit` were counted; quota limits only deny together. */
export function decide(limits: readonly Limit[], counting: Counting): Decision {
  let denied = false
  let quotas = 0
  let quotasOver = 0
  let tightest = 0
  let remaining = Number.POSITIVE_INFINITY
  let retryAfterSeconds = 0
  for (let i = 0; i < limits.length; i++) {
    const limit = limits[i]!
    const after = counting.counts[i]!
    const over = after > limit.requestsPerUnit
    const left = over ? 0 : limit.requestsPerUnit - after
    if (left < remaining) {
      remaining = left
      tightest = i
    }
    const denies = over && !limit.shadowMode
    if (limit.quotaMode) quotas++
    if (!denies) continue
    if (limit.quotaMode) quotasOver++
    else denied = true
    retryAfterSeconds = Math.max(retryAfterSeconds, resetSeconds(limit, counting.nowSeconds))
  }
  return {
    overLimit: denied || (quotas > 0 && quotasOver === quotas),
    tightest,
    remaining,
    resetSeconds: resetSeconds(limits[tightest]!, counting.nowSeconds),
    retryAfterSeconds,
  }
}

function resetSeconds(limit: Limit, nowSeconds: number): number {
  return limit.windowSeconds - (nowSeconds % limit.windowSeconds)
}
