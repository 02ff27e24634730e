/** Of the burst, how many streams may begin and be reset within one turn of the event loop. */
const UNSEEN_PART = 1 / 4
/** What a client that flooded before still gets. */
const LEAST_BURST = 16
const LEAST_PROVOKED = 4

/**
 * How many stream resets one HTTP/2 connection may cost us. Resets by the client draw from a token
 * bucket (rapid reset, CVE-2023-44487); resets the client provoked us to send are counted per
 * window (MadeYouReset, CVE-2025-8671). A read of 64 KiB holds a thousand streams that are reset
 * at once, which nobody else's traffic should wait for: they have a limit of their own.
 */
export class H2ResetBudget {
  readonly #ratePerMs: number
  readonly #burst: number
  readonly #provokedLimit: number
  readonly #unseenLimit: number
  readonly #windowMs: number
  #tokens: number
  #refilledAtMs: number
  #provoked: number
  #windowStartMs: number
  #unseen: number
  #turn: number

  /** `share` of the usual bursts, from 0 to 1. */
  constructor(
    limits: {
      readonly clientResetsPerSecond: number
      readonly clientResetBurst: number
      readonly serverResetLimit: number
      readonly serverResetWindowMs: number
    },
    nowMs: number,
    share: number = 1,
  ) {
    this.#ratePerMs = limits.clientResetsPerSecond / 1000
    this.#burst = shareOf(limits.clientResetBurst, share, LEAST_BURST)
    this.#provokedLimit = shareOf(limits.serverResetLimit, share, LEAST_PROVOKED)
    this.#unseenLimit = unseenLimit(limits, share)
    this.#windowMs = limits.serverResetWindowMs
    this.#tokens = this.#burst
    this.#refilledAtMs = nowMs
    this.#provoked = 0
    this.#windowStartMs = nowMs
    this.#unseen = 0
    this.#turn = -1
  }

  /** Counts a stream that was reset in the very turn it came in. False beyond the limit. */
  spendUnseenReset(turn: number): boolean {
    if (turn !== this.#turn) {
      this.#turn = turn
      this.#unseen = 0
    }
    this.#unseen++
    return this.#unseen <= this.#unseenLimit
  }

  /** Counts a reset by the client. False when the budget is spent. */
  spendClientReset(nowMs: number): boolean {
    const refilled = this.#tokens + (nowMs - this.#refilledAtMs) * this.#ratePerMs
    this.#refilledAtMs = nowMs
    this.#tokens = Math.min(this.#burst, refilled) - 1
    return this.#tokens >= 0
  }

  /** Counts resets that the client's frames forced on us. False when the limit is passed. */
  spendProvokedReset(nowMs: number, count: number = 1): boolean {
    if (nowMs - this.#windowStartMs >= this.#windowMs) {
      this.#windowStartMs = nowMs
      this.#provoked = 0
    }
    this.#provoked += count
    return this.#provoked <= this.#provokedLimit
  }
}

/** Streams that may begin and be reset within one turn of the event loop. */
export function unseenLimit(limits: { readonly clientResetBurst: number }, share: number): number {
  return Math.ceil(shareOf(limits.clientResetBurst, share, LEAST_BURST) * UNSEEN_PART)
}

/** So much of a limit, but not less than the least; a limit lower than that is kept as it is. */
export function shareOf(limit: number, share: number, least: number): number {
  return Math.max(Math.min(limit, least), Math.floor(limit * share))
}
