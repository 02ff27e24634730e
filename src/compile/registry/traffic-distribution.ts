import type { Resource } from '../../config/resource.ts'
import type { MeshService, Nearness } from './mesh-service.ts'

const ANNOTATION = 'networking.istio.io/traffic-distribution'

/**
 * Kubernetes names nodes, which a gateway outside them does not share: the subzone is the nearest it
 * can be.
 */
const MEANINGS: Readonly<Record<string, Nearness>> = {
  PreferClose: 'same-zone',
  PreferSameZone: 'same-zone',
  PreferSameNode: 'same-subzone',
}

/** `trafficDistribution` of a Service, or Istio's annotation of that name, which goes before it. */
export function preference({
  metadata,
  spec,
}: Resource<object & { readonly trafficDistribution?: string }>): Pick<MeshService, 'prefers'> {
  const written = metadata.annotations[ANNOTATION] ?? spec.trafficDistribution ?? ''
  const prefers = MEANINGS[written]
  return prefers === undefined ? {} : { prefers }
}
