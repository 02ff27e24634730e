import { toBytes } from '../base/latin1.ts'
import type { StringMatcher } from './string-match.ts'

/** One entry of Istio HTTPMatchRequest.queryParams: the first value of a key, percent-encoding kept. */
export class QueryCondition {
  readonly name: string
  readonly matcher: StringMatcher
  readonly #key: string

  constructor(name: string, matcher: StringMatcher) {
    this.name = name
    this.matcher = matcher
    this.#key = toBytes(name)
  }

  /** `query` is '' or begins with `?`. */
  holds(query: string): boolean {
    const value = firstQueryValue(query, this.#key)
    return value !== null && this.matcher.matches(value)
  }
}

const EQUALS = 0x3d
const AMPERSAND = 0x26

/** First value of `key` in `?a=1&b`; '' for a key without `=`, null for a missing one. */
export function firstQueryValue(query: string, key: string): string | null {
  for (let start = 1; start <= query.length;) {
    const keyEnd = start + key.length
    const next = query.charCodeAt(keyEnd)
    const ends = keyEnd === query.length || next === EQUALS || next === AMPERSAND
    if (ends && query.startsWith(key, start)) {
      if (next !== EQUALS) return ''
      const end = query.indexOf('&', keyEnd)
      return end === -1 ? query.slice(keyEnd + 1) : query.slice(keyEnd + 1, end)
    }
    const ampersand = query.indexOf('&', start)
    if (ampersand === -1) return null
    start = ampersand + 1
  }
  return null
}
