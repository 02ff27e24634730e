import type { ResourceSet } from './resource-set.ts'
import type { Resource } from './resource.ts'

/** A resource and the list it belongs to. */
export interface Listed {
  readonly list: keyof ResourceSet
  readonly resource: Resource<unknown>
}

/** Builds the ordered, frozen set. */
export function buildResourceSet(entries: Iterable<Listed>): ResourceSet {
  const lists: Record<keyof ResourceSet, Resource<unknown>[]> = {
    gateways: [],
    virtualServices: [],
    destinationRules: [],
    withheldRules: [],
    serviceEntries: [],
    workloadEntries: [],
    sidecars: [],
    envoyFilters: [],
    rateLimitPolicies: [],
    requestAuthentications: [],
    withheldAuthentications: [],
    services: [],
    endpointSlices: [],
    endpoints: [],
    pods: [],
    secrets: [],
    configMaps: [],
    namespaces: [],
    nodes: [],
  }
  for (const { list, resource } of entries) lists[list].push(resource)
  for (const list of Object.values(lists)) Object.freeze(list.sort(byAge))
  // Each list holds one kind, and the kind's field table gave the bodies their shape.
  return Object.freeze(lists) as ResourceSet
}

/** creationTimestamp (undated last), then name, then namespace. */
function byAge(left: Resource<unknown>, right: Resource<unknown>): number {
  const a = left.metadata
  const b = right.metadata
  // NaN, for two undated resources, is as good as 0 here.
  const age = (a.creationTimestamp ?? Infinity) - (b.creationTimestamp ?? Infinity)
  return age || compareText(a.name, b.name) || compareText(a.namespace, b.namespace)
}

function compareText(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}
