import type { ResourceSet } from '../config/resource-set.ts'
import { refOf, type Resource } from '../config/resource.ts'
import type { RouteOrigin } from '../routing/route.ts'
import type { VirtualHost } from '../routing/virtual-host.ts'
import type { ExplainedVirtualHost, Place } from './explanation.ts'
import type { MatchedPattern } from './host-pattern.ts'
import { placeOf, placeOfOrigin, sameResource } from './resource-places.ts'

/** A virtual host with the resources its rules come from. */
export function explainVirtualHost(
  virtualHost: VirtualHost,
  { pattern, match }: { pattern: string; match: MatchedPattern['match'] | 'address' },
  options: { readonly unknownHost: boolean; readonly set: ResourceSet | null },
): ExplainedVirtualHost {
  const { unknownHost, set } = options
  const sources: Place[] = []
  for (const { origin } of virtualHost.routes) {
    if (sources.some((place) => sameResource(place, origin))) continue
    const resource = resourceOf(origin, set)
    sources.push(resource === null ? { ...placeOfOrigin(origin), path: '' } : placeOf(resource))
  }
  return { name: virtualHost.name, domain: pattern, match, unknownHost, sources }
}

function resourceOf(origin: RouteOrigin, set: ResourceSet | null): Resource<unknown> | null {
  if (set === null) return null
  const kinds: readonly (readonly Resource<unknown>[])[] = [
    set.virtualServices,
    set.services,
    set.serviceEntries,
  ]
  for (const resources of kinds) {
    const found = resources.find((one) => sameResource(refOf(one), origin))
    if (found !== undefined) return found
  }
  return null
}
