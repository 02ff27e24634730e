import { RE2JS } from 're2js'
import { nativeEquivalent } from './deterministic-regex.ts'
import { fromBytes, isAscii } from '../base/latin1.ts'

/** Longer values are not looked at: see LinearRegex. Characters, one per byte. */
export const MAX_INPUT_LENGTH = 8192

/** Istio's StringMatch.regex limit, in characters. */
export const MAX_PATTERN_LENGTH = 1024

/** RE2 instructions. Patterns beyond are refused; Istio's own ceiling only warns far later. */
const MAX_PROGRAM_SIZE = 4096

/**
 * Instructions times characters that one match may cost. When RE2's automaton overflows its cache
 * every character costs one step per live instruction: 2^17 of those cost 5 to 15 ms on a slow core.
 */
const MAX_WORK = 1 << 17

/**
 * An RE2 expression that must match the whole value, in time linear in the value.
 *
 * Values are bytes, one latin1 character each. A value that is valid UTF-8 is matched as the text
 * it spells (`.` takes one code point); any other value is matched byte by byte, each byte being
 * the character of its number, so that `.*` still takes it.
 *
 * A value longer than `maxInputLength` neither matches nor is excluded: a condition on it fails
 * whether it is inverted or not.
 */
export class LinearRegex {
  readonly pattern: string
  /** MAX_INPUT_LENGTH; less for large programs that do not know at each character where they are. */
  readonly maxInputLength: number
  readonly #linear: RE2JS
  readonly #native: RegExp | null

  constructor(pattern: string, linear: RE2JS, native: RegExp | null) {
    this.pattern = pattern
    const affordable = native === null ? Math.floor(MAX_WORK / linear.programSize()) : Infinity
    this.maxInputLength = Math.min(MAX_INPUT_LENGTH, affordable)
    this.#linear = linear
    this.#native = native
  }

  /** The whole value matches. */
  matches(value: string): boolean {
    return value.length <= this.maxInputLength && this.#test(value)
  }

  /** The whole value was looked at and does not match. */
  excludes(value: string): boolean {
    return value.length <= this.maxInputLength && !this.#test(value)
  }

  #test(value: string): boolean {
    if (!isAscii(value)) return this.#linear.testExact(fromBytes(value))
    return this.#native === null ? this.#linear.testExact(value) : this.#native.test(value)
  }
}

/** Compiles an RE2 expression; a string is the reason why it is none, or too costly. */
export function compileRegex(pattern: string): LinearRegex | string {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    return `regex is too large, max length allowed is ${MAX_PATTERN_LENGTH}`
  }
  const linear = compileRe2(pattern)
  if (typeof linear === 'string') return linear
  return new LinearRegex(pattern, linear, nativeEquivalent(pattern))
}

/** The RE2 program of `pattern`, within the size every match can afford. */
export function compileRe2(pattern: string): RE2JS | string {
  try {
    const program = RE2JS.compile(pattern)
    const size = program.programSize()
    return size <= MAX_PROGRAM_SIZE
      ? program
      : `regex needs ${size} instructions, at most ${MAX_PROGRAM_SIZE} are allowed`
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
