import { Cidr } from '../../base/cidr.ts'
import { parseClaimPath } from '../../base/claims.ts'
import type { Place } from './place.ts'
import type { RateLimitRuleSpec, ValueConditionSpec } from './rate-limit-policy.ts'
import { checkRegex } from './string-match-rules.ts'

type MatchSpec = NonNullable<RateLimitRuleSpec['match']>

/** Conditions of one kind in a rule. */
const MAX_CONDITIONS = 16
const MAX_CIDRS = 256

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** `rules[].match` of a RateLimitPolicy. */
export function checkRateLimitMatch(match: MatchSpec, place: Place): void {
  checkMap(match.headers, place.at('headers'))
  for (const name of Object.keys(match.headers ?? {})) {
    if (HEADER_NAME.test(name)) continue
    place
      .at('headers', name)
      .error(
        'invalid-header-name',
        `"${name}" is not a header name`,
        'path and method stand beside headers',
      )
  }
  checkMap(match.queryParams, place.at('queryParams'))
  checkMap(match.claims, place.at('claims'))
  for (const name of Object.keys(match.claims ?? {})) {
    if (parseClaimPath(name) !== null) continue
    place
      .at('claims', name)
      .error(
        'invalid-claim',
        `"${name}" names no claim`,
        'write sub, realm.roles, or [realm][roles] where names hold dots',
      )
  }
  for (const field of ['method', 'path'] as const) {
    const condition = match[field]
    if (condition !== undefined) checkCondition(condition, place.at(field))
  }
  if (match.source !== undefined) checkSource(match.source, place.at('source'))
}

function checkMap(
  conditions: Readonly<Record<string, ValueConditionSpec>> | undefined,
  place: Place,
): void {
  const entries = Object.entries(conditions ?? {})
  if (entries.length > MAX_CONDITIONS) {
    const message = `at most ${MAX_CONDITIONS} conditions, found ${entries.length}`
    place.error('rate-limit-policy-too-large', message)
  }
  for (const [name, condition] of entries) checkCondition(condition, place.at(name))
}

function checkCondition(condition: ValueConditionSpec, place: Place): void {
  const { invert, distinct } = condition
  const kinds = (['exact', 'prefix', 'regex'] as const).filter(
    (kind) => condition[kind] !== undefined,
  )
  if (kinds.length > 1) {
    place.error(
      'conflicting-fields',
      `only one of exact, prefix, regex may be set, found ${kinds.join(' and ')}`,
    )
  }
  if (condition.prefix === '') {
    place.at('prefix').error('invalid-match', 'a prefix should not be empty')
  }
  if (condition.regex !== undefined) checkRegex(place.at('regex'), condition.regex)
  if (invert === true && distinct === true) {
    place.error(
      'conflicting-fields',
      'a value that must not be there cannot be counted: invert and distinct exclude each other',
    )
  }
}

function checkSource(source: NonNullable<MatchSpec['source']>, place: Place): void {
  const { cidrs, invert, distinct, ipv4PrefixLength, ipv6PrefixLength } = source
  if ((cidrs?.length ?? 0) > MAX_CIDRS) {
    place.at('cidrs').error('rate-limit-policy-too-large', `at most ${MAX_CIDRS} blocks`)
  }
  place.each('cidrs', cidrs, (text, at) => {
    if (Cidr.parse(text) === null) {
      at.error('invalid-cidr', `"${text}" is no address and no CIDR block`, '10.0.0.0/8')
    }
  })
  if ((cidrs?.length ?? 0) === 0) {
    if (invert === true) place.at('invert').error('conflicting-fields', 'invert needs cidrs')
    else if (distinct !== true) {
      place.warning('empty-match', 'source without cidrs and without distinct asks for nothing')
    }
  }
  checkPrefix(ipv4PrefixLength, 32, place.at('ipv4PrefixLength'))
  checkPrefix(ipv6PrefixLength, 128, place.at('ipv6PrefixLength'))
}

function checkPrefix(length: number | undefined, most: number, place: Place): void {
  if (length === undefined || (length >= 1 && length <= most)) return
  place.error('invalid-number', `a prefix length is in the range 1..${most}, is ${length}`)
}
