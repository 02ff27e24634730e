import type { HttpMatchSpec, StringMatchSpec } from '../../config/kinds/virtual-service.ts'

type Conditions = Readonly<Record<string, StringMatchSpec>>

/**
 * What keeps a delegate's match entry from being merged with one of the root rule, as the name of
 * the field; null when it is at least as narrow. Gateways are full names. Istio VirtualService
 * delegate: header keys are compared as written.
 */
export function matchConflict(root: HttpMatchSpec, delegate: HttpMatchSpec): string | null {
  for (const field of ['uri', 'scheme', 'method', 'authority'] as const) {
    if (textConflicts(root[field], delegate[field])) return field
  }
  for (const field of ['headers', 'withoutHeaders', 'queryParams'] as const) {
    const key = conflictingKey(root[field], delegate[field])
    if (key !== null) return `${field}["${key}"]`
  }
  if ((root.ignoreUriCase ?? false) !== (delegate.ignoreUriCase ?? false)) return 'ignoreUriCase'
  if (differs(root.port, delegate.port, 0)) return 'port'
  if (differs(root.sourceNamespace, delegate.sourceNamespace, '')) return 'sourceNamespace'
  const labels = root.sourceLabels ?? {}
  for (const [key, value] of Object.entries(delegate.sourceLabels ?? {})) {
    if (labels[key] !== undefined && labels[key] !== value) return `sourceLabels["${key}"]`
  }
  const gateways = root.gateways ?? []
  if (gateways.length === 0) return null
  return (delegate.gateways ?? []).every((name) => gateways.includes(name)) ? null : 'gateways'
}

/** Both conditions in one; only for entries without conflict. The delegate's text is the narrower. */
export function mergedMatch(root: HttpMatchSpec, delegate: HttpMatchSpec): HttpMatchSpec {
  const name = joinedName(root.name, delegate.name)
  return {
    ...root,
    ...delegate,
    ...(name === '' ? {} : { name }),
    ...united('headers', root, delegate),
    ...united('withoutHeaders', root, delegate),
    ...united('queryParams', root, delegate),
    ...united('sourceLabels', root, delegate),
    ...(delegate.port === 0 && root.port !== undefined ? { port: root.port } : {}),
    ...(delegate.sourceNamespace === '' && root.sourceNamespace !== undefined
      ? { sourceNamespace: root.sourceNamespace }
      : {}),
  }
}

/** `root-delegate`, or the one that is given. */
export function joinedName(root: string | undefined, delegate: string | undefined): string {
  return [root ?? '', delegate ?? ''].filter((name) => name !== '').join('-')
}

function united(
  field: 'headers' | 'withoutHeaders' | 'queryParams' | 'sourceLabels',
  root: HttpMatchSpec,
  delegate: HttpMatchSpec,
): HttpMatchSpec {
  if (root[field] === undefined && delegate[field] === undefined) return {}
  return { [field]: { ...root[field], ...delegate[field] } }
}

function differs<T>(root: T | undefined, delegate: T | undefined, absent: T): boolean {
  if (root === undefined || root === absent) return false
  return delegate !== undefined && delegate !== absent && root !== delegate
}

function conflictingKey(
  root: Conditions | undefined,
  delegate: Conditions | undefined,
): string | null {
  if (root === undefined || delegate === undefined) return null
  for (const [key, condition] of Object.entries(delegate)) {
    if (textConflicts(root[key], condition)) return key
  }
  return null
}

/** No conflict where one of them says nothing; expressions cannot be compared, not even equal ones. */
function textConflicts(
  root: StringMatchSpec | undefined,
  delegate: StringMatchSpec | undefined,
): boolean {
  if (root === undefined || delegate === undefined || isPresence(root)) return false
  if (isPresence(delegate)) return true
  if (root.regex !== undefined || delegate.regex !== undefined) return true
  if (root.exact !== undefined) return delegate.exact !== root.exact
  return !(delegate.exact ?? delegate.prefix ?? '').startsWith(root.prefix ?? '')
}

function isPresence(match: StringMatchSpec): boolean {
  return match.exact === undefined && match.prefix === undefined && match.regex === undefined
}
