import type { Random } from '../../base/random.ts'
import type { Endpoint } from '../endpoint.ts'
import type { PickContext } from '../pick.ts'
import type { LoadBalancerPlan } from '../plan.ts'
import type { PriorityLevel } from '../priority-levels.ts'
import { ConsistentHashPicker } from './consistent-hash.ts'
import { GroupPicker } from './group-picker.ts'
import { LeastRequestPicker } from './least-request.ts'
import { groupsOf } from './locality-groups.ts'
import { MaglevTable } from './maglev.ts'
import { RandomPicker } from './random.ts'
import { HashRing } from './ring-hash.ts'
import { RoundRobinPicker } from './round-robin.ts'

/**
 * Chooses among endpoints that never change while it lives: the cluster builds a new picker when
 * its endpoints or their health change.
 */
export interface Picker {
  /**
   * True for consistent hashing: the picker holds all endpoints, steps over those that are not
   * available and follows the levels' loads by itself; it stays when health changes.
   */
  readonly sticky: boolean
  /** True when any available endpoint of the cluster is as good as another for a request. */
  readonly spread: boolean
  /** Where a retry may look for an endpoint it did not try when picks do not find one. */
  readonly reserve: readonly Endpoint[]
  /** null when there is nobody to pick. */
  pick(context: PickContext): Endpoint | null
}

/** Other picks tried before an endpoint that the exchange used already is searched around. */
const MAX_RESELECTIONS = 5

/** The picker of a policy; `previous` hands its position over when the policy stays the same. */
export function createPicker(
  plan: LoadBalancerPlan,
  levels: readonly PriorityLevel[],
  random: Random,
  previous: Picker | null,
): Picker {
  if (plan.policy === 'ring-hash') {
    const { minimumRingSize } = plan
    const tableOf = (endpoints: readonly Endpoint[]) => new HashRing(endpoints, minimumRingSize)
    return new ConsistentHashPicker(plan.key, random, levels, tableOf)
  }
  if (plan.policy === 'maglev') {
    const { tableSize } = plan
    const tableOf = (endpoints: readonly Endpoint[]) => new MaglevTable(endpoints, tableSize)
    return new ConsistentHashPicker(plan.key, random, levels, tableOf)
  }
  const groups = groupsOf(levels)
  const [only, ...others] = groups
  const before = (key: string): Picker | null =>
    previous instanceof GroupPicker ? previous.pickerOf(key) : previous
  if (only === undefined || others.length === 0) {
    return flatPicker(plan, only?.endpoints ?? [], random, before(only?.key ?? ''))
  }
  const pickers = groups.map(({ key, weight, endpoints }) => {
    return { key, weight, picker: flatPicker(plan, endpoints, random, before(key)) }
  })
  return new GroupPicker(pickers, random)
}

function flatPicker(
  { policy }: LoadBalancerPlan,
  endpoints: readonly Endpoint[],
  random: Random,
  previous: Picker | null,
): Picker {
  const usable = endpoints.filter((endpoint) => endpoint.available)
  switch (policy) {
    case 'round-robin':
      return new RoundRobinPicker(usable, previous instanceof RoundRobinPicker ? previous : null)
    case 'random':
      return new RandomPicker(usable, random)
    default:
      return new LeastRequestPicker(usable, random)
  }
}

/**
 * Picks, avoiding endpoints that earlier attempts of the exchange used: five more picks, then the
 * first untried endpoint of the picker's reserve. Only when every endpoint was tried one comes again.
 */
export function pickUntried(picker: Picker, context: PickContext): Endpoint | null {
  const picked = picker.pick(context)
  const tried = context.tried
  // A hash table steps over tried endpoints itself.
  if (picked === null || tried === null || picker.sticky) return picked
  if (!tried.includes(picked.key)) return picked
  for (let i = 0; i < MAX_RESELECTIONS; i++) {
    const other = picker.pick(context)
    if (other !== null && !tried.includes(other.key)) return other
  }
  const reserve = picker.reserve
  for (let i = 0; i < reserve.length; i++) {
    const other = reserve[i]!
    if (other.available && !tried.includes(other.key)) return other
  }
  return picked
}
