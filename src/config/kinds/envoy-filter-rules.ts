import type { Reporter } from '../reporter.ts'
import type { Resource } from '../resource.ts'
import type { ConfigPatchSpec, EnvoyFilterSpec } from './envoy-filter.ts'
import { checkSelector } from './label-rules.ts'
import { Place } from './place.ts'
import { checkRegex } from './string-match-rules.ts'
import type { ValidationOptions } from './validation-options.ts'

type MatchSpec = NonNullable<ConfigPatchSpec['match']>
type MatchObject = 'listener' | 'routeConfiguration' | 'cluster'

/** Which object of `match` says where a patch of this kind goes. */
const MATCH_OBJECT: Readonly<Record<string, MatchObject | null>> = {
  LISTENER: 'listener',
  FILTER_CHAIN: 'listener',
  NETWORK_FILTER: 'listener',
  HTTP_FILTER: 'listener',
  LISTENER_FILTER: 'listener',
  ROUTE_CONFIGURATION: 'routeConfiguration',
  VIRTUAL_HOST: 'routeConfiguration',
  HTTP_ROUTE: 'routeConfiguration',
  CLUSTER: 'cluster',
  EXTENSION_CONFIG: null,
  BOOTSTRAP: null,
}

const INSERTED: ReadonlySet<string> = new Set([
  'HTTP_FILTER',
  'NETWORK_FILTER',
  'LISTENER_FILTER',
  'HTTP_ROUTE',
])

/** Filter names of old Envoy releases. */
const RENAMED_FILTERS: Readonly<Record<string, string>> = {
  'envoy.router': 'envoy.filters.http.router',
  'envoy.rate_limit': 'envoy.filters.http.ratelimit',
  'envoy.http_connection_manager': 'envoy.filters.network.http_connection_manager',
  'envoy.tcp_proxy': 'envoy.filters.network.tcp_proxy',
}

export function validateEnvoyFilter(
  resource: Resource<EnvoyFilterSpec>,
  reporter: Reporter,
  options: ValidationOptions,
): void {
  const { spec } = resource
  const place = new Place(reporter, options, ['spec'])
  if (spec.workloadSelector !== undefined && (spec.targetRefs?.length ?? 0) > 0) {
    place.error('conflicting-fields', 'only one of targetRefs or workloadSelector can be set')
  }
  checkSelector(place.at('workloadSelector', 'labels'), spec.workloadSelector?.labels)
  place.each('targetRefs', spec.targetRefs, (target, at) => {
    for (const field of ['kind', 'name'] as const) {
      if ((target[field] ?? '') === '') at.at(field).error('missing-field', `${field} is required`)
    }
  })
  if ((spec.configPatches?.length ?? 0) === 0) {
    place
      .at('configPatches')
      .warning('envoy-filter-without-patches', 'the EnvoyFilter has no patches: it changes nothing')
  }
  place.each('configPatches', spec.configPatches, checkPatch)
}

function checkPatch(patch: ConfigPatchSpec, place: Place): void {
  const applyTo = patch.applyTo ?? 'INVALID'
  if (applyTo === 'INVALID') {
    place.at('applyTo').error('missing-field', 'Envoy filter: missing applyTo')
    return
  }
  checkOperation(place, applyTo, patch)
  if (patch.match !== undefined) checkMatch(place.at('match'), applyTo, patch.match)
}

function checkOperation(place: Place, applyTo: string, { patch, match }: ConfigPatchSpec): void {
  if (patch === undefined) {
    place.at('patch').error('missing-field', 'Envoy filter: missing patch')
    return
  }
  const operation = patch.operation ?? 'INVALID'
  const at = place.at('patch', 'operation')
  if (operation === 'INVALID') at.error('missing-field', 'Envoy filter: missing patch operation')
  if (operation !== 'REMOVE' && (patch.value === undefined || patch.value === null)) {
    place
      .at('patch', 'value')
      .error('missing-field', 'Envoy filter: missing patch value for non-remove operation')
  } else if (operation === 'REMOVE' && patch.value !== undefined && patch.value !== null) {
    place
      .at('patch', 'value')
      .warning('patch-value-unused', 'Envoy filter: REMOVE does not use the value')
  }
  if (operation.startsWith('INSERT_') && !INSERTED.has(applyTo)) {
    at.error(
      'invalid-patch-operation',
      `Envoy filter: ${operation} is applicable only to filters and routes, not to ${applyTo}`,
      'use ADD or MERGE',
    )
  }
  if (operation === 'ADD' && applyTo === 'HTTP_FILTER') {
    at.warning(
      'filter-after-router',
      'ADD puts an HTTP filter behind the router, where it never runs',
      'use INSERT_BEFORE with subFilter envoy.filters.http.router',
    )
  }
  const subFilter = match?.listener?.filterChain?.filter?.subFilter?.name ?? ''
  if (applyTo === 'HTTP_FILTER' && operation === 'INSERT_AFTER' && subFilter === '') {
    at.warning(
      'filter-after-router',
      'INSERT_AFTER without subFilter puts the filter last, behind the router, where it never runs',
      'use INSERT_BEFORE with subFilter envoy.filters.http.router',
    )
  }
}

function checkMatch(place: Place, applyTo: string, match: MatchSpec): void {
  const wanted = MATCH_OBJECT[applyTo]
  const objects = (['listener', 'routeConfiguration', 'cluster'] as const).filter(
    (object) => match[object] !== undefined,
  )
  for (const object of objects) {
    if (object === wanted) continue
    place
      .at(object)
      .error(
        'wrong-match-object',
        wanted === null || wanted === undefined
          ? `Envoy filter: applyTo ${applyTo} takes no ${object} match`
          : `Envoy filter: applyTo ${applyTo} must have a ${wanted} match, found ${object}`,
      )
  }
  const version = match.proxy?.proxyVersion ?? ''
  if (version !== '') checkRegex(place.at('proxy', 'proxyVersion'), version)
  const filter = match.listener?.filterChain?.filter
  const at = place.at('listener', 'filterChain', 'filter')
  if (filter !== undefined) {
    checkFilterName(at.at('name'), filter.name ?? '')
    checkFilterName(at.at('subFilter', 'name'), filter.subFilter?.name ?? '')
    if (filter.subFilter !== undefined && (filter.name ?? '') === '') {
      at.error(
        'missing-field',
        'Envoy filter: subfilter match requires filter match with a name',
        'name: envoy.filters.network.http_connection_manager',
      )
    }
  }
}

function checkFilterName(place: Place, name: string): void {
  const renamed = Object.hasOwn(RENAMED_FILTERS, name) ? RENAMED_FILTERS[name] : undefined
  if (renamed === undefined) return
  place.warning(
    'deprecated-value',
    `using deprecated filter name "${name}"; use "${renamed}" instead`,
    `write ${renamed}`,
  )
}
