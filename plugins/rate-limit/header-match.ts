import type { FilterExchange } from '../../src/filters/filter.ts'
import type { Fields } from './fields.ts'
import { combinedHeader, queryValue } from './request-values.ts'
import {
  readLiteral,
  readRange,
  readRegex,
  readStringMatcher,
  type TextMatcher,
} from './text-matcher.ts'

type Request = FilterExchange['request']

/** A condition on a request. */
export interface RequestMatcher {
  matches(request: Request): boolean
}

class HeaderMatcher implements RequestMatcher {
  readonly #name: string
  /** null: presence is all that counts. */
  readonly #value: TextMatcher | null
  readonly #wantsPresent: boolean
  readonly #invert: boolean
  readonly #missingIsEmpty: boolean

  constructor(
    name: string,
    value: TextMatcher | null,
    wantsPresent: boolean,
    invert: boolean,
    missingIsEmpty: boolean,
  ) {
    this.#name = name
    this.#value = value
    this.#wantsPresent = wantsPresent
    this.#invert = invert
    this.#missingIsEmpty = missingIsEmpty
  }

  matches(request: Request): boolean {
    const found = combinedHeader(request, this.#name)
    if (this.#value === null) {
      const present = found !== null || this.#missingIsEmpty
      return (present === this.#wantsPresent) !== this.#invert
    }
    if (found === null && !this.#missingIsEmpty) return false
    return this.#value.matches(found ?? '') !== this.#invert
  }
}

/** Envoy's route HeaderMatcher; without a condition the header has to be there. */
export function readHeaderMatcher(fields: Fields): RequestMatcher | null {
  fields.refuseOthers(
    'name',
    'exactMatch',
    'prefixMatch',
    'suffixMatch',
    'containsMatch',
    'safeRegexMatch',
    'rangeMatch',
    'presentMatch',
    'stringMatch',
    'invertMatch',
    'treatMissingHeaderAsEmpty',
  )
  const name = fields.string('name')
  if (name === null || name === '') {
    fields.error('name', 'a header match needs the name of a header')
    return null
  }
  const stringMatch = fields.object('stringMatch')
  const value =
    stringMatch === null
      ? (readLiteral(fields, 'exactMatch', 'exact', false) ??
        readLiteral(fields, 'prefixMatch', 'prefix', false) ??
        readLiteral(fields, 'suffixMatch', 'suffix', false) ??
        readLiteral(fields, 'containsMatch', 'contains', false) ??
        readRegex(fields, 'safeRegexMatch') ??
        readRange(fields, 'rangeMatch'))
      : readStringMatcher(stringMatch)
  return new HeaderMatcher(
    name.toLowerCase(),
    value,
    fields.boolean('presentMatch') ?? true,
    fields.boolean('invertMatch') ?? false,
    fields.boolean('treatMissingHeaderAsEmpty') ?? false,
  )
}

class QueryMatcher implements RequestMatcher {
  readonly #name: string
  readonly #value: TextMatcher | null

  constructor(name: string, value: TextMatcher | null) {
    this.#name = name
    this.#value = value
  }

  matches(request: Request): boolean {
    const found = queryValue(request.query, this.#name)
    if (found === null) return false
    return this.#value === null || this.#value.matches(found)
  }
}

/** Envoy's QueryParameterMatcher; without a condition the parameter has to be there. */
export function readQueryMatcher(fields: Fields): RequestMatcher | null {
  fields.refuseOthers('name', 'stringMatch', 'presentMatch')
  const name = fields.string('name')
  if (name === null || name === '') {
    fields.error('name', 'a query parameter match needs the name of a parameter')
    return null
  }
  const match = fields.object('stringMatch')
  return new QueryMatcher(name, match === null ? null : readStringMatcher(match))
}
