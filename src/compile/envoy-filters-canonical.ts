/** Any JSON object of configuration. */
export type JsonObject = Readonly<Record<string, unknown>>

/** A message with its type, both spellings of Any unwrapped. */
export interface TypedConfig {
  /** Without `type.googleapis.com/`. */
  readonly typeUrl: string
  /** lowerCamelCase fields, without `@type`. */
  readonly value: JsonObject
}

/** Deeper values are cut off: no Envoy message nests like this, and aliases may make a loop. */
const MAX_DEPTH = 64

const SNAKE_CASE = /^[a-z][a-z0-9]*(?:_[a-z0-9]+)+$/

const TYPED_STRUCTS = new Set(['udpa.type.v1.TypedStruct', 'xds.type.v3.TypedStruct'])

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Protobuf JSON in one form: field names in lowerCamelCase, values untouched. The keys of
 * `typed_per_filter_config` are filter names and stay, its values are unwrapped and keep `@type`.
 */
export function canonicalObject(value: JsonObject): JsonObject {
  return convertObject(value, 0)
}

/** Reads an Any: `@type` beside the fields, or TypedStruct around them; null when it has no type. */
export function typedConfig(value: unknown): TypedConfig | null {
  return readTyped(value, 0)
}

function readTyped(value: unknown, depth: number): TypedConfig | null {
  if (!isJsonObject(value)) return null
  const typeUrl = shortTypeUrl(value['@type'])
  if (typeUrl === null) return null
  if (!TYPED_STRUCTS.has(typeUrl)) {
    return { typeUrl, value: withoutType(convertObject(value, depth)) }
  }
  const inner = shortTypeUrl(value['type_url'] ?? value['typeUrl'])
  const fields = value['value'] ?? {}
  if (inner === null || !isJsonObject(fields)) return null
  return { typeUrl: inner, value: withoutType(convertObject(fields, depth)) }
}

/** Legacy names of Envoy's filters, as old EnvoyFilters still write them. */
const LEGACY_NAMES: Readonly<Record<string, string>> = {
  'envoy.http_connection_manager': 'envoy.filters.network.http_connection_manager',
  'envoy.router': 'envoy.filters.http.router',
  'envoy.cors': 'envoy.filters.http.cors',
  'envoy.fault': 'envoy.filters.http.fault',
  'envoy.rate_limit': 'envoy.filters.http.ratelimit',
  'envoy.ratelimit': 'envoy.filters.http.ratelimit',
  'envoy.grpc_web': 'envoy.filters.http.grpc_web',
  'envoy.lua': 'envoy.filters.http.lua',
  'envoy.ext_authz': 'envoy.filters.http.ext_authz',
}

export function canonicalFilterName(name: string): string {
  return LEGACY_NAMES[name] ?? name
}

function convertObject(object: JsonObject, depth: number): JsonObject {
  const result: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(object)) {
    const name = canonicalKey(key)
    result[name] =
      name === 'typedPerFilterConfig' && isJsonObject(value)
        ? convertPerFilter(value, depth + 1)
        : convert(value, depth + 1)
  }
  return result
}

function convert(value: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) return null
  if (Array.isArray(value)) return value.map((item) => convert(item, depth + 1))
  return isJsonObject(value) ? convertObject(value, depth) : value
}

function convertPerFilter(byName: JsonObject, depth: number): JsonObject {
  const result: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(byName)) {
    const typed = readTyped(value, depth)
    result[canonicalFilterName(name)] =
      typed === null ? convert(value, depth) : { '@type': typed.typeUrl, ...typed.value }
  }
  return result
}

function canonicalKey(key: string): string {
  if (!SNAKE_CASE.test(key)) return key
  return key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

function withoutType(value: JsonObject): JsonObject {
  const { '@type': _, ...fields } = value
  return fields
}

function shortTypeUrl(value: unknown): string | null {
  if (typeof value !== 'string' || value === '') return null
  return value.slice(value.lastIndexOf('/') + 1)
}
