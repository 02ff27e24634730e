/** Checks that run at the same time in one process; others wait for their turn. */
export const MAX_PROBES = 64

/** Runs at most MAX_PROBES jobs at a time, in the order they asked. A job stands in line once. */
export class ProbeSlots {
  readonly #waiting: Set<ProbeJob>
  #running: number

  constructor() {
    this.#waiting = new Set()
    this.#running = 0
  }

  enter(job: ProbeJob): void {
    this.#waiting.add(job)
    this.#startNext()
  }

  /** The job gave up before it ran. */
  withdraw(job: ProbeJob): void {
    this.#waiting.delete(job)
  }

  /** A job that ran is over. */
  leave(): void {
    this.#running--
    this.#startNext()
  }

  #startNext(): void {
    for (const job of this.#waiting) {
      if (this.#running >= MAX_PROBES) return
      this.#waiting.delete(job)
      this.#running++
      job.run()
    }
  }
}

export interface ProbeJob {
  /** Has a slot until it calls `leave`. */
  run(): void
}
