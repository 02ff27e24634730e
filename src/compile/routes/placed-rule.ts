import type {
  HttpMatchSpec,
  HttpRouteSpec,
  VirtualServiceSpec,
} from '../../config/kinds/virtual-service.ts'
import type { Resource } from '../../config/resource.ts'
import type { Place } from '../findings.ts'

/** One match entry and where it was written. */
export interface PlacedMatch {
  readonly spec: HttpMatchSpec
  readonly place: Place
}

/** One http rule as it applies, after delegation: short names in it belong to `place.resource`. */
export interface PlacedRule {
  /** Its own `match` is not read: `matches` is. */
  readonly rule: HttpRouteSpec
  readonly place: Place
  /** Empty: every request. */
  readonly matches: readonly PlacedMatch[]
}

/** A rule as it stands in its VirtualService. */
export function placedRule(
  resource: Resource<VirtualServiceSpec>,
  rule: HttpRouteSpec,
  index: number,
): PlacedRule {
  const path = ['spec', 'http', index]
  const matches = (rule.match ?? []).map((spec, at) => ({
    spec,
    place: { resource, path: [...path, 'match', at] },
  }))
  return { rule, place: { resource, path }, matches }
}
