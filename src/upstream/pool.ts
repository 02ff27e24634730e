import type { Socket } from 'node:net'
import { Roster } from '../base/roster.ts'
import type { ConnectionBudget } from './connection-budget.ts'
import type { UpstreamCounters } from './counters.ts'
import { Dial, type DialListener, type DialTarget } from './dial.ts'
import type { UpstreamFailure } from './failure.ts'
import { NO_ENDPOINT } from './failures.ts'
import type {
  AttemptObserver,
  UpstreamHandler,
  UpstreamRequest,
  UpstreamStream,
} from './transport.ts'
import { type Waiter, WaiterQueue } from './waiter.ts'

/** A connection of a pool, as the cluster uses it. */
export interface PooledConnection {
  readonly pool: ConnectionPool
  start(
    request: UpstreamRequest,
    handler: UpstreamHandler,
    observer: AttemptObserver,
  ): UpstreamStream
}

/** The endpoint a pool connects to: told of attempts, and counts connections. */
export interface PoolOwner extends AttemptObserver {
  /** Open connections and dials. */
  connections: number
  connectionsTotal: number
  connectFailures: number
  /** Why the latest connect or TLS handshake failed, or ''. */
  lastConnectFailure: string
}

/** Counts a dial that failed. One that found no room on this side is not the endpoint's fault. */
export function countDialFailure(
  failure: UpstreamFailure,
  owner: PoolOwner,
  counters: UpstreamCounters,
): void {
  if (failure.type === 'overflow') {
    counters.cxOverflow++
    return
  }
  counters.cxConnectFail++
  if (failure.type === 'connect-timeout') counters.cxConnectTimeout++
  owner.connectFailures++
  owner.lastConnectFailure = failure.transportReason
  owner.onAttemptFailure(failure)
}

/**
 * Connections to one endpoint that are interchangeable: same address, same TLS identity. Subclasses
 * know how many requests a connection carries at a time.
 */
export abstract class ConnectionPool implements DialListener {
  readonly target: DialTarget
  readonly owner: PoolOwner
  readonly budget: ConnectionBudget
  /** Requests whose connection is being dialled here (or that wait for a stream here). */
  readonly waiters: WaiterQueue
  /** The endpoint or its settings are gone: connections end with what they carry. */
  retired: boolean
  readonly #dials: Roster<Dial>

  constructor(target: DialTarget, owner: PoolOwner, budget: ConnectionBudget) {
    this.target = target
    this.owner = owner
    this.budget = budget
    this.waiters = new WaiterQueue()
    this.retired = false
    this.#dials = new Roster()
    budget.addPool(this)
  }

  /** A connection that takes a request right now, or null. */
  abstract take(): PooledConnection | null
  /** Since when the longest idle connection is idle (budget.now), or Infinity. */
  abstract oldestIdleMs(): number
  abstract closeOldestIdle(): void
  /** Ends connections opened before this reading of the clock: idle ones now, busy ones when done. */
  abstract closeOlderThan(bornBeforeMs: number): void
  /** Ends connections to any peer (`address:port`) but these: idle ones now, busy ones when done. */
  abstract keepOnly(remotes: ReadonlySet<string>): void
  /** Number of open connections. */
  abstract get size(): number
  /** One request per connection: a dial serves one waiter. */
  protected abstract readonly exclusive: boolean
  /** Must a waiter get another dial, given what is open and being dialled? */
  protected abstract needsDial(): boolean
  protected abstract adopt(socket: Socket): void
  /** Which waiters a failed dial takes with it. */
  protected abstract waitersLost(): number
  protected abstract closeIdle(): void
  protected abstract closeAll(): void

  get dialing(): number {
    return this.#dials.size
  }

  /** Queues a waiter. False: too many wait (overflow). */
  wait(waiter: Waiter): boolean {
    const budget = this.budget
    if (!this.needsDial()) {
      if (!budget.admit(waiter, true)) return false
      this.waiters.push(waiter)
      return true
    }
    if (budget.queue.first === null && budget.makeRoom()) {
      const counted = !this.exclusive || budget.limits.maxConnections === 0
      if (!budget.admit(waiter, counted)) return false
      this.waiters.push(waiter)
      this.#dial()
      return true
    }
    budget.counters.cxOverflow++
    if (!budget.admit(waiter, true)) return false
    budget.queue.push(waiter)
    return true
  }

  /** There is room for a connection: starts or dials for a waiter that had none. */
  startOrDial(waiter: Waiter): void {
    const connection = this.take()
    if (connection !== null) {
      if (!waiter.onConnection(connection)) this.giveBack(connection)
      return
    }
    this.waiters.push(waiter)
    if (this.needsDial()) this.#dial()
  }

  /** Closes idle connections and lets busy ones finish; no new request comes here. */
  retire(): void {
    if (this.retired) return
    this.retired = true
    this.closeIdle()
    this.forgetIfEmpty()
  }

  /** Ends everything at once. */
  close(): void {
    this.retired = true
    for (const dial of this.#dials) {
      dial.abort()
      this.#dialOver(dial)
    }
    this.closeAll()
    this.failWaiters(this.waiters.size, NO_ENDPOINT)
    this.forgetIfEmpty()
  }

  onDialConnected(socket: Socket, dial: Dial): void {
    this.#dials.delete(dial)
    this.adopt(socket)
  }

  onDialFailed(failure: UpstreamFailure, dial: Dial): void {
    this.#dials.delete(dial)
    countDialFailure(failure, this.owner, this.budget.counters)
    const lost = this.waitersLost()
    this.released()
    this.failWaiters(lost, failure)
    this.forgetIfEmpty()
  }

  /** One connection less. */
  protected released(): void {
    this.owner.connections--
    this.budget.release()
  }

  /** A connection that was taken, or offered to a waiter, and not used. */
  abstract giveBack(connection: PooledConnection): void

  protected forgetIfEmpty(): void {
    if (this.retired && this.size === 0 && this.#dials.size === 0) this.budget.removePool(this)
  }

  /** The oldest waiter that a connection of this pool may serve, already out of its queue. */
  protected nextWaiter(): Waiter | null {
    const own = this.waiters.first
    const other = this.budget.queue.first
    let next = own
    // A waiter without a dial left must not lose this connection to an older one from elsewhere.
    const ownHasDial = own === null || this.waiters.size <= this.#dials.size
    if (other !== null && ownHasDial && (own === null || other.ticket < own.ticket)) {
      if (other.accepts(this)) next = other
    }
    if (next !== null) this.budget.leave(next)
    return next
  }

  /** Waiters of this pool wait for any room in the cluster again. */
  protected requeueWaiters(): void {
    for (let waiter = this.waiters.first; waiter !== null; waiter = this.waiters.first) {
      this.waiters.remove(waiter)
      this.budget.queue.push(waiter)
    }
  }

  protected failWaiters(count: number, failure: UpstreamFailure): void {
    for (let left = count; left > 0 && this.waiters.first !== null; left--) {
      const waiter = this.waiters.first
      this.budget.leave(waiter)
      this.budget.counters.rqPendingFailureEject++
      waiter.onConnectFailure(failure)
    }
  }

  #dial(): void {
    this.budget.occupy()
    this.owner.connections++
    this.owner.connectionsTotal++
    const { limits, reserve } = this.budget
    this.#dials.add(new Dial(this.target, limits, this, reserve))
  }

  #dialOver(dial: Dial): void {
    this.#dials.delete(dial)
    this.released()
  }
}
