import type { JwtRule } from '../../src/filters/authenticator.ts'
import { type Identity, Outputs } from './identity.ts'
import { type JwtFailure, NO_KEYS, NO_MATCHING_KEY } from './jwt-failure.ts'
import type { KeySource } from './key-source.ts'
import type { Token } from './token.ts'
import { TokenCache } from './token-cache.ts'

/** One rule with its keys and the tokens it verified. */
export class RuleVerifier {
  readonly rule: JwtRule
  readonly outputs: Outputs
  readonly #keys: KeySource
  readonly #cache = new TokenCache()
  readonly #audiences: ReadonlySet<string>

  constructor(rule: JwtRule, keys: KeySource) {
    this.rule = rule
    this.outputs = new Outputs(rule)
    this.#keys = keys
    this.#audiences = new Set(rule.audiences.map(bareAudience))
  }

  /** What a token with this digest gives, when it was verified before. */
  cached(digest: string, nowMs: number): Identity | null {
    return this.#cache.size === 0 ? null : this.#cache.get(digest, this.#keys.current(), nowMs)
  }

  /** Is the token meant for this rule at all? */
  isIssuer({ issuer }: Token): boolean {
    return this.rule.issuer === '' || this.rule.issuer === issuer
  }

  isAudience({ audiences }: Token): boolean {
    if (this.#audiences.size === 0) return true
    return audiences.some((one) => this.#audiences.has(bareAudience(one)))
  }

  /** Holds the signature against the keys; a token that is good is remembered by `digest`. */
  async verify(token: Token, digest: string): Promise<Identity | JwtFailure> {
    let keys = await this.#keys.load()
    if (keys === null) return NO_KEYS
    let failure = await keys.verify(token)
    if (failure === NO_MATCHING_KEY) {
      const newer = await this.#keys.newerThan(keys)
      if (newer !== null) {
        keys = newer
        failure = await newer.verify(token)
      }
    }
    if (failure !== null) return failure
    const identity = this.outputs.of(token)
    this.#cache.put(digest, { identity, keys, chars: token.text.length })
    return identity
  }
}

/** Envoy compares audiences without their scheme and a slash at the end. */
function bareAudience(text: string): string {
  return text.replace(/^https?:\/\//, '').replace(/\/$/, '')
}
