import { shareOf } from './h2-reset-budget.ts'

/** What a client that flooded before still gets. */
const LEAST_BURST = 64

/**
 * How many PING and SETTINGS frames one HTTP/2 connection may cost us: each wants an answer, and a
 * client that reads the answers could go on for ever. gRPC clients measure the line with a PING
 * for the body bytes they are sent, thousands a second on a fast one, so each piece of a body
 * that leaves allows one more.
 */
export class H2ControlBudget {
  readonly #ratePerMs: number
  readonly #burst: number
  #tokens: number
  #refilledAtMs: number

  /** `share` of the usual burst, from 0 to 1. */
  constructor(
    limits: { readonly controlFramesPerSecond: number; readonly controlFrameBurst: number },
    nowMs: number,
    share: number = 1,
  ) {
    this.#ratePerMs = limits.controlFramesPerSecond / 1000
    this.#burst = shareOf(limits.controlFrameBurst, share, LEAST_BURST)
    this.#tokens = this.#burst
    this.#refilledAtMs = nowMs
  }

  /** A piece of a body left. */
  earn(): void {
    if (this.#tokens < this.#burst) this.#tokens++
  }

  /** Counts a frame. False when the budget is spent. */
  spend(nowMs: number): boolean {
    const refilled = this.#tokens + (nowMs - this.#refilledAtMs) * this.#ratePerMs
    this.#refilledAtMs = nowMs
    this.#tokens = Math.min(this.#burst, refilled) - 1
    return this.#tokens >= 0
  }
}
