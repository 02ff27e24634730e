import type { Random } from '../../base/random.ts'
import type { Endpoint } from '../endpoint.ts'
import type { PickContext } from '../pick.ts'
import type { LoadBalancerPlan } from '../plan.ts'
import { LeastRequestPicker } from './least-request.ts'
import { MaglevPicker } from './maglev.ts'
import { RandomPicker } from './random.ts'
import { RingHashPicker } from './ring-hash.ts'
import { RoundRobinPicker } from './round-robin.ts'

/**
 * Chooses among endpoints that never change while it lives: the cluster builds a new picker when
 * its endpoints or their health change.
 */
export interface Picker {
  /**
   * True for consistent hashing: the picker holds all endpoints and steps over those that are not
   * available, so that only their keys move; a retry goes to the same endpoint again.
   */
  readonly sticky: boolean
  /** null when there is nobody to pick. */
  pick(context: PickContext): Endpoint | null
}

/** Other picks tried before an endpoint that the exchange used already is searched around. */
const MAX_RESELECTIONS = 5

/** The picker of a policy; `previous` hands its position over when the policy stays the same. */
export function createPicker(
  plan: LoadBalancerPlan,
  endpoints: readonly Endpoint[],
  random: Random,
  previous: Picker | null,
): Picker {
  const sticky = plan.policy === 'ring-hash' || plan.policy === 'maglev'
  const usable = sticky ? endpoints : endpoints.filter((endpoint) => endpoint.available)
  switch (plan.policy) {
    case 'least-request':
      return new LeastRequestPicker(usable, random)
    case 'random':
      return new RandomPicker(usable, random)
    case 'round-robin':
      return new RoundRobinPicker(usable, previous instanceof RoundRobinPicker ? previous : null)
    case 'ring-hash':
      return new RingHashPicker(usable, plan.key, plan.minimumRingSize, random)
    case 'maglev':
      return new MaglevPicker(usable, plan.key, plan.tableSize, random)
  }
}

/**
 * Picks, avoiding endpoints that earlier attempts of the exchange used: five more picks, then the
 * first untried endpoint of `all`. Only when every available endpoint was tried one comes again.
 */
export function pickUntried(
  picker: Picker,
  context: PickContext,
  all: readonly Endpoint[],
): Endpoint | null {
  const picked = picker.pick(context)
  const tried = context.tried
  if (picked === null || tried === null || picker.sticky) return picked
  if (!tried.includes(picked.key)) return picked
  for (let i = 0; i < MAX_RESELECTIONS; i++) {
    const other = picker.pick(context)
    if (other !== null && !tried.includes(other.key)) return other
  }
  for (let i = 0; i < all.length; i++) {
    const other = all[i]!
    if (other.available && !tried.includes(other.key)) return other
  }
  return picked
}
