import type { Now } from '../../src/base/clock.ts'
import { fetchJwks, type KeyPlace } from './jwks-fetch.ts'
import { type KeySet, parseKeySet } from './key-set.ts'
import type { JwtStats } from './stats.ts'

/** Where a rule finds its keys. */
export interface KeySource {
  /** Those at hand, or null. What is old is renewed meanwhile. */
  current(): KeySet | null
  /** Those at hand, else those that can be had; null: none. */
  load(): Promise<KeySet | null>
  /** A token names a key that is not among `known`: newer ones, or null when there are none. */
  newerThan(known: KeySet): Promise<KeySet | null>
}

/** Keys that configuration holds; null: none of them can verify anything. */
export class FixedKeys implements KeySource {
  readonly #keys: KeySet | null

  constructor(keys: KeySet | null) {
    this.#keys = keys
  }

  current(): KeySet | null {
    return this.#keys
  }

  load(): Promise<KeySet | null> {
    return Promise.resolve(this.#keys)
  }

  newerThan(): Promise<KeySet | null> {
    return Promise.resolve(null)
  }
}

/** Keys are renewed after this time; Istio's. */
export const REFRESH_MS = 20 * 60_000
/** After a fetch that failed there is none for so long. */
export const RETRY_MS = 1_000
/** Tokens with unknown keys lead to one fetch in this time at most. */
export const UNKNOWN_KEY_MS = 10_000

export interface RemoteKeysSettings {
  readonly place: KeyPlace
  /** Of one fetch, milliseconds. */
  readonly timeoutMs: number
  readonly now: Now
  readonly stats: JwtStats
  readonly log: (level: 'info' | 'warn', message: string) => void
}

/**
 * Keys that an issuer publishes. Fetched when the first token asks; those at hand serve until newer
 * ones are there, however often fetching fails.
 */
export class RemoteKeys implements KeySource {
  readonly #settings: RemoteKeysSettings
  readonly #closed = new AbortController()
  #keys: KeySet | null = null
  #pending: Promise<KeySet | null> | null = null
  #fetchedAt = -Infinity
  #failedAt = -Infinity
  #unknownAt = -Infinity
  #failing = false

  constructor(settings: RemoteKeysSettings) {
    this.#settings = settings
  }

  current(): KeySet | null {
    if (this.#keys !== null && this.#settings.now() - this.#fetchedAt >= REFRESH_MS) {
      void this.#fetchUnlessFailing()
    }
    return this.#keys
  }

  load(): Promise<KeySet | null> {
    const keys = this.current()
    return keys === null ? this.#fetchUnlessFailing() : Promise.resolve(keys)
  }

  async newerThan(known: KeySet): Promise<KeySet | null> {
    if (this.#pending === null && this.#keys === known) {
      const now = this.#settings.now()
      if (now - this.#unknownAt < UNKNOWN_KEY_MS) return null
      this.#unknownAt = now
    }
    const keys = this.#keys === known ? await this.#fetchUnlessFailing() : this.#keys
    return keys === known ? null : keys
  }

  /** Whoever waits for keys gets none. */
  close(): void {
    this.#closed.abort(new Error('the gateway ends'))
  }

  /** Keys at hand when a fetch failed just now. Never rejects. */
  #fetchUnlessFailing(): Promise<KeySet | null> {
    if (this.#pending !== null) return this.#pending
    if (this.#settings.now() - this.#failedAt < RETRY_MS) return Promise.resolve(this.#keys)
    this.#pending = this.#fetch().finally(() => {
      this.#pending = null
    })
    return this.#pending
  }

  async #fetch(): Promise<KeySet | null> {
    const { place, timeoutMs, now, stats } = this.#settings
    try {
      const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(timeoutMs)])
      const keys = parseKeySet(await fetchJwks(place, signal), false)
      if (keys === null) throw new Error('no key set with a key that can verify tokens')
      // Equal keys stay the same object: tokens that were verified with them stay verified.
      if (this.#keys?.digest !== keys.digest) this.#keys = keys
      this.#fetchedAt = now()
      stats.fetches.ok++
      this.#report(null)
    } catch (error) {
      this.#failedAt = now()
      stats.fetches.failed++
      this.#report(reasonOf(error))
    }
    return this.#keys
  }

  /** The first failure of a row, and its end. */
  #report(failure: string | null): void {
    const { place, log } = this.#settings
    // Its query may be nobody's business.
    const from = place.url.split('?', 1)[0]
    if (this.#closed.signal.aborted || this.#failing === (failure !== null)) return
    this.#failing = failure !== null
    if (failure === null) log('info', `keys of tokens are fetched again from ${from}`)
    else {
      const effect = this.#keys === null ? 'tokens are refused' : 'the last ones keep serving'
      log('warn', `keys of tokens cannot be fetched from ${from}: ${failure}; ${effect}`)
    }
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return 'no answer in time'
  return error.cause instanceof Error ? error.cause.message : error.message
}
