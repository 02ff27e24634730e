import { shortList } from '../text-table.ts'
import type {
  ConfigDump,
  DumpedCondition,
  DumpedMatch,
  DumpedMatcher,
  DumpedRoute,
  DumpedTable,
} from './dump.ts'
import { isWanted, type Selection } from './selection.ts'

/** A route table as `/config_dump` has it, with the ports it serves; `egress.8080` for the egress proxy. */
export type RouteEntry = DumpedTable & { readonly ports: readonly number[] }

export const ROUTE_TITLES = ['NAME', 'VHOST NAME', 'DOMAINS', 'MATCH', 'VIRTUAL SERVICE']

export function routeEntries(
  dump: ConfigDump,
  { name, fqdn, port }: Selection,
): readonly RouteEntry[] {
  return tablesOf(dump)
    .filter((table) => isWanted(name, table.name) && (port === null || table.ports.includes(port)))
    .flatMap((table) => {
      if (fqdn === null) return [table]
      const virtualHosts = table.virtualHosts.filter(({ domains }) => domains.includes(fqdn))
      return virtualHosts.length === 0 ? [] : [{ ...table, virtualHosts }]
    })
}

function tablesOf({ listeners = [], routes = [], egress }: ConfigDump): readonly RouteEntry[] {
  const tables = routes.map((table) => {
    const serving = listeners.filter(
      ({ routeTable, chains }) =>
        routeTable === table.name || chains.some((chain) => chain.routeTable === table.name),
    )
    return { ...table, ports: serving.flatMap(({ gatewayPorts }) => gatewayPorts) }
  })
  if (egress === undefined) return tables
  const unknown = { name: 'egress', ports: [], virtualHosts: [egress.unknownHost] }
  const known = egress.http.map(({ port, virtualHosts }) => ({
    name: `egress.${port}`,
    ports: [port],
    virtualHosts,
  }))
  const others = (egress.clients ?? []).flatMap(({ namespaces, http }) =>
    http.map(({ port, virtualHosts }) => ({
      name: `egress.${port} from ${shortList(namespaces, MAX_DOMAINS)}`,
      ports: [port],
      virtualHosts,
    })),
  )
  return [...tables, ...known, ...others, unknown]
}

const MAX_DOMAINS = 2

export function routeRows(entries: readonly RouteEntry[]): readonly (readonly string[])[] {
  return entries.flatMap((table) =>
    table.virtualHosts.flatMap((virtualHost) => {
      const start = [table.name, virtualHost.name, shortList(virtualHost.domains, MAX_DOMAINS)]
      if (virtualHost.routes.length === 0) return [[...start, '', '404']]
      return virtualHost.routes.map((route) => [...start, matchText(route.match), ownerText(route)])
    }),
  )
}

/** `reviews.default`, as istioctl writes it; what the gateway makes by itself says what it is. */
function ownerText({ origin, action }: DumpedRoute): string {
  if (origin.kind === 'VirtualService') return `${origin.name}.${origin.namespace}`
  if (origin.namespace !== '') return `${origin.kind} ${origin.name}.${origin.namespace}`
  return action.type
}

function matchText(match: DumpedMatch | null): string {
  if (match === null) return '/*'
  const { uri, method, scheme, authority, headers, withoutHeaders, queryParams } = match
  const parts = [
    uri === null ? '/*' : matcherText(uri),
    method === null ? null : matcherText(method),
    scheme === null ? null : `scheme ${matcherText(scheme)}`,
    authority === null ? null : `authority ${matcherText(authority)}`,
    ...headers.map((one) => `header ${conditionText(one)}`),
    ...withoutHeaders.map((one) => `without header ${conditionText(one)}`),
    ...queryParams.map((one) => `query ${conditionText(one)}`),
  ]
  return parts.filter((part) => part !== null).join(', ')
}

function conditionText({ name, match }: DumpedCondition): string {
  if (match === null || Object.hasOwn(match, 'present')) return name
  return `${name}=${matcherText(match)}`
}

/** `/static*`, `~regex`, `/exact` */
function matcherText(matcher: DumpedMatcher): string {
  const [kind = '', text = ''] = Object.entries(matcher)[0] ?? []
  if (kind === 'prefix') return `${text}*`
  return kind === 'regex' ? `~${text}` : text
}
