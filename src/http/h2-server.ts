import type { Socket } from 'node:net'
import { Roster } from '../base/roster.ts'
import type { PeerAddresses } from './accepted-peer.ts'
import type { DownstreamConnection, DownstreamExchange } from './exchange.ts'
import type { H2Exchange } from './h2-exchange.ts'
import { beginsStream, CALM_FRAMES, countFirstResets } from './h2-first-frames.ts'
import { H2FloodMemory } from './h2-flood-memory.ts'
import { H2Probation, type ProbationOwner } from './h2-probation.ts'
import { unseenLimit } from './h2-reset-budget.ts'
import { H2Session, type H2SessionOwner } from './h2-session.ts'
import { H2Settings } from './h2-settings.ts'
import type { Refusal } from './refusal.ts'

export interface H2ServerOptions {
  /**
   * Called once for each request that outlived the turn of the event loop it arrived in. Must set
   * `exchange.handler` before it returns.
   */
  readonly onExchange: (exchange: DownstreamExchange) => void
  /** Default `new H2Settings()`. */
  readonly settings?: H2Settings
  /** A request head was refused: nothing above the wire saw it. */
  readonly onRefusal?: (refusal: Refusal, connection: DownstreamConnection) => void
  /** What counts as one client when floods are remembered. Default the address itself. */
  readonly clientOf?: (remoteAddress: string) => string
}

/** Timers fire with this accuracy, or a quarter of the shortest one if that is less. */
const MAX_SWEEP_MS = 1000
const MIN_SWEEP_MS = 5

/**
 * HTTP/2 for accepted connections: TLS that negotiated h2, or plain ones with prior knowledge. It
 * binds nothing; a listener hands sockets over. Closed by close() or destroyAll().
 */
export class H2ServerEngine implements H2SessionOwner, ProbationOwner {
  settings: H2Settings
  nowMs: number
  draining: boolean
  turn: number

  readonly #clientOf: (remoteAddress: string) => string
  readonly #floods: H2FloodMemory
  readonly #onExchange: (exchange: DownstreamExchange) => void
  readonly #onRefusal: ((refusal: Refusal, connection: DownstreamConnection) => void) | null
  readonly #sessions: Roster<H2Session>
  readonly #probations: Roster<H2Probation>
  readonly #announcePending: () => void
  readonly #sweep: () => void
  #sweepMs: number
  #pending: H2Exchange[]
  #activeExchanges: number
  #sweepTimer: NodeJS.Timeout | null
  #sweptAtMs: number
  #closed: PromiseWithResolvers<void> | null

  constructor(options: H2ServerOptions) {
    this.settings = options.settings ?? new H2Settings()
    this.nowMs = 1
    this.draining = false
    this.turn = 0
    this.#clientOf = options.clientOf ?? asItIs
    this.#floods = new H2FloodMemory()
    this.#onExchange = options.onExchange
    this.#onRefusal = options.onRefusal ?? null
    this.#sessions = new Roster()
    this.#probations = new Roster()
    this.#announcePending = this.#takePending.bind(this)
    this.#sweep = this.#checkTimers.bind(this)
    this.#sweepMs = sweepPeriod(this.settings)
    this.#pending = []
    this.#activeExchanges = 0
    this.#sweepTimer = null
    this.#sweptAtMs = 0
    this.#closed = null
  }

  /** Connections accepted from now on follow `settings`; those there are keep theirs. */
  configure(settings: H2Settings): void {
    this.settings = settings
    const sweepMs = sweepPeriod(settings)
    if (sweepMs >= this.#sweepMs) return
    this.#sweepMs = sweepMs
    if (this.#sweepTimer === null) return
    clearInterval(this.#sweepTimer)
    this.#sweepTimer = null
    this.#startSweep()
  }

  /** Sessions, and connections that wait for theirs to begin. */
  get sessionCount(): number {
    return this.#sessions.size + this.#probations.size
  }

  /** Exchanges that were announced and are not over. */
  get activeExchanges(): number {
    return this.#activeExchanges
  }

  /**
   * Takes over a connection. `firstBytes` are what was read from it to tell that it speaks HTTP/2,
   * valid until this returns.
   * `context` becomes DownstreamConnection.context; `peer` are addresses of a PROXY header.
   */
  accept(
    socket: Socket,
    context: unknown,
    firstBytes: Buffer | null = null,
    peer: PeerAddresses | null = null,
  ): void {
    if (socket.destroyed) return
    if (firstBytes !== null && this.#isFlood(socket, firstBytes, peer)) return
    if (!this.#isSuspect(socket, firstBytes, peer)) this.#begin(socket, context, firstBytes, peer)
    else {
      const probation = new H2Probation(socket, context, peer, this, firstBytes)
      this.#probations.add(probation)
      probation.start()
    }
  }

  #begin(
    socket: Socket,
    context: unknown,
    firstBytes: Buffer | null,
    peer: PeerAddresses | null,
  ): void {
    this.#startSweep()
    this.#sessions.add(new H2Session(socket, context, { firstBytes, peer }, this))
  }

  /** For connections on probation only. */
  onProbationOver(probation: H2Probation, bytes: Buffer): void {
    this.#probations.delete(probation)
    const { socket, context, peer } = probation
    if (!this.#isFlood(socket, bytes, peer)) this.#begin(socket, context, bytes, peer)
    else this.#tellIfEmpty()
  }

  /** For connections on probation only. */
  onProbationGone(probation: H2Probation): void {
    this.#probations.delete(probation)
    this.#tellIfEmpty()
  }

  /** It flooded before, and nothing came yet by which this connection could be judged. */
  #isSuspect(socket: Socket, firstBytes: Buffer | null, peer: PeerAddresses | null): boolean {
    if (this.#floods.isEmpty || (firstBytes !== null && beginsStream(firstBytes))) return false
    return this.#floods.shareOf(this.#clientBehind(socket, peer), performance.now()) < 1
  }

  #clientBehind(socket: Socket, peer: PeerAddresses | null): string {
    return this.#clientOf(peer?.remoteAddress ?? socket.remoteAddress ?? '')
  }

  /** A connection that begins with more resets than it may cost: refused before any is taken. */
  #isFlood(socket: Socket, firstBytes: Buffer, peer: PeerAddresses | null): boolean {
    const resets = countFirstResets(firstBytes)
    if (resets === 0) return false
    const client = this.#clientBehind(socket, peer)
    const now = performance.now()
    if (resets <= unseenLimit(this.settings, this.#floods.shareOf(client, now))) return false
    this.#floods.note(client, now)
    socket.on('error', ignore)
    socket.end(CALM_FRAMES, () => socket.destroy())
    return true
  }

  /** GOAWAY on every connection; those accepted later get one with their first request. */
  drain(): void {
    this.draining = true
    for (const probation of this.#probations) probation.end()
    for (const session of this.#sessions) session.closeGracefully()
  }

  /** Drains and resolves when the last connection is gone. */
  close(): Promise<void> {
    this.drain()
    if (this.sessionCount === 0) return Promise.resolve()
    this.#closed ??= Promise.withResolvers<void>()
    return this.#closed.promise
  }

  /** Ends every exchange ('shutdown') and every connection at once. */
  destroyAll(): void {
    this.draining = true
    for (const { socket } of this.#probations) socket.destroy()
    for (const session of this.#sessions) session.destroy()
  }

  announce(exchange: H2Exchange): void {
    if (this.#pending.length === 0) setImmediate(this.#announcePending)
    this.#pending.push(exchange)
  }

  budgetShare(session: H2Session): number {
    return this.#floods.shareOf(this.#clientOf(session.remoteAddress), performance.now())
  }

  onFlood(session: H2Session): void {
    this.#floods.note(this.#clientOf(session.remoteAddress), performance.now())
  }

  onRefused(refusal: Refusal, session: H2Session): void {
    this.#onRefusal?.(refusal, session)
  }

  onExchangeEnd(): void {
    this.#activeExchanges--
  }

  onSessionClose(session: H2Session): void {
    if (this.#sessions.delete(session)) this.#tellIfEmpty()
  }

  #tellIfEmpty(): void {
    if (this.sessionCount > 0) return
    if (this.#sweepTimer !== null) clearInterval(this.#sweepTimer)
    this.#sweepTimer = null
    this.#closed?.resolve()
    this.#closed = null
  }

  /**
   * A request that was reset in the very turn it came in never existed for the proxy, so a rapid
   * reset costs no upstream work (CVE-2023-44487).
   */
  #takePending(): void {
    const pending = this.#pending
    this.#pending = []
    this.turn++
    for (let i = 0; i < pending.length; i++) {
      const exchange = pending[i]!
      if (!exchange.isAlive) continue
      exchange.announced = true
      this.#activeExchanges++
      this.#onExchange(exchange)
      exchange.begin()
    }
  }

  #startSweep(): void {
    if (this.#sweepTimer !== null) return
    this.#sweptAtMs = performance.now()
    this.#sweepTimer = setInterval(this.#sweep, this.#sweepMs)
    this.#sweepTimer.unref()
  }

  #checkTimers(): void {
    const now = performance.now()
    // A process that was stopped for a while must not time out everybody when it wakes up.
    this.nowMs += Math.min(now - this.#sweptAtMs, this.#sweepMs * 2)
    this.#sweptAtMs = now
    for (const session of this.#sessions) session.checkTimers(this.nowMs)
  }
}

function sweepPeriod(settings: H2Settings): number {
  const shortest = Math.min(
    settings.headTimeoutMs,
    settings.requestTimeoutMs,
    settings.streamIdleTimeoutMs,
    settings.writeStallTimeoutMs,
    settings.idleTimeoutMs,
    settings.lingerTimeoutMs,
    settings.maxAgeMs,
    settings.maxStreamDurationMs,
    settings.pingIntervalMs,
    settings.pingTimeoutMs,
  )
  return Math.max(MIN_SWEEP_MS, Math.min(MAX_SWEEP_MS, shortest / 4))
}

function ignore(): void {}

function asItIs(remoteAddress: string): string {
  return remoteAddress
}
