import { Headers } from '../../src/filters/headers.ts'
import type { FilterExchange } from '../../src/filters/filter.ts'
import type { JwtFailure } from './jwt-failure.ts'

/** Characters of the path in a realm; Envoy's. */
const MAX_REALM_PATH = 256

/** Envoy's answer (RFC 6750 3): the reason as body, and where the token would have been valid. */
export function refuseToken(exchange: FilterExchange, failure: JwtFailure): void {
  const headers = new Headers()
  const realm = realmOf(exchange.request)
  headers.add('www-authenticate', `Bearer realm="${realm}", error="invalid_token"`)
  exchange.answer(failure.status, headers, failure.text, '', failure.details)
}

/** The URL that was asked for, without its query: tokens may be there. */
function realmOf({ scheme, authority, path }: FilterExchange['request']): string {
  const text = `${scheme}://${authority}${path.slice(0, MAX_REALM_PATH)}`
  return text.replace(QUOTED, (char) => (char === '"' ? '%22' : '%5C'))
}

const QUOTED = /["\\]/g
