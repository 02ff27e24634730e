/** Calls back once a burst of events is over, and in a burst without end every so often. Close it. */
export class Settle {
  readonly #quietMs: number
  readonly #longestMs: number
  readonly #onSettled: () => void
  #timer: NodeJS.Timeout | null = null
  #deadline = 0

  constructor(quietMs: number, longestMs: number, onSettled: () => void) {
    this.#quietMs = quietMs
    this.#longestMs = longestMs
    this.#onSettled = onSettled
  }

  touch(): void {
    const now = performance.now()
    if (this.#timer === null) this.#deadline = now + this.#longestMs
    else clearTimeout(this.#timer)
    const wait = Math.max(0, Math.min(this.#quietMs, this.#deadline - now))
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#onSettled()
    }, wait)
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }
}
