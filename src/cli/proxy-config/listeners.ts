import type { BoundListener } from '../../admin/admin-state.ts'
import { splitHostPort } from '../../base/host-port.ts'
import { shortList } from '../text-table.ts'
import type { ConfigDump, DumpedListener, DumpedTcp } from './dump.ts'
import { isWanted, type Selection } from './selection.ts'

/** A listener as `/config_dump` has it, with where it is bound. */
export type ListenerEntry = (DumpedListener | EgressListener) & {
  /** Bound sockets (`127.0.0.1:8080`); null for files, empty where it could not bind or is drained. */
  readonly addresses: readonly string[] | null
}

interface EgressListener {
  readonly name: 'egress'
  readonly type: 'egress'
  readonly policy: string
}

export const LISTENER_TITLES = ['ADDRESSES', 'PORT', 'MATCH', 'DESTINATION']

/** `bound` null: files are asked. */
export function listenerEntries(
  dump: ConfigDump,
  bound: readonly BoundListener[] | null,
  { name, port }: Selection,
): readonly ListenerEntry[] {
  const entries: ListenerEntry[] = (dump.listeners ?? []).map((listener) => ({
    ...listener,
    addresses: bound === null ? null : addressesOf(bound, listener.name),
  }))
  const egress = bound === null ? [] : addressesOf(bound, 'egress')
  if (egress.length > 0 && dump.egress !== undefined) {
    const { policy } = dump.egress
    entries.push({ name: 'egress', type: 'egress', policy, addresses: egress })
  }
  return entries.filter((entry) => isWanted(name, entry.name) && hasPort(entry, port))
}

function addressesOf(bound: readonly BoundListener[], name: string): readonly string[] {
  return bound.filter((one) => one.name === name).flatMap(({ addresses }) => addresses)
}

/** The number in the Gateway, or that of a socket. */
function hasPort(entry: ListenerEntry, port: number | null): boolean {
  if (port === null) return true
  if ((entry.addresses ?? []).some((address) => splitHostPort(address).port === port)) return true
  return entry.type !== 'egress' && (entry.targetPort === port || entry.gatewayPorts.includes(port))
}

const MAX_HOSTS = 3

export function listenerRows(entries: readonly ListenerEntry[]): readonly (readonly string[])[] {
  return entries.flatMap((entry) =>
    socketsOf(entry).flatMap(([address, port]) =>
      acceptsOf(entry).map(([match, destination]) => [address, port, match, destination]),
    ),
  )
}

function socketsOf(entry: ListenerEntry): readonly (readonly [string, string])[] {
  const { addresses } = entry
  if (addresses === null) {
    if (entry.type === 'egress') return []
    return [[entry.bind ?? '0.0.0.0', String(entry.targetPort)]]
  }
  if (addresses.length === 0) {
    return [['(not bound)', entry.type === 'egress' ? '' : String(entry.targetPort)]]
  }
  return addresses.map((address) => {
    const { host, port } = splitHostPort(address)
    return [host, String(port ?? '')] as const
  })
}

function acceptsOf(entry: ListenerEntry): readonly (readonly [string, string])[] {
  switch (entry.type) {
    case 'http':
      return [['ALL', `Route: ${entry.routeTable ?? ''}`]]
    case 'tls':
      return entry.chains.flatMap(({ hosts, routeTable, tcp = null }) => {
        const match = hosts.includes('*') ? 'ALL' : `SNI: ${shortList(hosts, MAX_HOSTS)}`
        if (routeTable === null) return clustersOf(match, tcp)
        return [[match, `Route: ${routeTable}`] as const]
      })
    case 'tcp':
      return clustersOf('ALL', entry.tcp)
    case 'egress':
      return [['ALL', `Egress proxy: ${entry.policy}`]]
  }
}

/** Bytes that go on as they come: a line for each part of a split. */
function clustersOf(match: string, tcp: DumpedTcp | null): readonly (readonly [string, string])[] {
  const destinations = tcp === null ? [] : tcp.destinations
  if (destinations.length === 0) return [[match, 'none']]
  return destinations.map(({ cluster }) => [match, `Cluster: ${cluster}`] as const)
}
