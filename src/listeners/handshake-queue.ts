/** A handshake that may begin. */
export interface Startable {
  begin(): void
}

/**
 * Handshakes begun in one turn of the event loop. Each costs about a millisecond of signing before
 * anything else runs: a burst of them would hold up the traffic of everybody.
 */
export const HANDSHAKES_PER_TURN = 8

/**
 * Lets handshakes begin in the order they came, a few in each turn. One that a client does not go on
 * with holds no place. As long as the connections there are: bounded by their limit.
 */
export class HandshakeQueue {
  #waiting: Startable[] = []
  #begun = 0
  #scheduled = false

  enter(handshake: Startable): void {
    this.#scheduleTurn()
    if (this.#waiting.length === 0 && this.#begun < HANDSHAKES_PER_TURN) {
      this.#begun++
      handshake.begin()
    } else this.#waiting.push(handshake)
  }

  #scheduleTurn(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#nextTurn)
  }

  readonly #nextTurn = (): void => {
    this.#scheduled = false
    const batch = this.#waiting.splice(0, HANDSHAKES_PER_TURN)
    this.#begun = batch.length
    if (batch.length > 0) this.#scheduleTurn()
    for (const handshake of batch) handshake.begin()
  }
}

/** One for the process, as there is one event loop. */
export const handshakeQueue = new HandshakeQueue()
