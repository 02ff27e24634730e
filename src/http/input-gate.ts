import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { pausedReads } from './paused-reads.ts'

/**
 * Bytes that may wait while the socket is still read: a socket nobody reads does not tell that its
 * client is gone, and the exchange before these bytes would outlive it.
 */
export const MAX_HELD_BYTES = 16_384

/** Decides whether a socket is read, and holds the bytes that came too early. */
export class InputGate {
  readonly #socket: Socket
  #held: Buffer | null = null
  #stopped = false
  #waitsForDrain = false
  #paused = false

  constructor(socket: Socket) {
    this.#socket = socket
  }

  /** Bytes wait here: later ones must queue behind them. */
  get holds(): boolean {
    return this.#held !== null
  }

  /** The handler asked for no more. */
  get isStopped(): boolean {
    return this.#stopped
  }

  /** The next request waits until the answer before it has left. */
  get waitsForDrain(): boolean {
    return this.#waitsForDrain
  }

  /** Keeps a copy of `bytes`; beyond some of them nothing is read until they are taken. */
  hold(bytes: Buffer): void {
    this.#held = this.#held === null ? Buffer.from(bytes) : Buffer.concat([this.#held, bytes])
    this.#update()
  }

  /** Hands out what is held, and reads on unless something else forbids it. */
  take(): Buffer | null {
    const held = this.#held
    this.#held = null
    this.#update()
    return held
  }

  stop(): void {
    this.#stopped = true
    this.#update()
  }

  go(): void {
    this.#stopped = false
    this.#update()
  }

  waitForDrain(wait: boolean): void {
    this.#waitsForDrain = wait
    this.#update()
  }

  /** Drops what is held and reads whatever comes. */
  open(): void {
    this.#held = null
    this.#stopped = false
    this.#waitsForDrain = false
    this.#update()
  }

  #update(): void {
    const full = this.#held !== null && this.#held.length > MAX_HELD_BYTES
    const pause = this.#stopped || this.#waitsForDrain || full
    if (pause === this.#paused) return
    this.#paused = pause
    if (pause) {
      this.#socket.pause()
      pausedReads.add(this.#socket)
      return
    }
    pausedReads.delete(this.#socket)
    if (this.#socket instanceof TLSSocket) process.nextTick(InputGate.#resume, this)
    else this.#socket.resume()
  }

  /** A TLS socket whose carrier broke emits 'close' from within resume(): not amid what calls it. */
  static #resume(gate: InputGate): void {
    if (!gate.#paused) gate.#socket.resume()
  }
}
