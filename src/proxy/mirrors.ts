import { type Listed, Roster } from '../base/roster.ts'

/** Shadow requests that may be on their way at once, of all routes of this process. */
export const MAX_SHADOWS = 1_024
/** Request bytes that all shadows of this process together may hold back: 64 MiB. */
export const MAX_SHADOW_BYTES = 64 * 1_024 * 1_024

/** How a shadow request ended, or why there was none. */
export type ShadowOutcome =
  | 'completed' // answered, whatever the answer was
  | 'failed' // no connection, no endpoint, reset, a circuit breaker
  | 'timed-out' // no complete answer within the time
  | 'too-slow' // it took the body so slowly that too much of it had to be held back
  | 'cut' // its answer was longer than anybody drains
  | 'aborted' // the client, or the exchange, gave up before the request was complete
  | 'refused' // too many shadows were on their way

/** A shadow on its way, for the end of the process. */
export interface Abortable extends Listed {
  abort(): void
}

/** What all shadow requests of one process share: bounds, and the count of what became of them. */
export class Mirrors {
  readonly outcomes: Record<ShadowOutcome, number>
  readonly #running: Roster<Abortable>
  #heldBytes: number

  constructor() {
    this.outcomes = {
      completed: 0,
      failed: 0,
      'timed-out': 0,
      'too-slow': 0,
      cut: 0,
      aborted: 0,
      refused: 0,
    }
    this.#running = new Roster()
    this.#heldBytes = 0
  }

  /** Shadows on their way. */
  get active(): number {
    return this.#running.size
  }

  /** Bytes that shadows hold back. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** False: one more would be too many, which is counted. */
  admits(): boolean {
    if (this.#running.size < MAX_SHADOWS) return true
    this.outcomes.refused++
    return false
  }

  enter(shadow: Abortable): void {
    this.#running.add(shadow)
  }

  leave(shadow: Abortable, outcome: ShadowOutcome): void {
    if (this.#running.delete(shadow)) this.outcomes[outcome]++
  }

  /** False: all shadows together hold back as much as they may. */
  reserve(bytes: number): boolean {
    if (this.#heldBytes + bytes > MAX_SHADOW_BYTES) return false
    this.#heldBytes += bytes
    return true
  }

  release(bytes: number): void {
    this.#heldBytes -= bytes
  }

  /** Gives up every shadow: the process ends. */
  close(): void {
    for (const shadow of this.#running) shadow.abort()
  }
}
