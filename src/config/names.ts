import { Cidr } from '../base/cidr.ts'

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i
const MAX_HOST_LENGTH = 255
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/

/** RFC 1123 label: letters, digits, inner dashes, 1 to 63 characters. */
export function isDnsLabel(text: string): boolean {
  return LABEL.test(text)
}

/**
 * Labels joined by dots, at most 255 characters, the last label not all digits (that would be a
 * mistyped address). One trailing dot is permitted. A short name (`web-svc`) is one label and passes.
 */
export function isFqdn(text: string): boolean {
  if (text.length === 0 || text.length > MAX_HOST_LENGTH) return false
  const labels = (text.endsWith('.') ? text.slice(0, -1) : text).split('.')
  return labels.every(isDnsLabel) && !/^\d+$/.test(labels.at(-1) ?? '')
}

/** `*` or `*.example.com`: the wildcard is the whole first label. */
export function isWildcardHost(text: string): boolean {
  if (text === '*') return true
  return text.startsWith('*.') && isFqdn(text.slice(2))
}

/** IPv4 or IPv6 literal, IPv6 without brackets. */
export function isIpLiteral(text: string): boolean {
  return !text.includes('/') && Cidr.parse(text) !== null
}

/** No dot, no colon, no wildcard: a name that is completed with a namespace and the cluster domain. */
export function isShortName(text: string): boolean {
  return text !== '' && !/[.:*]/.test(text)
}

/** The two parts of Gateway's and Sidecar's `namespace/host`. */
export interface NamespacedHost {
  /** null when the text has no slash. */
  readonly namespace: string | null
  readonly host: string
}

/** Splits `ns/host`, `./host`, `*` + `/host`, `host` at the first slash; checks nothing. */
export function splitNamespacedHost(text: string): NamespacedHost {
  const slash = text.indexOf('/')
  if (slash === -1) return { namespace: null, host: text }
  return { namespace: text.slice(0, slash), host: text.slice(slash + 1) }
}

/** RFC 9110 5.1 field name. */
export function isHeaderName(text: string): boolean {
  return HEADER_NAME.test(text)
}

/** Kubernetes label value: up to 63 of letters, digits, `-`, `_`, `.`; may be empty. */
export function isLabelValue(text: string): boolean {
  return LABEL_VALUE.test(text)
}

/** Kubernetes label key: `[prefix/]name`. */
export function isLabelKey(text: string): boolean {
  const slash = text.indexOf('/')
  const name = text.slice(slash + 1)
  if (slash !== -1 && !isFqdn(text.slice(0, slash))) return false
  return name !== '' && isLabelValue(name)
}
