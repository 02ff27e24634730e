import type { RetryLimits } from '../../clusters/retry-gate.ts'
import type { EffectivePolicy } from './traffic-policy.ts'

const DEFAULT_BUDGET_PERCENT = 20
const DEFAULT_MIN_CONCURRENCY = 3

/**
 * DestinationRule trafficPolicy.retryBudget, which replaces connectionPool.http.maxRetries. null: as
 * many retries at the same time as routes ask for, Istio's default.
 */
export function retryLimits(policy: EffectivePolicy): RetryLimits | null {
  const budget = policy.retryBudget
  if (budget !== null) {
    const { percent = DEFAULT_BUDGET_PERCENT, minRetryConcurrency = DEFAULT_MIN_CONCURRENCY } =
      budget
    return { percent, atLeast: minRetryConcurrency }
  }
  // 0 counts as unset, like Istio's integer limits.
  const maxRetries = policy.connectionPool?.spec.http?.maxRetries ?? 0
  return maxRetries > 0 ? { percent: 0, atLeast: maxRetries } : null
}
