import type { Random } from '../../base/random.ts'
import { cumulativeWeights, pickWeighted } from '../../base/weighted-pick.ts'
import type { Endpoint } from '../endpoint.ts'
import type { PickContext } from '../pick.ts'
import type { Picker } from './picker.ts'

/** Endpoints that get a fixed share of the requests: a failover level, or a locality of one. */
export interface PickGroup {
  /** Stays the same when groups are made anew. */
  readonly key: string
  readonly weight: number
  readonly picker: Picker
}

/** Chooses a group by weight, then lets its own picker choose among its endpoints. */
export class GroupPicker implements Picker {
  readonly sticky = false
  readonly spread = false
  readonly reserve: readonly Endpoint[]
  readonly #groups: readonly PickGroup[]
  readonly #weights: readonly number[]
  readonly #random: Random

  /** Groups of weight 0 are never picked. */
  constructor(groups: readonly PickGroup[], random: Random) {
    this.#groups = groups.filter(({ weight }) => weight > 0)
    this.#weights = cumulativeWeights(this.#groups.map(({ weight }) => weight))
    this.#random = random
    this.reserve = this.#groups.flatMap(({ picker }) => picker.reserve)
  }

  pick(context: PickContext): Endpoint | null {
    const groups = this.#groups
    if (groups.length === 0) return null
    const at = groups.length === 1 ? 0 : pickWeighted(this.#weights, this.#random())
    return groups[at]!.picker.pick(context)
  }

  pickerOf(key: string): Picker | null {
    return this.#groups.find((group) => group.key === key)?.picker ?? null
  }
}
