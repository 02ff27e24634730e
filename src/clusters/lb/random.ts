import type { Random } from '../../base/random.ts'
import { pickWeighted } from '../../base/weighted-pick.ts'
import type { Endpoint } from '../endpoint.ts'
import type { Picker } from './picker.ts'
import { cumulativeWeights } from './weights.ts'

/** RANDOM: each endpoint with probability weight / sum. */
export class RandomPicker implements Picker {
  readonly sticky = false
  readonly spread = true
  readonly reserve: readonly Endpoint[]
  readonly #weights: readonly number[] | null
  readonly #random: Random

  constructor(endpoints: readonly Endpoint[], random: Random) {
    this.reserve = endpoints
    this.#weights = cumulativeWeights(endpoints)
    this.#random = random
  }

  pick(): Endpoint | null {
    const endpoints = this.reserve
    if (endpoints.length === 0) return null
    const random = this.#random()
    const at =
      this.#weights === null
        ? Math.floor(random * endpoints.length)
        : pickWeighted(this.#weights, random)
    return endpoints[at]!
  }
}
