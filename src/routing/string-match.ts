import { toBytes } from '../base/latin1.ts'
import { compileRegex, type LinearRegex } from './linear-regex.ts'

/** Istio StringMatch: one of three, or none (`{}`) for presence. */
export interface StringMatchSpec {
  readonly exact?: string
  readonly prefix?: string
  readonly regex?: string
}

/** A compiled condition on one value (bytes, one latin1 character each). */
export interface StringMatcher {
  readonly kind: 'exact' | 'prefix' | 'regex' | 'present'
  /** What configuration says, for people. */
  readonly text: string
  matches(value: string): boolean
  /** Certainly does not match. Differs from `!matches` for values a regex refuses to look at. */
  excludes(value: string): boolean
}

/**
 * Compiles a StringMatch; a string is the reason why it cannot be. `ignoreCase` folds ASCII letters
 * and applies to exact and prefix only. The regex `*`, which is no RE2 expression, means presence.
 */
export function compileStringMatch(
  spec: StringMatchSpec,
  options: { readonly ignoreCase: boolean },
): StringMatcher | string {
  if (spec.exact !== undefined) {
    return options.ignoreCase ? new ExactFoldedMatcher(spec.exact) : new ExactMatcher(spec.exact)
  }
  if (spec.prefix !== undefined) {
    return options.ignoreCase
      ? new PrefixFoldedMatcher(spec.prefix)
      : new PrefixMatcher(spec.prefix)
  }
  if (spec.regex === undefined || spec.regex === '*') return new PresenceMatcher()
  const regex = compileRegex(spec.regex)
  return typeof regex === 'string' ? regex : new RegexMatcher(regex)
}

class PresenceMatcher implements StringMatcher {
  readonly kind = 'present'
  readonly text = '*'

  matches(): boolean {
    return true
  }

  excludes(): boolean {
    return false
  }
}

class ExactMatcher implements StringMatcher {
  readonly kind = 'exact'
  readonly text: string
  readonly #expected: string

  constructor(text: string) {
    this.text = text
    this.#expected = toBytes(text)
  }

  matches(value: string): boolean {
    return value === this.#expected
  }

  excludes(value: string): boolean {
    return value !== this.#expected
  }
}

class PrefixMatcher implements StringMatcher {
  readonly kind = 'prefix'
  readonly text: string
  readonly #expected: string

  constructor(text: string) {
    this.text = text
    this.#expected = toBytes(text)
  }

  matches(value: string): boolean {
    return value.startsWith(this.#expected)
  }

  excludes(value: string): boolean {
    return !value.startsWith(this.#expected)
  }
}

class ExactFoldedMatcher implements StringMatcher {
  readonly kind = 'exact'
  readonly text: string
  readonly #expected: string

  constructor(text: string) {
    this.text = text
    this.#expected = foldAscii(toBytes(text))
  }

  matches(value: string): boolean {
    return value.length === this.#expected.length && startsWithFolded(value, this.#expected)
  }

  excludes(value: string): boolean {
    return !this.matches(value)
  }
}

class PrefixFoldedMatcher implements StringMatcher {
  readonly kind = 'prefix'
  readonly text: string
  readonly #expected: string

  constructor(text: string) {
    this.text = text
    this.#expected = foldAscii(toBytes(text))
  }

  matches(value: string): boolean {
    return value.length >= this.#expected.length && startsWithFolded(value, this.#expected)
  }

  excludes(value: string): boolean {
    return !this.matches(value)
  }
}

class RegexMatcher implements StringMatcher {
  readonly kind = 'regex'
  readonly text: string
  readonly #regex: LinearRegex

  constructor(regex: LinearRegex) {
    this.text = regex.pattern
    this.#regex = regex
  }

  matches(value: string): boolean {
    return this.#regex.matches(value)
  }

  excludes(value: string): boolean {
    return this.#regex.excludes(value)
  }
}

/** String.toLowerCase would fold letters beyond ASCII too, and with them bytes of UTF-8. */
function foldAscii(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

function startsWithFolded(value: string, folded: string): boolean {
  for (let i = 0; i < folded.length; i++) {
    let code = value.charCodeAt(i)
    if (code >= 0x41 && code <= 0x5a) code += 0x20
    if (code !== folded.charCodeAt(i)) return false
  }
  return true
}
