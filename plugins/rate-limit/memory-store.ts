import {
  COUNTED,
  type Counting,
  type CounterStore,
  type CountResult,
  EACH,
  type StoreStatus,
} from './counter-store.ts'
import { CounterTable } from './counter-table.ts'
import { US_PER_MS } from './counter.ts'
import { FixedWindows } from './fixed-windows.ts'
import { GcraCounter } from './gcra.ts'
import { FIXED_WINDOW, GCRA, type LimitCheck } from './limit-check.ts'
import { SlidingWindowCounter } from './sliding-window.ts'

/** Window lengths kept before ended ones are looked for. */
const MAX_WINDOW_LENGTHS = 64

/** Counters per window length, and per other algorithm. About 100 to 300 bytes each. */
const MAX_KEYS = 250_000

/**
 * Counters of this process. Exact as long as at most `maxKeys` clients are counted per window
 * length (fixed windows) or algorithm; beyond that the oldest counter makes room.
 */
export class MemoryStore implements CounterStore {
  readonly envoyKeys = false
  readonly #now: () => number
  readonly #maxKeys: number
  readonly #windows = new Map<number, FixedWindows>()
  readonly #gcra: CounterTable
  readonly #sliding: CounterTable

  /** `now` gives milliseconds since the epoch. */
  constructor(now: () => number = Date.now, maxKeys: number = MAX_KEYS) {
    this.#now = now
    this.#maxKeys = maxKeys
    this.#gcra = new CounterTable(() => new GcraCounter(), maxKeys)
    this.#sliding = new CounterTable(() => new SlidingWindowCounter(), maxKeys)
  }

  count(counting: Counting): CountResult {
    const now = this.#now()
    const { checks } = counting
    if (counting.charge === EACH) {
      for (let i = 0; i < checks.length; i++) this.#countAlone(checks[i]!, now)
      return COUNTED
    }
    let refused = false
    for (let i = 0; i < checks.length; i++) {
      const check = checks[i]!
      this.#look(check, now)
      if (check.over && check.enforces) refused = true
    }
    if (refused) return COUNTED
    for (let i = 0; i < checks.length; i++) {
      const check = checks[i]!
      if (!check.over) this.#charge(check, now)
    }
    return COUNTED
  }

  status(): StoreStatus {
    let size = this.#gcra.size + this.#sliding.size
    let evicted = this.#gcra.evicted + this.#sliding.evicted
    for (const window of this.#windows.values()) {
      size += window.size
      evicted += window.evicted
    }
    return { kind: 'memory', server: null, available: true, size, evicted, redis: null }
  }

  look(checks: readonly LimitCheck[]): Promise<boolean> {
    this.lookNow(checks)
    return Promise.resolve(true)
  }

  /** As `look`, at once. */
  lookNow(checks: readonly LimitCheck[]): void {
    const now = this.#now()
    for (const check of checks) this.#look(check, now)
  }

  forget(checks: readonly LimitCheck[]): Promise<number> {
    let forgotten = 0
    for (const { key } of checks) if (this.#forgetKey(key)) forgotten++
    return Promise.resolve(forgotten)
  }

  close(): Promise<void> {
    this.#windows.clear()
    return Promise.resolve()
  }

  /** A key is asked with one algorithm and period, which whoever knows its name may not know. */
  #forgetKey(key: string): boolean {
    let found = this.#gcra.forget(key)
    if (this.#sliding.forget(key)) found = true
    for (const window of this.#windows.values()) if (window.forget(key)) found = true
    return found
  }

  #countAlone(check: LimitCheck, now: number): void {
    if (check.quota.algorithm === FIXED_WINDOW) {
      this.#windowsOf(check).add(check, now)
      return
    }
    this.#look(check, now)
    if (!check.over) this.#charge(check, now)
  }

  #look(check: LimitCheck, now: number): void {
    const { algorithm } = check.quota
    if (algorithm === FIXED_WINDOW) this.#windowsOf(check).look(check, now)
    else if (algorithm === GCRA) this.#gcra.look(check, now * US_PER_MS)
    else this.#sliding.look(check, now * US_PER_MS)
  }

  #charge(check: LimitCheck, now: number): void {
    const { algorithm } = check.quota
    if (algorithm === FIXED_WINDOW) this.#windowsOf(check).charge(check, now)
    else if (algorithm === GCRA) this.#gcra.charge(check, now * US_PER_MS)
    else this.#sliding.charge(check, now * US_PER_MS)
  }

  /** Window lengths that configuration no longer has end some day; those that live on stay. */
  #forgetEnded(): void {
    const now = this.#now()
    for (const [periodMs, windows] of this.#windows) {
      if (windows.isEnded(now)) this.#windows.delete(periodMs)
    }
  }

  #windowsOf(check: LimitCheck): FixedWindows {
    const { periodMs } = check.quota
    let windows = this.#windows.get(periodMs)
    if (windows === undefined) {
      if (this.#windows.size >= MAX_WINDOW_LENGTHS) this.#forgetEnded()
      windows = new FixedWindows(periodMs, this.#maxKeys)
      this.#windows.set(periodMs, windows)
    }
    return windows
  }
}
