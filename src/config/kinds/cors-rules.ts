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
export function checkCorsPolicy(place: Place, cors: CorsSpec, rule: HttpRouteSpec): void {
  place.each('allowOrigins', cors.allowOrigins, (match, at) => checkOrigin(at, match))
  checkDeprecatedOrigins(place, cors)
  checkAnyOrigin(place, cors)
  checkAction(place, rule)
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

/** An origin match without a condition would open the policy to everybody: nobody means that. */
function checkOrigin(place: Place, match: NonNullable<CorsSpec['allowOrigins']>[number]): void {
  if (Object.values(match).every((text) => text === undefined)) {
    place.error(
      'missing-field',
      'an origin needs exact, prefix or regex',
      'write {exact: "*"} for every origin',
    )
  } else checkStringMatch(place, match, 'origin')
}

function checkAnyOrigin(place: Place, cors: CorsSpec): void {
  const isListed = (cors.allowOrigins?.length ?? 0) > 0
  const isAny = isListed
    ? cors.allowOrigins?.some(({ exact }) => exact === '*')
    : cors.allowOrigin?.includes('*')
  if (isAny !== true || cors.allowCredentials !== true) return
  place
    .at('allowCredentials')
    .warning(
      'cors-credentials-for-any-origin',
      'every web site may call this route with the cookies of its visitors and read the answer',
      'list the origins that may, or leave allowCredentials out',
    )
}

/** As in Istio it is no error, and no effect either. */
function checkAction(place: Place, { redirect, directResponse }: HttpRouteSpec): void {
  if (redirect === undefined && directResponse === undefined) return
  const action = redirect === undefined ? 'a direct response' : 'a redirect'
  place.warning(
    'cors-without-route',
    `corsPolicy has no effect on ${action}`,
    'move it to a rule with route, or set the headers with headers.response',
  )
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
