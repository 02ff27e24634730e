import { formatLocality, type Locality, parseLocality } from '../../base/locality.ts'
import type { Resource } from '../../config/resource.ts'
import type { Labels } from '../labels.ts'

const ISTIO_LABEL = 'istio-locality'
export const REGION_LABEL = 'topology.kubernetes.io/region'
export const ZONE_LABEL = 'topology.kubernetes.io/zone'
export const SUBZONE_LABEL = 'topology.istio.io/subzone'
/** What Kubernetes before 1.17 called them. */
const OLD_REGION_LABEL = 'failure-domain.beta.kubernetes.io/region'
const OLD_ZONE_LABEL = 'failure-domain.beta.kubernetes.io/zone'

/** `istio-locality`, where label values cannot hold slashes: Istio writes `region.zone.subzone`. */
export function istioLocality(labels: Labels): string {
  const value = labels[ISTIO_LABEL] ?? ''
  return value.includes('/') ? value : value.replaceAll('.', '/')
}

/** Kubernetes' topology labels, of a Node or of a Pod that carries its Node's. */
export function topologyLocality(labels: Labels): string {
  return formatLocality({
    region: labels[REGION_LABEL] ?? labels[OLD_REGION_LABEL] ?? '',
    zone: labels[ZONE_LABEL] ?? labels[OLD_ZONE_LABEL] ?? '',
    subzone: labels[SUBZONE_LABEL] ?? '',
  })
}

/** `istio-locality`, else the topology labels. */
export function labelledLocality(labels: Labels): string {
  return istioLocality(labels) || topologyLocality(labels)
}

/**
 * Reads where an endpoint stands, as seen from `own`: an EndpointSlice names the zone only, and
 * zones of two regions have different names.
 */
export function localityFrom(text: string, own: Locality): Locality {
  const there = parseLocality(text)
  const isOwnZone = there.region === '' && there.zone !== '' && there.zone === own.zone
  return isOwnZone ? { ...there, region: own.region } : there
}

/** Where Nodes stand, by name. */
export class NodeLocalities {
  readonly #byName: ReadonlyMap<string, string>

  constructor(nodes: readonly Resource<unknown>[]) {
    this.#byName = new Map(
      nodes.map(({ metadata }) => [metadata.name, topologyLocality(metadata.labels)]),
    )
  }

  /** '' when the Node, or where it stands, is not known. */
  of(name: string | undefined): string {
    return name === undefined ? '' : (this.#byName.get(name) ?? '')
  }
}
