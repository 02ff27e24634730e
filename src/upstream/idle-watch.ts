import type { Socket } from 'node:net'
import { turnClock } from '../base/clock.ts'
import { Deadline, deadlines } from '../base/deadlines.ts'
import { deliveredBytes, waitingBytes } from '../http/socket-progress.ts'

/** What is left of an idle time is waited for in so many steps: so accurate is the end. */
const STEPS = 16

/**
 * Tells when no byte moved over a connection for some time, as socket.setTimeout does, but for one
 * field write per byte that moves instead of a timer. Up to a sixteenth late.
 */
export class IdleWatch extends Deadline {
  readonly #socket: Socket
  readonly #idleMs: number
  readonly #onIdle: () => void
  #movedAtMs: number
  /** Bytes that the kernel had taken when bytes waited for it at the last look, or -1. */
  #deliveredBytes = -1

  /** `idleMs` 0: never. `onIdle` is called once, unless `stop` is called before. */
  constructor(socket: Socket, idleMs: number, onIdle: () => void) {
    super()
    this.#socket = socket
    this.#idleMs = idleMs
    this.#onIdle = onIdle
    this.#movedAtMs = turnClock.now()
    if (idleMs > 0) deadlines.start(this, idleMs)
  }

  /** Bytes came, or were handed to the socket. */
  moved(): void {
    this.#movedAtMs = turnClock.now()
  }

  stop(): void {
    deadlines.cancel(this)
  }

  override expire(): void {
    const now = turnClock.now()
    if (this.#isDelivering()) this.#movedAtMs = now
    const leftMs = this.#movedAtMs + this.#idleMs - now
    if (leftMs <= 0) this.#onIdle()
    else deadlines.start(this, (Math.ceil((leftMs * STEPS) / this.#idleMs) * this.#idleMs) / STEPS)
  }

  /** The kernel takes bytes that wait, however slowly. */
  #isDelivering(): boolean {
    if (waitingBytes(this.#socket) === 0) return false
    const before = this.#deliveredBytes
    this.#deliveredBytes = deliveredBytes(this.#socket)
    return this.#deliveredBytes !== before
  }
}
