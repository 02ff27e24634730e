import { splitNamespacedHost } from '../../config/names.ts'
import type { GatewayServer } from '../../config/kinds/gateway.ts'
import { describe, type Findings, type Place } from '../findings.ts'
import type { PortTranslation } from './port-translation.ts'
import type { ServedGateway } from './selection.ts'

/** `http`: clear-text HTTP of any version; `tls`: HTTPS and TLS; `tcp`: opaque bytes. */
type ServerFamily = 'http' | 'tls' | 'tcp'

interface ServerHost {
  /** Namespace whose VirtualServices may use the host; null for all. */
  readonly namespace: string | null
  /** Lower-case. */
  readonly host: string
}

/** One Gateway server on one socket. */
export interface PlacedServer {
  readonly gateway: ServedGateway
  readonly spec: GatewayServer
  readonly place: Place
  /** The Gateway's number: what VirtualServices compare and names carry. */
  readonly number: number
  readonly portName: string
  readonly protocol: string
  readonly hosts: readonly ServerHost[]
}

/** All servers that share a port and bind address; the first decides the family. */
export interface ServerGroup {
  readonly targetPort: number
  readonly bind: string | null
  readonly family: ServerFamily
  readonly servers: PlacedServer[]
}

const FAMILIES: Readonly<Record<string, ServerFamily>> = {
  HTTP: 'http',
  HTTP2: 'http',
  GRPC: 'http',
  'GRPC-WEB': 'http',
  HTTPS: 'tls',
  TLS: 'tls',
  TCP: 'tcp',
  MONGO: 'tcp',
  MYSQL: 'tcp',
  REDIS: 'tcp',
}

const CONFLICT_HINT = 'give the servers different ports, binds or hosts: the older Gateway is kept'

/** Puts every server on its socket in Istio's order; what collides with an older one is dropped. */
export function groupServers(
  gateways: readonly ServedGateway[],
  translation: PortTranslation,
  findings: Findings,
): readonly ServerGroup[] {
  const groups = new Map<string, ServerGroup>()
  for (const gateway of gateways) {
    for (const [index, spec] of (gateway.resource.spec.servers ?? []).entries()) {
      const place = { resource: gateway.resource, path: ['spec', 'servers', index] }
      const server = placedServer(gateway, spec, place)
      const family = FAMILIES[server.protocol]
      const bind = bindOf(spec.bind, place, findings)
      if (family === undefined || bind === undefined) continue
      for (const targetPort of translation.targetPorts(server.number, gateway.identities)) {
        const key = `${bind ?? '*'}:${targetPort}`
        const group = groups.get(key)
        if (group === undefined) {
          groups.set(key, { targetPort, bind, family, servers: [server] })
          continue
        }
        const conflict = conflictOf(group, server, family)
        if (conflict === null) group.servers.push(server)
        else findings.report('error', 'gateway-server-conflict', place, conflict, CONFLICT_HINT)
      }
    }
  }
  return [...groups.values()]
}

function placedServer(gateway: ServedGateway, spec: GatewayServer, place: Place): PlacedServer {
  const { namespace } = gateway.resource.metadata
  return {
    gateway,
    spec,
    place,
    number: spec.port?.number ?? 0,
    portName: spec.port?.name ?? '',
    protocol: (spec.port?.protocol ?? '').toUpperCase(),
    hosts: (spec.hosts ?? []).map((written) => {
      const { namespace: owner, host } = splitNamespacedHost(written)
      const resolved = owner === '.' ? namespace : owner
      return { namespace: resolved === '*' ? null : resolved, host: host.toLowerCase() }
    }),
  }
}

/** undefined: a bind that is not served. */
function bindOf(
  bind: string | undefined,
  place: Place,
  findings: Findings,
): string | null | undefined {
  if (bind === undefined || bind === '' || bind === '0.0.0.0' || bind === '::') return null
  if (!bind.startsWith('unix://')) return bind
  findings.report(
    'error',
    'unix-bind-not-served',
    { resource: place.resource, path: [...place.path, 'bind'] },
    'unix domain sockets are not listened on: the server is not served',
  )
  return undefined
}

/** Why the server cannot join the group, naming the older one, or null. */
function conflictOf(group: ServerGroup, server: PlacedServer, family: ServerFamily): string | null {
  const [first] = group.servers
  if (first === undefined) return null
  const where = `port ${group.targetPort}${group.bind === null ? '' : ` of ${group.bind}`}`
  if (family !== group.family) {
    return `server dropped: ${server.protocol} cannot share ${where} with ${first.protocol} of ${named(first)}`
  }
  if (family === 'tcp') return `server dropped: ${where} is taken by ${named(first)}`
  if (family === 'http') return null
  for (const older of group.servers) {
    const taken = server.hosts.find(({ host }) => older.hosts.some((one) => one.host === host))
    if (taken === undefined) continue
    return `server dropped with all its hosts: host ${taken.host} on ${where} is taken by ${named(older)}`
  }
  return null
}

function named(server: PlacedServer): string {
  return `Gateway ${describe(server.place.resource, server.place.path)}`
}
