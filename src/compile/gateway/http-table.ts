import { HostTable } from '../../routing/host-table.ts'
import type { VirtualHost } from '../../routing/virtual-host.ts'
import type { HttpServerPlan } from '../../snapshot/listener-plan.ts'
import type { Findings } from '../findings.ts'
import type { HttpRules } from '../routes/http-rules.ts'
import type { RequestAuthentications } from '../request-authentications.ts'
import { catchAllsLast, type RouteDraft } from '../routes/route-draft.ts'
import { NO_RULE_SETTINGS } from '../envoy-filters-scope.ts'
import { buildVirtualHost, type FiltersFor } from '../routes/virtual-host-builder.ts'
import { type Bindings, type BoundService, domainsOn } from './bindings.ts'
import type { PlacedServer } from './gateway-servers.ts'
import type { KeptHosts } from './kept-hosts.ts'
import { RouteConflicts } from './route-conflicts.ts'

/** A virtual host while VirtualServices are still being added. */
interface OpenHost {
  readonly name: string
  /** Number of the Gateway server that brought it first. */
  readonly port: number
  /** Of one VirtualService each. */
  readonly drafts: (readonly RouteDraft[])[]
  httpsRedirect: boolean
}

/** Makes route tables of Gateway servers. */
export class HttpTables {
  readonly #bindings: Bindings
  readonly #rules: HttpRules
  readonly #filtersFor: FiltersFor
  readonly #findings: Findings
  /** null: filters may stand on any route. */
  readonly #keptHosts: KeptHosts | null
  readonly #conflicts: RouteConflicts
  readonly #authentications: RequestAuthentications

  constructor(init: {
    bindings: Bindings
    rules: HttpRules
    filtersFor: FiltersFor
    findings: Findings
    authentications: RequestAuthentications
    keptHosts: KeptHosts | null
  }) {
    this.#authentications = init.authentications
    this.#bindings = init.bindings
    this.#rules = init.rules
    this.#filtersFor = init.filtersFor
    this.#findings = init.findings
    this.#keptHosts = init.keptHosts
    this.#conflicts = new RouteConflicts(init.findings)
  }

  /** All servers of a clear-text port pool here; an HTTPS server comes alone. */
  build(name: string, servers: readonly PlacedServer[]): HttpServerPlan {
    const hosts = new Map<string, OpenHost>()
    for (const server of servers) this.#addServer(hosts, server)
    const gateways = [...new Set(servers.map((server) => server.gateway.name))]
    const make = (domain: string, open: OpenHost): VirtualHost => {
      const { name: virtualHostName, port: portNumber, httpsRedirect } = open
      const drafts = catchAllsLast(open.drafts.flat())
      this.#conflicts.check(domain, drafts)
      const init = { name: virtualHostName, domains: [domain], drafts, httpsRedirect }
      const table = { context: 'GATEWAY', gateways, portNumber, routeTable: name } as const
      return buildVirtualHost(init, table, this.#filtersFor)
    }
    const entries = [...hosts].map(
      ([domain, open]) => [domain, this.#kept(open, () => make(domain, open))] as const,
    )
    const authenticator = this.#authentications.for(gateways)
    return { name, hosts: new HostTable(entries), gateways, authenticator }
  }

  /** Drafts of one VirtualService hide none of each other that validation has not told of. */
  #kept(open: OpenHost, make: () => VirtualHost): VirtualHost {
    const [drafts, ...others] = open.drafts
    const kept = this.#keptHosts
    if (kept === null || drafts === undefined || others.length > 0) return make()
    const identity = open.httpsRedirect ? `${open.name} to https` : open.name
    const present = kept.find(drafts, identity)
    if (present !== null) return present
    const made = make()
    if (drafts.every(({ settings }) => settings === NO_RULE_SETTINGS)) {
      kept.add(drafts, identity, made)
    }
    return made
  }

  /** Reports routes that no request reaches. Call once, behind the last `build`. */
  reportConflicts(): void {
    this.#conflicts.report()
  }

  #addServer(hosts: Map<string, OpenHost>, server: PlacedServer): void {
    const redirect = server.spec.tls?.httpsRedirect === true
    let bound = 0
    for (const service of this.#bindings.of(server.gateway.name)) {
      const domains = domainsOn(service, server)
      if (domains.length === 0) continue
      const drafts = this.#drafts(service, server)
      if (drafts.length === 0) continue
      bound++
      this.#checkClaims(service, server, drafts)
      for (const domain of domains) {
        const open = openHost(hosts, domain, server.number)
        open.drafts.push(drafts)
        if (redirect) open.httpsRedirect = true
      }
    }
    if (redirect) {
      for (const { host } of server.hosts) openHost(hosts, host, server.number).httpsRedirect = true
    } else if (bound === 0) {
      this.#findings.report(
        'info',
        'gateway-server-without-routes',
        server.place,
        'no http rule of any VirtualService applies to this server: requests get 404',
      )
    }
  }

  /** Claims are absent where nobody validates tokens. */
  #checkClaims(
    { resource }: BoundService,
    server: PlacedServer,
    drafts: readonly RouteDraft[],
  ): void {
    const asks = drafts.some(({ match }) => match?.fields.some(({ what }) => what === 'claim'))
    if (!asks || this.#authentications.covers([server.gateway.name])) return
    this.#findings.report(
      'warning',
      'claims-without-authentication',
      { resource, path: ['spec', 'http'] },
      `no RequestAuthentication validates tokens on Gateway ${server.gateway.name}: matches on claims find none there`,
      'add a RequestAuthentication that applies to the gateway',
    )
  }

  #drafts(service: BoundService, server: PlacedServer): readonly RouteDraft[] {
    const scope = { gateway: server.gateway.name, listed: service.listed, port: server.number }
    return this.#rules.drafts(service.resource, scope)
  }
}

function openHost(hosts: Map<string, OpenHost>, domain: string, port: number): OpenHost {
  const present = hosts.get(domain)
  if (present !== undefined) return present
  const open = { name: `${domain}:${port}`, port, drafts: [], httpsRedirect: false }
  hosts.set(domain, open)
  return open
}
