/** Monotonic milliseconds with an arbitrary origin. Injected, so that tests can move time. */
export type Now = () => number

/** How long the distance between the two clocks counts as known: a corrected wall clock shows by then. */
const WALL_SYNC_MS = 50

/**
 * The time, read once per turn: while one read of a socket is handled, all that happens happens at
 * the same moment. Outside of a turn every call reads the clock.
 */
export class TurnClock {
  readonly #monotonic: Now
  readonly #wall: Now
  #inTurn = false
  #isRead = false
  #nowMs = 0
  /** Wall clock minus monotonic clock. */
  #distanceMs = 0
  #syncedAtMs = -Infinity

  constructor(monotonic: Now = () => performance.now(), wall: Now = () => Date.now()) {
    this.#monotonic = monotonic
    this.#wall = wall
  }

  beginTurn(): void {
    this.#inTurn = true
    this.#isRead = false
  }

  /** A turn that happens at the moment the last one did, or of a later reading in between. */
  continueTurn(): void {
    this.#inTurn = true
  }

  endTurn(): void {
    this.#inTurn = false
  }

  /** Monotonic milliseconds, as performance.now(). */
  now(): number {
    if (!this.#inTurn || !this.#isRead) {
      this.#nowMs = this.#monotonic()
      this.#isRead = true
    }
    return this.#nowMs
  }

  /** Milliseconds since the epoch, as Date.now(). */
  wallNow(): number {
    const now = this.now()
    if (now - this.#syncedAtMs >= WALL_SYNC_MS) {
      this.#distanceMs = this.#wall() - now
      this.#syncedAtMs = now
    }
    return Math.round(now + this.#distanceMs)
  }
}

/** One for the process, as there is one event loop. */
export const turnClock = new TurnClock()

export const monotonicNow: Now = () => turnClock.now()
