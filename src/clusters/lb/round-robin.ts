import type { Endpoint } from '../endpoint.ts'
import type { Picker } from './picker.ts'
import { cumulativeWeights } from './weights.ts'

/**
 * ROUND_ROBIN: in turn; with unequal weights each endpoint gets its share spread evenly over the
 * round (every pick adds each weight to its endpoint's credit and the richest one pays the sum).
 */
export class RoundRobinPicker implements Picker {
  readonly sticky = false
  readonly spread = true
  readonly reserve: readonly Endpoint[]
  readonly #total: number
  /** null when all weights are equal. */
  readonly #credits: Float64Array | null
  #position: number

  /** Goes on behind the endpoint that `previous` picked last; what it owes to endpoints stays owed. */
  constructor(endpoints: readonly Endpoint[], previous: RoundRobinPicker | null) {
    this.reserve = endpoints
    const weights = cumulativeWeights(endpoints)
    this.#total = weights === null ? 0 : weights[weights.length - 1]!
    this.#credits = weights === null ? null : new Float64Array(endpoints.length)
    this.#position = previous === null ? 0 : previous.#nextIn(endpoints)
    if (this.#credits !== null && previous !== null) previous.#handOver(endpoints, this.#credits)
  }

  pick(): Endpoint | null {
    const endpoints = this.reserve
    if (endpoints.length === 0) return null
    if (this.#credits !== null) return this.#richest(this.#credits)
    if (this.#position >= endpoints.length) this.#position = 0
    return endpoints[this.#position++]!
  }

  #richest(credits: Float64Array): Endpoint {
    let best = 0
    for (let i = 0; i < credits.length; i++) {
      credits[i]! += this.reserve[i]!.effectiveWeight
      if (credits[i]! > credits[best]!) best = i
    }
    credits[best]! -= this.#total
    return this.reserve[best]!
  }

  /** Without this, weights that change every few picks (warmup) would starve light endpoints. */
  #handOver(endpoints: readonly Endpoint[], credits: Float64Array): void {
    const own = this.#credits
    if (own === null) return
    const known = new Map(this.reserve.map((endpoint, i) => [endpoint, own[i]!]))
    for (let i = 0; i < endpoints.length; i++) credits[i] = known.get(endpoints[i]!) ?? 0
  }

  /** Where in `endpoints` the turn goes on: at the first that is still there. */
  #nextIn(endpoints: readonly Endpoint[]): number {
    const own = this.reserve
    for (let i = 0; i < own.length; i++) {
      const at = endpoints.indexOf(own[(this.#position + i) % own.length]!)
      if (at >= 0) return at
    }
    return 0
  }
}
