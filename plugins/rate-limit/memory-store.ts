import {
  COUNTED,
  type Counting,
  type CounterStore,
  type CountResult,
  type StoreStatus,
} from './counter-store.ts'

/** Counters per window length. About 100 bytes each. */
const MAX_KEYS_PER_WINDOW = 250_000

/** All counters of one window length: they end together, so a new window drops them all. */
class Window {
  readonly counts = new Map<string, number>()
  id: number

  constructor(id: number) {
    this.id = id
  }
}

/**
 * Counters of this process. Exact as long as at most `maxKeys` clients are counted per window
 * length; beyond that the oldest counter makes room.
 */
export class MemoryStore implements CounterStore {
  readonly #now: () => number
  readonly #maxKeys: number
  readonly #windows = new Map<number, Window>()
  #evicted = 0

  /** `now` gives milliseconds since the epoch. */
  constructor(now: () => number = Date.now, maxKeys: number = MAX_KEYS_PER_WINDOW) {
    this.#now = now
    this.#maxKeys = maxKeys
  }

  count(counting: Counting): CountResult {
    const seconds = Math.floor(this.#now() / 1000)
    counting.nowSeconds = seconds
    for (let i = 0; i < counting.keys.length; i++) {
      counting.counts[i] = this.#add(
        counting.keys[i] ?? '',
        counting.windows[i] ?? 1,
        counting.hits[i] ?? 0,
        seconds,
      )
    }
    return COUNTED
  }

  status(): StoreStatus {
    let size = 0
    for (const window of this.#windows.values()) size += window.counts.size
    return { kind: 'memory', server: null, available: true, size, evicted: this.#evicted }
  }

  close(): Promise<void> {
    this.#windows.clear()
    return Promise.resolve()
  }

  #add(key: string, windowSeconds: number, hits: number, seconds: number): number {
    const counts = this.#current(windowSeconds, seconds).counts
    const before = counts.get(key)
    if (before === undefined && counts.size >= this.#maxKeys) {
      const oldest = counts.keys().next()
      if (!oldest.done) counts.delete(oldest.value)
      this.#evicted++
    }
    const after = (before ?? 0) + hits
    counts.set(key, after)
    return after
  }

  #current(windowSeconds: number, seconds: number): Window {
    const id = Math.floor(seconds / windowSeconds)
    let window = this.#windows.get(windowSeconds)
    if (window === undefined) {
      window = new Window(id)
      this.#windows.set(windowSeconds, window)
    } else if (id > window.id || id < window.id - 1) {
      // A clock set back by less than a window goes on counting where it was.
      window.counts.clear()
      window.id = id
    }
    return window
  }
}
