import type { ConfigPatchSpec, EnvoyFilterSpec } from '../config/kinds/envoy-filter.ts'
import type { Resource } from '../config/resource.ts'
import type { FilterFactory, FilterLayer, SettingOrigin } from '../filters/filter.ts'
import {
  canonicalFilterName,
  canonicalObject,
  isJsonObject,
  type JsonObject,
  typedConfig,
} from './envoy-filters-canonical.ts'
import type { SelectedFilter } from './envoy-filters-select.ts'
import { hintForField, hintForFilter, hintForTarget } from './envoy-filters-unsupported.ts'

/** One entry of `configPatches`, and where it stands. */
export class PatchSource {
  readonly resource: Resource<EnvoyFilterSpec>
  readonly index: number
  readonly spec: ConfigPatchSpec
  readonly identities: ReadonlySet<number> | null

  constructor(filter: SelectedFilter, index: number, spec: ConfigPatchSpec) {
    this.resource = filter.resource
    this.identities = filter.identities
    this.index = index
    this.spec = spec
  }

  path(...steps: (string | number)[]): readonly (string | number)[] {
    return ['spec', 'configPatches', this.index, ...steps]
  }

  origin(...steps: (string | number)[]): SettingOrigin {
    const { kind, metadata, location } = this.resource
    const path = this.path(...steps)
    return {
      kind,
      namespace: metadata.namespace,
      name: metadata.name,
      path,
      file: location.file,
      line: location.lineOf(path),
    }
  }
}

type HttpFilterOperation =
  'ADD' | 'INSERT_FIRST' | 'INSERT_BEFORE' | 'INSERT_AFTER' | 'REPLACE' | 'REMOVE' | 'MERGE'

export interface HttpFilterPatch {
  readonly type: 'http-filter'
  readonly source: PatchSource
  readonly operation: HttpFilterOperation
  /** Canonical `subFilter.name`, or null. */
  readonly anchor: string | null
  /** Canonical name of the filter it brings; '' for REMOVE and a MERGE that does not rename. */
  readonly filterName: string
  /** null: no factory implements the type; it still stands in the chain as an anchor. */
  readonly factory: FilterFactory | null
  readonly layer: FilterLayer | null
}

export interface RoutePatch {
  readonly type: 'route'
  readonly source: PatchSource
  readonly target: 'VIRTUAL_HOST' | 'HTTP_ROUTE'
  readonly operation: 'MERGE' | 'MERGE_AND_REPLACE_LIST'
  readonly layer: FilterLayer
}

/** A cluster that an EnvoyFilter adds: fine as long as only filters of ours name it. */
export interface ClusterPatch {
  readonly type: 'cluster'
  readonly source: PatchSource
  readonly name: string
  /** The cluster, in lowerCamelCase. */
  readonly value: JsonObject
}

export type Patch = HttpFilterPatch | RoutePatch | ClusterPatch

/** Says that a part of a patch is not applied. */
export type ReportUnsupported = (
  source: PatchSource,
  steps: readonly (string | number)[],
  message: string,
  hint: string,
) => void

/** Reads one patch; what is not supported is reported and gives null. */
export function readPatch(
  source: PatchSource,
  factories: readonly FilterFactory[],
  unsupported: ReportUnsupported,
): Patch | null {
  switch (source.spec.applyTo) {
    case 'HTTP_FILTER':
      return readHttpFilter(source, factories, unsupported)
    case 'VIRTUAL_HOST':
    case 'HTTP_ROUTE':
      return readRoutePatch(source, source.spec.applyTo, unsupported)
    case 'CLUSTER':
      return readCluster(source, unsupported)
    default: {
      const applyTo = source.spec.applyTo ?? 'INVALID'
      unsupported(source, ['applyTo'], `${applyTo} patches are not applied`, hintForTarget(applyTo))
      return null
    }
  }
}

const HTTP_FILTER_OPERATIONS: readonly string[] = [
  'ADD',
  'INSERT_FIRST',
  'INSERT_BEFORE',
  'INSERT_AFTER',
  'REPLACE',
  'REMOVE',
  'MERGE',
] satisfies HttpFilterOperation[]

function isHttpFilterOperation(text: string): text is HttpFilterOperation {
  return HTTP_FILTER_OPERATIONS.includes(text)
}

function readHttpFilter(
  source: PatchSource,
  factories: readonly FilterFactory[],
  unsupported: ReportUnsupported,
): HttpFilterPatch | null {
  const operation = source.spec.patch?.operation ?? 'INVALID'
  if (!isHttpFilterOperation(operation)) {
    unsupported(
      source,
      ['patch', 'operation'],
      `operation ${operation} is not applied to HTTP filters`,
      `Use one of ${HTTP_FILTER_OPERATIONS.join(', ')}.`,
    )
    return null
  }
  const written = source.spec.match?.listener?.filterChain?.filter?.subFilter?.name
  const anchor = written === undefined ? null : canonicalFilterName(written)
  if ((operation === 'REPLACE' || operation === 'REMOVE') && anchor === null) {
    unsupported(
      source,
      ['match'],
      `${operation} without subFilter names no filter and does nothing`,
      'Name the filter in match.listener.filterChain.filter.subFilter.name.',
    )
    return null
  }
  if (operation === 'REMOVE') {
    return {
      type: 'http-filter',
      source,
      operation,
      anchor,
      filterName: '',
      factory: null,
      layer: null,
    }
  }
  return readFilterValue(source, operation, anchor, factories, unsupported)
}

function readFilterValue(
  source: PatchSource,
  operation: HttpFilterOperation,
  anchor: string | null,
  factories: readonly FilterFactory[],
  unsupported: ReportUnsupported,
): HttpFilterPatch | null {
  const value = objectValue(source, unsupported)
  if (value === null) return null
  const written = value['name']
  const filterName = typeof written === 'string' ? canonicalFilterName(written) : ''
  const typed = typedConfig(value['typedConfig'] ?? value['typed_config'])
  if (typed === null || value['disabled'] === true) {
    unsupported(
      source,
      ['patch', 'value'],
      value['disabled'] === true
        ? 'HTTP filters that start disabled are not supported'
        : `HTTP filter "${filterName}" has no typed_config with an @type`,
      'Write typed_config with the @type of the filter.',
    )
    return null
  }
  const factory = factories.find((candidate) => candidate.typeUrls.includes(typed.typeUrl)) ?? null
  if (factory === null) {
    unsupported(
      source,
      ['patch', 'value', 'typed_config'],
      `HTTP filter type ${typed.typeUrl} is not supported`,
      hintForFilter(typed.typeUrl),
    )
  }
  const layer = { value: typed.value, origin: source.origin('patch', 'value', 'typed_config') }
  return { type: 'http-filter', source, operation, anchor, filterName, factory, layer }
}

function readRoutePatch(
  source: PatchSource,
  target: 'VIRTUAL_HOST' | 'HTTP_ROUTE',
  unsupported: ReportUnsupported,
): RoutePatch | null {
  const operation = source.spec.patch?.operation
  if (operation !== 'MERGE' && operation !== 'MERGE_AND_REPLACE_LIST') {
    unsupported(
      source,
      ['patch', 'operation'],
      `operation ${operation ?? 'INVALID'} is not applied to a ${target}`,
      'Use MERGE or MERGE_AND_REPLACE_LIST here, and VirtualService to add or remove routes.',
    )
    return null
  }
  const raw = objectValue(source, unsupported)
  if (raw === null) return null
  const value = canonicalObject(raw)
  const known = target === 'VIRTUAL_HOST' ? pickVirtualHost(value) : pickRoute(value)
  for (const field of known.unknown) {
    unsupported(
      source,
      ['patch', 'value'],
      `field ${field} of a ${target} is not applied`,
      hintForField(field.slice(field.lastIndexOf('.') + 1)),
    )
  }
  if (Object.keys(known.value).length === 0) return null
  return {
    type: 'route',
    source,
    target,
    operation,
    layer: { value: known.value, origin: source.origin('patch', 'value') },
  }
}

interface Picked {
  readonly value: JsonObject
  readonly unknown: readonly string[]
}

function pickVirtualHost(value: JsonObject): Picked {
  return pick(value, ['rateLimits', 'typedPerFilterConfig'], '')
}

function pickRoute(value: JsonObject): Picked {
  const top = pick(value, ['route', 'typedPerFilterConfig'], '')
  const action = top.value['route']
  if (!isJsonObject(action)) return top
  const inner = pick(action, ['rateLimits', 'includeVhRateLimits'], 'route.')
  const { route: _, ...rest } = top.value
  return {
    value: Object.keys(inner.value).length === 0 ? rest : { ...rest, route: inner.value },
    unknown: [...top.unknown, ...inner.unknown],
  }
}

function pick(value: JsonObject, fields: readonly string[], prefix: string): Picked {
  const kept: Record<string, unknown> = {}
  const unknown: string[] = []
  for (const [field, item] of Object.entries(value)) {
    if (fields.includes(field)) kept[field] = item
    else unknown.push(prefix + field)
  }
  return { value: kept, unknown }
}

function readCluster(source: PatchSource, unsupported: ReportUnsupported): ClusterPatch | null {
  const value = source.spec.patch?.value
  const name = isJsonObject(value) ? value['name'] : null
  if (source.spec.patch?.operation === 'ADD' && isJsonObject(value) && typeof name === 'string') {
    return { type: 'cluster', source, name, value: canonicalObject(value) }
  }
  unsupported(source, ['applyTo'], 'CLUSTER patches are not applied', hintForTarget('CLUSTER'))
  return null
}

function objectValue(source: PatchSource, unsupported: ReportUnsupported): JsonObject | null {
  const value = source.spec.patch?.value
  if (isJsonObject(value)) return value
  unsupported(source, ['patch'], 'the patch has no value', 'Write patch.value.')
  return null
}
