import type { TrafficPolicySpec } from './destination-rule.ts'
import { checkCount, checkPercent, checkPositiveDuration } from './number-rules.ts'
import type { Place } from './place.ts'

/** `trafficPolicy.retryBudget` */
export function checkRetryBudget(
  place: Place,
  budget: NonNullable<TrafficPolicySpec['retryBudget']>,
): void {
  checkPercent(place.at('percent'), budget.percent)
  checkCount(place.at('minRetryConcurrency'), budget.minRetryConcurrency, 'min retry concurrency')
  checkPositiveDuration(place.at('budgetInterval'), budget.budgetInterval)
}
