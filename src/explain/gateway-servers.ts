import { splitNamespacedHost } from '../config/names.ts'
import type { GatewayServer, GatewaySpec } from '../config/kinds/gateway.ts'
import type { ResourceSet } from '../config/resource-set.ts'
import type { Resource } from '../config/resource.ts'
import type { ListenerPlan } from '../snapshot/listener-plan.ts'
import type { ExplainedServer } from './explanation.ts'
import { placeOf } from './resource-places.ts'

/** A server of a Gateway as written, with its namespace-limited hosts resolved. */
export interface WrittenServer {
  /** `namespace/name` */
  readonly gateway: string
  readonly resource: Resource<GatewaySpec>
  readonly spec: GatewayServer
  readonly index: number
  readonly port: number
  /** Lower-case, with the namespace whose VirtualServices may use each; null for all. */
  readonly hosts: readonly { readonly host: string; readonly namespace: string | null }[]
}

/** Every server of every Gateway. */
export function writtenServers(set: ResourceSet): readonly WrittenServer[] {
  return set.gateways.flatMap((resource) => {
    const { namespace, name } = resource.metadata
    return (resource.spec.servers ?? []).map((spec, index) => ({
      gateway: `${namespace}/${name}`,
      resource,
      spec,
      index,
      port: spec.port?.number ?? 0,
      hosts: (spec.hosts ?? []).map((written) => {
        const { namespace: owner, host } = splitNamespacedHost(written)
        const resolved = owner === '.' ? namespace : owner
        return { host: host.toLowerCase(), namespace: resolved === '*' ? null : resolved }
      }),
    }))
  })
}

export function explainServer(server: WrittenServer): ExplainedServer {
  return {
    gateway: server.gateway,
    port: server.port,
    hosts: server.hosts.map(({ host, namespace }) =>
      namespace === null ? host : `${namespace}/${host}`,
    ),
    place: placeOf(server.resource, ['spec', 'servers', server.index]),
  }
}

/** The servers that ended on a listener, of the named Gateways. */
export function serversOn(
  listener: ListenerPlan,
  gateways: readonly string[],
  servers: readonly WrittenServer[],
): readonly WrittenServer[] {
  return servers.filter(
    ({ gateway, port, spec }) =>
      gateways.includes(gateway) &&
      listener.gatewayPorts.includes(port) &&
      bindOf(spec.bind) === listener.bind,
  )
}

function bindOf(bind: string | undefined): string | null {
  return bind === undefined || bind === '' || bind === '0.0.0.0' || bind === '::' ? null : bind
}
