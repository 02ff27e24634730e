import type { Random } from '../../src/base/random.ts'

const PER_PERCENT = 10_000
const MILLION = 100 * PER_PERCENT

/** Keeps 0.0003 %, which is 2.9999999999999996 millionths to a computer, from becoming 2. */
const ROUNDING = 1e-6

/** A percentage of requests. As in Istio it counts in whole millionths: what is less is none. */
export class Share {
  readonly #millionths: number

  /** 0..100 */
  constructor(percent: number) {
    this.#millionths = Math.floor(percent * PER_PERCENT + ROUNDING)
  }

  get isNever(): boolean {
    return this.#millionths <= 0
  }

  get percent(): number {
    return this.#millionths / PER_PERCENT
  }

  /** True for this share of all calls; takes a random number only when both outcomes are possible. */
  draw(random: Random): boolean {
    if (this.#millionths >= MILLION) return true
    return this.#millionths > 0 && random() * MILLION < this.#millionths
  }
}
