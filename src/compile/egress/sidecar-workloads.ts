import { isIP } from 'node:net'
import type { ResourceSet } from '../../config/resource-set.ts'
import type { EgressClient } from '../../snapshot/egress-control.ts'
import type { SidecarScopes } from './sidecar-scopes.ts'

/**
 * Clients by the address they come from. An address that several workloads share (host network)
 * says of nobody who it is, so it is left out, as are Pods that ended.
 */
export function clientWorkloads(
  set: ResourceSet,
  scopes: SidecarScopes,
): ReadonlyMap<string, EgressClient> {
  const found = new Map<string, EgressClient | null>()
  const add = (address: string, client: EgressClient): void => {
    found.set(address, found.has(address) ? null : client)
  }
  for (const { metadata, spec } of set.pods) {
    const { phase, podIP, podIPs = [] } = spec.status ?? {}
    if (phase === 'Succeeded' || phase === 'Failed' || spec.spec?.hostNetwork === true) continue
    const { namespace, name, labels } = metadata
    const client: EgressClient = {
      by: 'pod',
      id: `${namespace}/${name}`,
      namespace,
      serviceAccount: spec.spec?.serviceAccountName ?? 'default',
      scope: scopes.of(namespace, labels),
    }
    const addresses = new Set([podIP, ...podIPs.map(({ ip }) => ip)])
    for (const address of addresses) if (address !== undefined) add(address, client)
  }
  for (const { metadata, spec } of set.workloadEntries) {
    const { address = '', labels = {} } = spec
    if (isIP(address) === 0) continue
    const { namespace, name } = metadata
    const scope = scopes.of(namespace, { ...labels, ...metadata.labels })
    const id = `${namespace}/${name}`
    add(address, { by: 'workload-entry', id, namespace, serviceAccount: '', scope })
  }
  const sure = new Map<string, EgressClient>()
  for (const [address, client] of found) if (client !== null) sure.set(address, client)
  return sure
}
