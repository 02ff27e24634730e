/** A set of ASCII characters: bit n is the character of code n. */
export type AsciiSet = bigint

const ASCII_SIZE = 128
export const ALL_ASCII: AsciiSet = (1n << 128n) - 1n

export function single(code: number): AsciiSet {
  return 1n << BigInt(code)
}

export function range(low: number, high: number): AsciiSet {
  return (single(high) << 1n) - single(low)
}

export function complement(set: AsciiSet): AsciiSet {
  return ALL_ASCII & ~set
}

export function has(set: AsciiSet, code: number): boolean {
  return ((set >> BigInt(code)) & 1n) === 1n
}

const UPPER = range(0x41, 0x5a)
const LOWER = range(0x61, 0x7a)

/** Adds the other case of every letter. */
export function foldCase(set: AsciiSet): AsciiSet {
  return set | ((set & UPPER) << 32n) | ((set & LOWER) >> 32n)
}

const DIGITS = range(0x30, 0x39)
const WORD = DIGITS | UPPER | LOWER | single(0x5f)
/** RE2's `\s`: tab, line feed, form feed, carriage return, space. */
const SPACE = range(0x09, 0x0a) | range(0x0c, 0x0d) | single(0x20)
/** `.` without the `s` flag. */
export const ANY_BUT_NEWLINE = complement(single(0x0a))

/** The set of `\d \w \s \D \W \S` or of an escaped punctuation character; null for other escapes. */
export function escapedSet(character: string): AsciiSet | null {
  switch (character) {
    case 'd':
      return DIGITS
    case 'D':
      return complement(DIGITS)
    case 'w':
      return WORD
    case 'W':
      return complement(WORD)
    case 's':
      return SPACE
    case 'S':
      return complement(SPACE)
    default:
      return /^[!-/:-@[-`{-~]$/.test(character) ? single(character.charCodeAt(0)) : null
  }
}

/** The set as a character class of a RegExp without flags. */
export function classSource(set: AsciiSet): string {
  let source = ''
  for (let low = 0; low < ASCII_SIZE; low++) {
    if (!has(set, low)) continue
    let high = low
    while (high + 1 < ASCII_SIZE && has(set, high + 1)) high++
    source += low === high ? hexEscape(low) : `${hexEscape(low)}-${hexEscape(high)}`
    low = high
  }
  return `[${source}]`
}

function hexEscape(code: number): string {
  return `\\x${code.toString(16).padStart(2, '0')}`
}
