import type { Decision } from '../decision.ts'
import { fixedQuota, type Limit, UNIT_SECONDS } from '../limit.ts'
import { OVER_LIMIT, type ServiceResponse } from '../wire/response-message.ts'

/** The limits a service says it held a request against; those without number or window are left out. */
export interface AnsweredLimits {
  readonly limits: readonly Limit[]
  readonly decision: Decision
}

/** What the answer of a service means for the headers of a response. */
export function readAnswer({ code, statuses }: ServiceResponse): AnsweredLimits {
  const limits: Limit[] = []
  let tightest = 0
  let remaining = Number.POSITIVE_INFINITY
  let resetSeconds = 0
  let retryAfterSeconds = 0
  for (const status of statuses) {
    if (status.code === OVER_LIMIT) {
      retryAfterSeconds = Math.max(retryAfterSeconds, status.resetSeconds, 1)
    }
    const unit = status.limit?.unit ?? null
    if (status.limit === null || unit === null) continue
    if (status.remaining < remaining) {
      tightest = limits.length
      remaining = status.remaining
      resetSeconds = status.resetSeconds
    }
    limits.push({
      quota: fixedQuota(status.limit.requestsPerUnit, UNIT_SECONDS[unit]),
      unlimited: false,
      path: '',
      line: null,
      name: status.limit.name,
      replaces: NONE,
      shadowMode: false,
      quotaMode: false,
    })
  }
  const overLimit = code === OVER_LIMIT
  return { limits, decision: { overLimit, tightest, remaining, resetSeconds, retryAfterSeconds } }
}

const NONE: readonly string[] = []
