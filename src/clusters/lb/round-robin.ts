import type { Endpoint } from '../endpoint.ts'
import type { Picker } from './picker.ts'
import { cumulativeWeights } from './weights.ts'

/**
 * ROUND_ROBIN: in turn; with unequal weights each endpoint gets its share spread evenly over the
 * round (every pick adds each weight to its endpoint's credit and the richest one pays the sum).
 */
export class RoundRobinPicker implements Picker {
  readonly sticky = false
  readonly #endpoints: readonly Endpoint[]
  readonly #total: number
  /** null when all weights are equal. */
  readonly #credits: Float64Array | null
  #position: number

  /** Goes on behind the endpoint that `previous` picked last. */
  constructor(endpoints: readonly Endpoint[], previous: RoundRobinPicker | null) {
    this.#endpoints = endpoints
    const weights = cumulativeWeights(endpoints)
    this.#total = weights === null ? 0 : weights[weights.length - 1]!
    this.#credits = weights === null ? null : new Float64Array(endpoints.length)
    this.#position = previous === null ? 0 : previous.#nextIn(endpoints)
  }

  pick(): Endpoint | null {
    const endpoints = this.#endpoints
    if (endpoints.length === 0) return null
    if (this.#credits !== null) return this.#richest(this.#credits)
    if (this.#position >= endpoints.length) this.#position = 0
    return endpoints[this.#position++]!
  }

  #richest(credits: Float64Array): Endpoint {
    let best = 0
    for (let i = 0; i < credits.length; i++) {
      credits[i]! += this.#endpoints[i]!.weight
      if (credits[i]! > credits[best]!) best = i
    }
    credits[best]! -= this.#total
    return this.#endpoints[best]!
  }

  /** Where in `endpoints` the turn goes on: at the first that is still there. */
  #nextIn(endpoints: readonly Endpoint[]): number {
    const own = this.#endpoints
    for (let i = 0; i < own.length; i++) {
      const at = endpoints.indexOf(own[(this.#position + i) % own.length]!)
      if (at >= 0) return at
    }
    return 0
  }
}
