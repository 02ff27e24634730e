import type { Socket } from 'node:net'
import { Roster } from '../base/roster.ts'
import { RepeatedHeads } from '../http/repeated-head.ts'
import type { ConnectionBudget } from './connection-budget.ts'
import type { DialTarget } from './dial.ts'
import type { UpstreamFailure } from './failure.ts'
import { H1Connection } from './h1-connection.ts'
import { H1Settings } from './h1-settings.ts'
import { hearLastWords } from './last-words.ts'
import { ConnectionPool, type PooledConnection, type PoolOwner } from './pool.ts'
import type {
  AttemptObserver,
  UpstreamHandler,
  UpstreamRequest,
  UpstreamStream,
} from './transport.ts'

/** Idle connections one pool keeps; more are closed when they become idle. */
export const MAX_IDLE_CONNECTIONS = 1_024
/** A connection is not used this close to the end of the peer's `Keep-Alive: timeout`. */
const KEEP_ALIVE_MARGIN_MS = 1_000

/**
 * An HTTP/1 connection and its place in the pool. It passes attempt events on to the endpoint: a
 * connection that became a tunnel keeps its place until the attempt ends.
 */
class ExclusiveConnection implements PooledConnection, AttemptObserver {
  rosterPlace = -1
  readonly pool: ExclusivePool
  readonly heads: RepeatedHeads
  readonly connection: H1Connection
  readonly bornMs: number
  idleSinceMs: number
  /** Takes no request after the one it carries. */
  worn: boolean
  /** Out of the pool. */
  closed: boolean
  #owner: AttemptObserver
  #busy: boolean
  /** Takes no further request; leaves the pool with its attempt. */
  #ending: boolean

  constructor(pool: ExclusivePool, socket: Socket) {
    this.pool = pool
    this.bornMs = pool.budget.now()
    this.idleSinceMs = 0
    this.worn = false
    this.closed = false
    this.#owner = pool.owner
    this.#busy = false
    this.#ending = false
    this.heads = pool.heads
    this.connection = new H1Connection(socket, pool.settings, this)
    hearLastWords(socket)
  }

  start(
    request: UpstreamRequest,
    handler: UpstreamHandler,
    observer: AttemptObserver,
  ): UpstreamStream {
    this.#owner = observer
    return this.connection.start(request, handler, this)
  }

  onConnectionIdle(): void {
    if (!this.closed) this.pool.onIdle(this)
  }

  onConnectionClosed(): void {
    if (this.#busy) this.#ending = true
    else this.pool.onClosed(this)
  }

  onAttemptStart(): void {
    this.#busy = true
    this.#owner.onAttemptStart()
  }

  onAttemptStatus(status: number): void {
    this.#owner.onAttemptStatus(status)
  }

  onAttemptFailure(failure: UpstreamFailure): void {
    this.#owner.onAttemptFailure(failure)
  }

  onAttemptEnd(): void {
    this.#busy = false
    this.#owner.onAttemptEnd()
    if (this.#ending) this.pool.onClosed(this)
  }
}

/** HTTP/1: one request per connection; the connection that became idle last is used first. */
export class ExclusivePool extends ConnectionPool {
  readonly settings: H1Settings
  readonly heads = new RepeatedHeads()
  protected override readonly exclusive = true
  readonly #open: Roster<ExclusiveConnection>
  /** Longest idle first. */
  readonly #idle: ExclusiveConnection[]

  constructor(target: DialTarget, owner: PoolOwner, budget: ConnectionBudget) {
    super(target, owner, budget)
    const { wire, tcpIdleTimeoutMs } = budget.limits
    this.settings = new H1Settings({ ...wire?.h1, tunnelIdleTimeoutMs: tcpIdleTimeoutMs })
    this.#open = new Roster()
    this.#idle = []
  }

  override get size(): number {
    return this.#open.size
  }

  override take(): PooledConnection | null {
    const bornBeforeMs = this.budget.bornBeforeMs
    for (let entry = this.#idle.pop(); entry !== undefined; entry = this.#idle.pop()) {
      if (entry.bornMs < bornBeforeMs) {
        this.budget.counters.cxMaxDurationReached++
        this.#close(entry)
        continue
      }
      const keepAliveMs = entry.connection.keepAliveMs
      if (keepAliveMs < 0) return entry
      const idleMs = this.budget.now() - entry.idleSinceMs
      if (idleMs < keepAliveMs - KEEP_ALIVE_MARGIN_MS) return entry
      this.#close(entry)
    }
    return null
  }

  override oldestIdleMs(): number {
    return this.#idle.length === 0 ? Infinity : this.#idle[0]!.idleSinceMs
  }

  override closeOldestIdle(): void {
    const oldest = this.#idle.shift()
    if (oldest !== undefined) this.#close(oldest)
  }

  override closeOlderThan(bornBeforeMs: number): void {
    for (let at = this.#idle.length - 1; at >= 0; at--) {
      const entry = this.#idle[at]!
      if (entry.bornMs >= bornBeforeMs) continue
      this.budget.counters.cxMaxDurationReached++
      this.#close(entry)
    }
  }

  override keepOnly(remotes: ReadonlySet<string>): void {
    for (const entry of this.#open) {
      if (remotes.has(entry.connection.remote)) continue
      entry.worn = true
      if (this.#idle.includes(entry)) this.#close(entry)
    }
  }

  /** A connection finished its request: a waiter gets it, or it rests. */
  onIdle(entry: ExclusiveConnection): void {
    if (this.#isWorn(entry)) {
      this.#close(entry)
    } else if (this.waiters.first !== null || this.budget.queue.first !== null) {
      // Not from within the connection's own read: it finishes what it read, and closes on bytes
      // nobody asked for, before a waiter's request goes out.
      process.nextTick(handOver, this, entry)
    } else {
      this.#rest(entry)
    }
  }

  /** Serves the oldest waiter with a connection that has no request. */
  offer(entry: ExclusiveConnection): void {
    if (entry.closed) return
    for (let waiter = this.nextWaiter(); waiter !== null; waiter = this.nextWaiter()) {
      if (waiter.onConnection(entry) || entry.closed) return
    }
    // Those who wait cannot use this endpoint: they get the place.
    if (this.budget.queue.first !== null) this.#close(entry)
    else this.#rest(entry)
  }

  onClosed(entry: ExclusiveConnection): void {
    if (entry.closed) return
    entry.closed = true
    const at = this.#idle.indexOf(entry)
    if (at >= 0) this.#idle.splice(at, 1)
    this.#open.delete(entry)
    this.released()
    this.forgetIfEmpty()
  }

  override giveBack(connection: PooledConnection): void {
    if (connection instanceof ExclusiveConnection) this.offer(connection)
  }

  protected override needsDial(): boolean {
    return true
  }

  protected override adopt(socket: Socket): void {
    const entry = new ExclusiveConnection(this, socket)
    this.#open.add(entry)
    this.offer(entry)
  }

  protected override waitersLost(): number {
    return this.waiters.size > this.dialing ? 1 : 0
  }

  protected override closeIdle(): void {
    for (let left = this.#idle.length; left > 0; left--) this.closeOldestIdle()
  }

  protected override closeAll(): void {
    for (const entry of this.#open) this.#close(entry)
  }

  #isWorn(entry: ExclusiveConnection): boolean {
    if (entry.worn) return true
    if (entry.bornMs < this.budget.bornBeforeMs) {
      this.budget.counters.cxMaxDurationReached++
      return true
    }
    const max = this.budget.limits.maxRequestsPerConnection
    if (max === 0 || entry.connection.requests < max) return false
    this.budget.counters.cxMaxRequests++
    return true
  }

  #rest(entry: ExclusiveConnection): void {
    if (this.retired || this.#idle.length >= MAX_IDLE_CONNECTIONS) {
      this.#close(entry)
      return
    }
    entry.idleSinceMs = this.budget.now()
    this.#idle.push(entry)
  }

  #close(entry: ExclusiveConnection): void {
    if (entry.closed) return
    this.onClosed(entry)
    entry.connection.close()
  }
}

function handOver(pool: ExclusivePool, entry: ExclusiveConnection): void {
  pool.offer(entry)
}
