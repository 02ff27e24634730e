import { ceilMs, type Counter, US_PER_MS } from './counter.ts'
import type { LimitCheck } from './limit-check.ts'

/**
 * Generic cell rate algorithm as a leaky bucket (ITU-T I.371). The level is kept in units of
 * 1/period of a request, in which both a request (`period`) and what leaks per microsecond
 * (`limit`) are whole numbers: nothing is rounded, a burst is exact.
 */
export class GcraCounter implements Counter {
  #level = 0
  #at = 0
  #limit = 1

  look(check: LimitCheck, now: number): void {
    const { limit, burst, periodMs } = check.quota
    const period = periodMs * US_PER_MS
    const room = burst * period
    const level = this.#levelAt(now, limit, room)
    const after = level + check.cost * period
    const over = after > room
    check.answer(
      over,
      Math.floor((room - level) / period),
      ceilMs((after - room) / limit),
      ceilMs(level / limit),
    )
  }

  charge(check: LimitCheck, now: number): void {
    const { limit, burst, periodMs } = check.quota
    const period = periodMs * US_PER_MS
    const room = burst * period
    this.#level = this.#levelAt(now, limit, room) + check.cost * period
    this.#at = now
    this.#limit = limit
    check.answer(false, Math.floor((room - this.#level) / period), 0, ceilMs(this.#level / limit))
  }

  isSpent(now: number): boolean {
    return (now - this.#at) * this.#limit >= this.#level
  }

  /** A clock set back leaks nothing, and goes on from there. */
  #levelAt(now: number, limit: number, room: number): number {
    if (now < this.#at) this.#at = now
    return Math.max(0, Math.min(this.#level, room) - (now - this.#at) * limit)
  }
}
