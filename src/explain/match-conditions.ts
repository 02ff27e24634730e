import { isCredentialName } from '../base/credential-name.ts'
import { toBytes } from '../base/latin1.ts'
import type { Request } from '../http/request.ts'
import type { FieldCondition } from '../routing/field-condition.ts'
import { firstQueryValue, type QueryCondition } from '../routing/query-condition.ts'
import type { RouteMatch } from '../routing/route-match.ts'
import type { StringMatcher } from '../routing/string-match.ts'
import type { ExplainedCondition } from './explanation.ts'
import { asked, difference, shown } from './string-difference.ts'

/** Why a request does not match, one sentence for each failed condition; null when it matches. */
export function describeMismatch(
  match: RouteMatch | null,
  request: Request,
): readonly string[] | null {
  const reasons = conditionsOf(match, request).flatMap(({ reason }) => reason ?? [])
  return reasons.length === 0 ? null : reasons
}

/**
 * Every condition of a match entry against a request, in the order in which they are asked. The
 * verdict is the matchers' own; only the words are made here.
 */
export function conditionsOf(
  match: RouteMatch | null,
  request: Request,
): readonly ExplainedCondition[] {
  if (match === null) return []
  const conditions: ExplainedCondition[] = []
  const add = (what: string, matcher: StringMatcher | null, value: string, hint = ''): void => {
    if (matcher !== null) conditions.push(plain(what, matcher, value, hint))
  }
  add('path', match.uri, request.path)
  add('method', match.method, request.method)
  add('authority', match.authority, request.authority, ' (authority is compared with its port)')
  add('scheme', match.scheme, request.scheme)
  for (const field of match.fields) conditions.push(fieldCondition(field, request))
  for (const parameter of match.queryParams) conditions.push(queryCondition(parameter, request))
  return conditions
}

function plain(
  what: string,
  matcher: StringMatcher,
  value: string,
  hint: string,
): ExplainedCondition {
  const holds = matcher.matches(value)
  return {
    condition: `${what} ${asked(matcher, false)}`,
    holds,
    reason: holds ? null : `${what} ${plainDifference(what, value, matcher)}${hint}`,
  }
}

/** Of a word, not a text, no character is worth pointing at. */
function plainDifference(what: string, value: string, matcher: StringMatcher): string {
  const isWord = what === 'method' || what === 'scheme'
  if (!isWord || matcher.kind !== 'exact') return difference(value, matcher, false)
  return `is ${shown(value)}, ${asked(matcher, false)} asked`
}

/** What a named condition may say: the expected value of a credential is not shown. */
function expected(name: string, matcher: StringMatcher): string {
  if (matcher.kind !== 'present' && isCredentialName(name)) return `${matcher.kind} [redacted]`
  return asked(matcher, true)
}

function fieldCondition(field: FieldCondition, request: Request): ExplainedCondition {
  const { name, matcher, inverted, what } = field
  const kind = inverted ? `without ${what} ${name}` : `${what} ${name}`
  const condition =
    matcher.kind === 'present' && inverted ? kind : `${kind} ${expected(name, matcher)}`
  const holds = field.holds(request)
  if (holds) return { condition, holds, reason: null }
  const value = field.read(request)
  const reason = inverted ? unwanted(field, value) : wanted(what, name, matcher, value)
  return { condition, holds, reason }
}

function queryCondition(parameter: QueryCondition, request: Request): ExplainedCondition {
  const { name, matcher } = parameter
  const holds = parameter.holds(request.query)
  const value = firstQueryValue(request.query, toBytes(name))
  return {
    condition: `query parameter ${name} ${expected(name, matcher)}`,
    holds,
    reason: holds ? null : wanted('query parameter', name, matcher, value),
  }
}

function wanted(what: string, name: string, matcher: StringMatcher, value: string | null): string {
  const wish = expected(name, matcher)
  if (value === null) return `${what} ${name} is missing, ${wish} asked`
  if (isCredentialName(name)) return `${what} ${name} has another value, ${wish} asked`
  if (matcher.kind === 'exact') return `${what} ${name} is '${shown(value)}', ${wish} asked`
  return `${what} ${name} ${difference(value, matcher, true)}`
}

function unwanted({ name, matcher, what: kind }: FieldCondition, value: string | null): string {
  if (value === null) {
    return `${kind} ${name} is missing, which counts as '' and matches ${expected(name, matcher)}`
  }
  if (matcher.kind === 'present') return `${kind} ${name} is present, and must not be`
  if (!matcher.matches(value)) {
    return `${kind} ${name} of ${value.length} bytes is longer than a regex looks at`
  }
  const what = isCredentialName(name) ? 'its value' : `'${shown(value)}'`
  return `${kind} ${name} matches ${expected(name, matcher)}, which withoutHeaders excludes: ${what}`
}
