import { monotonicNow } from './clock.ts'

/** Node's longest timer, 24 days: one for longer would fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1

/** Something that has to happen before a moment. Link fields belong to Deadlines. */
export abstract class Deadline {
  dueAt = 0
  list: DeadlineList | null = null
  before: Deadline | null = null
  after: Deadline | null = null

  /** The time is up. Called once. */
  abstract expire(): void
}

/** Deadlines of one length: the first in is the first due, so one timer serves them all. */
class DeadlineList {
  readonly durationMs: number
  first: Deadline | null = null
  #last: Deadline | null = null
  #timer: NodeJS.Timeout | null = null
  #sweep: NodeJS.Immediate | null = null
  readonly #onEmpty: (list: DeadlineList) => void

  constructor(durationMs: number, onEmpty: (list: DeadlineList) => void) {
    this.durationMs = durationMs
    this.#onEmpty = onEmpty
  }

  get size(): number {
    let size = 0
    for (let each = this.first; each !== null; each = each.after) size++
    return size
  }

  push(deadline: Deadline): void {
    deadline.dueAt = monotonicNow() + this.durationMs
    deadline.list = this
    deadline.before = this.#last
    if (this.#last === null) this.first = deadline
    else this.#last.after = deadline
    this.#last = deadline
    if (this.#timer === null && this.#sweep === null) this.#arm(this.durationMs)
  }

  remove(deadline: Deadline): void {
    if (deadline.before === null) this.first = deadline.after
    else deadline.before.after = deadline.after
    if (deadline.after === null) this.#last = deadline.before
    else deadline.after.before = deadline.before
    deadline.list = null
    deadline.before = null
    deadline.after = null
  }

  #arm(delayMs: number): void {
    // Answers that wait in the socket are read before anybody is told that time is up: after the
    // timers the event loop polls, and only then come the immediates.
    this.#timer = setTimeout(
      () => {
        this.#timer = null
        this.#sweep = setImmediate(() => {
          this.#sweep = null
          this.#expireDue()
        })
      },
      Math.min(Math.ceil(delayMs), MAX_TIMER_MS),
    ).unref()
  }

  expireAll(): void {
    while (this.first !== null) {
      const deadline = this.first
      this.remove(deadline)
      deadline.expire()
    }
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#sweep !== null) clearImmediate(this.#sweep)
    this.#timer = null
    this.#sweep = null
    this.#onEmpty(this)
  }

  #expireDue(): void {
    const now = monotonicNow()
    while (this.first !== null && this.first.dueAt <= now) {
      const deadline = this.first
      this.remove(deadline)
      deadline.expire()
    }
    if (this.first === null) this.#onEmpty(this)
    else if (this.#timer === null) this.#arm(this.first.dueAt - now)
  }
}

/** Timers for many waits of few lengths. A removed deadline costs no system call. */
export class Deadlines {
  readonly #lists = new Map<number, DeadlineList>()

  start(deadline: Deadline, durationMs: number): void {
    let list = this.#lists.get(durationMs)
    if (list === undefined) {
      list = new DeadlineList(durationMs, (empty) => {
        if (this.#lists.get(empty.durationMs) === empty) this.#lists.delete(empty.durationMs)
      })
      this.#lists.set(durationMs, list)
    }
    list.push(deadline)
  }

  /** Deadlines that run. */
  get size(): number {
    let size = 0
    for (const list of this.#lists.values()) size += list.size
    return size
  }

  /** Nobody will wait any longer. */
  expireAll(): void {
    for (const list of this.#lists.values()) list.expireAll()
  }

  /** No effect on a deadline that is not running. */
  cancel(deadline: Deadline): void {
    deadline.list?.remove(deadline)
  }
}

/** Those of this process. */
export const deadlines = new Deadlines()
