import type { LimitCheck } from './limit-check.ts'

/** The state of one key in memory. Times are microseconds since the epoch, whole. */
export interface Counter {
  /** Answers the check without charging it. */
  look(check: LimitCheck, now: number): void
  /** Charges the check, which fits, and answers again. */
  charge(check: LimitCheck, now: number): void
  /** Nothing is left to remember. */
  isSpent(now: number): boolean
}

export const US_PER_MS = 1000

/** Milliseconds for an answer: waiting that long is always enough. */
export function ceilMs(us: number): number {
  return Math.ceil(us / US_PER_MS)
}
