import type { LimitCheck, Quota } from './limit-check.ts'

/** Denials remembered at once; about 150 bytes each. Beyond that the oldest is asked again. */
const MAX_DENIALS = 100_000

/**
 * A denial is asked about again after this long: counters may be deleted by hand or lost with their
 * server, and a year is a long window.
 */
export const MAX_TRUST_MS = 5000

/** In a cluster a counter may be charged for a moment by a request that another node refuses. */
export const CLUSTER_TRUST_MS = 250

interface Denial {
  readonly quota: Quota
  /** Requests of this cost and more do not fit. */
  readonly cost: number
  readonly remaining: number
  readonly trustedUntil: number
  readonly retryAt: number
  readonly resetAt: number
}

/**
 * Counters known to be used up until a moment: nothing but time gives units back, so a denial
 * holds without asking. Times are milliseconds on the monotonic clock.
 */
export class NearCache {
  readonly #denials = new Map<string, Denial>()
  readonly #maxDenials: number
  readonly #maxTrustMs: number

  constructor(maxTrustMs: number = MAX_TRUST_MS, maxDenials: number = MAX_DENIALS) {
    this.#maxDenials = maxDenials
    this.#maxTrustMs = maxTrustMs
  }

  get size(): number {
    return this.#denials.size
  }

  /** A request like `check` did not fit at `askedAt`, and will not for `retryMs`. */
  deny(
    check: LimitCheck,
    remaining: number,
    askedAt: number,
    retryMs: number,
    resetMs: number,
  ): void {
    // Whole milliseconds are rounded up: less one, so that nobody is denied too long.
    const retryAt = askedAt + retryMs - 1
    const known = this.#denials.get(check.key)
    if (known !== undefined) {
      const sooner = known.cost <= check.cost && known.trustedUntil >= askedAt
      if (sooner && sameQuota(known.quota, check.quota)) return
      this.#denials.delete(check.key)
    } else if (this.#denials.size >= this.#maxDenials) {
      const oldest = this.#denials.keys().next()
      if (!oldest.done) this.#denials.delete(oldest.value)
    }
    this.#denials.set(check.key, {
      quota: check.quota,
      cost: check.cost,
      remaining,
      trustedUntil: Math.min(retryAt, askedAt + this.#maxTrustMs),
      retryAt,
      resetAt: askedAt + resetMs,
    })
  }

  /** True when the check is known not to fit: it is answered. Shadow limits are always counted. */
  answer(check: LimitCheck, now: number): boolean {
    if (!check.enforces || check.cost === 0) return false
    const known = this.#denials.get(check.key)
    if (known === undefined) return false
    if (known.trustedUntil <= now) {
      this.#denials.delete(check.key)
      return false
    }
    if (check.cost < known.cost || !sameQuota(known.quota, check.quota)) return false
    check.answer(
      true,
      known.remaining,
      Math.ceil(known.retryAt - now),
      Math.ceil(known.resetAt - now),
    )
    return true
  }

  /** True when the counter was known to be used up. */
  forget(key: string): boolean {
    return this.#denials.delete(key)
  }

  clear(): void {
    this.#denials.clear()
  }
}

/** An edited limit goes on with the same key. */
function sameQuota(known: Quota, asked: Quota): boolean {
  return (
    known === asked ||
    (known.limit === asked.limit &&
      known.burst === asked.burst &&
      known.periodMs === asked.periodMs &&
      known.algorithm === asked.algorithm)
  )
}
