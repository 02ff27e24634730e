import process from 'node:process'
import { turnClock } from '../base/clock.ts'

/** Something that wants to act once, after the current callback has run. */
export interface Ticked {
  /** Belongs to the queue. */
  queued: boolean
  onTick(): void
}

/**
 * Collects the connections that have output or a finished answer, and serves them when the current
 * callback is over: a head and a body that come in the same turn leave in one write, and send*
 * never calls back into its caller.
 */
export class TickQueue {
  #items: (Ticked | null)[] = []
  #length = 0
  #running: (Ticked | null)[] = []
  /** The end of this turn serves the queue. */
  #inTurn = false

  schedule(item: Ticked): void {
    if (item.queued) return
    item.queued = true
    // Setting an array's length calls into the engine; a count of our own does not.
    if (this.#length === this.#items.length) this.#items.push(item)
    else this.#items[this.#length] = item
    if (this.#length++ === 0 && !this.#inTurn) process.nextTick(this.#run)
  }

  /**
   * A callback begins that endTurn follows: what is scheduled in between is served there, without
   * the detour through Node's own queue. Turns do not nest.
   */
  beginTurn(): void {
    // What waits already is served as it was promised.
    this.#inTurn = this.#length === 0
    turnClock.beginTurn()
  }

  endTurn(): void {
    try {
      while (this.#inTurn && this.#length > 0) this.#run()
    } finally {
      if (this.#inTurn && this.#length > 0) process.nextTick(this.#run)
      this.#inTurn = false
      turnClock.endTurn()
    }
  }

  readonly #run = (): void => {
    const items = this.#items
    const length = this.#length
    this.#items = this.#running
    this.#length = 0
    this.#running = items
    for (let i = 0; i < length; i++) {
      const item = items[i]!
      items[i] = null
      item.queued = false
      item.onTick()
    }
    if (length > KEPT_PLACES) items.length = KEPT_PLACES
  }
}

/** Places a queue keeps for the next turns. */
const KEPT_PLACES = 1_024

/** One for the process, as there is one event loop. */
export const tickQueue = new TickQueue()
