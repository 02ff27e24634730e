import { isIPv4 } from 'node:net'
import { backoffMs } from '../base/backoff.ts'
import { MAX_TIMER_MS } from '../base/deadlines.ts'
import type { Random } from '../base/random.ts'
import type { AddressSource } from '../upstream/dial.ts'
import type { ResolveFailure, Resolution, Resolver } from '../upstream/resolver.ts'

/** First delay after a failed lookup; with the jitter, longer than the resolver keeps a failure. */
const FAILURE_BASE_MS = 1_000
/** Past the answer's TTL, so that the resolver's cache has let go of it. */
const EXPIRY_SLACK_MS = 5

/**
 * Follows one name: looks it up again when its TTL is over. A failed lookup keeps the last good
 * addresses and is repeated with a growing delay.
 */
export class DnsWatch implements AddressSource {
  readonly name: string
  /** Last good answer: of one family, IPv4 when there is any. Empty before the first. */
  addresses: readonly string[]
  /** Last good answer of both families, in its order. */
  candidates: readonly string[]
  /** Where the delays after failed lookups end. Mirrors MeshConfig dnsRefreshRate. */
  refreshMs: number
  /** Why the latest lookup failed, or null. */
  failure: ResolveFailure | null
  /** Resolved after the first lookup, however it ended. Never rejects. */
  readonly ready: Promise<void>
  readonly #resolver: Resolver
  readonly #random: Random
  readonly #onAnswer: (watch: DnsWatch) => void
  #failures: number
  #timer: NodeJS.Timeout | null
  #closed: boolean

  /** `onAnswer` is called after each lookup, later than the constructor. */
  constructor(
    name: string,
    resolver: Resolver,
    random: Random,
    settings: { refreshMs: number; onAnswer: (watch: DnsWatch) => void },
  ) {
    this.name = name
    this.addresses = []
    this.candidates = []
    this.refreshMs = settings.refreshMs
    this.failure = null
    this.#resolver = resolver
    this.#random = random
    this.#onAnswer = settings.onAnswer
    this.#failures = 0
    this.#timer = null
    this.#closed = false
    this.ready = this.#lookUp()
  }

  close(): void {
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  async #lookUp(): Promise<void> {
    const resolution = await this.#resolver.resolve(this.name)
    if (this.#closed) return
    const delayMs = this.#take(resolution)
    if (delayMs !== Infinity) {
      this.#timer = setTimeout(() => void this.#lookUp(), Math.min(delayMs, MAX_TIMER_MS))
      this.#timer.unref()
    }
    this.#onAnswer(this)
  }

  /** Returns the delay until the next lookup. */
  #take(resolution: Resolution): number {
    if (!resolution.ok) {
      this.failure = resolution
      const capMs = Math.max(this.refreshMs, FAILURE_BASE_MS)
      return backoffMs(this.#failures++, FAILURE_BASE_MS, capMs, this.#random)
    }
    this.#failures = 0
    this.failure = null
    const v4 = resolution.addresses.filter((address) => isIPv4(address))
    this.addresses = v4.length > 0 ? v4 : resolution.addresses
    this.candidates = resolution.addresses
    return resolution.ttlMs + EXPIRY_SLACK_MS
  }
}
