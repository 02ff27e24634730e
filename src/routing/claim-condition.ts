import { canonicalClaim, claimAt, claimText, parseClaimPath } from '../base/claims.ts'
import type { Request } from '../http/request.ts'
import type { FieldCondition } from './field-condition.ts'
import type { StringMatcher } from './string-match.ts'

/** What keys of `headers` and `withoutHeaders` begin with when they name claims. */
export const CLAIM_PREFIX = '@request.auth.claims'

/**
 * Istio's JWT claim based routing: a claim of the client's validated token, which has none without
 * one. Of a list, one element is enough. withoutHeaders holds where the other would not.
 */
export class ClaimCondition implements FieldCondition {
  readonly what = 'claim'
  readonly name: string
  readonly matcher: StringMatcher
  readonly inverted: boolean
  readonly #path: readonly string[]

  constructor(name: string, path: readonly string[], matcher: StringMatcher, inverted: boolean) {
    this.name = name
    this.#path = path
    this.matcher = matcher
    this.inverted = inverted
  }

  holds(request: Request): boolean {
    const claim = this.#claim(request)
    if (claim === undefined || claim === null) return this.inverted
    if (this.matcher.kind === 'present') return !this.inverted
    if (!Array.isArray(claim)) return this.#asked(claim)
    for (let i = 0; i < claim.length; i++) {
      if (this.#asked(claim[i]) !== this.inverted) return !this.inverted
    }
    return this.inverted
  }

  read(request: Request): string | null {
    const claim = this.#claim(request)
    return claim === undefined || claim === null ? null : canonicalClaim(claim)
  }

  #claim({ claims }: Request): unknown {
    return claims === null ? undefined : claimAt(claims, this.#path)
  }

  /** What the condition makes of one value. */
  #asked(value: unknown): boolean {
    const text = claimText(value)
    if (text === null) return this.inverted
    return this.inverted ? this.matcher.excludes(text) : this.matcher.matches(text)
  }
}

/** The claim that a key names, `@request.auth.claims.a.b` or `@request.auth.claims[a][b]`; null: none. */
export function claimPathOf(key: string): readonly string[] | null {
  const rest = key.slice(CLAIM_PREFIX.length)
  if (rest.startsWith('.')) return rest.startsWith('.[') ? null : parseClaimPath(rest.slice(1))
  return rest.startsWith('[') ? parseClaimPath(rest) : null
}
