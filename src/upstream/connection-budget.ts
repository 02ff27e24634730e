import type { Now } from '../base/clock.ts'
import type { FileReserve } from '../base/file-reserve.ts'
import type { UpstreamCounters } from './counters.ts'
import type { DialLimits } from './dial.ts'
import { NO_ENDPOINT } from './failures.ts'
import type { ConnectionPool } from './pool.ts'
import type { UpstreamWire } from './upstream-wire.ts'
import { type Waiter, WaiterQueue } from './waiter.ts'

/** Requests that may wait for a connection when configuration sets no limit. */
export const DEFAULT_MAX_PENDING_REQUESTS = 65_536

/** The circuit breakers of one cluster; 0 = unlimited for each count. See DestinationRule connectionPool. */
export interface PoolLimits extends DialLimits {
  readonly maxConnections: number
  /** 0 stands for 65,536. */
  readonly maxPendingRequests: number
  readonly maxRequests: number
  readonly maxRequestsPerConnection: number
  readonly idleTimeoutMs: number
  readonly tcpIdleTimeoutMs: number
  /** Age at which a connection takes no further request and a raw tunnel is cut; absent or 0: none. */
  readonly maxConnectionDurationMs?: number
  /** Absent: the defaults of the wire. */
  readonly wire?: UpstreamWire
}

/**
 * What all pools of one cluster share: the limits, the counters and the queue of requests that wait
 * because the cluster has all the connections it may have. Connections being dialled count.
 *
 * A request counts as pending while it waits for a connection, except when a configured
 * maxConnections left room to dial one for it alone: a burst on cold HTTP/1 pools would otherwise
 * overflow a small maxPendingRequests although no connection is missing.
 */
export class ConnectionBudget {
  limits: PoolLimits
  readonly counters: UpstreamCounters
  readonly now: Now
  /** Open files that dials leave alone; null: they take any. */
  readonly reserve: FileReserve | null
  /** Requests without a dial of their own, oldest first. */
  readonly queue: WaiterQueue
  readonly #pools: Set<ConnectionPool>
  #tickets: number

  constructor(
    limits: PoolLimits,
    counters: UpstreamCounters,
    now: Now,
    reserve?: FileReserve | null,
  ) {
    this.limits = limits
    this.counters = counters
    this.now = now
    this.reserve = reserve ?? null
    this.queue = new WaiterQueue()
    this.#pools = new Set()
    this.#tickets = 0
  }

  addPool(pool: ConnectionPool): void {
    this.#pools.add(pool)
  }

  removePool(pool: ConnectionPool): void {
    this.#pools.delete(pool)
  }

  /** False: the active requests of the cluster are at maxRequests. */
  admitsRequest(): boolean {
    const max = this.limits.maxRequests
    return max === 0 || this.counters.rqActive < max
  }

  /** Lets a waiter in, or refuses it because too many wait already. */
  admit(waiter: Waiter, counted: boolean): boolean {
    const counters = this.counters
    if (counted) {
      const max = this.limits.maxPendingRequests
      if (counters.rqPendingActive >= (max === 0 ? DEFAULT_MAX_PENDING_REQUESTS : max)) {
        counters.rqPendingOverflow++
        return false
      }
      counters.rqPendingActive++
    }
    counters.rqPendingTotal++
    waiter.counted = counted
    waiter.ticket = this.#tickets++
    return true
  }

  /** Takes the waiter out of its queue, whichever that is. */
  leave(waiter: Waiter): void {
    if (waiter.queue === null) return
    waiter.queue.remove(waiter)
    if (!waiter.counted) return
    waiter.counted = false
    this.counters.rqPendingActive--
  }

  /** True when one more connection may be opened now. */
  hasRoom(): boolean {
    const max = this.limits.maxConnections
    return max === 0 || this.counters.cxActive < max
  }

  /** As hasRoom, closing the connection that is idle for the longest when that makes the room. */
  makeRoom(): boolean {
    if (this.hasRoom()) return true
    let oldest: ConnectionPool | null = null
    let sinceMs = Infinity
    for (const pool of this.#pools) {
      const idleSinceMs = pool.oldestIdleMs()
      if (idleSinceMs < sinceMs) {
        oldest = pool
        sinceMs = idleSinceMs
      }
    }
    if (oldest === null) return false
    oldest.closeOldestIdle()
    return this.hasRoom()
  }

  /** A connection (or a dial) takes its place. */
  occupy(): void {
    this.counters.cxActive++
    this.counters.cxTotal++
  }

  /** A connection closed or a dial failed: the place goes to the oldest waiter. */
  release(): void {
    this.counters.cxActive--
    while (this.queue.first !== null && this.hasRoom()) {
      const waiter = this.queue.first
      this.leave(waiter)
      const pool = waiter.choosePool()
      if (pool !== null) pool.startOrDial(waiter)
    }
  }

  /** The cluster closes: whoever waits for room is told. */
  failQueue(): void {
    for (let waiter = this.queue.first; waiter !== null; waiter = this.queue.first) {
      this.leave(waiter)
      waiter.onConnectFailure(NO_ENDPOINT)
    }
  }

  closePools(): void {
    for (const pool of this.#pools) pool.close()
  }

  /** Connections opened before this reading of the clock are too old; -Infinity: age does not matter. */
  get bornBeforeMs(): number {
    const maxMs = this.limits.maxConnectionDurationMs
    return maxMs === undefined || maxMs === 0 ? -Infinity : this.now() - maxMs
  }

  /** Closes what has been idle for too long, or is too old. Called by the shared timer. */
  sweep(): void {
    const bornBeforeMs = this.bornBeforeMs
    if (bornBeforeMs !== -Infinity) {
      for (const pool of this.#pools) pool.closeOlderThan(bornBeforeMs)
    }
    const idleTimeoutMs = this.limits.idleTimeoutMs
    if (idleTimeoutMs === 0) return
    const before = this.now() - idleTimeoutMs
    for (const pool of this.#pools) {
      while (pool.oldestIdleMs() <= before) {
        this.counters.cxIdleTimeout++
        pool.closeOldestIdle()
      }
    }
  }
}
