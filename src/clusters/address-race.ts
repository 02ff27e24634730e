import type { UpstreamFailure } from '../upstream/failure.ts'

/** Time an address gets before the next one is tried beside it (RFC 8305 5, Connection Attempt Delay). */
const ATTEMPT_DELAY_MS = 250
/** Addresses of one name that one attempt tries. */
export const MAX_ADDRESSES_TRIED = 6

/** Who dials for a race. */
export interface RaceRunner {
  /** Begins to connect. Reports back through `failed`, never synchronously. */
  tryAddress(address: string): void
  /** Every address failed; `failure` is the last one's. */
  onRaceLost(failure: UpstreamFailure): void
}

/**
 * Connecting to the first of several addresses that answers: the next one starts when the one
 * before failed, or was silent for a while. The runner stops the race when somebody won.
 */
export class AddressRace {
  readonly #addresses: readonly string[]
  readonly #runner: RaceRunner
  #next: number
  #running: number
  #timer: NodeJS.Timeout | null

  constructor(addresses: readonly string[], runner: RaceRunner) {
    this.#addresses = addresses.slice(0, MAX_ADDRESSES_TRIED)
    this.#runner = runner
    this.#next = 0
    this.#running = 0
    this.#timer = null
  }

  start(): void {
    this.#startNext()
  }

  /** One address could not be connected to. */
  failed(failure: UpstreamFailure): void {
    this.#running--
    if (this.#next < this.#addresses.length) this.#startNext()
    else if (this.#running === 0) {
      this.stop()
      this.#runner.onRaceLost(failure)
    }
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#next = this.#addresses.length
  }

  #startNext(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const address = this.#addresses[this.#next]
    if (address === undefined) return
    this.#next++
    this.#running++
    if (this.#next < this.#addresses.length) {
      this.#timer = setTimeout(startNext, ATTEMPT_DELAY_MS, this)
    }
    this.#runner.tryAddress(address)
  }

  /** For the timer only. */
  goOn(): void {
    this.#startNext()
  }
}

function startNext(race: AddressRace): void {
  race.goOn()
}
