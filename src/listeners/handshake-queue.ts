/** A handshake that may begin. */
export interface Startable {
  begin(): void
}

/**
 * Handshakes begun in one turn of the event loop: no more of them, and none once they took this
 * long. Each costs about a millisecond of signing (several with large RSA keys) before anything else
 * runs: a burst of them would hold up the traffic of everybody. At least one begins in every turn.
 */
export const HANDSHAKES_PER_TURN = 8
export const HANDSHAKE_MS_PER_TURN = 2

/**
 * Lets handshakes begin in the order they came, a few in each turn. One that a client does not go on
 * with holds no place. As long as the connections there are: bounded by their limit.
 */
export class HandshakeQueue {
  readonly #now: () => number
  #waiting: Startable[] = []
  #begun = 0
  #spentMs = 0
  #scheduled = false

  /** `now` in milliseconds; of the process by default. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  enter(handshake: Startable): void {
    this.#scheduleTurn()
    if (this.#waiting.length === 0 && this.#mayBegin()) this.#begin(handshake)
    else this.#waiting.push(handshake)
  }

  #mayBegin(): boolean {
    return this.#begun < HANDSHAKES_PER_TURN && this.#spentMs < HANDSHAKE_MS_PER_TURN
  }

  #begin(handshake: Startable): void {
    const startedAt = this.#now()
    this.#begun++
    handshake.begin()
    this.#spentMs += this.#now() - startedAt
  }

  #scheduleTurn(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#nextTurn)
  }

  readonly #nextTurn = (): void => {
    this.#scheduled = false
    this.#begun = 0
    this.#spentMs = 0
    if (this.#waiting.length === 0) return
    this.#scheduleTurn()
    let next = 0
    while (next < this.#waiting.length && this.#mayBegin()) this.#begin(this.#waiting[next++]!)
    this.#waiting.splice(0, next)
  }
}

/** One for the process, as there is one event loop. */
export const handshakeQueue = new HandshakeQueue()
