import type { Random } from './random.ts'

/**
 * Delay in milliseconds before retry number `attempt` (0 = the first): doubles from `baseMs` to at
 * most `capMs`, then loses up to a half at random so that many waiters do not come back together.
 */
export function backoffMs(attempt: number, baseMs: number, capMs: number, random: Random): number {
  const full = Math.min(capMs, baseMs * 2 ** Math.min(attempt, 30))
  return full * (1 - random() / 2)
}
