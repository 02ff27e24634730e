import { STATUS_CODES } from 'node:http'
import type { FilterLayer, FilterSettings } from '../../src/filters/filter.ts'
import { type DescriptorRule, readDescriptorRule } from './descriptors.ts'
import { Fields, isJsonObject, type Findings } from './fields.ts'
import { Fraction, readFraction } from './fraction.ts'
import { literal } from './literal.ts'
import { readServiceReference, type ServiceReference } from './service/service-reference.ts'

/** The filter's own settings (Envoy extensions.filters.http.ratelimit.v3.RateLimit). */
export interface FilterConfig {
  readonly domain: string
  readonly stage: number
  /** 1 to MAX_TIMEOUT_MS */
  readonly timeoutMs: number
  /** Share of requests refused while the counters are out of reach. */
  readonly failureDeny: Fraction
  readonly statusOnError: number
  readonly rateLimitedStatus: number
  readonly enabled: Fraction
  readonly enforced: Fraction
  readonly xRateLimitHeaders: boolean
  readonly envoyRateLimitedHeader: boolean
  readonly retryAfterHeader: boolean
  /** gRPC callers get RESOURCE_EXHAUSTED instead of UNAVAILABLE. */
  readonly resourceExhausted: boolean
  /** Name, value, name, value: added to denials. */
  readonly responseHeaders: readonly AddedHeader[]
  /** Replaces what routes and virtual hosts say, when not empty. */
  readonly rules: readonly DescriptorRule[]
  /** `rate_limit_service`, or null. */
  readonly service: ServiceReference | null
}

/** One `HeaderValueOption` that can be applied. */
export interface AddedHeader {
  readonly name: string
  readonly value: string
  /** false: takes the place of a field of that name. */
  readonly append: boolean
}

const DEFAULT_TIMEOUT_MS = 20
/** What `timeout: 0s` (no limit in Envoy) and longer times mean here. */
const MAX_TIMEOUT_MS = 10_000

const REQUEST_TYPES = ['internal', 'external', 'both'] as const
const APPEND_ACTIONS = [
  'APPEND_IF_EXISTS_OR_ADD',
  'ADD_IF_ABSENT',
  'OVERWRITE_IF_EXISTS_OR_ADD',
  'OVERWRITE_IF_EXISTS',
] as const

/** Reads the filter's typed_config; null when it cannot be used (which is reported). */
export function readFilterConfig(layer: FilterLayer, findings: Findings): FilterConfig | null {
  const fields = new Fields(layer.value, [], findings)
  fields.refuseOthers(...KNOWN_FIELDS)
  const domain = fields.string('domain')
  if (domain === null || domain === '') fields.error('domain', 'domain is missing')
  const type = fields.enumeration('requestType', REQUEST_TYPES)
  if (type === 'internal') {
    findings.unsupported(
      ['requestType'],
      'request_type internal never applies: every request that reaches an edge comes from outside',
    )
  }
  noteMisplacedTimeout(fields)
  const config: FilterConfig = {
    domain: domain ?? '',
    stage: fields.integer('stage', 0, 10) ?? 0,
    timeoutMs: timeoutMs(fields.durationMs('timeout')),
    failureDeny:
      readFraction(fields, 'failureModeDenyPercent') ??
      new Fraction(fields.boolean('failureModeDeny') === true ? 1 : 0),
    statusOnError: readStatus(fields, 'statusOnError') ?? 500,
    rateLimitedStatus: atLeast400(readStatus(fields, 'rateLimitedStatus')),
    enabled: readFraction(fields, 'filterEnabled') ?? new Fraction(1),
    enforced: readFraction(fields, 'filterEnforced') ?? new Fraction(1),
    xRateLimitHeaders:
      fields.enumeration('enableXRatelimitHeaders', ['OFF', 'DRAFT_VERSION_03']) ===
      'DRAFT_VERSION_03',
    envoyRateLimitedHeader: fields.boolean('disableXEnvoyRatelimitedHeader') !== true,
    retryAfterHeader: fields.boolean('enableRetryAfterHeader') !== false,
    resourceExhausted: fields.boolean('rateLimitedAsResourceExhausted') === true,
    responseHeaders: readHeaders(fields, 'responseHeadersToAdd'),
    rules: readRules(fields, 'rateLimits'),
    service: readServiceReference(fields),
  }
  return findings.errors > 0 || type === 'internal' ? null : config
}

const KNOWN_FIELDS = [
  'domain',
  'stage',
  'requestType',
  'timeout',
  'failureModeDeny',
  'failureModeDenyPercent',
  'rateLimitedAsResourceExhausted',
  'rateLimitService',
  'enableXRatelimitHeaders',
  'disableXEnvoyRatelimitedHeader',
  'rateLimitedStatus',
  'responseHeadersToAdd',
  'statusOnError',
  'statPrefix',
  'filterEnabled',
  'filterEnforced',
  'enableRetryAfterHeader',
  'rateLimits',
] as const

/** Old Istio guides put the timeout where the filter never looks. */
function noteMisplacedTimeout(fields: Fields): void {
  const grpc = fields.object('rateLimitService')?.object('grpcService')
  if (!grpc?.has('timeout') || fields.has('timeout')) return
  fields.findings.warning(
    'rate-limit-timeout-misplaced',
    grpc.path,
    'the timeout under grpc_service has no effect: a check may take 20 ms',
    'Write timeout beside domain.',
  )
}

function timeoutMs(written: number | null): number {
  if (written === null) return DEFAULT_TIMEOUT_MS
  return written === 0 ? MAX_TIMEOUT_MS : Math.min(Math.max(1, Math.ceil(written)), MAX_TIMEOUT_MS)
}

/** HttpStatus {code}: a number, or Envoy's name for it (`TooManyRequests`). */
export function readStatus(fields: Fields, name: string): number | null {
  const status = fields.object(name)
  const named = status === null ? undefined : STATUS_BY_NAME.get(status.text('code'))
  if (status === null || named !== undefined) return named ?? null
  const code = status.integer('code', 0, 599)
  return code === 0 ? null : code
}

const STATUS_BY_NAME: ReadonlyMap<string, number> = new Map(
  Object.entries(STATUS_CODES).map(([code, words]) => [
    (words ?? '').replace(/[^A-Za-z]/g, ''),
    Number(code),
  ]),
)

/** Envoy takes a status below 400 for a mistake. */
export function atLeast400(status: number | null): number {
  return status === null || status < 400 ? 429 : status
}

export function readHeaders(fields: Fields, name: string): readonly AddedHeader[] {
  const headers: AddedHeader[] = []
  for (const item of fields.list(name)) {
    const header = item.object('header')
    const key = header?.string('key') ?? null
    if (key === null || !/^[!#$%&'*+.^_`|~0-9a-zA-Z-]+$/.test(key)) {
      item.error('header', 'header.key must be a header name')
      continue
    }
    const value = header?.string('value') ?? ''
    if (!isFieldValue(value)) {
      item.error('header', 'header.value must not hold control characters')
      continue
    }
    if (/%[^%]*%/.test(value.replaceAll('%%', ''))) {
      item.findings.unsupported(
        [...item.path, 'header', 'value'],
        'command operators in response_headers_to_add are not supported: the value is sent as written',
      )
    }
    const action = item.enumeration('appendAction', APPEND_ACTIONS)
    const append =
      action === null
        ? item.boolean('append') !== false
        : action === 'APPEND_IF_EXISTS_OR_ADD' || action === 'ADD_IF_ABSENT'
    if (action === 'OVERWRITE_IF_EXISTS') continue
    headers.push({ name: key.toLowerCase(), value: literal(value.replaceAll('%%', '%')), append })
  }
  return headers
}

/** No control characters, which would end a field line. */
export function isFieldValue(text: string): boolean {
  for (const character of text) {
    if ((character < ' ' && character !== '\t') || character === '\x7f') return false
  }
  return true
}

/** Entries that can never make a descriptor are left out. */
export function readRules(fields: Fields, name: string): readonly DescriptorRule[] {
  return fields
    .list(name)
    .map(readDescriptorRule)
    .filter((rule) => rule !== null)
}

/** How virtual host and route say `rate_limits` for this filter. */
export interface RouteRules {
  readonly rules: readonly DescriptorRule[]
  /** null: the filter's own. */
  readonly domain: string | null
}

export type FindingsFor = (layer: FilterLayer) => Findings

/**
 * Which `rate_limits` apply to a route: the per-route message's, else the filter's, else the
 * route's, with the virtual host's when the route has none or asks for both.
 */
export function readRouteRules(
  settings: FilterSettings,
  config: FilterConfig,
  findingsFor: FindingsFor,
): RouteRules {
  const perRoute = readPerRoute(settings, findingsFor)
  const domain = perRoute?.domain ?? null
  if (perRoute !== null && perRoute.rules.length > 0) return { rules: perRoute.rules, domain }
  if (config.rules.length > 0) return { rules: config.rules, domain }
  return {
    rules: inheritedRules(settings, perRoute?.virtualHost ?? 'OVERRIDE', findingsFor),
    domain,
  }
}

/** The `rate_limits` of the route, with the virtual host's when it has none or asks for both. */
export function inheritedRules(
  settings: FilterSettings,
  mode: VirtualHostMode,
  findingsFor: FindingsFor,
): readonly DescriptorRule[] {
  const route = layeredRules(settings.route, routeAction, findingsFor)
  const include =
    mode === 'INCLUDE' ||
    settings.route.some((layer) => routeAction(layer)['includeVhRateLimits'] === true)
  if (!include && (mode === 'IGNORE' || route.written)) return route.rules
  const virtualHost = layeredRules(settings.virtualHost, (layer) => layer.value, findingsFor)
  return [...route.rules, ...virtualHost.rules]
}

function routeAction(layer: FilterLayer): Readonly<Record<string, unknown>> {
  const action = layer.value['route']
  return isJsonObject(action) ? action : {}
}

interface LayeredRules {
  readonly rules: readonly DescriptorRule[]
  /** Some layer has entries, usable or not. */
  readonly written: boolean
}

function layeredRules(
  layers: readonly FilterLayer[],
  holder: (layer: FilterLayer) => Readonly<Record<string, unknown>>,
  findingsFor: FindingsFor,
): LayeredRules {
  const rules: DescriptorRule[] = []
  let written = false
  for (const layer of layers) {
    const value = holder(layer)
    const list = value['rateLimits']
    if (list === undefined || list === null) continue
    if (!Array.isArray(list) || list.length > 0) written = true
    const path = value === layer.value ? [] : ['route']
    rules.push(...readRules(new Fields(value, path, findingsFor(layer)), 'rateLimits'))
  }
  return { rules, written }
}

const PER_ROUTE = 'envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute'
export const VH_RATE_LIMITS = ['OVERRIDE', 'INCLUDE', 'IGNORE'] as const
export type VirtualHostMode = (typeof VH_RATE_LIMITS)[number]

interface PerRoute {
  readonly rules: readonly DescriptorRule[]
  readonly domain: string | null
  readonly virtualHost: VirtualHostMode
}

/** The most specific `typed_per_filter_config` entry: the route's, else the virtual host's. */
function readPerRoute(settings: FilterSettings, findingsFor: FindingsFor): PerRoute | null {
  for (const layer of [...settings.route.toReversed(), ...settings.virtualHost.toReversed()]) {
    const byName = layer.value['typedPerFilterConfig']
    const value = isJsonObject(byName) ? byName[settings.filterName] : undefined
    if (!isJsonObject(value)) continue
    const findings = findingsFor(layer)
    const path = ['typedPerFilterConfig', settings.filterName]
    if (value['@type'] !== PER_ROUTE) {
      findings.unsupported(
        path,
        `type ${String(value['@type'])} is not supported here`,
        `Use ${PER_ROUTE}.`,
      )
      continue
    }
    const fields = new Fields(value, path, findings)
    fields.refuseOthers('@type', 'vhRateLimits', 'rateLimits', 'domain')
    const domain = fields.string('domain')
    return {
      rules: readRules(fields, 'rateLimits'),
      domain: domain === '' ? null : domain,
      virtualHost: fields.enumeration('vhRateLimits', VH_RATE_LIMITS) ?? 'OVERRIDE',
    }
  }
  return null
}
