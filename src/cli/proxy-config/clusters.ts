import type { ConfigDump, DumpedCluster } from './dump.ts'
import { isWanted, parseClusterName, type Selection } from './selection.ts'

export const CLUSTER_TITLES = [
  'SERVICE FQDN',
  'PORT',
  'SUBSET',
  'DIRECTION',
  'TYPE',
  'DESTINATION RULE',
]

/** Clusters as `/config_dump` has them. */
export function clusterEntries(
  { clusters = [] }: ConfigDump,
  selection: Selection,
): readonly DumpedCluster[] {
  return clusters.filter(({ name }) => {
    const { fqdn, port } = parseClusterName(name)
    return (
      isWanted(selection.name, name) &&
      isWanted(selection.fqdn, fqdn) &&
      (selection.port === null || selection.port === port)
    )
  })
}

/** Envoy's names of how endpoints are found. */
const TYPES: Readonly<Record<string, string>> = {
  static: 'STATIC',
  dns: 'STRICT_DNS',
  'dns-round-robin': 'LOGICAL_DNS',
}

export function clusterRows(clusters: readonly DumpedCluster[]): readonly (readonly string[])[] {
  return clusters.map(({ name, discovery, destinationRules = [] }) => {
    const { fqdn, port, subset, direction } = parseClusterName(name)
    return [
      fqdn,
      port === null ? '-' : String(port),
      subset === '' ? '-' : subset,
      direction === '' ? '-' : direction,
      TYPES[discovery] ?? discovery.toUpperCase(),
      destinationRules.map(dotted).join(', '),
    ]
  })
}

/** `namespace/name` as istioctl writes it: `name.namespace`. */
function dotted(name: string): string {
  const [namespace = '', own = ''] = name.split('/')
  return `${own}.${namespace}`
}
