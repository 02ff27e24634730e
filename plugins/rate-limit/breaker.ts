import { backoffMs } from '../../src/base/backoff.ts'
import { type Random, systemRandom } from '../../src/base/random.ts'

/** Failures in a row that open the breaker. */
const FAILURES_TO_OPEN = 5
const PROBE_BASE_MS = 100
const PROBE_CAP_MS = 5000

/**
 * Stops asking a server that does not answer, so that an outage costs a request nothing. While
 * open, `probe` asks in its place after 100 ms, then ever more seldom up to every 5 s.
 */
export class Breaker {
  readonly #probe: () => Promise<void>
  readonly #onChange: (open: boolean) => void
  readonly #random: Random
  #failures = 0
  #open = false
  #probes = 0
  #timer: NodeJS.Timeout | null = null
  #closed = false

  /** `probe` must settle in bounded time; success closes the breaker. */
  constructor(
    probe: () => Promise<void>,
    onChange: (open: boolean) => void,
    random: Random = systemRandom,
  ) {
    this.#probe = probe
    this.#onChange = onChange
    this.#random = random
  }

  get isOpen(): boolean {
    return this.#open
  }

  succeeded(): void {
    this.#failures = 0
  }

  failed(): void {
    if (this.#open || this.#closed || ++this.#failures < FAILURES_TO_OPEN) return
    this.#open = true
    this.#probes = 0
    this.#onChange(true)
    this.#schedule()
  }

  /** The server is known to answer again. */
  reset(): void {
    this.#failures = 0
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (!this.#open) return
    this.#open = false
    this.#onChange(false)
  }

  close(): void {
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #schedule(): void {
    const delay = backoffMs(this.#probes++, PROBE_BASE_MS, PROBE_CAP_MS, this.#random)
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#probe().then(
        () => this.reset(),
        () => {
          if (this.#open && !this.#closed && this.#timer === null) this.#schedule()
        },
      )
    }, delay).unref()
  }
}
