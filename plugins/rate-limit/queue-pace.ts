import { FIXED_WINDOW, GCRA, type LimitCheck } from './limit-check.ts'
import type { Pace } from './waiting-room.ts'

/** When those who wait for a counter may go on, from the answer to one that has to wait. */
export function paceUntil(check: LimitCheck): Pace {
  return paceFrom(check, Math.max(1, check.retryMs))
}

/** The same from the answer to one that was admitted. */
export function paceAfter(check: LimitCheck): Pace {
  const { quota, cost, remaining, resetMs } = check
  if (remaining >= cost) return paceFrom(check, 0)
  if (quota.algorithm === FIXED_WINDOW) return paceFrom(check, resetMs)
  // A sliding window does not tell when its oldest slice leaves: the next has to ask.
  return paceFrom(check, quota.algorithm === GCRA ? intervalMs(check) : 0)
}

/** Windows admit many at once: how late the next one is for them is the earliest that can be. */
function paceFrom(check: LimitCheck, firstMs: number): Pace {
  const { quota, cost } = check
  if (quota.algorithm === GCRA) return { firstMs, perTurn: 1, turnMs: intervalMs(check) }
  const perTurn = Math.max(1, Math.floor(quota.limit / Math.max(1, cost)))
  return { firstMs, perTurn, turnMs: quota.periodMs }
}

function intervalMs({ quota, cost }: LimitCheck): number {
  return (Math.max(1, cost) * quota.periodMs) / quota.limit
}
