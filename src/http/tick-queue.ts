import process from 'node:process'
import { turnClock, type TurnClock } from '../base/clock.ts'
import { LoopWatch } from './loop-watch.ts'

/** Something that wants to act once, after the current callback has run. */
export interface Ticked {
  /** Belongs to the queue. */
  queued: boolean
  onTick(): void
}

/** What waits in a busy loop does so for no more turns after this time. */
const MAX_WAIT_MS = 0.5
/** Places a queue keeps for the next turns. */
const KEPT_PLACES = 1_024

/**
 * Collects the connections that have output or a finished answer, and serves them when the current
 * callback is over: a head and a body that come in the same turn leave in one write, and send*
 * never calls back into its caller.
 *
 * In a busy event loop they are served when all callbacks of the iteration are over. A peer on this
 * machine is then awake for many writes instead of being woken by each, and takes them together.
 */
export class TickQueue {
  readonly #items: (Ticked | null)[] = []
  #length = 0
  /** Those before this place were served. */
  #next = 0
  /** The end of this turn serves the queue, unless the loop is busy. */
  #inTurn = false
  /** When the first of those that wait was scheduled; kept in a busy loop. */
  #waitsSinceMs = 0
  readonly #clock: TurnClock
  readonly #loop: LoopWatch

  constructor(clock: TurnClock = turnClock) {
    this.#clock = clock
    this.#loop = new LoopWatch(this.#serve)
  }

  /** What is scheduled now waits for the end of the iteration of the event loop. */
  get isBusy(): boolean {
    return this.#loop.isBusy
  }

  schedule(item: Ticked): void {
    if (item.queued) return
    item.queued = true
    // Setting an array's length calls into the engine; a count of our own does not.
    if (this.#length === this.#items.length) this.#items.push(item)
    else this.#items[this.#length] = item
    if (this.#length++ === 0) this.#promise()
  }

  /**
   * A callback begins that endTurn follows: what is scheduled in between is served there, without
   * the detour through Node's own queue. Turns do not nest.
   */
  beginTurn(): void {
    // What waits already is served as it was promised.
    this.#inTurn = this.#length === 0
    this.#clock.beginTurn()
    this.#loop.countTurn()
  }

  endTurn(): void {
    try {
      if (this.#loop.isBusy ? this.#waitedLong() : this.#inTurn) this.#serve()
    } finally {
      this.#inTurn = false
      this.#clock.endTurn()
    }
  }

  /** Sees to it that the first that waits is served. */
  #promise(): void {
    if (this.#loop.isBusy) {
      this.#waitsSinceMs = this.#clock.now()
      this.#loop.askForEnd()
    } else if (!this.#inTurn) process.nextTick(this.#serve)
  }

  #waitedLong(): boolean {
    return this.#length > 0 && this.#clock.now() - this.#waitsSinceMs > MAX_WAIT_MS
  }

  /** All at one time, that of now: what took long before counts. */
  readonly #serve = (): void => {
    this.#clock.beginTurn()
    try {
      this.#serveEach()
    } finally {
      this.#clock.endTurn()
    }
  }

  #serveEach(): void {
    const items = this.#items
    try {
      while (this.#next < this.#length) {
        const item = items[this.#next]!
        items[this.#next++] = null
        item.queued = false
        item.onTick()
      }
    } finally {
      // One that throws does not leave the others without service.
      if (this.#next < this.#length) process.nextTick(this.#serve)
      else {
        this.#next = 0
        this.#length = 0
        if (items.length > KEPT_PLACES) items.length = KEPT_PLACES
      }
    }
  }
}

/** One for the process, as there is one event loop. */
export const tickQueue = new TickQueue()
