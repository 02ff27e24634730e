/** What the head of a frame costs, and one byte in it: a body in the smallest frames there are. */
const BYTES_PER_BODY_BYTE = 10
/** WINDOW_UPDATE for a piece of a body that is sent, for stream and connection, several times over. */
const BYTES_PER_PIECE = 256
/** What may come at once, in seconds of the rate. */
const BURST_SECONDS = 16

/** What of a client's settings and ours the budget needs. */
export interface H2InputLimits {
  readonly otherBytesPerSecond: number
  readonly maxHeadBytes: number
  readonly streamWindowBytes: number
  readonly connectionWindowBytes: number
}

/**
 * How many bytes of one HTTP/2 connection may belong to no request: WINDOW_UPDATE above all, which
 * node:http2 does not tell of, PRIORITY, padding, frames for streams that are gone. So it is known
 * by what is left over. Each request may have a head of any size and a window of body that nobody
 * takes, each piece of an answer some WINDOW_UPDATEs; bodies may come in the smallest frames, and
 * wait unread in the window of the connection.
 */
export class H2InputBudget {
  readonly #ratePerMs: number
  readonly #burst: number
  readonly #bytesPerRequest: number
  #tokens: number
  #earned = 0
  #refilledAtMs: number

  constructor(limits: H2InputLimits, nowMs: number) {
    this.#ratePerMs = limits.otherBytesPerSecond / 1000
    this.#burst = limits.otherBytesPerSecond * BURST_SECONDS + limits.connectionWindowBytes
    this.#bytesPerRequest = limits.maxHeadBytes + limits.streamWindowBytes
    this.#tokens = this.#burst
    this.#refilledAtMs = nowMs
  }

  /** So many requests came. */
  earnRequests(count: number): void {
    this.#earned += count * this.#bytesPerRequest
  }

  /** So much of a request's body was taken. */
  earnBody(bytes: number): void {
    this.#earned += bytes * BYTES_PER_BODY_BYTE
  }

  /** A piece of an answer's body left. */
  earnPiece(): void {
    this.#earned += BYTES_PER_PIECE
  }

  /** Counts all bytes that came since the last time. False when too many belong to nothing. */
  spend(bytes: number, nowMs: number): boolean {
    const refill = (nowMs - this.#refilledAtMs) * this.#ratePerMs + this.#earned
    this.#refilledAtMs = nowMs
    this.#earned = 0
    this.#tokens = Math.min(this.#burst, this.#tokens + refill - bytes)
    return this.#tokens >= 0
  }
}
