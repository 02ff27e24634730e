import type { UpstreamCounters } from '../upstream/counters.ts'

/** How many retries of a cluster may be under way at once: the larger of both. */
export interface RetryLimits {
  /** Share of the requests that are active or wait for a connection, 0..100. */
  readonly percent: number
  readonly atLeast: number
}

/**
 * Counts the retries of a cluster that are under way, from the decision to retry to the outcome of
 * that try. DestinationRule connectionPool.http.maxRetries and trafficPolicy.retryBudget bound them.
 */
export class RetryGate {
  /** null: no limit. */
  limits: RetryLimits | null
  readonly #counters: UpstreamCounters
  #active: number

  constructor(limits: RetryLimits | null, counters: UpstreamCounters) {
    this.limits = limits
    this.#counters = counters
    this.#active = 0
  }

  /** Retries under way. */
  get active(): number {
    return this.#active
  }

  /** False: too many are under way. Each true is followed by one `leave`. */
  enter(): boolean {
    if (!this.#hasRoom()) {
      this.#counters.rqRetryOverflow++
      return false
    }
    this.#active++
    this.#counters.rqRetry++
    return true
  }

  leave(): void {
    this.#active--
  }

  #hasRoom(): boolean {
    const limits = this.limits
    if (limits === null) return true
    const { rqActive, rqPendingActive } = this.#counters
    const share = Math.floor(((rqActive + rqPendingActive) * limits.percent) / 100)
    return this.#active < Math.max(share, limits.atLeast)
  }
}
