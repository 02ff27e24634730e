/** A handshake that may begin. */
export interface Startable {
  begin(): void
}

/**
 * Lets handshakes begin in the order they came, one in each turn of the event loop. Each costs about a
 * millisecond of signing (several with large RSA keys), behind `begin` and before anything else runs:
 * a burst of them would hold up the traffic of everybody. One that a client does not go on with
 * holds no place. As long as the connections there are: bounded by their limit.
 */
export class HandshakeQueue {
  readonly #waiting: Startable[] = []
  #hasBegun = false

  enter(handshake: Startable): void {
    if (this.#hasBegun) this.#waiting.push(handshake)
    else this.#begin(handshake)
  }

  #begin(handshake: Startable): void {
    this.#hasBegun = true
    setImmediate(this.#nextTurn)
    handshake.begin()
  }

  readonly #nextTurn = (): void => {
    this.#hasBegun = false
    const next = this.#waiting.shift()
    if (next !== undefined) this.#begin(next)
  }
}

/** One for the process, as there is one event loop. */
export const handshakeQueue = new HandshakeQueue()
