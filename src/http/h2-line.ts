import type { Socket } from 'node:net'
import { deliveredBytes, waitingBytes } from './socket-progress.ts'

/** What one HTTP/2 connection shows of how its client takes bytes, by the coarse clock. */
export class H2Line {
  /** When the client last took bytes while more waited in the socket: then its line is slow. */
  movedAtMs: number
  /**
   * When body bytes last left. node:http2 writes in rounds: each takes from every stream what its
   * windows let out, and the next one begins when all of it has left.
   */
  roundAtMs: number
  readonly #socket: Socket
  #deliveredBytes: number

  constructor(socket: Socket) {
    this.movedAtMs = 0
    this.roundAtMs = 0
    this.#socket = socket
    this.#deliveredBytes = 0
  }

  watch(nowMs: number): void {
    const delivered = deliveredBytes(this.#socket)
    if (delivered === this.#deliveredBytes) return
    this.#deliveredBytes = delivered
    if (waitingBytes(this.#socket) > 0) this.movedAtMs = nowMs
  }
}

/**
 * The wait of one stream whose bytes do not leave. node:http2 does not tell a stream's window, so
 * it is known by the rounds: bytes that wait behind others on a slow line leave with the next one,
 * while those behind a shut window see rounds come and go.
 */
export class H2Wait {
  /** End of the first round since the stream's latest progress; earlier than that: none yet. */
  #passedAtMs: number

  constructor() {
    this.#passedAtMs = 0
  }

  /** How long the client itself has kept the stream waiting, whose bytes left last at `progressAtMs`. */
  heldMs(line: H2Line, progressAtMs: number, nowMs: number): number {
    if (line.roundAtMs > progressAtMs && this.#passedAtMs <= progressAtMs) {
      this.#passedAtMs = line.roundAtMs
    }
    const passedMs = this.#passedAtMs > progressAtMs ? line.roundAtMs - this.#passedAtMs : 0
    return Math.max(passedMs, nowMs - Math.max(progressAtMs, line.movedAtMs))
  }
}
