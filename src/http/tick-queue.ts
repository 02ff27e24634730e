import process from 'node:process'
import { turnClock, type TurnClock } from '../base/clock.ts'
import { LoopWatch } from './loop-watch.ts'

/** Something that wants to act once, after the current callback has run. */
export interface Ticked {
  /** Belongs to the queue. */
  queued: boolean
  /** First of all: tells of a request that was read, or makes the head of one that goes out. */
  begin(): void
  /** Then: writes what was collected. */
  flush(): void
  /** At last: does what else is to be done, and writes what was collected since. */
  onTick(): void
}

/** What waits in a busy loop does so for no more turns after this time, once the clock is read again. */
const MAX_WAIT_MS = 0.5
/**
 * Turns of a busy iteration that may share one reading of the clock. Most take some microseconds; behind
 * one that takes long (a plugin's hook) the next ones count as at its time.
 */
export const TURNS_PER_READING = 8
/** Places a queue keeps for the next turns. */
const KEPT_PLACES = 1_024

/**
 * Collects the connections that have output or a finished answer, and serves them when the current
 * callback is over: a head and a body that come in the same turn leave in one write, and send*
 * never calls back into its caller.
 *
 * In a busy event loop they are served when all callbacks of the iteration are over. A peer on this
 * machine is then awake for many writes instead of being woken by each, and takes them together. And
 * they are served in stages, so that the same code runs for all of them while it is warm.
 */
export class TickQueue {
  readonly #items: (Ticked | null)[] = []
  #length = 0
  /** Those before these places have begun, were flushed, are served. */
  #begun = 0
  #flushed = 0
  #next = 0
  /** The end of this turn serves the queue, unless the loop is busy. */
  #inTurn = false
  /** Turns since the clock was read. */
  #turns = 0
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
    // What waits already is served as it was promised, in a busy loop at the end of this iteration.
    this.#inTurn = this.#length === 0
    if (!this.#inTurn && this.#loop.isBusy && ++this.#turns < TURNS_PER_READING) {
      this.#clock.continueTurn()
    } else {
      this.#clock.beginTurn()
      this.#turns = 0
    }
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

  readonly #serve = (): void => {
    try {
      // Requests begin when they were read.
      this.#clock.continueTurn()
      this.#beginAll()
      // The rest is done at one time, that of now: what took long before counts.
      this.#clock.beginTurn()
      this.#tickAll()
    } finally {
      this.#clock.endTurn()
      this.#settle()
    }
  }

  #beginAll(): void {
    while (this.#begun < this.#length) this.#items[this.#begun++]!.begin()
  }

  #tickAll(): void {
    const items = this.#items
    while (this.#next < this.#length) {
      this.#beginAll()
      while (this.#flushed < this.#length) items[this.#flushed++]!.flush()
      const item = items[this.#next]!
      items[this.#next++] = null
      item.queued = false
      item.onTick()
    }
  }

  #settle(): void {
    // One that throws does not leave the others without service.
    if (this.#next < this.#length) {
      process.nextTick(this.#serve)
      return
    }
    this.#length = 0
    this.#begun = 0
    this.#flushed = 0
    this.#next = 0
    if (this.#items.length > KEPT_PLACES) this.#items.length = KEPT_PLACES
  }
}

/** One for the process, as there is one event loop. */
export const tickQueue = new TickQueue()
