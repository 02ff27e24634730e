import { parseDurationMs } from '../../base/duration.ts'
import { isHeaderName } from '../names.ts'
import type { Place } from './place.ts'
import { checkStringMatch } from './string-match-rules.ts'
import type { HttpRouteSpec } from './virtual-service.ts'

type CorsSpec = NonNullable<HttpRouteSpec['corsPolicy']>

const METHODS: ReadonlySet<string> = new Set([
  '*',
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
])

/** `http[].corsPolicy` */
export function checkCorsPolicy(place: Place, cors: CorsSpec): void {
  place.each('allowOrigins', cors.allowOrigins, (match, at) =>
    checkStringMatch(at, match, 'origin'),
  )
  checkDeprecatedOrigins(place, cors)
  place.each('allowMethods', cors.allowMethods, (method, at) => {
    if (METHODS.has(method)) return
    at.error(
      'invalid-method',
      `"${method}" is not a supported HTTP method`,
      METHODS.has(method.toUpperCase()) ? `write ${method.toUpperCase()}` : null,
    )
  })
  for (const field of ['allowHeaders', 'exposeHeaders'] as const) {
    place.each(field, cors[field], (name, at) => {
      if (isHeaderName(name)) return
      at.error('invalid-header-name', `header name "${name}" is not a valid header name`)
    })
  }
  const maxAgeMs = cors.maxAge === undefined ? null : parseDurationMs(cors.maxAge)
  if (maxAgeMs !== null && maxAgeMs % 1000 !== 0) {
    place
      .at('maxAge')
      .error('invalid-duration', 'max_age duration is accurate only to seconds precision')
  }
}

function checkDeprecatedOrigins(place: Place, cors: CorsSpec): void {
  if ((cors.allowOrigin?.length ?? 0) === 0) return
  const at = place.at('allowOrigin')
  if ((cors.allowOrigins?.length ?? 0) > 0) {
    at.warning(
      'deprecated-field',
      'allowOrigin is ignored beside allowOrigins',
      'move the entries to allowOrigins as {exact: ...}',
    )
  } else {
    at.warning(
      'deprecated-field',
      'allowOrigin is deprecated',
      'use allowOrigins with {exact: ...}',
    )
  }
}
