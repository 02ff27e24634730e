import { HostTable } from '../../routing/host-table.ts'
import {
  type HttpServerPlan,
  TlsChainPlan,
  type TlsChainTable,
} from '../../snapshot/listener-plan.ts'
import type { Credentials } from '../credentials.ts'
import type { Findings } from '../findings.ts'
import type { PlacedServer, ServerGroup } from './gateway-servers.ts'
import type { HttpTables } from './http-table.ts'
import { REFUSING_TLS, serverTls } from './server-tls.ts'

/** Makes the chains of a TLS port. */
export class TlsChains {
  readonly #tables: HttpTables
  readonly #credentials: Credentials
  readonly #findings: Findings

  constructor(tables: HttpTables, credentials: Credentials, findings: Findings) {
    this.#tables = tables
    this.#credentials = credentials
    this.#findings = findings
  }

  /** null: none of the servers can be served, so the port stays closed. */
  build(group: ServerGroup): TlsChainTable | null {
    const chains: TlsChainPlan[] = []
    let served = false
    for (const server of group.servers) {
      const reason = this.#whyNotServed(server)
      if (reason === null) served = true
      chains.push(reason === null ? this.#serving(server, group) : refusing(server, group))
    }
    if (!served) return null
    const entries = chains.flatMap((chain) => chain.hosts.map((host) => [host, chain] as const))
    return { bySni: new HostTable(entries), all: chains }
  }

  #serving(server: PlacedServer, group: ServerGroup): TlsChainPlan {
    const name = tableName(server, group)
    const { tls = {} } = server.spec
    return new TlsChainPlan({
      name,
      gateway: server.gateway.name,
      hosts: sniHosts(server),
      tls: serverTls(tls, server.place, this.#credentials, this.#findings),
      http: this.#tables.build(name, [server]),
    })
  }

  /** Reports what keeps the server from being served; null when nothing does. */
  #whyNotServed(server: PlacedServer): string | null {
    const mode = server.spec.tls?.mode
    const { resource, path } = server.place
    if (mode !== 'SIMPLE') {
      const reason =
        mode === undefined
          ? 'tls.mode is not given, which means PASSTHROUGH: the server is not served'
          : `TLS mode ${mode} is not served: connections to its hosts are refused`
      const place = { resource, path: [...path, 'tls', 'mode'] }
      const hint = mode === undefined ? 'write mode: SIMPLE to terminate TLS here' : null
      this.#findings.report('error', 'tls-mode-not-served', place, reason, hint)
      return reason
    }
    if (server.protocol === 'HTTPS') return null
    const reason =
      'protocol TLS (opaque bytes inside TLS) is not served: connections to its hosts are refused'
    const place = { resource, path: [...path, 'port', 'protocol'] }
    this.#findings.report('error', 'tls-protocol-not-served', place, reason)
    return reason
  }
}

/**
 * An unserved server keeps its names: another server's wildcard must not answer for them with less
 * protection than was asked for.
 */
function refusing(server: PlacedServer, group: ServerGroup): TlsChainPlan {
  const name = tableName(server, group)
  const http: HttpServerPlan = { name, hosts: new HostTable([]), gateways: [server.gateway.name] }
  const hosts = sniHosts(server)
  return new TlsChainPlan({ name, gateway: server.gateway.name, hosts, tls: REFUSING_TLS, http })
}

/** One `*` among the hosts lifts every restriction. */
function sniHosts(server: PlacedServer): readonly string[] {
  const hosts = [...new Set(server.hosts.map(({ host }) => host))]
  return hosts.includes('*') ? ['*'] : hosts
}

/** `https.443.https.gateway.namespace`, with the bind address behind it when there is one. */
function tableName(server: PlacedServer, group: ServerGroup): string {
  const { name, namespace } = server.gateway.resource.metadata
  const bind = group.bind === null ? '' : `.${group.bind}`
  return `https.${server.number}.${server.portName}.${name}.${namespace}${bind}`
}
