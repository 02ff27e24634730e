import type { Socket } from 'node:net'
import type { ConnectionBudget, PoolLimits } from './connection-budget.ts'
import type { DialTarget } from './dial.ts'
import { failure } from './failures.ts'
import { H2Connection } from './h2-connection.ts'
import { H2ConnectionSettings } from './h2-connection-settings.ts'
import { ConnectionPool, type PooledConnection, type PoolOwner } from './pool.ts'
import type {
  AttemptObserver,
  UpstreamHandler,
  UpstreamRequest,
  UpstreamStream,
} from './transport.ts'

/** Streams one expects of a connection that is not open yet (RFC 9113 6.5.2 recommends no fewer). */
const STREAMS_PER_DIAL = 100

/** An HTTP/2 connection and its place in the pool. */
class MultiplexedConnection implements PooledConnection {
  readonly pool: MultiplexedPool
  readonly connection: H2Connection
  readonly bornMs: number
  idleSinceMs: number
  started: number
  /** Takes no further stream: GOAWAY, or maxRequestsPerConnection reached. */
  draining: boolean
  closed: boolean

  constructor(pool: MultiplexedPool, socket: Socket) {
    this.pool = pool
    this.bornMs = pool.budget.now()
    this.idleSinceMs = this.bornMs
    this.started = 0
    this.draining = false
    this.closed = false
    this.connection = new H2Connection(socket, pool.settings, this)
  }

  get free(): number {
    return this.draining || this.closed ? 0 : this.connection.availableStreams
  }

  start(
    request: UpstreamRequest,
    handler: UpstreamHandler,
    observer: AttemptObserver,
  ): UpstreamStream {
    this.started++
    const max = this.pool.budget.limits.maxRequestsPerConnection
    if (max > 0 && this.started >= max) {
      this.draining = true
      this.pool.budget.counters.cxMaxRequests++
    }
    return this.connection.start(request, handler, observer)
  }

  onConnectionStreamFreed(): void {
    if (!this.closed) this.pool.onFreed(this)
  }

  onConnectionDraining(): void {
    this.draining = true
    if (!this.closed) this.pool.onFreed(this)
  }

  onConnectionClosed(): void {
    this.pool.onClosed(this)
  }
}

/** HTTP/2: many requests per connection; another one only when the open ones have no stream left. */
export class MultiplexedPool extends ConnectionPool {
  protected override readonly exclusive = false
  readonly #open: MultiplexedConnection[]
  #limits: PoolLimits
  #settings: H2ConnectionSettings

  constructor(target: DialTarget, owner: PoolOwner, budget: ConnectionBudget) {
    super(target, owner, budget)
    this.#limits = budget.limits
    this.#settings = settingsOf(this.#limits)
    this.#open = []
  }

  /** For new connections: those that are open keep the settings they began with. */
  get settings(): H2ConnectionSettings {
    const { limits } = this.budget
    if (limits !== this.#limits) {
      this.#limits = limits
      this.#settings = settingsOf(limits)
    }
    return this.#settings
  }

  override get size(): number {
    return this.#open.length
  }

  override take(): PooledConnection | null {
    const bornBeforeMs = this.budget.bornBeforeMs
    for (let i = 0; i < this.#open.length; i++) {
      const entry = this.#open[i]!
      if (entry.free > 0 && entry.bornMs >= bornBeforeMs) return entry
    }
    return null
  }

  override oldestIdleMs(): number {
    const oldest = this.#oldestIdle()
    return oldest === null ? Infinity : oldest.idleSinceMs
  }

  override closeOldestIdle(): void {
    const oldest = this.#oldestIdle()
    if (oldest !== null) this.#close(oldest)
  }

  override closeOlderThan(bornBeforeMs: number): void {
    for (const entry of this.#open.slice()) {
      if (entry.bornMs >= bornBeforeMs || entry.draining) continue
      this.budget.counters.cxMaxDurationReached++
      entry.draining = true
      if (entry.connection.activeStreams === 0) this.#close(entry)
    }
  }

  override keepOnly(remotes: ReadonlySet<string>): void {
    for (const entry of this.#open.slice()) {
      if (remotes.has(entry.connection.remote)) continue
      entry.draining = true
      if (entry.connection.activeStreams === 0) this.#close(entry)
    }
  }

  /** Streams ended (or the connection is new): waiters get them. */
  onFreed(entry: MultiplexedConnection): void {
    while (entry.free > 0) {
      const waiter = this.nextWaiter()
      if (waiter === null) break
      waiter.onConnection(entry)
    }
    if (entry.closed || entry.connection.activeStreams > 0) return
    entry.idleSinceMs = this.budget.now()
    if (this.retired || entry.draining || this.budget.queue.first !== null) this.#close(entry)
  }

  onClosed(entry: MultiplexedConnection): void {
    if (entry.closed) return
    entry.closed = true
    const at = this.#open.indexOf(entry)
    if (at >= 0) this.#open.splice(at, 1)
    if (this.#open.length === 0 && this.dialing === 0) this.#dismissWaiters(entry)
    this.released()
    this.forgetIfEmpty()
  }

  override giveBack(connection: PooledConnection): void {
    if (connection instanceof MultiplexedConnection) this.onFreed(connection)
  }

  protected override needsDial(): boolean {
    const streams = Math.min(STREAMS_PER_DIAL, this.settings.maxConcurrentStreams)
    return this.waiters.size >= this.dialing * streams
  }

  protected override adopt(socket: Socket): void {
    const entry = new MultiplexedConnection(this, socket)
    this.#open.push(entry)
    this.onFreed(entry)
  }

  protected override waitersLost(): number {
    return this.dialing === 0 && this.#open.length === 0 ? this.waiters.size : 0
  }

  protected override closeIdle(): void {
    for (const entry of this.#open.slice()) {
      if (entry.connection.activeStreams === 0) this.#close(entry)
    }
  }

  protected override closeAll(): void {
    for (const entry of this.#open.slice()) this.#close(entry)
  }

  /** The last connection is gone: waiters get another, unless this one was good for nothing. */
  #dismissWaiters(last: MultiplexedConnection): void {
    if (last.started > 0) {
      this.requeueWaiters()
      return
    }
    const reason = failure('connect-error', 'the peer closed before it took a stream')
    if (this.waiters.size > 0) this.owner.onAttemptFailure(reason)
    this.failWaiters(this.waiters.size, reason)
  }

  #oldestIdle(): MultiplexedConnection | null {
    let oldest: MultiplexedConnection | null = null
    for (const entry of this.#open) {
      if (entry.connection.activeStreams > 0) continue
      if (oldest === null || entry.idleSinceMs < oldest.idleSinceMs) oldest = entry
    }
    return oldest
  }

  #close(entry: MultiplexedConnection): void {
    if (entry.closed) return
    this.onClosed(entry)
    entry.connection.close()
  }
}

function settingsOf({ wire, bufferBytes }: PoolLimits): H2ConnectionSettings {
  return new H2ConnectionSettings({ ...wire?.h2, highWaterBytes: bufferBytes })
}
