import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Deadlines } from './deadlines.ts'
import type { HttpSettings } from './http-settings.ts'
import { forgetReads } from './shared-read.ts'

/** A reset, where the transport has one: a plain close could look like the end of a body. */
export function resetSocket(socket: Socket): void {
  // Only TCP has a reset; a unix socket has no remote address.
  if (socket instanceof TLSSocket || socket.remoteAddress === undefined) socket.destroy()
  else socket.resetAndDestroy()
}

/**
 * For 'close', the last event of a socket: takes everything off it. Node keeps some closed sockets
 * alive until the next full collection, and all that hangs on them would be promoted with them.
 */
export function strip(socket: Socket): void {
  forgetReads(socket)
  socket.removeAllListeners()
  socket.on('error', ignoreError)
}

/** For 'error': 'close' follows and does the work. */
export function ignoreError(): void {}

/**
 * Ends our side and lets the client read its answer: a socket closed with unread input sends a
 * reset, which can overtake what we wrote. Bounded in bytes and time.
 */
export class GentleClose {
  readonly #socket: Socket
  readonly #deadlines: Deadlines
  readonly #settings: HttpSettings
  #budget: number

  constructor(socket: Socket, deadlines: Deadlines, settings: HttpSettings) {
    this.#socket = socket
    this.#deadlines = deadlines
    this.#settings = settings
    this.#budget = settings.lingerBytes
  }

  start(): void {
    const socket = this.#socket
    this.#deadlines.clear()
    this.#deadlines.startStall()
    if (socket.writableFinished) this.#linger()
    else if (socket.writableEnded) socket.once('finish', this.#linger)
    else socket.end(this.#linger)
  }

  /**
   * Counts input that nobody wants. Beyond the budget nothing is read any more, and the client has
   * the rest of the lingering time to find its answer before the reset.
   */
  discard(bytes: number): void {
    this.#budget -= bytes
    if (this.#budget < 0) this.#socket.pause()
  }

  readonly #linger = (): void => {
    if (this.#socket.destroyed) return
    this.#deadlines.clearStall()
    this.#deadlines.setPhase(this.#settings.lingerTimeoutMs)
  }
}
