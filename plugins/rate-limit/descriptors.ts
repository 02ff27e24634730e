import {
  AbsentAction,
  type Action,
  DestinationClusterAction,
  GenericKeyAction,
  MaskedRemoteAddressAction,
  MatchAction,
  QueryParameterAction,
  RemoteAddressAction,
  RequestHeaderAction,
} from './actions.ts'
import type { FilterExchange, SettingOrigin } from '../../src/filters/filter.ts'
import type { Fields } from './fields.ts'
import { readHeaderMatcher, readQueryMatcher, type RequestMatcher } from './header-match.ts'
import { literal } from './literal.ts'

/** One `rate_limits` entry: makes at most one descriptor for a request. */
export class DescriptorRule {
  readonly actions: readonly Action[]
  readonly stage: number
  /** What one request adds to the counter. 0 looks without counting. */
  readonly hits: number
  /** Has a `disable_key`: local limits leave it out. */
  readonly isGlobalOnly: boolean
  readonly origin: SettingOrigin

  constructor(
    actions: readonly Action[],
    stage: number,
    hits: number,
    isGlobalOnly: boolean,
    origin: SettingOrigin,
  ) {
    this.actions = actions
    this.stage = stage
    this.hits = hits
    this.isGlobalOnly = isGlobalOnly
    this.origin = origin
  }

  /** Key, value, key, value; null when an action found nothing or all entries were left out. */
  describe(exchange: FilterExchange): string[] | null {
    const entries: string[] = []
    for (const action of this.actions) if (!action.append(exchange, entries)) return null
    return entries.length === 0 ? null : entries
  }

  /** As `describe`, for people: the entries as far as they were made, and what was absent. */
  trace(exchange: FilterExchange): DescriptorTrace {
    const entries: string[] = []
    const left: string[] = []
    for (const action of this.actions) {
      const before = entries.length
      if (!action.append(exchange, entries)) return { entries, failure: action.absence, left }
      if (entries.length === before) left.push(action.absence)
    }
    const failure = entries.length === 0 ? left.join(', ') : null
    return { entries, failure, left }
  }
}

export interface DescriptorTrace {
  /** Key, value, key, value. */
  readonly entries: readonly string[]
  /** Why there is no descriptor, or null. */
  readonly failure: string | null
  /** Why entries were left out that may be. */
  readonly left: readonly string[]
}

const MAX_STAGE = 10
const MAX_HITS = 1_000_000_000

/** Reads a `rate_limits` entry; null when it can never make a descriptor (which is reported). */
export function readDescriptorRule(fields: Fields): DescriptorRule | null {
  fields.refuseOthers('stage', 'actions', 'hitsAddend', 'disableKey', 'applyOnStreamDone')
  const errorsBefore = fields.findings.errors
  const stage = fields.integer('stage', 0, MAX_STAGE) ?? 0
  if (fields.boolean('applyOnStreamDone') === true) {
    return never(fields, 'applyOnStreamDone', 'apply_on_stream_done')
  }
  const addend = fields.object('hitsAddend')
  if (addend?.has('format')) return never(fields, 'hitsAddend', 'hits_addend.format')
  const hits = addend?.integer('number', 0, MAX_HITS) ?? 1
  const actions: Action[] = []
  let complete = true
  for (const item of fields.list('actions')) {
    const action = readAction(item)
    if (action === null) complete = false
    else actions.push(action)
  }
  if (actions.length === 0 && complete) fields.error('actions', 'a rate limit needs actions')
  if (!complete || fields.findings.errors > errorsBefore) return null
  const isGlobalOnly = (fields.string('disableKey') ?? '') !== ''
  return new DescriptorRule(
    actions,
    stage,
    hits,
    isGlobalOnly,
    fields.findings.originOf(fields.path),
  )
}

function never(fields: Fields, field: string, written: string): null {
  fields.findings.unsupported(
    [...fields.path, field],
    `${written} is not supported: this rate limit never applies`,
  )
  return null
}

type ActionReader = (fields: Fields) => Action | null

const READERS: Readonly<Record<string, ActionReader>> = {
  requestHeaders: readRequestHeaders,
  queryParameters: readQueryParameters,
  remoteAddress: () => new RemoteAddressAction(),
  maskedRemoteAddress: readMaskedRemoteAddress,
  genericKey: readGenericKey,
  destinationCluster: () => new DestinationClusterAction(),
  headerValueMatch: (fields) => readMatch(fields, 'headers', 'header_match', readHeaderMatcher),
  queryParameterValueMatch: (fields) =>
    readMatch(fields, 'queryParameters', 'query_match', readQueryMatcher),
  metadata: readMetadata,
}

function readAction(fields: Fields): Action | null {
  for (const name of fields.names) {
    const reader = READERS[name]
    const settings = reader === undefined ? null : fields.object(name)
    if (reader !== undefined && settings !== null) {
      return reader(settings)
    }
  }
  const name = fields.names[0] ?? 'none'
  fields.findings.unsupported(
    [...fields.path, name],
    `action ${name} is not supported: the rate limit it stands in never applies`,
    `Supported actions: ${Object.keys(READERS).join(', ')}.`,
  )
  return null
}

function readRequestHeaders(fields: Fields): Action | null {
  fields.refuseOthers('headerName', 'descriptorKey', 'skipIfAbsent')
  const header = required(fields, 'headerName')
  const key = required(fields, 'descriptorKey')
  if (header === null || key === null) return null
  return new RequestHeaderAction(literal(key), header, fields.boolean('skipIfAbsent') ?? false)
}

function readQueryParameters(fields: Fields): Action | null {
  fields.refuseOthers('queryParameterName', 'descriptorKey', 'skipIfAbsent')
  const parameter = required(fields, 'queryParameterName')
  const key = required(fields, 'descriptorKey')
  if (parameter === null || key === null) return null
  const optional = fields.boolean('skipIfAbsent') ?? false
  return new QueryParameterAction(literal(key), literal(parameter), optional)
}

function readMaskedRemoteAddress(fields: Fields): Action {
  fields.refuseOthers('v4PrefixMaskLen', 'v6PrefixMaskLen')
  return new MaskedRemoteAddressAction(
    fields.integer('v4PrefixMaskLen', 0, 32) ?? 32,
    fields.integer('v6PrefixMaskLen', 0, 128) ?? 128,
  )
}

function readGenericKey(fields: Fields): Action | null {
  fields.refuseOthers('descriptorKey', 'descriptorValue')
  const value = required(fields, 'descriptorValue')
  if (value === null) return null
  return new GenericKeyAction(
    literal(fields.string('descriptorKey') ?? 'generic_key'),
    literal(value),
  )
}

/** No filter here writes metadata: it is absent, and what stands for absence applies. */
function readMetadata(fields: Fields): Action | null {
  fields.refuseOthers('descriptorKey', 'metadataKey', 'defaultValue', 'source', 'skipIfAbsent')
  const key = required(fields, 'descriptorKey')
  if (key === null) return null
  const value = fields.string('defaultValue') ?? ''
  if (value !== '') return new GenericKeyAction(literal(key), literal(value))
  if (fields.boolean('skipIfAbsent') === true) return new AbsentAction(literal(key))
  fields.findings.unsupported(
    fields.path,
    'requests have no metadata here: without default_value or skip_if_absent the rate limit never applies',
    'Use request_headers, or set default_value.',
  )
  return null
}

function readMatch(
  fields: Fields,
  conditions: string,
  defaultKey: string,
  read: (fields: Fields) => RequestMatcher | null,
): Action | null {
  fields.refuseOthers('descriptorKey', 'descriptorValue', 'expectMatch', conditions)
  const value = required(fields, 'descriptorValue')
  const matchers: RequestMatcher[] = []
  for (const item of fields.list(conditions)) {
    const matcher = read(item)
    if (matcher === null) return null
    matchers.push(matcher)
  }
  if (matchers.length === 0) fields.error(conditions, 'at least one condition is needed')
  if (value === null || matchers.length === 0) return null
  const key = literal(fields.string('descriptorKey') ?? defaultKey)
  return new MatchAction(key, literal(value), matchers, fields.boolean('expectMatch') ?? true)
}

function required(fields: Fields, name: string): string | null {
  const value = fields.string(name)
  if (value !== null && value !== '') return value
  fields.error(name, `${name} is missing`)
  return null
}
