import { HostTable } from '../../routing/host-table.ts'
import { TlsChainPlan, type TlsChainTable, type TlsMode } from '../../snapshot/listener-plan.ts'
import type { CompileSettings } from '../compile-input.ts'
import type { Credentials } from '../credentials.ts'
import type { Destinations } from '../destinations.ts'
import type { Findings } from '../findings.ts'
import type { AcmeSources } from './acme-sources.ts'
import type { Bindings } from './bindings.ts'
import type { PlacedServer, ServerGroup } from './gateway-servers.ts'
import type { HttpTables } from './http-table.ts'
import { passing, type PassingChains, type SniClaims } from './passing-chains.ts'
import { NO_HTTP, type ServerTls, serverTls } from './server-tls.ts'
import { tcpServer } from './tcp-server.ts'

type TlsChainInit = ConstructorParameters<typeof TlsChainPlan>[0]

/** Makes the chains of a TLS port. */
export class TlsChains {
  readonly #tables: HttpTables
  readonly #passing: PassingChains
  readonly #credentials: Credentials
  readonly #bindings: Bindings
  readonly #destinations: Destinations
  readonly #settings: CompileSettings
  readonly #findings: Findings
  readonly #acme: AcmeSources

  constructor(init: {
    tables: HttpTables
    passing: PassingChains
    credentials: Credentials
    bindings: Bindings
    destinations: Destinations
    settings: CompileSettings
    findings: Findings
    acme: AcmeSources
  }) {
    this.#tables = init.tables
    this.#passing = init.passing
    this.#credentials = init.credentials
    this.#bindings = init.bindings
    this.#destinations = init.destinations
    this.#settings = init.settings
    this.#findings = init.findings
    this.#acme = init.acme
  }

  /** null: nothing of the servers can be served, so the port stays closed. */
  build(group: ServerGroup): TlsChainTable | null {
    const chains: TlsChainPlan[] = []
    const claims = terminatedNames(group)
    for (const server of group.servers) chains.push(...this.#chainsOf(server, group, claims))
    if (chains.every((chain) => chain.tcp === null && (chain.passesThrough || chain.opaque)))
      return null
    const entries = chains.flatMap((chain) => chain.hosts.map((host) => [host, chain] as const))
    return { bySni: new HostTable(entries), all: chains }
  }

  #chainsOf(server: PlacedServer, group: ServerGroup, claims: SniClaims): readonly TlsChainPlan[] {
    const mode = modeOf(server)
    if (mode !== 'PASSTHROUGH' && mode !== 'AUTO_PASSTHROUGH') {
      return this.#terminating(server, group, mode)
    }
    const name = chainName('tls', server, group)
    const chains =
      mode === 'PASSTHROUGH'
        ? this.#passing.routed(name, server, claims)
        : this.#passing.automatic(name, server)
    // The server keeps the names that lead nowhere: another one's wildcard must not answer for them.
    return [...chains, passing(mode, name, server, sniHosts(server), null)]
  }

  #terminating(
    server: PlacedServer,
    group: ServerGroup,
    mode: ServerTls['mode'],
  ): readonly TlsChainPlan[] {
    const opaque = server.protocol !== 'HTTPS'
    const name = chainName(opaque ? 'tls' : 'https', server, group)
    const tls = serverTls(
      { spec: server.spec.tls ?? {}, mode, opaque, place: server.place },
      {
        credentials: this.#credentials,
        settings: this.#settings,
        findings: this.#findings,
      },
    )
    const head = { name, gateway: server.gateway.name, hosts: sniHosts(server), mode, tls, opaque }
    if (!opaque) {
      return this.#byCertificate(server, { ...head, http: this.#tables.build(name, [server]) })
    }
    const parts = {
      bindings: this.#bindings,
      destinations: this.#destinations,
      findings: this.#findings,
    }
    const tcp = tcpServer(name, server, parts, 'its connections are closed')
    return this.#byCertificate(server, { ...head, http: NO_HTTP, tcp })
  }

  /** One chain, or where certificates are ordered one for each host: each has its own. */
  #byCertificate(server: PlacedServer, init: TlsChainInit): readonly TlsChainPlan[] {
    const sources = this.#acme.of(server)
    if (sources === null) return [new TlsChainPlan(init)]
    // Clients that cannot be verified as was asked for are not let in.
    const refused = init.mode !== 'SIMPLE' && init.tls.client === undefined
    const chains = sources.map(
      (source) =>
        new TlsChainPlan({
          ...init,
          name: `${init.name}.${source.host}`,
          hosts: [source.host],
          tls: { ...init.tls, certificates: refused ? [] : [source] },
        }),
    )
    const rest = [...new Set(server.hosts.map(({ host }) => host))].filter((host) =>
      host.startsWith('*'),
    )
    if (rest.length > 0) chains.push(new TlsChainPlan({ ...init, hosts: rest }))
    return chains
  }
}

/** No mode means PASSTHROUGH. */
function modeOf(server: PlacedServer): TlsMode {
  return server.spec.tls?.mode ?? 'PASSTHROUGH'
}

/** Names of servers that end TLS: no tls rule of another server takes them away. */
function terminatedNames(group: ServerGroup): SniClaims {
  const claims: SniClaims = new Map()
  for (const server of group.servers) {
    const mode = modeOf(server)
    if (mode === 'PASSTHROUGH' || mode === 'AUTO_PASSTHROUGH') continue
    for (const host of sniHosts(server)) claims.set(host, server.place)
  }
  return claims
}

/** One `*` among the hosts lifts every restriction. */
function sniHosts(server: PlacedServer): readonly string[] {
  const hosts = [...new Set(server.hosts.map(({ host }) => host))]
  return hosts.includes('*') ? ['*'] : hosts
}

/** `https.443.https.gateway.namespace`, with the bind address behind it when there is one. */
function chainName(start: 'https' | 'tls', server: PlacedServer, group: ServerGroup): string {
  const { name, namespace } = server.gateway.resource.metadata
  const bind = group.bind === null ? '' : `.${group.bind}`
  return `${start}.${server.number}.${server.portName}.${name}.${namespace}${bind}`
}
