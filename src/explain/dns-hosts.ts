import { isIP } from 'node:net'
import type { GatewaySpec } from '../config/kinds/gateway.ts'
import type { ResourceSet } from '../config/resource-set.ts'
import type { Resource } from '../config/resource.ts'

/** A name that a Gateway serves. */
export interface GatewayHost {
  /** Lower case, without namespace: `shop.example.com`, `*.example.com`, `*`. */
  readonly host: string
  /** Ascending. */
  readonly ports: readonly number[]
  /** Field of the first server that has it. */
  readonly path: readonly (string | number)[]
}

/**
 * Hosts of all servers of a Gateway, each once. A server that takes any name (`*`) counts with the
 * hosts of the VirtualServices bound to the Gateway, where there are any; IP addresses need no record.
 */
export function gatewayHosts(
  gateway: Resource<GatewaySpec>,
  set: ResourceSet,
): readonly GatewayHost[] {
  const found = new Map<string, { ports: Set<number>; path: readonly (string | number)[] }>()
  const bound = boundHosts(gateway, set)
  for (const [index, server] of (gateway.spec.servers ?? []).entries()) {
    for (const [at, written] of (server.hosts ?? []).entries()) {
      const host = written.slice(written.indexOf('/') + 1).toLowerCase()
      const names = host === '*' && bound.length > 0 ? bound : [host]
      for (const name of names) {
        if (isIP(name) !== 0) continue
        const known = found.get(name) ?? {
          ports: new Set<number>(),
          path: ['spec', 'servers', index, 'hosts', at],
        }
        found.set(name, known)
        if (server.port?.number !== undefined) known.ports.add(server.port.number)
      }
    }
  }
  return [...found].map(([host, { ports, path }]) => ({
    host,
    ports: [...ports].toSorted((a, b) => a - b),
    path,
  }))
}

function boundHosts(gateway: Resource<GatewaySpec>, set: ResourceSet): readonly string[] {
  const { namespace, name } = gateway.metadata
  const hosts = set.virtualServices.flatMap((service) => {
    const names = (service.spec.gateways ?? []).map((written) =>
      written.includes('/') ? written : `${service.metadata.namespace}/${written}`,
    )
    return names.includes(`${namespace}/${name}`) ? (service.spec.hosts ?? []) : []
  })
  // A dotless name is one of the cluster's own, which DNS outside does not carry.
  return [...new Set(hosts.map((host) => host.toLowerCase()))].filter((host) => host.includes('.'))
}
