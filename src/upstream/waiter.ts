import type { UpstreamFailure } from './failure.ts'
import type { ConnectionPool, PooledConnection } from './pool.ts'

/**
 * A request without a connection yet. It stands in at most one queue; the links are its own, so
 * that giving up is as cheap as queueing.
 */
export abstract class Waiter {
  queue: WaiterQueue | null = null
  previous: Waiter | null = null
  next: Waiter | null = null
  /** Order of arrival within the cluster. */
  ticket = 0
  /** True when it counts against maxPendingRequests. */
  counted = false

  /**
   * A connection with room. False: the waiter is over without having used it (it was refused by
   * another limit), and the connection may serve somebody else. The waiter left its queue before.
   */
  abstract onConnection(connection: PooledConnection): boolean
  /** The dial that was made for this waiter failed. The waiter left its queue before. */
  abstract onConnectFailure(failure: UpstreamFailure): void
  /** May this pool's connection serve the waiter, although another endpoint was picked for it? */
  abstract accepts(pool: ConnectionPool): boolean
  /** The pool to dial now that there is room, or null: the waiter failed itself. */
  abstract choosePool(): ConnectionPool | null
}

/** First in, first out, with removal from anywhere. */
export class WaiterQueue {
  first: Waiter | null
  last: Waiter | null
  size: number

  constructor() {
    this.first = null
    this.last = null
    this.size = 0
  }

  push(waiter: Waiter): void {
    waiter.queue = this
    waiter.previous = this.last
    waiter.next = null
    if (this.last === null) this.first = waiter
    else this.last.next = waiter
    this.last = waiter
    this.size++
  }

  remove(waiter: Waiter): void {
    if (waiter.queue !== this) return
    if (waiter.previous === null) this.first = waiter.next
    else waiter.previous.next = waiter.next
    if (waiter.next === null) this.last = waiter.previous
    else waiter.next.previous = waiter.previous
    waiter.queue = null
    waiter.previous = null
    waiter.next = null
    this.size--
  }
}
