import type { ClusterPlan } from '../clusters/plan.ts'
import type { VirtualHost } from '../routing/virtual-host.ts'
import type { EffectiveLimit } from '../snapshot/effective-limit.ts'
import { type EgressPlan, type EgressTables, otherTablesOf } from '../snapshot/egress-plan.ts'
import type {
  HttpServerPlan,
  ListenerPlan,
  TcpServerPlan,
  TlsChainPlan,
} from '../snapshot/listener-plan.ts'
import type { MeshSettings } from '../snapshot/mesh-settings.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { HostTable } from '../routing/host-table.ts'
import type { ServerCertificateSource } from '../tls/plan.ts'
import type { FixedLimit } from './admin-state.ts'
import type { ClusterRules } from './cluster-rules.ts'
import { type Description, describeRoute } from './describe-route.ts'

/** What a dump tells beside the snapshot. */
export interface DumpContext {
  readonly fixedLimits: readonly FixedLimit[]
  /** null: nobody knows what the snapshot was compiled from. */
  readonly clusterRules: ClusterRules | null
}

/** Parts of /config_dump, as `?resource=` names them. */
const PARTS: Readonly<Record<string, (snapshot: Snapshot, around: DumpContext) => unknown>> = {
  listeners: ({ listeners }) => listeners.map(describeListener),
  routes: ({ listeners }) => routeTables(listeners).map(describeRouteTable),
  clusters: ({ clusters }, { clusterRules }) =>
    clusters.map((cluster) => describeCluster(cluster, clusterRules)),
  egress: ({ egress }) => describeEgress(egress),
  mesh: ({ mesh }) => describeMesh(mesh),
  limits: ({ mesh }) => describeLimits(mesh.connections.limits),
  fixedLimits: (_snapshot, { fixedLimits }) =>
    Object.fromEntries(fixedLimits.map(({ name, value }) => [name, value])),
}

export const RESOURCES: readonly string[] = Object.keys(PARTS)

/**
 * The serving snapshot for people and tools. Everything is written out field by field, so that a
 * secret added to a plan some day does not show up here by itself.
 */
export function describeSnapshot(
  snapshot: Snapshot,
  resource: string | null,
  around: DumpContext,
): Description {
  const wanted = resource === null ? RESOURCES : [resource]
  const dump: Record<string, unknown> = { generation: snapshot.generation }
  for (const name of wanted) dump[name] = PARTS[name]?.(snapshot, around)
  return dump
}

/** Settings hold no secrets. What is unlimited says so: JSON has no Infinity. */
function describeMesh(mesh: MeshSettings): Description {
  const { limits: _named, ...connections } = mesh.connections
  const { maxConnections } = connections
  return {
    ...mesh,
    connections: {
      ...limitsOf(connections),
      maxConnections: maxConnections ?? 'as many as open files allow',
    },
  }
}

/** As docs/limits.md names them, each with where it comes from. */
function describeLimits(limits: readonly EffectiveLimit[]): Description {
  return Object.fromEntries(limits.map(({ name, value, source }) => [name, { value, source }]))
}

function limitsOf(limits: object): Description {
  return Object.fromEntries(
    Object.entries(limits).map(([name, value]: [string, unknown]) => [
      name,
      value === Infinity ? 'unlimited' : value,
    ]),
  )
}

function describeListener(listener: ListenerPlan): Description {
  const { accept } = listener
  return {
    name: listener.key,
    gatewayPorts: listener.gatewayPorts,
    targetPort: listener.targetPort,
    bind: listener.bind,
    type: accept.type,
    routeTable: accept.type === 'http' ? accept.http.name : null,
    chains: accept.type === 'tls' ? accept.chains.all.map(describeChain) : [],
    tcp: accept.type === 'tcp' ? describeTcp(accept.tcp) : null,
  }
}

function describeChain(chain: TlsChainPlan): Description {
  const { tls } = chain
  return {
    name: chain.name,
    gateway: chain.gateway,
    hosts: chain.hosts,
    mode: chain.mode,
    routeTable: chain.passesThrough || chain.opaque ? null : chain.http.name,
    tcp: chain.tcp === null ? null : describeTcp(chain.tcp),
    certificates: tls.certificates.map(describeCertificate),
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    ciphers: tls.ciphers,
    curves: tls.curves ?? null,
    alpn: tls.alpn,
    client: tls.client === undefined ? null : describeVerification(tls.client),
  }
}

/** What is asked of clients, and where what they are verified with comes from. */
function describeVerification(client: NonNullable<TlsChainPlan['tls']['client']>): Description {
  return {
    required: client.required,
    acceptsUntrusted: client.acceptsUntrusted,
    ca: describeTrust(client.ca),
    crl: describeTrust(client.crl),
    subjectAltNames: client.subjectAltNames,
    spki: client.spki,
    hashes: client.hashes,
  }
}

function describeTrust(source: NonNullable<TlsChainPlan['tls']['client']>['ca']): string | null {
  if (source === null) return null
  return source.kind === 'pem' ? source.name : `file://${source.path}`
}

/** Where it comes from; neither certificate nor key. */
function describeCertificate(source: ServerCertificateSource): Description {
  return { kind: source.kind, name: source.name }
}

function describeTcp(tcp: TcpServerPlan): Description {
  return {
    name: tcp.name,
    destinations: tcp.destinations.map(({ clusterName, cluster }, index) => ({
      cluster: clusterName,
      found: cluster !== null,
      weight: tcp.cumulativeWeights[index]! - (tcp.cumulativeWeights[index - 1] ?? 0),
    })),
  }
}

function routeTables(listeners: readonly ListenerPlan[]): readonly HttpServerPlan[] {
  return listeners.flatMap(({ accept }) => {
    if (accept.type === 'http') return [accept.http]
    return accept.type === 'tls' ? httpChains(accept.chains.all).map(({ http }) => http) : []
  })
}

function httpChains(chains: readonly TlsChainPlan[]): readonly TlsChainPlan[] {
  return chains.filter((chain) => !chain.passesThrough && !chain.opaque)
}

function describeRouteTable(table: HttpServerPlan): Description {
  return {
    name: table.name,
    gateways: table.gateways,
    authentication: table.authenticator?.describe() ?? null,
    virtualHosts: describeVirtualHosts(table.hosts),
  }
}

/** One entry per virtual host, with every domain that leads to it. */
function describeVirtualHosts(hosts: HostTable<VirtualHost>): readonly Description[] {
  const domains = new Map<VirtualHost, string[]>()
  for (const [pattern, virtualHost] of hosts.entries) {
    const known = domains.get(virtualHost)
    if (known === undefined) domains.set(virtualHost, [pattern])
    else known.push(pattern)
  }
  return [...domains].map(([virtualHost, patterns]) => describeVirtualHost(virtualHost, patterns))
}

function describeVirtualHost(virtualHost: VirtualHost, domains: readonly string[]): Description {
  return {
    name: virtualHost.name,
    domains,
    httpsRedirect: virtualHost.httpsRedirect,
    routes: virtualHost.routes.map(describeRoute),
  }
}

function describeCluster(cluster: ClusterPlan, rules: ClusterRules | null): Description {
  const { tls } = cluster
  return {
    name: cluster.name,
    destination: { ...cluster.destination },
    protocol: cluster.protocol,
    discovery: cluster.discovery,
    destinationRules: rules === null ? [] : rules.of(cluster),
    endpoints: cluster.endpoints.map((endpoint) => ({
      address: endpoint.address,
      port: endpoint.port,
      weight: endpoint.weight,
      labels: endpoint.labels,
      locality: endpoint.locality,
      priority: endpoint.priority ?? 0,
      localityWeight: endpoint.localityWeight ?? null,
    })),
    loadBalancer: { ...cluster.loadBalancer },
    limits: { ...cluster.limits },
    outlier: cluster.outlier === null ? null : { ...cluster.outlier },
    retries: cluster.retries === null ? null : { ...cluster.retries },
    tls:
      tls === null
        ? null
        : {
            serverName: tls.serverName,
            subjectAltNames: tls.subjectAltNames,
            trust: tls.caFile ?? (tls.ca === null ? 'system' : 'configured'),
            client: tls.client === null ? null : describeCertificate(tls.client),
            insecureSkipVerify: tls.insecureSkipVerify,
          },
    proxyProtocol: cluster.proxyProtocol,
    tunnel: cluster.tunnel === null ? null : { ...cluster.tunnel },
  }
}

function describeEgress(egress: EgressPlan): Description {
  return {
    policy: egress.policy,
    mode: egress.control?.reportOnly === true ? 'report' : 'enforce',
    unknownClients: egress.control?.refuseUnknown === true ? 'refuse' : 'allow',
    egressProxy: egress.parent?.clusterName ?? null,
    ...describeEgressTables(egress, null),
    clients: [...otherTablesOf(egress)].map(([tables, namespaces]) => ({
      namespaces: namespaces.map((namespace) => (namespace === '' ? '*' : namespace)),
      ...describeEgressTables(tables, egress),
    })),
    unknownHost: describeVirtualHost(egress.unknownHost, ['*']),
  }
}

/** Without the tables that are those of `common`. */
function describeEgressTables(tables: EgressTables, common: EgressTables | null): Description {
  const own = <T>(part: (from: EgressTables) => ReadonlyMap<number, T>): [number, T][] =>
    [...part(tables)].filter(([port, table]) => common === null || part(common).get(port) !== table)
  return {
    http: own(({ http }) => http).map(([port, hosts]) => ({
      port,
      virtualHosts: describeVirtualHosts(hosts),
    })),
    tunnels: own(({ tunnels }) => tunnels).map(([port, hosts]) => ({
      port,
      hosts: hosts.entries.map(([host, cluster]) => ({ host, cluster: cluster.name })),
    })),
    tunnelRules: own(({ tunnelRules }) => tunnelRules).map(([port, hosts]) => ({
      port,
      hosts: hosts.entries.map(([host, { name, destinations, cumulativeWeights }]) => ({
        host,
        ...describeTcp({ name, destinations, cumulativeWeights }),
      })),
    })),
    addresses: (tables.addresses === common?.addresses ? [] : tables.addresses).map(
      ({ cidr, port, cluster, virtualHost }) => ({
        cidr: cidr.toString(),
        port,
        cluster: cluster === null ? null : cluster.name,
        virtualHost: virtualHost === null ? null : virtualHost.name,
      }),
    ),
  }
}
