import { fromBytes } from '../base/latin1.ts'
import type { HttpServerPlan, ListenerPlan, TlsChainPlan } from '../snapshot/listener-plan.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { ExplainedChain, ExplainedListener, ExplainedTls } from './explanation.ts'
import { explainServer, serversOn, type WrittenServer } from './gateway-servers.ts'
import { matchedPattern, nearestHost } from './host-pattern.ts'
import { placeOf } from './resource-places.ts'

/** A bound listener of a running gateway. */
export interface BoundSocket {
  /** Listener key. */
  readonly name: string
  /** `127.0.0.1:8080` */
  readonly addresses: readonly string[]
}

/**
 * The listener a port means: a Gateway server's number, else the port a Gateway ended on, else a
 * bound port of the running gateway.
 */
export function listenerFor(
  snapshot: Snapshot,
  port: number,
  bound: readonly BoundSocket[],
): ListenerPlan | null {
  const { listeners } = snapshot
  const byBound = bound.find(({ addresses }) =>
    addresses.some((address) => address.endsWith(`:${port}`)),
  )
  return (
    listeners.find((listener) => listener.gatewayPorts.includes(port)) ??
    listeners.find((listener) => listener.targetPort === port) ??
    listeners.find((listener) => listener.key === byBound?.name) ??
    null
  )
}

function gatewaysOf(listener: ListenerPlan): readonly string[] {
  const { accept } = listener
  switch (accept.type) {
    case 'http':
      return accept.http.gateways
    case 'tls':
      return [...new Set(accept.chains.all.map((chain) => chain.gateway))]
    case 'tcp':
      return []
  }
}

export function explainListener(
  listener: ListenerPlan,
  http: HttpServerPlan | null,
  servers: readonly WrittenServer[],
  bound: readonly BoundSocket[],
): ExplainedListener {
  const gateways =
    listener.accept.type === 'tcp'
      ? servers.map(({ gateway }) => gateway)
      : http === null
        ? gatewaysOf(listener)
        : http.gateways
  return {
    key: listener.key,
    type: listener.accept.type,
    gatewayPorts: listener.gatewayPorts,
    addresses: bound.find(({ name }) => name === listener.key)?.addresses ?? [],
    routeTable: http === null ? null : http.name,
    servers: serversOn(listener, gateways, servers).map(explainServer),
  }
}

/** The choice among the servers of a TLS port by server name. */
export function explainTls(
  listener: ListenerPlan,
  serverName: string,
  servers: readonly WrittenServer[],
): { readonly tls: ExplainedTls; readonly chain: TlsChainPlan | null } {
  const table = listener.accept.type === 'tls' ? listener.accept.chains : null
  const chain = table === null ? null : table.bySni.find(serverName)
  const chosenBy =
    table === null || chain === null ? null : matchedPattern(table.bySni, serverName, chain)
  const chains = (table?.all ?? []).map((one): ExplainedChain => {
    const chosen = one === chain
    const reason = chosen
      ? `server name ${named(serverName)} is taken by ${chosenBy?.pattern ?? '*'}`
      : whyNotChosen(serverName, one, chosenBy?.pattern ?? null)
    return {
      name: one.name,
      gateway: one.gateway,
      hosts: one.hosts,
      chosen,
      reason,
      place: chainPlace(one, servers),
    }
  })
  return {
    chain,
    tls: {
      serverName: serverName === '' ? null : serverName,
      chains,
      certificates: chain === null ? [] : chain.tls.certificates.map(({ name }) => name),
      minVersion: chain === null ? null : chain.tls.minVersion,
      alpn: chain === null ? [] : chain.tls.alpn,
      failures: [],
    },
  }
}

function named(serverName: string): string {
  return serverName === '' ? '(none)' : fromBytes(serverName)
}

function whyNotChosen(serverName: string, chain: TlsChainPlan, winner: string | null): string {
  const own = new Set(chain.hosts.map((host) => host.toLowerCase()))
  const covers = [...own].some(
    (host) => host === '*' || (host.startsWith('*') && serverName.endsWith(host.slice(1))),
  )
  if (covers) return `${winner ?? 'another host'} is more specific`
  if (serverName === '') return 'the client sends no server name, and its hosts are no *'
  return `server name ${serverName} is none of its hosts`
}

/** Where the server of a chain stands: its name carries port number, port name and Gateway. */
function chainPlace(
  chain: TlsChainPlan,
  servers: readonly WrittenServer[],
): ExplainedChain['place'] {
  const found = servers.find(({ gateway, port, spec, hosts }) => {
    if (gateway !== chain.gateway) return false
    const { name, namespace } = { name: gateway.split('/')[1], namespace: gateway.split('/')[0] }
    const start = `${port}.${spec.port?.name ?? ''}.${name}.${namespace}`
    const written = new Set(hosts.map(({ host }) => host))
    return chain.name.includes(`.${start}`) && chain.hosts.every((host) => written.has(host))
  })
  return found === undefined ? null : placeOf(found.resource, ['spec', 'servers', found.index])
}

/** `80, 443`: every Gateway port that is open. */
export function listenerPorts(listeners: readonly ListenerPlan[]): string {
  const ports = listeners.flatMap(({ gatewayPorts }) => gatewayPorts)
  return [...new Set(ports)].join(', ')
}

/** Nothing matched the server name: what is near. */
export function nearestServerName(listener: ListenerPlan, serverName: string): string | null {
  if (listener.accept.type !== 'tls' || serverName === '') return null
  return nearestHost(
    serverName,
    listener.accept.chains.bySni.entries.map(([pattern]) => pattern),
  )
}

/** The route tables of a listener. */
export function tablesOf({ accept }: ListenerPlan): readonly HttpServerPlan[] {
  switch (accept.type) {
    case 'http':
      return [accept.http]
    case 'tls':
      return accept.chains.all.map(({ http }) => http)
    case 'tcp':
      return []
  }
}
