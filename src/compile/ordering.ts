import type { ResourceSet } from '../config/resource-set.ts'
import type { Resource } from '../config/resource.ts'

/** Istio's order of resources: creationTimestamp (undated last), then name, then namespace. */
export function byAge(a: Resource<unknown>, b: Resource<unknown>): number {
  const ageA = a.metadata.creationTimestamp ?? Number.MAX_SAFE_INTEGER
  const ageB = b.metadata.creationTimestamp ?? Number.MAX_SAFE_INTEGER
  if (ageA !== ageB) return ageA - ageB
  return (
    compareText(a.metadata.name, b.metadata.name) ||
    compareText(a.metadata.namespace, b.metadata.namespace)
  )
}

/** Code-unit order: the same on every machine, unlike localeCompare. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** The set with every list in Istio's order, so that a snapshot does not depend on how it was read. */
export function orderedSet(set: ResourceSet): ResourceSet {
  return {
    gateways: set.gateways.toSorted(byAge),
    virtualServices: set.virtualServices.toSorted(byAge),
    destinationRules: set.destinationRules.toSorted(byAge),
    withheldRules: set.withheldRules.toSorted(byAge),
    serviceEntries: set.serviceEntries.toSorted(byAge),
    workloadEntries: set.workloadEntries.toSorted(byAge),
    sidecars: set.sidecars.toSorted(byAge),
    envoyFilters: set.envoyFilters.toSorted(byAge),
    rateLimitPolicies: set.rateLimitPolicies.toSorted(byAge),
    requestAuthentications: set.requestAuthentications.toSorted(byAge),
    withheldAuthentications: set.withheldAuthentications.toSorted(byAge),
    services: set.services.toSorted(byAge),
    endpointSlices: set.endpointSlices.toSorted(byAge),
    endpoints: set.endpoints.toSorted(byAge),
    pods: set.pods.toSorted(byAge),
    secrets: set.secrets.toSorted(byAge),
    configMaps: set.configMaps.toSorted(byAge),
    namespaces: set.namespaces.toSorted(byAge),
    nodes: set.nodes.toSorted(byAge),
  }
}
