/** Bytes of one request body that are kept for a retry; a longer body is sent once. */
export const MAX_REPLAY_BYTES = 1_048_576

/**
 * The same where the only retry that can follow body bytes is for an HTTP/2 stream that was refused
 * unseen: the peer refuses within its first flow-control window (RFC 9113 6.9.2).
 */
export const MAX_REFUSED_REPLAY_BYTES = 65_535

/** Bytes kept for retries by all exchanges of one process; beyond them bodies are sent once. */
export const MAX_REPLAY_BYTES_IN_ALL = 67_108_864

/** Chunks of one such body: a client that drips bytes would else cost far more than it sends. */
export const MAX_KEPT_CHUNKS = 4096

/** The memory that request bodies of all exchanges may take for the sake of retries. */
export class ReplayBudget {
  readonly #max: number
  #bytes: number

  constructor(max: number = MAX_REPLAY_BYTES_IN_ALL) {
    this.#max = max
    this.#bytes = 0
  }

  /** Bytes kept now. */
  get bytes(): number {
    return this.#bytes
  }

  /** False: there is no room, and nothing was reserved. */
  reserve(bytes: number): boolean {
    if (this.#bytes + bytes > this.#max) return false
    this.#bytes += bytes
    return true
  }

  release(bytes: number): void {
    this.#bytes -= bytes
  }
}
