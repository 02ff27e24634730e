import { claimAt, type Claims, parseClaimPath } from '../../src/base/claims.ts'
import { toBytes } from '../../src/base/latin1.ts'
import type { JwtRule } from '../../src/filters/authenticator.ts'
import type { Token } from './token.ts'

/** Claims that Istio reads as lists of words, whatever a rule says. */
const SPACE_DELIMITED = ['scope', 'permission']

/** What a verified token gives its request. */
export interface Identity {
  readonly claims: Claims
  /** Header fields for the upstream: name, value, ... */
  readonly fields: readonly string[]
  /** Milliseconds since the epoch; Infinity for a token without end. */
  readonly expiresAtMs: number
}

/** What one rule makes of its tokens. */
export class Outputs {
  /** Names that only a verified token may write; lower-case. */
  readonly headers: readonly string[]
  readonly #payload: string
  readonly #claims: readonly { readonly header: string; readonly path: readonly string[] }[]
  readonly #lists: readonly string[]

  constructor(rule: JwtRule) {
    this.#payload = rule.outputPayloadToHeader
    this.#claims = rule.outputClaimToHeaders.flatMap(({ header, claim }) => {
      const path = parseClaimPath(claim)
      return path === null ? [] : [{ header, path }]
    })
    const written = [this.#payload, ...rule.outputClaimToHeaders.map(({ header }) => header)]
    this.headers = [...new Set(written.filter((name) => name !== ''))]
    this.#lists = [...new Set([...SPACE_DELIMITED, ...rule.spaceDelimitedClaims])]
  }

  of({ claims, payload, expiresAt }: Token): Identity {
    const fields: string[] = []
    if (this.#payload !== '') fields.push(this.#payload, payload)
    for (const { header, path } of this.#claims) {
      const value = headerValue(claimAt(claims, path))
      if (value !== null) fields.push(header, value)
    }
    return {
      claims: this.#withLists(claims),
      fields,
      expiresAtMs: expiresAt === null ? Infinity : expiresAt * 1000,
    }
  }

  #withLists(claims: Claims): Claims {
    let result: Record<string, unknown> | null = null
    for (const name of this.#lists) {
      const value = Object.hasOwn(claims, name) ? claims[name] : null
      if (typeof value !== 'string') continue
      result ??= { ...claims }
      result[name] = value.split(' ').filter((word) => word !== '')
    }
    return result ?? claims
  }
}

/**
 * Istio copies texts, whole numbers and truth values, nothing else. A text that could end the field
 * (users choose their own names) is not copied, nor is a number that was rounded as it was read.
 */
function headerValue(claim: unknown): string | null {
  switch (typeof claim) {
    case 'boolean':
      return String(claim)
    case 'number':
      return Number.isSafeInteger(claim) ? String(claim) : null
    case 'string': {
      const value = toBytes(claim).trim()
      return CONTROL.test(value) ? null : value
    }
    default:
      return null
  }
}

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\0-\x1f\x7f]/
