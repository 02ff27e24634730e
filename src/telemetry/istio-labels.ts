import type { DestinationLabels } from '../clusters/plan.ts'

/** Who this gateway is in the `source_*` labels of istio_* metrics. Unset: `unknown`. */
export interface SourceIdentity {
  readonly workload?: string
  readonly namespace?: string
  readonly principal?: string
  readonly app?: string
  readonly version?: string
  readonly cluster?: string
  readonly canonicalService?: string
  readonly canonicalRevision?: string
}

export const UNKNOWN = 'unknown'

/** No cluster was chosen: 404, redirect, direct response. */
export const NO_DESTINATION: DestinationLabels = {
  service: UNKNOWN,
  serviceName: UNKNOWN,
  serviceNamespace: UNKNOWN,
}

/** Traffic to hosts that configuration does not know: never labelled with the host itself. */
export const UNDECLARED_DESTINATIONS: ReadonlyMap<string, DestinationLabels> = new Map(
  ['PassthroughCluster', 'BlackHoleCluster'].map((serviceName) => [
    serviceName,
    { service: UNKNOWN, serviceName, serviceNamespace: UNKNOWN },
  ]),
)

/** Labels that say where a request came from and went, in Istio's order. */
export function peerLabels(
  source: SourceIdentity,
  destination: DestinationLabels,
): Readonly<Record<string, string>> {
  return {
    reporter: 'source',
    source_workload: source.workload ?? UNKNOWN,
    source_canonical_service: source.canonicalService ?? source.workload ?? UNKNOWN,
    source_canonical_revision: source.canonicalRevision ?? UNKNOWN,
    source_workload_namespace: source.namespace ?? UNKNOWN,
    source_principal: source.principal ?? UNKNOWN,
    source_app: source.app ?? UNKNOWN,
    source_version: source.version ?? UNKNOWN,
    source_cluster: source.cluster ?? UNKNOWN,
    destination_workload: UNKNOWN,
    destination_workload_namespace: UNKNOWN,
    destination_principal: UNKNOWN,
    destination_app: UNKNOWN,
    destination_version: UNKNOWN,
    destination_service: destination.service,
    destination_canonical_service: UNKNOWN,
    destination_canonical_revision: UNKNOWN,
    destination_service_name: destination.serviceName,
    destination_service_namespace: destination.serviceNamespace,
    destination_cluster: UNKNOWN,
  }
}
