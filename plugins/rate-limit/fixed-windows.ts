import type { LimitCheck } from './limit-check.ts'

/** All counters of one window length: they end together, so a new window drops them all. */
export class FixedWindows {
  readonly #counts = new Map<string, number>()
  readonly #periodMs: number
  readonly #maxKeys: number
  #id: number
  /** Counters that made room for others. */
  evicted = 0

  constructor(periodMs: number, maxKeys: number) {
    this.#periodMs = periodMs
    this.#maxKeys = maxKeys
    this.#id = 0
  }

  get size(): number {
    return this.#counts.size
  }

  /** Nothing was counted in the window of this moment, nor in the one before. */
  isEnded(nowMs: number): boolean {
    return Math.floor(nowMs / this.#periodMs) > this.#id + 1
  }

  /** Counts whatever comes of it, as envoyproxy/ratelimit does. */
  add(check: LimitCheck, nowMs: number): void {
    this.#enter(nowMs)
    this.#answer(check, this.#raise(check.key, check.cost), nowMs)
  }

  look(check: LimitCheck, nowMs: number): void {
    this.#enter(nowMs)
    const before = this.#counts.get(check.key) ?? 0
    const { limit } = check.quota
    const over = before + check.cost > limit
    const left = this.#leftMs(nowMs)
    check.answer(over, limit - before, left, left)
  }

  forget(key: string): boolean {
    return this.#counts.delete(key)
  }

  charge(check: LimitCheck, nowMs: number): void {
    this.#answer(check, this.#raise(check.key, check.cost), nowMs)
  }

  #answer(check: LimitCheck, after: number, nowMs: number): void {
    const { limit } = check.quota
    const left = this.#leftMs(nowMs)
    check.answer(after > limit, limit - after, left, left)
  }

  #raise(key: string, cost: number): number {
    const counts = this.#counts
    const before = counts.get(key)
    if (before === undefined && counts.size >= this.#maxKeys) {
      const oldest = counts.keys().next()
      if (!oldest.done) counts.delete(oldest.value)
      this.evicted++
    }
    const after = (before ?? 0) + cost
    counts.set(key, after)
    return after
  }

  /** A clock set back by less than a window goes on counting where it was. */
  #enter(nowMs: number): void {
    const id = Math.floor(nowMs / this.#periodMs)
    if (id <= this.#id && id >= this.#id - 1) return
    this.#counts.clear()
    this.#id = id
  }

  #leftMs(nowMs: number): number {
    return this.#periodMs - (nowMs % this.#periodMs)
  }
}
