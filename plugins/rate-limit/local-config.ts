import type { FilterLayer, FilterSettings } from '../../src/filters/filter.ts'
import {
  type AddedHeader,
  atLeast400,
  type FindingsFor,
  inheritedRules,
  readHeaders,
  readRules,
  readStatus,
  VH_RATE_LIMITS,
  type VirtualHostMode,
} from './config.ts'
import type { DescriptorRule } from './descriptors.ts'
import { Fields, type Findings, isJsonObject } from './fields.ts'
import { Fraction, readFraction } from './fraction.ts'
import { GCRA, type Quota } from './limit-check.ts'
import { literal } from './literal.ts'

export const LOCAL_RATE_LIMIT = 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit'

/** Buckets for requests that make exactly these entries. */
export interface LocalDescriptor {
  /** Key, value, key, value; an empty value stands for any, each with a bucket of its own. */
  readonly entries: readonly string[]
  readonly quota: Quota
  readonly shadowMode: boolean
}

/** Envoy's local rate limit (LocalRateLimit), with its bucket. */
export interface LocalConfig {
  readonly stage: number
  readonly quota: Quota
  readonly status: number
  readonly enabled: Fraction
  readonly enforced: Fraction
  readonly resourceExhausted: boolean
  readonly xRateLimitHeaders: boolean
  readonly perConnection: boolean
  readonly alwaysConsumeDefault: boolean
  readonly responseHeaders: readonly AddedHeader[]
  /** Added to the request when it is over and let through. */
  readonly requestHeaders: readonly AddedHeader[]
  /** Slowest fill first. */
  readonly descriptors: readonly LocalDescriptor[]
  readonly rules: readonly DescriptorRule[]
}

const KNOWN_FIELDS = [
  '@type',
  'statPrefix',
  'status',
  'tokenBucket',
  'filterEnabled',
  'filterEnforced',
  'requestHeadersToAddWhenNotEnforced',
  'responseHeadersToAdd',
  'descriptors',
  'stage',
  'localRateLimitPerDownstreamConnection',
  'enableXRatelimitHeaders',
  'vhRateLimits',
  'alwaysConsumeDefaultTokenBucket',
  'rateLimitedAsResourceExhausted',
  'rateLimits',
  'maxDynamicDescriptors',
] as const

/** Envoy's bounds: shorter intervals, and buckets of more than a uint32, are refused. */
const MIN_FILL_MS = 50
const MAX_TOKENS = 0xffffffff
const MAX_STAGE = 10
const MAX_DESCRIPTORS = 1000

/**
 * The message that holds for a route (its own, else the virtual host's, else the filter's) with the
 * layer it comes from. A filter without token_bucket only stands ready for such messages: null.
 */
export function readLocalConfig(
  settings: FilterSettings,
  findingsFor: FindingsFor,
): { readonly config: LocalConfig; readonly layer: FilterLayer } | null {
  const { layer, value, path } = effectiveMessage(settings, findingsFor)
  const findings = findingsFor(layer)
  const fields = new Fields(value, path, findings)
  if (layer === settings.listener && !fields.has('tokenBucket')) {
    fields.refuseOthers(...KNOWN_FIELDS)
    return null
  }
  const errorsBefore = findings.errors
  const config = readMessage(fields, settings, findingsFor)
  return config === null || findings.errors > errorsBefore ? null : { config, layer }
}

function effectiveMessage(
  settings: FilterSettings,
  findingsFor: FindingsFor,
): {
  readonly layer: FilterLayer
  readonly value: FilterLayer['value']
  readonly path: readonly (string | number)[]
} {
  for (const layer of [...settings.route.toReversed(), ...settings.virtualHost.toReversed()]) {
    const byName = layer.value['typedPerFilterConfig']
    const value = isJsonObject(byName) ? byName[settings.filterName] : undefined
    if (!isJsonObject(value)) continue
    const path = ['typedPerFilterConfig', settings.filterName]
    if (value['@type'] === LOCAL_RATE_LIMIT) return { layer, value, path }
    findingsFor(layer).unsupported(
      path,
      `type ${String(value['@type'])} is not supported here`,
      `Use ${LOCAL_RATE_LIMIT}.`,
    )
  }
  return { layer: settings.listener, value: settings.listener.value, path: [] }
}

function readMessage(
  fields: Fields,
  settings: FilterSettings,
  findingsFor: FindingsFor,
): LocalConfig | null {
  fields.refuseOthers(...KNOWN_FIELDS)
  const quota = readBucket(fields)
  if (quota === null) return null
  const mode: VirtualHostMode = fields.enumeration('vhRateLimits', VH_RATE_LIMITS) ?? 'OVERRIDE'
  const stage = fields.integer('stage', 0, MAX_STAGE) ?? 0
  const enabled = readFraction(fields, 'filterEnabled')
  if (enabled === null) noteSilent(fields.findings, fields.path)
  const own = readRules(fields, 'rateLimits')
  const rules = own.length > 0 ? own : inheritedRules(settings, mode, findingsFor)
  return {
    stage,
    quota,
    status: atLeast400(readStatus(fields, 'status')),
    enabled: enabled ?? new Fraction(0),
    enforced: readFraction(fields, 'filterEnforced') ?? new Fraction(0),
    resourceExhausted: fields.boolean('rateLimitedAsResourceExhausted') === true,
    xRateLimitHeaders:
      fields.enumeration('enableXRatelimitHeaders', ['OFF', 'DRAFT_VERSION_03']) ===
      'DRAFT_VERSION_03',
    perConnection: fields.boolean('localRateLimitPerDownstreamConnection') === true,
    alwaysConsumeDefault: fields.boolean('alwaysConsumeDefaultTokenBucket') !== false,
    responseHeaders: readHeaders(fields, 'responseHeadersToAdd'),
    requestHeaders: readHeaders(fields, 'requestHeadersToAddWhenNotEnforced'),
    descriptors: readDescriptors(fields, quota),
    rules: rules.filter((rule) => rule.stage === stage && !rule.isGlobalOnly),
  }
}

function noteSilent(findings: Findings, path: readonly (string | number)[]): void {
  findings.warning(
    'rate-limit-never-enabled',
    path,
    'filter_enabled is absent, which means 0 %: nothing is counted',
    'Write filter_enabled and filter_enforced with default_value { numerator: 100 }.',
  )
}

function readBucket(fields: Fields): Quota | null {
  const bucket = fields.object('tokenBucket')
  if (bucket === null) {
    fields.error('tokenBucket', 'token_bucket is missing')
    return null
  }
  bucket.refuseOthers('maxTokens', 'tokensPerFill', 'fillInterval')
  const errorsBefore = fields.findings.errors
  const burst = bucket.integer('maxTokens', 1, MAX_TOKENS)
  const limit = bucket.integer('tokensPerFill', 1, MAX_TOKENS) ?? 1
  const periodMs = bucket.durationMs('fillInterval')
  if (fields.findings.errors > errorsBefore) return null
  if (burst === null) bucket.error('maxTokens', 'max_tokens is missing')
  if (periodMs === null) bucket.error('fillInterval', 'fill_interval is missing')
  else if (periodMs < MIN_FILL_MS) {
    bucket.error('fillInterval', `fill_interval must be at least ${MIN_FILL_MS} ms`)
  }
  if (fields.findings.errors > errorsBefore || burst === null || periodMs === null) return null
  return { algorithm: GCRA, limit, periodMs: Math.round(periodMs), burst }
}

function readDescriptors(fields: Fields, shared: Quota): readonly LocalDescriptor[] {
  const found: LocalDescriptor[] = []
  const seen = new Set<string>()
  for (const item of fields.list('descriptors').slice(0, MAX_DESCRIPTORS)) {
    item.refuseOthers('entries', 'tokenBucket', 'shadowMode')
    const entries = item.list('entries').flatMap((entry) => {
      const key = entry.string('key') ?? ''
      if (key === '') entry.error('key', 'an entry needs a key')
      return [literal(key), literal(entry.string('value') ?? '')]
    })
    if (entries.length === 0) item.error('entries', 'a descriptor needs entries')
    const identity = JSON.stringify(entries)
    if (seen.has(identity)) item.error('entries', 'two descriptors have the same entries')
    seen.add(identity)
    const quota = readBucket(item)
    if (quota === null) continue
    if (quota.periodMs % shared.periodMs !== 0) {
      item.findings.unsupported(
        [...item.path, 'tokenBucket', 'fillInterval'],
        "Envoy refuses a fill_interval that is no multiple of the filter's own; here it is applied",
      )
    }
    found.push({ entries, quota, shadowMode: item.boolean('shadowMode') === true })
  }
  return found.toSorted((left, right) => rate(left.quota) - rate(right.quota))
}

function rate({ limit, periodMs }: Quota): number {
  return limit / periodMs
}
