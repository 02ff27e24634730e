import { MAX_REGEX_LENGTH, re2Error } from '../re2-syntax.ts'
import type { Place } from './place.ts'
import type { StringMatchSpec } from './virtual-service.ts'

/** What an empty StringMatch or an empty prefix means where the match stands. */
export type MatchPosition = 'uri' | 'pseudo-header' | 'value' | 'origin'

/** StringMatch: one of exact, prefix, regex; RE2 patterns of at most 1024 characters. */
export function checkStringMatch(
  place: Place,
  match: StringMatchSpec | undefined,
  position: MatchPosition,
): void {
  if (match === undefined) return
  const kinds = (['exact', 'prefix', 'regex'] as const).filter((kind) => match[kind] !== undefined)
  if (kinds.length > 1) {
    place.error(
      'conflicting-fields',
      `only one of exact, prefix, regex may be set, found ${kinds.join(' and ')}`,
    )
  }
  if (kinds.length === 0 && position !== 'value') {
    place.warning(
      'empty-match',
      'an empty string match puts no condition: everything matches',
      'set exact, prefix or regex, or leave the field out',
    )
  }
  if (match.prefix === '' && position !== 'uri') {
    place.at('prefix').error('invalid-match', 'prefix string match should not be empty')
  }
  if (match.regex === undefined || (match.regex === '*' && position === 'value')) return
  if (match.regex === '') {
    place.at('regex').error('invalid-regex', 'regex string match should not be empty')
  } else {
    checkRegex(place.at('regex'), match.regex)
  }
}

/** RE2 syntax and Istio's length limit. */
export function checkRegex(place: Place, pattern: string): void {
  if (pattern.length > MAX_REGEX_LENGTH) {
    place.error(
      'regex-too-large',
      `regex is too large, max length allowed is ${MAX_REGEX_LENGTH}`,
      'split the pattern over several match entries',
    )
    return
  }
  const error = re2Error(pattern)
  if (error === null) return
  place.error('invalid-regex', `regex "${pattern}" does not compile: ${error}`, regexHint(pattern))
}

function regexHint(pattern: string): string {
  if (/\(\?[=!<]/.test(pattern)) {
    return 'RE2 has no look-around; use withoutHeaders or the order of the rules to exclude'
  }
  if (/\\[1-9]/.test(pattern)) return 'RE2 has no back-references'
  if (pattern.startsWith('*')) return 'this is a regular expression, not a glob: "any text" is ".*"'
  return 'the syntax is RE2: https://github.com/google/re2/wiki/Syntax'
}
