import { canonicalClaim, claimAt, claimText, parseClaimPath } from '../../src/base/claims.ts'
import type { FilterExchange, ValueMatcher } from '../../src/filters/filter.ts'
import { literal } from './literal.ts'
import type { PolicyCondition } from './policy-conditions.ts'
import type { ValueSpec } from './policy-settings.ts'

/**
 * A claim of the client's validated token. Without such a token it is absent. One of a list's
 * elements is enough for a match; a distinct value is the whole claim.
 */
export class ClaimCondition implements PolicyCondition {
  readonly text: string
  readonly distinctName: string | null
  readonly #path: readonly string[]
  /** null: being there is all that counts. */
  readonly #matcher: ValueMatcher | null
  readonly #invert: boolean

  /** `wanted` says for people what `matcher` asks. */
  constructor(name: string, spec: ValueSpec, wanted: string, matcher: ValueMatcher | null) {
    this.#path = parseClaimPath(name) ?? []
    this.#matcher = matcher
    this.#invert = spec.invert === true
    this.text = `claims.${name} ${wanted}`
    this.distinctName = spec.distinct === true ? `claims.${name}` : null
  }

  append({ claims }: FilterExchange, values: string[]): boolean {
    const claim = claims === null ? undefined : claimAt(claims, this.#path)
    if (this.#matches(claim) === this.#invert) return false
    if (this.distinctName !== null) values.push(canonicalClaim(claim))
    return true
  }

  distinctValue(text: string): string {
    return literal(text)
  }

  #matches(claim: unknown): boolean {
    if (claim === undefined || claim === null) return false
    if (this.#matcher === null) return true
    if (!Array.isArray(claim)) return this.#isText(claim)
    for (const element of claim) if (this.#isText(element)) return true
    return false
  }

  #isText(value: unknown): boolean {
    const text = claimText(value)
    return text !== null && this.#matcher!.matches(text)
  }
}
