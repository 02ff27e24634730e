import { RE2JS } from 're2js'
import type { Fields } from './fields.ts'
import { literal } from './literal.ts'

/** A condition on one value. */
export interface TextMatcher {
  matches(value: string): boolean
}

/** Longer values match no regular expression: RE2's worst case stays in the milliseconds. */
const MAX_REGEX_INPUT = 8192

/** RE2 instructions of one expression. */
const MAX_REGEX_SIZE = 4096

/** RE2 instructions times characters one match may cost. */
const MAX_REGEX_WORK = 1 << 20

type Kind = 'exact' | 'prefix' | 'suffix' | 'contains'

class LiteralMatcher implements TextMatcher {
  readonly #kind: Kind
  readonly #wanted: string
  readonly #ignoreCase: boolean

  constructor(kind: Kind, wanted: string, ignoreCase: boolean) {
    this.#kind = kind
    this.#wanted = literal(ignoreCase ? wanted.toLowerCase() : wanted)
    this.#ignoreCase = ignoreCase
  }

  matches(value: string): boolean {
    const text = this.#ignoreCase ? value.toLowerCase() : value
    switch (this.#kind) {
      case 'exact':
        return text === this.#wanted
      case 'prefix':
        return text.startsWith(this.#wanted)
      case 'suffix':
        return text.endsWith(this.#wanted)
      case 'contains':
        return text.includes(this.#wanted)
    }
  }
}

class RegexMatcher implements TextMatcher {
  readonly #regex: RE2JS
  readonly #maxInput: number

  constructor(regex: RE2JS) {
    this.#regex = regex
    this.#maxInput = Math.min(MAX_REGEX_INPUT, Math.floor(MAX_REGEX_WORK / regex.programSize()))
  }

  matches(value: string): boolean {
    return value.length <= this.#maxInput && this.#regex.testExact(value)
  }
}

class RangeMatcher implements TextMatcher {
  readonly #start: number
  readonly #end: number

  constructor(start: number, end: number) {
    this.#start = start
    this.#end = end
  }

  matches(value: string): boolean {
    if (!/^-?\d{1,15}$/.test(value)) return false
    const number = Number(value)
    return number >= this.#start && number < this.#end
  }
}

/** Envoy's StringMatcher: exact, prefix, suffix, contains, safe_regex, with ignore_case. */
export function readStringMatcher(fields: Fields): TextMatcher | null {
  const errorsBefore = fields.findings.errors
  const ignoreCase = fields.boolean('ignoreCase') ?? false
  const matcher =
    readLiteral(fields, 'exact', 'exact', ignoreCase) ??
    readLiteral(fields, 'prefix', 'prefix', ignoreCase) ??
    readLiteral(fields, 'suffix', 'suffix', ignoreCase) ??
    readLiteral(fields, 'contains', 'contains', ignoreCase) ??
    readRegex(fields, 'safeRegex')
  if (matcher === null && fields.findings.errors === errorsBefore) {
    fields.findings.error(
      fields.path,
      'a string match needs exact, prefix, suffix, contains or safe_regex',
    )
  }
  return matcher
}

export function readLiteral(
  fields: Fields,
  name: string,
  kind: Kind,
  ignoreCase: boolean,
): TextMatcher | null {
  const wanted = fields.string(name)
  return wanted === null ? null : new LiteralMatcher(kind, wanted, ignoreCase)
}

/** `safe_regex {regex}`: RE2, the whole value. */
export function readRegex(fields: Fields, name: string): TextMatcher | null {
  const regex = fields.object(name)?.string('regex') ?? null
  if (regex === null) return null
  try {
    const program = RE2JS.compile(regex)
    if (program.programSize() <= MAX_REGEX_SIZE) return new RegexMatcher(program)
    fields.error(name, `"${regex}" is too large: at most ${MAX_REGEX_SIZE} RE2 instructions`)
    return null
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    fields.error(name, `"${regex}" is no RE2 expression: ${reason}`)
    return null
  }
}

/** `range_match {start, end}`: whole numbers, end excluded. */
export function readRange(fields: Fields, name: string): TextMatcher | null {
  const range = fields.object(name)
  if (range === null) return null
  const limit = Number.MAX_SAFE_INTEGER
  return new RangeMatcher(
    range.integer('start', -limit, limit) ?? 0,
    range.integer('end', -limit, limit) ?? 0,
  )
}
