import type { Endpoint } from '../endpoint.ts'
import { availableShare, type PriorityLevel } from '../priority-levels.ts'

/** Endpoints that share a part of the requests by their own weights. */
export interface EndpointGroup {
  readonly key: string
  /** Percent of the requests. */
  readonly weight: number
  readonly endpoints: readonly Endpoint[]
}

/**
 * Failover levels as groups; a level whose localities have weights (localityLbSetting.distribute)
 * is one group for each of them. A locality keeps its weight as long as 100 / 140 of its endpoints
 * are available, then it loses in proportion.
 */
export function groupsOf(levels: readonly PriorityLevel[]): readonly EndpointGroup[] {
  const groups: EndpointGroup[] = []
  for (const level of levels) {
    const { priority, endpoints, load } = level
    if (endpoints.some(({ localityWeight }) => localityWeight > 0))
      groups.push(...byLocality(level))
    else groups.push({ key: String(priority), weight: load, endpoints })
  }
  return groups
}

function byLocality({ priority, endpoints, load }: PriorityLevel): readonly EndpointGroup[] {
  const members = new Map<string, Endpoint[]>()
  for (const endpoint of endpoints) {
    const group = members.get(endpoint.locality)
    if (group === undefined) members.set(endpoint.locality, [endpoint])
    else group.push(endpoint)
  }
  const weights = [...members.values()].map(weightOf)
  const sum = weights.reduce((total, weight) => total + weight, 0)
  return [...members.entries()].map(([locality, group], i) => {
    const weight = sum === 0 ? 0 : (load * weights[i]!) / sum
    return { key: `${priority} ${locality}`, weight, endpoints: group }
  })
}

function weightOf(endpoints: readonly Endpoint[]): number {
  const available = endpoints.filter((endpoint) => endpoint.available).length
  return (endpoints[0]?.localityWeight ?? 0) * availableShare(available, endpoints.length)
}
