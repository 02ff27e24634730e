import { splitHostPort } from '../../base/host-port.ts'
import type { ClusterDescription } from '../../clusters/description.ts'
import type { ConfigDump } from './dump.ts'
import { isWanted, parseClusterName, type Selection } from './selection.ts'

/** One endpoint of one cluster. */
export interface EndpointEntry {
  /** `address:port`, or the name that could not be looked up. */
  readonly endpoint: string
  /** `DNS_FAILED`: no address is known; `UNKNOWN`: files are asked. */
  readonly status: 'HEALTHY' | 'DNS_FAILED' | 'UNKNOWN'
  /** `FAILED`: ejected by outlier detection. */
  readonly outlierCheck: 'OK' | 'FAILED' | 'UNKNOWN'
  readonly cluster: string
  readonly weight: number
  readonly locality: string
}

export const ENDPOINT_TITLES = ['ENDPOINT', 'STATUS', 'OUTLIER CHECK', 'CLUSTER']

/** `running` null: files are asked. */
export function endpointEntries(
  dump: ConfigDump,
  running: readonly ClusterDescription[] | null,
  selection: Selection,
): readonly EndpointEntry[] {
  const entries = running === null ? planned(dump) : running.flatMap(runningEntries)
  return entries.filter(
    ({ endpoint, cluster }) =>
      isWanted(selection.name, cluster) &&
      isWanted(selection.fqdn, parseClusterName(cluster).fqdn) &&
      (selection.port === null || splitHostPort(endpoint).port === selection.port),
  )
}

function runningEntries(cluster: ClusterDescription): readonly EndpointEntry[] {
  const { name, endpoints, dnsFailures } = cluster
  const known = endpoints.map(({ address, weight, locality, health }): EndpointEntry => ({
    endpoint: address,
    status: 'HEALTHY',
    outlierCheck: health === 'healthy' ? 'OK' : 'FAILED',
    cluster: name,
    weight,
    locality,
  }))
  const lost = dnsFailures.map((failure): EndpointEntry => ({
    endpoint: failure,
    status: 'DNS_FAILED',
    outlierCheck: 'UNKNOWN',
    cluster: name,
    weight: 0,
    locality: '',
  }))
  return [...known, ...lost]
}

function planned({ clusters = [] }: ConfigDump): readonly EndpointEntry[] {
  return clusters.flatMap(({ name, endpoints }) =>
    endpoints.map(({ address, port, weight, locality }): EndpointEntry => ({
      endpoint: address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
      status: 'UNKNOWN',
      outlierCheck: 'UNKNOWN',
      cluster: name,
      weight,
      locality,
    })),
  )
}

export function endpointRows(entries: readonly EndpointEntry[]): readonly (readonly string[])[] {
  return entries.map(({ endpoint, status, outlierCheck, cluster }) => [
    endpoint,
    status.replace('_', ' '),
    outlierCheck === 'UNKNOWN' ? '-' : outlierCheck,
    cluster,
  ])
}
