/** The hits of one request, and what the store made of them. */
export interface Counting {
  readonly keys: readonly string[]
  /** Window of each key in seconds; windows are aligned to the epoch. */
  readonly windows: readonly number[]
  /** What each key is raised by; 0 reads it. */
  readonly hits: readonly number[]
  /** Longest wait for an answer in milliseconds. */
  readonly timeoutMs: number
  /** The counters after this request, filled by the store. */
  readonly counts: number[]
  /** Seconds since the epoch by the store's clock, set with `counts`. */
  nowSeconds: number
  /** Called once after PENDING, never before `count` returned: `counts` and `nowSeconds` are set. */
  counted(): void
  /** Called once after PENDING instead of `counted`: no answer in time, or an error. */
  failed(): void
}

/** `counts` and `nowSeconds` are set. */
export const COUNTED = 0
/** `counted` or `failed` follows. */
export const PENDING = 1
/** The store cannot be asked now. */
export const UNAVAILABLE = 2
export type CountResult = typeof COUNTED | typeof PENDING | typeof UNAVAILABLE

/** Fixed-window counters. Outlives snapshots. */
export interface CounterStore {
  count(counting: Counting): CountResult
  status(): StoreStatus
  close(): Promise<void>
}

export interface StoreStatus {
  readonly kind: 'memory' | 'redis'
  /** `host:port` of the Redis server, or null. */
  readonly server: string | null
  /** Counters are at hand; false: requests are decided by failure_mode_deny. */
  readonly available: boolean
  /** Live counters in memory, or checks that wait for Redis. */
  readonly size: number
  /** Live counters that were given up because too many clients were counted at once. */
  readonly evicted: number
}
