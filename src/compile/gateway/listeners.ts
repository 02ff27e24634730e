import type { AcceptPlan, ListenerPlan } from '../../snapshot/listener-plan.ts'
import type { Destinations } from '../destinations.ts'
import type { Findings } from '../findings.ts'
import { compareText } from '../ordering.ts'
import type { Bindings } from './bindings.ts'
import type { ServerGroup } from './gateway-servers.ts'
import type { HttpTables } from './http-table.ts'
import { tcpServer } from './tcp-server.ts'
import type { TlsChains } from './tls-chains.ts'

/** Turns groups of servers into listeners, ordered by key. */
export class Listeners {
  readonly #tables: HttpTables
  readonly #chains: TlsChains
  readonly #bindings: Bindings
  readonly #destinations: Destinations
  readonly #findings: Findings

  constructor(init: {
    tables: HttpTables
    chains: TlsChains
    bindings: Bindings
    destinations: Destinations
    findings: Findings
  }) {
    this.#tables = init.tables
    this.#chains = init.chains
    this.#bindings = init.bindings
    this.#destinations = init.destinations
    this.#findings = init.findings
  }

  build(groups: readonly ServerGroup[]): readonly ListenerPlan[] {
    const listeners: ListenerPlan[] = []
    for (const group of groups) {
      const accept = this.#accept(group)
      if (accept === null) continue
      const { targetPort, bind, servers } = group
      listeners.push({
        key: `${bind ?? '*'}:${targetPort}`,
        gatewayPorts: [...new Set(servers.map((server) => server.number))].toSorted(
          (a, b) => a - b,
        ),
        targetPort,
        bind,
        accept,
      })
    }
    return listeners.toSorted((a, b) => a.targetPort - b.targetPort || compareText(a.key, b.key))
  }

  #accept(group: ServerGroup): AcceptPlan | null {
    const { targetPort, bind, family, servers } = group
    const suffix = bind === null ? '' : `.${bind}`
    if (family === 'http') {
      const http = this.#tables.build(`http.${targetPort}${suffix}`, servers)
      const grpcWeb = servers.some((server) => server.protocol === 'GRPC-WEB')
      return { type: 'http', http, grpcWeb }
    }
    if (family === 'tls') {
      const chains = this.#chains.build(group)
      return chains === null ? null : { type: 'tls', chains }
    }
    const [server] = servers
    if (server === undefined) return null
    const name = `tcp.${targetPort}${suffix}`
    const tcp = tcpServer(name, server, {
      bindings: this.#bindings,
      destinations: this.#destinations,
      findings: this.#findings,
    })
    return tcp === null ? null : { type: 'tcp', tcp }
  }
}
