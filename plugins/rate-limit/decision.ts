import type { Limit } from './limit.ts'
import type { LimitCheck } from './limit-check.ts'

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

/** `limits[i]` was asked by `checks[i]`. Quota limits only deny together. */
export function decide(limits: readonly Limit[], checks: readonly LimitCheck[]): Decision {
  let denied = false
  let quotas = 0
  let quotasOver = 0
  let tightest = 0
  let remaining = Number.POSITIVE_INFINITY
  let retryAfterSeconds = 0
  for (let i = 0; i < limits.length; i++) {
    const limit = limits[i]!
    const check = checks[i]!
    const left = check.over ? 0 : check.remaining
    if (left < remaining) {
      remaining = left
      tightest = i
    }
    const denies = check.over && !limit.shadowMode
    if (limit.quotaMode) quotas++
    if (!denies) continue
    if (limit.quotaMode) quotasOver++
    else denied = true
    retryAfterSeconds = Math.max(retryAfterSeconds, wholeSeconds(check.retryMs))
  }
  return {
    overLimit: denied || (quotas > 0 && quotasOver === quotas),
    tightest,
    remaining,
    resetSeconds: wholeSeconds(checks[tightest]!.resetMs),
    retryAfterSeconds,
  }
}

/** Never 0: a client that comes back at once is early. */
export function wholeSeconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000))
}
