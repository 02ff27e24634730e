import type { LimitCheck } from './limit-check.ts'

/** Each counter is charged for itself; fixed windows also count what they refuse (Envoy). */
export const EACH = 0
/** All counters are charged, or none: a refusal of one that enforces leaves all as they were. */
export const TOGETHER = 1
export type Charge = typeof EACH | typeof TOGETHER

/** The counters one request meets, decided by a store in one step. */
export interface Counting {
  /** Answered in place. Keys differ from each other under TOGETHER. */
  readonly checks: readonly LimitCheck[]
  readonly charge: Charge
  /** Longest wait for an answer in milliseconds. */
  readonly timeoutMs: number
  /** Called once after PENDING, never before `count` returned: the checks are answered. */
  counted(): void
  /** Called once after PENDING instead of `counted`: no answer in time, or an error. */
  failed(): void
}

/** The checks are answered. */
export const COUNTED = 0
/** `counted` or `failed` follows. */
export const PENDING = 1
/** The store cannot be asked now. */
export const UNAVAILABLE = 2
export type CountResult = typeof COUNTED | typeof PENDING | typeof UNAVAILABLE

/**
 * Where counters live. The algorithm belongs to the limit, time to the store: whoever asks knows
 * neither state nor clock. Outlives snapshots.
 */
export interface CounterStore {
  /** Limits of descriptor files are counted under the keys of envoyproxy/ratelimit. */
  readonly envoyKeys: boolean
  count(counting: Counting): CountResult
  status(): StoreStatus
  /** Answers the checks as if they came now, charging nothing. False: counters cannot be asked. */
  look?(checks: readonly LimitCheck[]): Promise<boolean>
  /** Deletes the counters of the checks. Resolves to how many there were; null: out of reach. */
  forget?(checks: readonly LimitCheck[]): Promise<number | null>
  close(): Promise<void>
}

export interface StoreStatus {
  readonly kind: 'memory' | 'redis'
  /** `host:port` of the Redis server, or null. */
  readonly server: string | null
  /** Counters are at hand; false: requests are decided by failure_mode_deny or onFailure. */
  readonly available: boolean
  /** Live counters in memory, or checks that wait for Redis. */
  readonly size: number
  /** Live counters that were given up because too many clients were counted at once. */
  readonly evicted: number
  /** null when counters are in memory. */
  readonly redis: RedisStatus | null
}

/** Totals since the start. */
export interface RedisStatus {
  /** Round trips to a Redis server for checks. */
  readonly trips: number
  /** Checks that were asked in them. */
  readonly checks: number
  /** Checks denied without asking: their counter was known to be used up. */
  readonly nearDenials: number
  /** Counters known to be used up. */
  readonly nearKeys: number
  /** Processes that count in the same Redis under the same prefix, this one included. */
  readonly replicas: number
}
