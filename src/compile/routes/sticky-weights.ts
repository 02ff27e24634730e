import { xxh32 } from '../../base/hash.ts'
import type { Destination } from '../../routing/route.ts'
import type { StickyPlan } from '../../routing/sticky-plan.ts'
import type { Findings, Place } from '../findings.ts'

/** Annotation of a VirtualService: users stay on their weighted destination. */
export const STICKY_WEIGHTS = 'tidegate.dev/sticky-weights'

/**
 * How the weighted destinations of a rule are chosen by key, or null when they are drawn for each
 * request: without the annotation, with one destination, or when nothing says what to hash.
 */
export function stickyPlan(
  destinations: readonly Destination[],
  place: Place,
  findings: Findings,
): StickyPlan | null {
  const value = place.resource.metadata.annotations[STICKY_WEIGHTS]
  if (value === undefined || value === 'false') return null
  if (value !== 'true') {
    findings.report(
      'warning',
      'sticky-weights-invalid',
      { resource: place.resource, path: ['metadata', 'annotations', STICKY_WEIGHTS] },
      `${STICKY_WEIGHTS} is ${JSON.stringify(value)}, neither "true" nor "false": destinations are drawn for each request`,
      `write ${STICKY_WEIGHTS}: "true"`,
    )
    return null
  }
  const [first] = destinations
  if (first === undefined || destinations.length === 1) return null
  const balancer = first.cluster === null ? null : first.cluster.loadBalancer
  if (balancer === null || !('key' in balancer)) {
    findings.report(
      'warning',
      'sticky-weights-without-key',
      { resource: place.resource, path: [...place.path, 'route', 0, 'destination'] },
      `${STICKY_WEIGHTS} asks for the key of the first destination, but no DestinationRule with consistentHash applies to ${first.clusterName}: destinations are drawn for each request`,
      'give its DestinationRule loadBalancer.consistentHash, for example with httpCookie and a ttl',
    )
    return null
  }
  return {
    key: balancer.key,
    seeds: seedsOf(destinations),
    weights: destinations.map(({ weight }) => weight),
  }
}

/** By name, so that another order of the destinations moves nobody; equal names count up. */
function seedsOf(destinations: readonly Destination[]): readonly number[] {
  const seen = new Map<string, number>()
  return destinations.map(({ clusterName }) => {
    const count = seen.get(clusterName) ?? 0
    seen.set(clusterName, count + 1)
    return xxh32(count === 0 ? clusterName : `${clusterName} ${count}`)
  })
}
