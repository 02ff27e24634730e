import type { Counter } from './counter.ts'
import type { LimitCheck } from './limit-check.ts'

/** Old entries looked at for each new one: the table shrinks as fast as it grows. */
const SWEPT_PER_INSERT = 2

/** Counters by key. Bounded: spent ones go first, then the oldest. */
export class CounterTable {
  readonly #counters = new Map<string, Counter>()
  readonly #make: () => Counter
  readonly #maxKeys: number
  /** Counters that made room for others. */
  evicted = 0

  constructor(make: () => Counter, maxKeys: number) {
    this.#make = make
    this.#maxKeys = maxKeys
  }

  get size(): number {
    return this.#counters.size
  }

  look(check: LimitCheck, now: number): void {
    const counter = this.#counters.get(check.key) ?? this.#make()
    counter.look(check, now)
  }

  charge(check: LimitCheck, now: number): void {
    let counter = this.#counters.get(check.key)
    if (counter === undefined) {
      this.#makeRoom(now)
      counter = this.#make()
      this.#counters.set(check.key, counter)
    }
    counter.charge(check, now)
  }

  forget(key: string): boolean {
    return this.#counters.delete(key)
  }

  /** Second chance: a live counter among the oldest moves to the end. */
  #makeRoom(now: number): void {
    const counters = this.#counters
    for (let i = 0; i < SWEPT_PER_INSERT; i++) {
      const oldest = counters.entries().next()
      if (oldest.done) return
      const [key, counter] = oldest.value
      counters.delete(key)
      if (!counter.isSpent(now)) counters.set(key, counter)
    }
    if (counters.size < this.#maxKeys) return
    const oldest = counters.keys().next()
    if (!oldest.done) counters.delete(oldest.value)
    this.evicted++
  }
}
