import type { FilterLayer } from '../filters/filter.ts'
import { isJsonObject, type JsonObject } from './envoy-filters-canonical.ts'

/** Protobuf merge: lists append, objects merge, everything else is replaced. */
export function mergeObjects(base: JsonObject, patch: JsonObject): JsonObject {
  const result: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(patch)) {
    const old = result[key]
    if (Array.isArray(old) && Array.isArray(value)) result[key] = [...old, ...value]
    else if (isJsonObject(old) && isJsonObject(value)) result[key] = mergeObjects(old, value)
    else result[key] = value
  }
  return result
}

/**
 * Layers for a route, in order of application. MERGE adds a layer; MERGE_AND_REPLACE_LIST first
 * takes out of the layers below every list that it brings itself.
 */
export function addLayer(
  layers: readonly FilterLayer[],
  layer: FilterLayer,
  operation: 'MERGE' | 'MERGE_AND_REPLACE_LIST',
): readonly FilterLayer[] {
  if (operation === 'MERGE') return [...layers, layer]
  const below = layers.map((old) => ({
    value: withoutLists(old.value, layer.value),
    origin: old.origin,
  }))
  return [...below, layer]
}

function withoutLists(value: JsonObject, replacing: JsonObject): JsonObject {
  const result: Record<string, unknown> = {}
  for (const [key, old] of Object.entries(value)) {
    const replacement = replacing[key]
    if (Array.isArray(old) && Array.isArray(replacement)) continue
    result[key] =
      isJsonObject(old) && isJsonObject(replacement) ? withoutLists(old, replacement) : old
  }
  return result
}
