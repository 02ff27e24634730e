import { CONNECTION_HEADERS } from '../../base/connection-headers.ts'
import { parseFormatString } from '../../base/format-string.ts'
import { isHeaderName } from '../names.ts'
import type { Place } from './place.ts'
import type { HeadersSpec } from './virtual-service.ts'

type Operations = NonNullable<HeadersSpec['request']>

/** `headers` of a route or of a destination. */
export function checkHeaders(place: Place, headers: HeadersSpec | undefined): void {
  if (headers === undefined) return
  checkOperations(place.at('request'), headers.request, true)
  checkOperations(place.at('response'), headers.response, false)
}

/** Does the request part of `headers` write Host? */
export function setsAuthority(headers: HeadersSpec | undefined): boolean {
  const names = [
    ...Object.keys(headers?.request?.set ?? {}),
    ...Object.keys(headers?.request?.add ?? {}),
  ]
  return names.some(isAuthority)
}

function isAuthority(name: string): boolean {
  const lower = name.toLowerCase()
  return lower === 'host' || lower === ':authority'
}

function checkOperations(place: Place, operations: Operations | undefined, request: boolean): void {
  if (operations === undefined) return
  for (const operation of ['set', 'add'] as const) {
    for (const [name, value] of Object.entries(operations[operation] ?? {})) {
      const at = place.at(operation, name)
      if (!(request && isAuthority(name))) checkOperationName(at, name)
      checkOperationValue(at, value)
    }
  }
  place.each('remove', operations.remove, (name, at) => checkOperationName(at, name))
}

function checkOperationName(place: Place, name: string): void {
  if (name === '') {
    place.error('invalid-header-name', 'header name cannot be empty')
  } else if (name.startsWith(':')) {
    place.error('invalid-header-name', `invalid header "${name}": header cannot have ":" prefix`)
  } else if (!isHeaderName(name)) {
    place.error('invalid-header-name', `header name "${name}" is not a valid header name`)
  } else if (isAuthority(name)) {
    place.error(
      'invalid-header-name',
      `header "${name}" cannot be changed here`,
      'Host may be set on requests only; it cannot be removed',
    )
  } else if (CONNECTION_HEADERS.has(name.toLowerCase())) {
    place.error(
      'connection-header',
      `header "${name}" belongs to the connection and cannot be set or removed`,
      'the proxy writes framing and hop-by-hop headers itself; remove the entry',
    )
  }
}

function checkOperationValue(place: Place, value: string): void {
  if (value === '') {
    place.warning(
      'empty-header-value',
      'a header with an empty value is not written',
      'give it a value, or use remove',
    )
    return
  }
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\0-\x08\x0a-\x1f\x7f]/.test(value)) {
    place.error('invalid-header-value', 'header value contains a control character')
    return
  }
  const format = parseFormatString(value)
  if (typeof format !== 'string') return
  place.error('invalid-header-value', format, 'a literal percent sign is written %%')
}
