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
  readonly #draw: RandomPicker

  constructor(endpoints: readonly Endpoint[], random: Random) {
    this.#draw = new RandomPicker(endpoints, random)
  }

  pick(): Endpoint | null {
    const first = this.#draw.pick()
    const second = this.#draw.pick()
    if (first === null || second === null) return first
    return second.load / second.weight < first.load / first.weight ? second : first
  }
}
