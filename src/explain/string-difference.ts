import { fromBytes } from '../base/latin1.ts'
import type { StringMatcher } from '../routing/string-match.ts'

/** Longer values are cut for people. */
const MAX_SHOWN = 120

/** A value for people: its text, cut when long. */
export function shown(value: string): string {
  const text = fromBytes(value)
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text
}

/** `exact /api`, `prefix 'jason'`: what a matcher asks for. */
export function asked(matcher: StringMatcher, quoted: boolean): string {
  if (matcher.kind === 'present') return 'any value'
  return `${matcher.kind} ${quoted ? `'${matcher.text}'` : matcher.text}`
}

/**
 * Why `value` does not match, as the end of a sentence that begins with what was looked at. Call
 * it only for a value that the matcher does not match.
 */
export function difference(value: string, matcher: StringMatcher, quoted: boolean): string {
  const text = shown(value)
  const name = quoted ? `'${text}'` : text
  switch (matcher.kind) {
    case 'exact':
      return `${name} differs from ${asked(matcher, quoted)} ${whereDiffers(fromBytes(value), matcher.text)}`
    case 'prefix':
      return `${name} does not begin with ${quoted ? `'${matcher.text}'` : matcher.text}${prefixHint(fromBytes(value), matcher.text)}`
    case 'regex':
      return matcher.excludes(value)
        ? `${name} does not match regex ${matcher.text} (a regex has to match the whole value)`
        : `of ${value.length} bytes is longer than a regex looks at`
    case 'present':
      return `${name} is present`
  }
}

function whereDiffers(value: string, wanted: string): string {
  const at = commonPrefix(value, wanted)
  const tail = caseHint(value, wanted) || slashHint(value, wanted)
  if (at === wanted.length) return `from character ${at + 1} on, where the exact text ends${tail}`
  if (at === value.length) return `at character ${at + 1}, where it ends${tail}`
  return `at character ${at + 1}${tail}`
}

function prefixHint(value: string, wanted: string): string {
  const head = value.slice(0, wanted.length)
  if (`${value}/` === wanted) return ' (only its trailing slash is missing)'
  return caseHint(head, wanted)
}

function caseHint(value: string, wanted: string): string {
  return value.toLowerCase() === wanted.toLowerCase() ? ' (only upper and lower case differ)' : ''
}

function slashHint(value: string, wanted: string): string {
  return `${value}/` === wanted || value === `${wanted}/` ? ' (only a trailing slash differs)' : ''
}

/** Characters that both begin with. */
export function commonPrefix(a: string, b: string): number {
  let at = 0
  while (at < a.length && at < b.length && a[at] === b[at]) at++
  return at
}
