import { canonicalFilterName } from './envoy-filters-canonical.ts'
import type { PatchSource } from './envoy-filters-patch.ts'
import { hasPort, type RouteScope } from './envoy-filters-scope.ts'

/** One condition of a patch: kept apart so that a patch that never matched can say why. */
export interface Condition {
  readonly path: readonly (string | number)[]
  /** What was asked for: `virtual host "bookinfo.com:80"`. */
  readonly wanted: string
  matches(scope: RouteScope): boolean
  /** What a route has to offer for this condition, to suggest from. */
  offers(scope: RouteScope): readonly string[]
}

/** Conditions of the `match` of an HTTP_FILTER patch on the listener. */
export function listenerConditions(source: PatchSource): Condition[] {
  const conditions = [contextCondition(source)]
  const listener = source.spec.match?.listener
  if (listener === undefined) return conditions
  const { portNumber, name } = listener
  if (portNumber !== undefined && portNumber !== 0) {
    conditions.push(portCondition(source, 'listener', portNumber))
  }
  if (name !== undefined && name !== '') {
    const port = Number(/_(\d+)$/.exec(name)?.[1] ?? Number.NaN)
    conditions.push({
      path: source.path('match', 'listener', 'name'),
      wanted: `listener "${name}"`,
      matches: (scope) => hasPort(scope, port),
      offers: (scope) => [`0.0.0.0_${scope.portNumber}`],
    })
  }
  const filter = listener.filterChain?.filter?.name
  if (filter !== undefined && canonicalFilterName(filter) !== HTTP_CONNECTION_MANAGER) {
    conditions.push({
      path: source.path('match', 'listener', 'filterChain', 'filter', 'name'),
      wanted: `network filter "${filter}"`,
      matches: () => false,
      offers: () => [HTTP_CONNECTION_MANAGER],
    })
  }
  return conditions
}

const HTTP_CONNECTION_MANAGER = 'envoy.filters.network.http_connection_manager'

/** Listener conditions that need more than a route knows: a patch with one is not applied. */
export function unsupportedListenerField(source: PatchSource): string | null {
  const listener = source.spec.match?.listener
  const chain = listener?.filterChain
  const fields: readonly (readonly [string, string | number | undefined])[] = [
    ['listener.portName', listener?.portName],
    ['listener.listenerFilter', listener?.listenerFilter],
    ['listener.filterChain.name', chain?.name],
    ['listener.filterChain.sni', chain?.sni],
    ['listener.filterChain.transportProtocol', chain?.transportProtocol],
    ['listener.filterChain.applicationProtocols', chain?.applicationProtocols],
    ['listener.filterChain.destinationPort', chain?.destinationPort],
    ['routeConfiguration.portName', source.spec.match?.routeConfiguration?.portName],
  ]
  for (const [field, value] of fields) {
    if (value !== undefined && value !== '' && value !== 0) return field
  }
  return null
}

/** Conditions of a VIRTUAL_HOST or HTTP_ROUTE patch. An empty name asks for nothing. */
export function routeConditions(source: PatchSource): Condition[] {
  const conditions = [contextCondition(source)]
  const wanted = source.spec.match?.routeConfiguration
  if (wanted === undefined) return conditions
  const base = ['match', 'routeConfiguration'] as const
  if (wanted.portNumber !== undefined && wanted.portNumber !== 0) {
    conditions.push(portCondition(source, 'routeConfiguration', wanted.portNumber))
  }
  const text = (
    steps: readonly string[],
    what: string,
    value: string | undefined,
    offers: (scope: RouteScope) => readonly string[],
  ): void => {
    if (value === undefined || value === '') return
    conditions.push({
      path: source.path(...base, ...steps),
      wanted: `${what} "${value}"`,
      matches: (scope) => offers(scope).includes(value),
      offers,
    })
  }
  text(['gateway'], 'gateway', wanted.gateway, (scope) => scope.gateways)
  text(['name'], 'route table', wanted.name, (scope) => [scope.routeTable])
  text(['vhost', 'name'], 'virtual host', wanted.vhost?.name, (scope) => [scope.virtualHostName])
  text(['vhost', 'domainName'], 'domain', wanted.vhost?.domainName, (scope) => scope.domains)
  if (source.spec.applyTo !== 'HTTP_ROUTE') return conditions
  const route = wanted.vhost?.route
  text(['vhost', 'route', 'name'], 'route', route?.name, (scope) => [scope.routeName])
  if (route?.action !== undefined && route.action !== 'ANY') {
    text(['vhost', 'route', 'action'], 'route action', route.action, (scope) => [scope.action])
  }
  return conditions
}

function contextCondition(source: PatchSource): Condition {
  const wanted = source.spec.match?.context ?? 'ANY'
  return {
    path: source.path('match', 'context'),
    wanted: `context ${wanted}`,
    matches: (scope) => wanted === 'ANY' || wanted === scope.context,
    offers: (scope) => [scope.context],
  }
}

function portCondition(
  source: PatchSource,
  where: 'listener' | 'routeConfiguration',
  port: number,
): Condition {
  return {
    path: source.path('match', where, 'portNumber'),
    wanted: `port ${port}`,
    matches: (scope) => hasPort(scope, port),
    offers: (scope) => [String(scope.portNumber)],
  }
}
