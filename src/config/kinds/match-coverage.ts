import type { HttpMatchSpec, StringMatchSpec } from './virtual-service.ts'

type Conditions = Readonly<Record<string, StringMatchSpec>>

/**
 * Does every request that `later` matches also match `earlier`? False when it cannot be told:
 * regular expressions only cover their equals. `gateways` is what the VirtualService itself lists; it
 * stands in where a match lists none.
 */
export function matchCovers(
  earlier: HttpMatchSpec,
  later: HttpMatchSpec,
  gateways: readonly string[],
): boolean {
  return (
    uriCovers(earlier, later) &&
    (['scheme', 'method', 'authority'] as const).every((field) =>
      textCovers(earlier[field], later[field]),
    ) &&
    mapCovers(earlier.headers, later.headers, fieldName) &&
    mapCovers(earlier.queryParams, later.queryParams, (name) => name) &&
    exclusionsCover(earlier.withoutHeaders, later.withoutHeaders) &&
    (earlier.port === undefined || earlier.port === later.port) &&
    listed(later, gateways).every((name) => listed(earlier, gateways).includes(name)) &&
    sourceCovers(earlier, later)
  )
}

function uriCovers(earlier: HttpMatchSpec, later: HttpMatchSpec): boolean {
  const outer = earlier.uri
  if (isAnyPath(outer)) return true
  const inner = later.uri
  if (outer === undefined || inner === undefined) return false
  if (earlier.ignoreUriCase !== true) {
    return later.ignoreUriCase !== true && textCovers(outer, inner)
  }
  return textCovers(lowerCase(outer), lowerCase(inner))
}

function isAnyPath(uri: StringMatchSpec | undefined): boolean {
  if (uri === undefined || isEmpty(uri)) return true
  return uri.prefix === '' || uri.prefix === '/' || uri.regex === '.*' || uri.regex === '/.*'
}

function isEmpty(match: StringMatchSpec): boolean {
  return match.exact === undefined && match.prefix === undefined && match.regex === undefined
}

function lowerCase(match: StringMatchSpec): StringMatchSpec {
  if (match.exact !== undefined) return { exact: match.exact.toLowerCase() }
  if (match.prefix !== undefined) return { prefix: match.prefix.toLowerCase() }
  return match
}

/** An absent or empty outer condition lets everything through; a present one needs a narrower inner. */
function textCovers(
  outer: StringMatchSpec | undefined,
  inner: StringMatchSpec | undefined,
): boolean {
  if (outer === undefined || isEmpty(outer)) return true
  if (inner === undefined) return false
  if (outer.regex !== undefined) return outer.regex === inner.regex
  if (outer.exact !== undefined) return outer.exact === inner.exact
  const narrower = inner.exact ?? inner.prefix
  return narrower !== undefined && narrower.startsWith(outer.prefix ?? '')
}

/** `{}` and the regex `*` only ask that the key is present, and so does every other condition. */
function mapCovers(
  outer: Conditions | undefined,
  inner: Conditions | undefined,
  normalize: (name: string) => string,
): boolean {
  const present = new Map(
    Object.entries(inner ?? {}).map(([name, match]) => [normalize(name), match]),
  )
  return Object.entries(outer ?? {}).every(([name, match]) => {
    const own = present.get(normalize(name))
    if (own === undefined) return false
    return isEmpty(match) || match.regex === '*' || textCovers(match, own)
  })
}

/** The later entry must exclude at least what the earlier one excludes; only equal conditions are judged. */
function exclusionsCover(outer: Conditions | undefined, inner: Conditions | undefined): boolean {
  const present = new Map(
    Object.entries(inner ?? {}).map(([name, match]) => [fieldName(name), match]),
  )
  return Object.entries(outer ?? {}).every(([name, match]) => {
    const own = present.get(fieldName(name))
    return (
      own !== undefined &&
      own.exact === match.exact &&
      own.prefix === match.prefix &&
      own.regex === match.regex
    )
  })
}

/** Names of headers are compared without regard to case, names of claims are not. */
function fieldName(name: string): string {
  return name.startsWith('@') ? name : name.toLowerCase()
}

function listed(match: HttpMatchSpec, gateways: readonly string[]): readonly string[] {
  const own = match.gateways ?? []
  return own.length > 0 ? own : gateways
}

function sourceCovers(earlier: HttpMatchSpec, later: HttpMatchSpec): boolean {
  const ns = earlier.sourceNamespace
  if (ns !== undefined && ns !== '' && ns !== later.sourceNamespace) return false
  return Object.entries(earlier.sourceLabels ?? {}).every(
    ([key, value]) => later.sourceLabels?.[key] === value,
  )
}
