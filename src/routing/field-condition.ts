import type { Request } from '../http/request.ts'
import { RequestField } from './request-field.ts'
import type { StringMatcher } from './string-match.ts'

/** One entry of `headers` or `withoutHeaders`. */
export interface FieldCondition {
  readonly what: 'header' | 'claim'
  /** Of a header: lower-case. */
  readonly name: string
  readonly matcher: StringMatcher
  /** withoutHeaders */
  readonly inverted: boolean
  holds(request: Request): boolean
  /** The value that is asked about, for people; null: the request has none. */
  read(request: Request): string | null
}

/** Istio HTTPMatchRequest headers (`inverted` false) and withoutHeaders (true). */
export function fieldCondition(
  name: string,
  matcher: StringMatcher,
  inverted: boolean,
): FieldCondition {
  return inverted ? new WithoutField(name, matcher) : new WithField(name, matcher)
}

class WithField implements FieldCondition {
  readonly what = 'header'
  readonly matcher: StringMatcher
  readonly inverted = false
  readonly #field: RequestField

  constructor(name: string, matcher: StringMatcher) {
    this.matcher = matcher
    this.#field = new RequestField(name)
  }

  get name(): string {
    return this.#field.name
  }

  holds(request: Request): boolean {
    const value = this.#field.read(request)
    return value !== null && this.matcher.matches(value)
  }

  read(request: Request): string | null {
    return this.#field.read(request)
  }
}

/** A missing field counts as the empty string, except for presence: then it must be missing. */
class WithoutField implements FieldCondition {
  readonly what = 'header'
  readonly matcher: StringMatcher
  readonly inverted = true
  readonly #field: RequestField

  constructor(name: string, matcher: StringMatcher) {
    this.matcher = matcher
    this.#field = new RequestField(name)
  }

  get name(): string {
    return this.#field.name
  }

  holds(request: Request): boolean {
    const value = this.#field.read(request)
    if (this.matcher.kind === 'present') return value === null
    return this.matcher.excludes(value ?? '')
  }

  read(request: Request): string | null {
    return this.#field.read(request)
  }
}
