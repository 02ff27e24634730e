import type { Request } from '../http/request.ts'
import { RequestField } from './request-field.ts'
import type { StringMatcher } from './string-match.ts'

/** One entry of `headers` or `withoutHeaders`. */
export interface FieldCondition {
  /** Lower-case. */
  readonly name: string
  readonly matcher: StringMatcher
  /** withoutHeaders */
  readonly inverted: boolean
  holds(request: Request): boolean
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
}

/** A missing field counts as the empty string, except for presence: then it must be missing. */
class WithoutField implements FieldCondition {
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
}
