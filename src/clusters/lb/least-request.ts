import type { Random } from '../../base/random.ts'
import type { Endpoint } from '../endpoint.ts'
import type { Picker } from './picker.ts'
import { RandomPicker } from './random.ts'

/**
 * LEAST_REQUEST: of two endpoints drawn at random (by weight; they may coincide) the one with fewer
 * requests per unit of weight. Idle endpoints share by weight alone.
 */
export class LeastRequestPicker implements Picker {
  readonly sticky = false
  readonly spread = true
  readonly reserve: readonly Endpoint[]
  readonly #draw: RandomPicker

  constructor(endpoints: readonly Endpoint[], random: Random) {
    this.reserve = endpoints
    this.#draw = new RandomPicker(endpoints, random)
  }

  pick(): Endpoint | null {
    const first = this.#draw.pick()
    const second = this.#draw.pick()
    if (first === null || second === null) return first
    const less = second.load / second.effectiveWeight < first.load / first.effectiveWeight
    return less ? second : first
  }
}
