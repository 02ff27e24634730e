import { parseClaimPath } from '../../base/claims.ts'
import { isHeaderName } from '../names.ts'
import { checkSelector } from './label-rules.ts'
import type { Place } from './place.ts'
import { checkPortNumber } from './port-rules.ts'
import { checkStringMatch } from './string-match-rules.ts'
import { type Binding, checkGatewayName } from './virtual-service-binding.ts'
import type { HttpMatchSpec, StringMatchSpec } from './virtual-service.ts'

const PSEUDO_HEADERS: ReadonlySet<string> = new Set([':authority', ':method', ':path', ':scheme'])
/** Istio documents these keys as ignored; they are compared with headers of that name. */
const FIELD_NAMES: ReadonlySet<string> = new Set(['uri', 'scheme', 'method', 'authority'])

/** Keys of headers that name claims of a validated token. */
const CLAIM_PREFIX = '@request.auth.claims'

/** One entry of `http[].match`. */
export function checkHttpMatch(place: Place, match: HttpMatchSpec, binding: Binding): void {
  checkStringMatch(place.at('uri'), match.uri, 'uri')
  checkUriText(place.at('uri'), match.uri)
  checkMethodText(place.at('method'), match.method)
  for (const field of ['scheme', 'method', 'authority'] as const) {
    checkStringMatch(place.at(field), match[field], 'pseudo-header')
  }
  for (const field of ['headers', 'withoutHeaders'] as const) {
    for (const [name, value] of Object.entries(match[field] ?? {})) {
      if (name.startsWith(CLAIM_PREFIX)) checkClaim(place.at(field, name), name, binding)
      else checkHeaderKey(place.at(field, name), name)
      checkStringMatch(place.at(field, name), value, 'value')
    }
  }
  for (const [name, value] of Object.entries(match.queryParams ?? {})) {
    const at = place.at('queryParams', name)
    if (name === '') at.error('invalid-match', 'query parameter name cannot be empty')
    checkStringMatch(at, value, 'value')
    // Only header matches know "*" as "present".
    if (value.regex === '*') {
      at.at('regex').error('invalid-regex', 'regex "*" does not compile', 'write {} for "present"')
    }
  }
  checkPortNumber(place.at('port'), match.port)
  place.each('gateways', match.gateways, (name, at) => checkGatewayName(at, name))
  checkSource(place, match, binding)
}

function checkUriText(place: Place, uri: StringMatchSpec | undefined): void {
  for (const kind of ['exact', 'prefix'] as const) {
    const text = uri?.[kind]
    if (text === undefined || text === '') continue
    if (text.includes('?') || text.includes('#')) {
      place
        .at(kind)
        .warning(
          'match-never-true',
          `uri is compared without query and fragment: "${text}" never matches`,
          'match the query with queryParams',
        )
    } else if (!text.startsWith('/') && text !== '*') {
      place
        .at(kind)
        .warning(
          'match-never-true',
          `a path begins with "/": "${text}" never matches`,
          text.startsWith('http') ? 'match the host in hosts or authority' : `write "/${text}"`,
        )
    }
  }
}

function checkMethodText(place: Place, method: StringMatchSpec | undefined): void {
  const text = method?.exact
  if (text === undefined || text === text.toUpperCase()) return
  place
    .at('exact')
    .warning(
      'match-never-true',
      `methods are compared with regard to case: "${text}" does not match ${text.toUpperCase()}`,
      `write ${text.toUpperCase()}`,
    )
}

function checkHeaderKey(place: Place, name: string): void {
  if (name === '') {
    place.error('invalid-header-name', 'header name cannot be empty')
  } else if (PSEUDO_HEADERS.has(name)) {
    return
  } else if (!isHeaderName(name)) {
    place.error('invalid-header-name', `header name "${name}" is not a valid header name`)
  } else if (FIELD_NAMES.has(name)) {
    place.warning(
      'field-name-as-header',
      `"${name}" under headers is a header of that name, which clients do not send`,
      `move it out of headers: ${name} is a field of the match itself`,
    )
  }
}

/** `@request.auth.claims.a.b` or `@request.auth.claims[a][b]`: only Gateways validate tokens. */
function checkClaim(place: Place, name: string, binding: Binding): void {
  const rest = name.slice(CLAIM_PREFIX.length)
  const isPath = rest.startsWith('.') ? !rest.startsWith('.[') : rest.startsWith('[')
  if (!isPath || parseClaimPath(rest.startsWith('.') ? rest.slice(1) : rest) === null) {
    place.error(
      'invalid-claim',
      `"${name}" names no claim`,
      `write ${CLAIM_PREFIX}.group, or ${CLAIM_PREFIX}[a][b] where names hold dots`,
    )
  } else if (binding.mesh) {
    place.error(
      'jwt-claim-on-mesh',
      'JWT claim based routing is only supported for gateways, and this VirtualService is bound to mesh',
      'list the Gateways it is for in gateways',
    )
  }
}

function checkSource(place: Place, match: HttpMatchSpec, binding: Binding): void {
  checkSelector(place.at('sourceLabels'), match.sourceLabels)
  if (binding.mesh) return
  for (const field of ['sourceLabels', 'sourceNamespace'] as const) {
    if (match[field] === undefined) continue
    place
      .at(field)
      .warning(
        'source-match-on-gateway',
        `at a gateway ${field} is compared with the gateway itself, once, when configuration is loaded`,
        'it never describes the client; match a header instead',
      )
  }
}
