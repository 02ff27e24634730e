import type { KeySet } from './key-set.ts'
import type { Identity } from './identity.ts'

/** Verified tokens of one rule. */
export const MAX_CACHED_TOKENS = 4096
/** Characters of those tokens together: what is kept of them is a small multiple of it. */
const MAX_CACHED_CHARS = 8_388_608

interface CachedToken {
  readonly identity: Identity
  /** Those that verified it: with others it is verified anew. */
  readonly keys: KeySet
  readonly chars: number
}

/** Tokens that were verified, by their digests; the longest unused one goes first. */
export class TokenCache {
  readonly #tokens = new Map<string, CachedToken>()
  #chars = 0

  get size(): number {
    return this.#tokens.size
  }

  /** null: not known, expired, or verified with other keys than `keys`. `nowMs`: since the epoch. */
  get(digest: string, keys: KeySet | null, nowMs: number): Identity | null {
    const found = this.#tokens.get(digest)
    if (found === undefined) return null
    this.#remove(digest, found)
    if (found.keys !== keys || found.identity.expiresAtMs <= nowMs) return null
    this.#add(digest, found)
    return found.identity
  }

  put(digest: string, token: CachedToken): void {
    const before = this.#tokens.get(digest)
    if (before !== undefined) this.#remove(digest, before)
    this.#add(digest, token)
    while (this.#tokens.size > MAX_CACHED_TOKENS || this.#chars > MAX_CACHED_CHARS) {
      const [oldest, entry] = this.#tokens.entries().next().value!
      this.#remove(oldest, entry)
    }
  }

  #add(digest: string, token: CachedToken): void {
    this.#tokens.set(digest, token)
    this.#chars += token.chars
  }

  #remove(digest: string, token: CachedToken): void {
    this.#tokens.delete(digest)
    this.#chars -= token.chars
  }
}
