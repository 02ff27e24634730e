import type { Random } from '../../base/random.ts'
import type { Endpoint } from '../endpoint.ts'
import type { PickContext } from '../pick.ts'
import type { ClusterPlan } from '../plan.ts'
import { PriorityLevel } from '../priority-levels.ts'
import { createPicker, type Picker, pickUntried } from './picker.ts'

const ALL_REQUESTS = 100

/**
 * VirtualService retries.retryRemoteLocalities: a retry goes to the first failover level that the
 * request has not tried and that has somebody to answer, whatever part of the requests it gets
 * otherwise. Lives as long as the cluster's own picker.
 */
export class RemoteRetries {
  readonly #plan: ClusterPlan
  readonly #levels: readonly PriorityLevel[]
  readonly #random: Random
  /** One for each level, made when it is needed. */
  readonly #pickers: (Picker | null)[]

  constructor(plan: ClusterPlan, levels: readonly PriorityLevel[], random: Random) {
    this.#plan = plan
    this.#levels = levels
    this.#random = random
    this.#pickers = levels.map(() => null)
  }

  /** null: every level was tried, or nobody is available in those that were not. */
  pick(context: PickContext): Endpoint | null {
    const levels = this.#levels
    for (let i = 0; i < levels.length; i++) {
      if (wasTried(levels[i]!, context.tried)) continue
      const picked = pickUntried(this.#pickerOf(i), context)
      if (picked !== null) return picked
    }
    return null
  }

  #pickerOf(index: number): Picker {
    const known = this.#pickers[index]!
    if (known !== null) return known
    const { priority, endpoints } = this.#levels[index]!
    const alone = new PriorityLevel(priority, endpoints)
    alone.load = ALL_REQUESTS
    const picker = createPicker(this.#plan.loadBalancer, [alone], this.#random, null)
    this.#pickers[index] = picker
    return picker
  }
}

function wasTried(level: PriorityLevel, tried: readonly string[] | null): boolean {
  if (tried === null) return false
  return level.endpoints.some(({ key }) => tried.includes(key))
}
