/**
 * How many stream resets one HTTP/2 connection may cost us. Resets by the client draw from a token
 * bucket (rapid reset, CVE-2023-44487); resets the client provoked us to send are counted per
 * window (MadeYouReset, CVE-2025-8671).
 */
export class H2ResetBudget {
  readonly #ratePerMs: number
  readonly #burst: number
  readonly #provokedLimit: number
  readonly #windowMs: number
  #tokens: number
  #refilledAtMs: number
  #provoked: number
  #windowStartMs: number

  constructor(
    limits: {
      readonly clientResetsPerSecond: number
      readonly clientResetBurst: number
      readonly serverResetLimit: number
      readonly serverResetWindowMs: number
    },
    nowMs: number,
  ) {
    this.#ratePerMs = limits.clientResetsPerSecond / 1000
    this.#burst = limits.clientResetBurst
    this.#provokedLimit = limits.serverResetLimit
    this.#windowMs = limits.serverResetWindowMs
    this.#tokens = limits.clientResetBurst
    this.#refilledAtMs = nowMs
    this.#provoked = 0
    this.#windowStartMs = nowMs
  }

  /** Counts a reset by the client. False when the budget is spent. */
  spendClientReset(nowMs: number): boolean {
    const refilled = this.#tokens + (nowMs - this.#refilledAtMs) * this.#ratePerMs
    this.#refilledAtMs = nowMs
    this.#tokens = Math.min(this.#burst, refilled) - 1
    return this.#tokens >= 0
  }

  /** Counts a reset that the client's frames forced on us. False when the limit is passed. */
  spendProvokedReset(nowMs: number): boolean {
    if (nowMs - this.#windowStartMs >= this.#windowMs) {
      this.#windowStartMs = nowMs
      this.#provoked = 0
    }
    this.#provoked++
    return this.#provoked <= this.#provokedLimit
  }
}
