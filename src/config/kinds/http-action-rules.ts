import { MAX_REGEX_LENGTH, re2Error, re2Groups } from '../re2-syntax.ts'
import type { Place } from './place.ts'
import { checkPortNumber } from './port-rules.ts'
import { checkRegex } from './string-match-rules.ts'
import type { HttpMatchSpec, HttpRouteSpec, RedirectSpec } from './virtual-service.ts'

type RewriteSpec = NonNullable<HttpRouteSpec['rewrite']>
type DirectResponseSpec = NonNullable<HttpRouteSpec['directResponse']>

const REDIRECT_CODES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
const MAX_BODY_BYTES = 1024 * 1024
const LARGE_BODY_BYTES = 100 * 1024

/** `http[].redirect` */
export function checkRedirect(place: Place, redirect: RedirectSpec, rule: HttpRouteSpec): void {
  const { uri, prefixRewrite, authority, port, derivePort, scheme, redirectCode } = redirect
  const parts = [uri, prefixRewrite, authority, port, derivePort, scheme]
  if (parts.every((part) => part === undefined || part === '')) {
    place.error('missing-field', 'redirect must specify URI, authority, scheme, or port')
  }
  if (uri !== undefined && prefixRewrite !== undefined) {
    place.error('conflicting-fields', 'redirect may only contain one of uri and prefixRewrite')
  }
  if (port !== undefined && derivePort !== undefined) {
    place.error('conflicting-fields', 'redirect may only contain one of port and derivePort')
  }
  if (prefixRewrite !== undefined && !everyMatchHasPrefix(rule.match ?? [])) {
    place
      .at('prefixRewrite')
      .error(
        'prefix-rewrite-without-prefix',
        'redirect prefixRewrite requires every match of the rule to have uri.prefix',
        'use redirect.uri to replace the whole path',
      )
  }
  checkPortNumber(place.at('port'), port)
  if (scheme !== undefined && scheme !== 'http' && scheme !== 'https') {
    place
      .at('scheme')
      .error('invalid-redirect-scheme', 'invalid redirect scheme, must be "http" or "https"')
  }
  if (redirectCode !== undefined && redirectCode !== 0 && !REDIRECT_CODES.has(redirectCode)) {
    place
      .at('redirectCode')
      .error(
        'invalid-redirect-code',
        `redirect code ${redirectCode} is not one of ${[...REDIRECT_CODES].join(', ')}`,
        'Istio admits it and then serves a route that does nothing',
      )
  }
  for (const [field, text] of Object.entries({ uri, prefixRewrite, authority })) {
    checkSingleLine(place.at(field), text)
  }
}

function everyMatchHasPrefix(matches: readonly HttpMatchSpec[]): boolean {
  return matches.length > 0 && matches.every((match) => match.uri?.prefix !== undefined)
}

/** `http[].rewrite` */
export function checkRewrite(place: Place, rewrite: RewriteSpec, rule: HttpRouteSpec): void {
  const { uri, authority, uriRegexRewrite } = rewrite
  if ((uri ?? '') === '' && (authority ?? '') === '' && uriRegexRewrite === undefined) {
    place.error('missing-field', 'rewrite must specify path, host, or both')
  }
  if (uri !== undefined && uri !== '' && uriRegexRewrite !== undefined) {
    place.error('conflicting-fields', 'rewrite may only contain one of URI or UriRegexRewrite')
  }
  checkSingleLine(place.at('uri'), uri)
  checkSingleLine(place.at('authority'), authority)
  if (uriRegexRewrite !== undefined) {
    checkRegexRewrite(place.at('uriRegexRewrite'), uriRegexRewrite)
  }
  if (uri !== undefined && uri !== '') checkRewriteSlashes(place.at('uri'), uri, rule.match ?? [])
}

function checkRegexRewrite(place: Place, regex: NonNullable<RewriteSpec['uriRegexRewrite']>): void {
  const pattern = regex.match ?? ''
  const rewrite = regex.rewrite ?? ''
  if (pattern === '' || rewrite === '') {
    place.error('missing-field', 'UriRegexRewrite requires both match and rewrite')
    return
  }
  checkRegex(place.at('match'), pattern)
  const stray = /\\(?![0-9\\])/.exec(rewrite.replaceAll('\\\\', '  '))
  if (stray !== null) {
    place
      .at('rewrite')
      .error(
        'invalid-rewrite',
        `invalid escape in rewrite "${rewrite}": a backslash stands before a digit or a backslash`,
      )
    return
  }
  if (pattern.length > MAX_REGEX_LENGTH || re2Error(pattern) !== null) return
  const groups = re2Groups(pattern)
  for (const [, digit] of rewrite.replaceAll('\\\\', '  ').matchAll(/\\([0-9])/g)) {
    if (Number(digit) <= groups) continue
    place
      .at('rewrite')
      .error(
        'invalid-rewrite',
        `rewrite refers to group \\${digit}, and the pattern has ${groups} group(s)`,
      )
  }
}

/**
 * A prefix is replaced textually: `/foo` to `/` turns `/foo/bar` into `//bar`, and `/foo/` to `/bar`
 * turns `/foo/x` into `/barx`. No match at all counts as the prefix `/`.
 */
function checkRewriteSlashes(place: Place, uri: string, matches: readonly HttpMatchSpec[]): void {
  const prefixes = matches.length === 0 ? ['/'] : matches.map(replacedPrefix)
  const doubled = prefixes.find(
    (prefix) => prefix !== null && !prefix.endsWith('/') && uri.endsWith('/'),
  )
  if (doubled !== undefined && doubled !== null) {
    place.warning(
      'rewrite-double-slash',
      `prefix "${doubled}" is replaced as text: ${doubled}/a becomes ${uri}/a`,
      `match two prefixes, "${doubled}/" and exact "${doubled}", or end the rewrite without a slash`,
    )
  }
  const glued = prefixes.find((prefix) => prefix?.endsWith('/') === true && !uri.endsWith('/'))
  if (glued !== undefined && glued !== null) {
    place.warning(
      'rewrite-missing-slash',
      `prefix "${glued}" is replaced as text: ${glued}a becomes ${uri}a`,
      `end the rewrite with a slash: "${uri}/"`,
    )
  }
}

/** What `rewrite.uri` replaces for this match, or null when it replaces the whole path. */
function replacedPrefix(match: HttpMatchSpec): string | null {
  const { uri } = match
  if (uri?.exact !== undefined || uri?.regex !== undefined) return null
  return uri?.prefix === undefined || uri.prefix === '' ? '/' : uri.prefix
}

/** `http[].directResponse` */
export function checkDirectResponse(place: Place, response: DirectResponseSpec): void {
  const { status, body } = response
  if (status === undefined) {
    place.at('status').error('missing-field', 'directResponse status is required')
  } else if (status < 200 || status > 599) {
    place.at('status').error('invalid-status', `HTTP status ${status} is not in range 200-599`)
  }
  if (body === undefined) return
  if (body.string !== undefined && body.bytes !== undefined) {
    place.at('body').error('conflicting-fields', 'body may only contain one of string and bytes')
  }
  if (body.bytes !== undefined && !isBase64(body.bytes)) {
    place.at('body', 'bytes').error('invalid-base64', 'body.bytes is not base64')
  }
  const size = Math.max(
    Buffer.byteLength(body.string ?? ''),
    Math.floor(((body.bytes ?? '').length * 3) / 4),
  )
  if (size > MAX_BODY_BYTES) {
    place
      .at('body')
      .error(
        'response-body-too-large',
        'large direct_responses may impact control plane performance, must be less than 1MB',
        'serve the body from a backend',
      )
  } else if (size > LARGE_BODY_BYTES) {
    place
      .at('body')
      .warning(
        'response-body-large',
        'large direct_responses may impact control plane performance',
        'bodies above 100 KB are better served by a backend',
      )
  }
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/_-]*={0,2}$/.test(text)
}

function checkSingleLine(place: Place, text: string | undefined): void {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (text === undefined || !/[\0-\x20\x7f]/.test(text)) return
  place.error('invalid-header-value', 'spaces and control characters cannot stand in a URL')
}
