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
  #items: Ticked[] = []
  #running: Ticked[] = []

  schedule(item: Ticked): void {
    if (item.queued) return
    item.queued = true
    if (this.#items.push(item) === 1) process.nextTick(this.#run)
  }

  readonly #run = (): void => {
    const items = this.#items
    this.#items = this.#running
    this.#running = items
    for (let i = 0; i < items.length; i++) {
      const item = items[i]!
      item.queued = false
      item.onTick()
    }
    items.length = 0
  }
}

/** One for the process, as there is one event loop. */
export const tickQueue = new TickQueue()
