import { US_PER_MS } from './counter.ts'
import type { LimitCheck } from './limit-check.ts'

/** What is needed is judged by the units asked for in this time. */
const DEMAND_MS = 100

/** The part of what is left that all replicas together may hold. */
const HELD_SHARE = 0.5

/** The part of a lease that is left when more is asked for: enough for the time the answer takes. */
const REFILL_AT = 0.25

/** Fewer are not worth a question of their own. */
const SMALLEST = 2

/** Units of one counter that are charged already and not yet spent. Times are monotonic. */
export class Lease {
  readonly key: string
  tokens = 0
  /** Units left in the store, as it last said. */
  #left = 0
  /** A moment before the window ends: behind it tokens are worth nothing. */
  #expiresAt = 0
  /** A moment in the window, in microseconds on the store's clock. */
  chargedAtUs = 0
  /** A question for more is on its way. */
  asking = false
  /** The latest check: names key and quota. */
  check: LimitCheck
  #seen = 0
  #since: number
  #rate = 0

  constructor(check: LimitCheck, now: number) {
    this.key = check.key
    this.check = check
    this.#since = now
  }

  /** Units asked for, leased or not. */
  noteDemand(check: LimitCheck, now: number): void {
    this.check = check
    this.#roll(now)
    this.#seen += check.cost
  }

  has(cost: number, now: number): boolean {
    return this.tokens >= cost && now < this.#expiresAt
  }

  /** `has` said yes. */
  spend(check: LimitCheck, now: number): void {
    this.tokens -= check.cost
    const left = Math.min(check.quota.limit, this.tokens + this.#left)
    check.answer(false, left, 0, Math.ceil(this.#expiresAt - now))
  }

  /** Names the window that tokens belong to. */
  get window(): number {
    return Math.floor(this.chargedAtUs / (this.check.quota.periodMs * US_PER_MS))
  }

  /** What a request took in a window and others refused. */
  unspend(cost: number, window: number): void {
    if (window === this.window) this.tokens += cost
  }

  /** How the counter stands, by an answer to a question asked at `askedAt`. */
  learn(check: LimitCheck, askedAt: number): void {
    // Behind the edge tokens of the window before are void.
    if (performance.now() >= this.#expiresAt) this.tokens = 0
    this.#left = check.over ? 0 : check.remaining
    // The store said "so long until the edge" after it was asked, rounded up to a millisecond.
    this.#expiresAt = askedAt + check.resetMs - 1
    this.chargedAtUs = check.countedAtUs
  }

  /** How many to take now; 0: none. They are few where little is left, so nobody else misses them. */
  wanted(replicas: number, now: number): number {
    const { lease = 0 } = this.check.quota
    if (this.asking || now >= this.#expiresAt) return 0
    const aim = Math.min(lease, Math.ceil(this.#demand()))
    if (this.tokens > aim * REFILL_AT) return 0
    const fair = Math.floor((this.#left * HELD_SHARE) / replicas)
    const units = Math.min(aim - this.tokens, fair)
    return units < SMALLEST ? 0 : units
  }

  /** Tokens nobody will need soon; they are gone from here. */
  takeSurplus(now: number): number {
    this.#roll(now)
    if (now >= this.#expiresAt) this.tokens = 0
    const surplus = Math.floor(this.tokens - 2 * this.#demand())
    if (surplus <= 0) return 0
    this.tokens -= surplus
    this.#left += surplus
    return surplus
  }

  /** Nothing is held, and nobody has asked of late. */
  isIdle(): boolean {
    return this.tokens === 0 && !this.asking && this.#demand() === 0
  }

  /** Units in DEMAND_MS. */
  #demand(): number {
    return Math.max(this.#rate, this.#seen)
  }

  #roll(now: number): void {
    const elapsed = now - this.#since
    if (elapsed < DEMAND_MS) return
    this.#rate = (this.#seen * DEMAND_MS) / elapsed
    this.#seen = 0
    this.#since = now
  }
}
