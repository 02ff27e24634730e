import { ceilMs, type Counter, US_PER_MS } from './counter.ts'
import { type LimitCheck, SLICES } from './limit-check.ts'

/**
 * A window that ends now, counted in slices of it. The oldest slice counts whole as long as any
 * part of it is inside: never more than the limit in any window, room up to one slice late.
 */
export class SlidingWindowCounter implements Counter {
  readonly #slices: { readonly id: number; count: number }[] = []
  #slice = 1

  look(check: LimitCheck, now: number): void {
    const total = this.#total(check, now)
    const { limit } = check.quota
    const over = total + check.cost > limit
    const retry = over ? this.#untilRoom(total + check.cost - limit, now) : 0
    check.answer(over, limit - total, retry, this.#untilEmpty(now))
  }

  charge(check: LimitCheck, now: number): void {
    const total = this.#total(check, now) + check.cost
    // A clock set back counts into the newest slice: order stays, and nothing is forgotten early.
    const newest = this.#slices.at(-1)
    const id = Math.floor(now / this.#slice)
    if (newest !== undefined && newest.id >= id) newest.count += check.cost
    else if (check.cost > 0) this.#slices.push({ id, count: check.cost })
    check.answer(false, check.quota.limit - total, 0, this.#untilEmpty(now))
  }

  isSpent(now: number): boolean {
    this.#prune(now)
    return this.#slices.length === 0
  }

  #total(check: LimitCheck, now: number): number {
    this.#slice = (check.quota.periodMs * US_PER_MS) / SLICES
    this.#prune(now)
    let total = 0
    for (const { count } of this.#slices) total += count
    return total
  }

  #prune(now: number): void {
    const slices = this.#slices
    while (slices.length > 0 && this.#leavesAt(slices[0]!.id) <= now) slices.shift()
    const newest = slices.at(-1)
    if (newest !== undefined && newest.id > now / this.#slice + SLICES) slices.length = 0
  }

  /** When the last moment of a slice is out of the window. */
  #leavesAt(id: number): number {
    return (id + 1 + SLICES) * this.#slice
  }

  #untilRoom(units: number, now: number): number {
    let missing = units
    for (const { id, count } of this.#slices) {
      missing -= count
      if (missing <= 0) return ceilMs(this.#leavesAt(id) - now)
    }
    // More than the limit admits at all.
    return ceilMs((SLICES + 1) * this.#slice)
  }

  #untilEmpty(now: number): number {
    const newest = this.#slices.at(-1)
    return newest === undefined ? 0 : ceilMs(this.#leavesAt(newest.id) - now)
  }
}
