import type { UpstreamObserver } from '../../src/filters/filter.ts'
import type { Headers } from '../../src/filters/headers.ts'
import { counterKey } from './counter-key.ts'
import { type Counting, type CounterStore, EACH } from './counter-store.ts'
import { GATE, LimitCheck, type Quota } from './limit-check.ts'
import { upstreamWaitMs } from './upstream-signals.ts'

/** Hosts of one policy that are known at once; a wildcard may lead to any number of them. */
const MAX_HOSTS = 10_000

/** How often a gate that no check of a limit goes by is asked about, while requests come. */
const REFRESH_MS = 100

/** Refusals that come together say the same: others are not told again for so little. */
const SAME_MS = 50

/** Longest wait for what other gateways know; nobody waits for it. */
const TELL_TIMEOUT_MS = 1000

/** `burst` of a gate is for how many milliseconds it is to be closed; 0 looks. */
function gateQuota(closeMs: number): Quota {
  return { algorithm: GATE, limit: 1, periodMs: 1, burst: closeMs }
}

const LOOK = gateQuota(0)

/** A question about a gate that goes by itself, beside those of requests. */
class GateQuestion implements Counting {
  readonly checks: readonly LimitCheck[]
  readonly charge = EACH
  readonly timeoutMs = TELL_TIMEOUT_MS
  readonly #gate: UpstreamGate

  constructor(gate: UpstreamGate, quota: Quota) {
    this.#gate = gate
    this.checks = [new LimitCheck(gate.key, quota, 1, false)]
  }

  counted(): void {
    this.#gate.learn(this.checks[0]!)
  }

  failed(): void {
    // This process still knows what it was told itself.
  }
}

/** One host that said when it may be asked again. */
export class UpstreamGate implements UpstreamObserver {
  readonly host: string
  readonly key: string
  readonly #gates: UpstreamGates
  /** Monotonic milliseconds. */
  #closedUntil = 0
  #askedAt = Number.NEGATIVE_INFINITY

  constructor(host: string, key: string, gates: UpstreamGates) {
    this.host = host
    this.key = key
    this.#gates = gates
  }

  /** Milliseconds until requests may go there again; 0 when they may. */
  closedMs(now: number): number {
    return Math.max(0, Math.ceil(this.#closedUntil - now))
  }

  /** A check of the gate that goes with those of a request, or null where nobody else knows of it. */
  check(now: number): LimitCheck | null {
    if (this.#gates.store === null) return null
    this.#askedAt = now
    return new LimitCheck(this.key, LOOK, 1, true)
  }

  /** What the other gateways know, asked now and then. */
  refresh(now: number): void {
    if (this.#gates.store === null || now - this.#askedAt < REFRESH_MS) return
    this.#askedAt = now
    this.#gates.store.count(new GateQuestion(this, LOOK))
  }

  learn({ over, retryMs }: LimitCheck): void {
    if (over) this.#closedUntil = Math.max(this.#closedUntil, performance.now() + retryMs)
  }

  upstreamAnswered(status: number, headers: Headers): boolean {
    const waitMs = upstreamWaitMs(status, headers, Date.now())
    if (waitMs === 0) return false
    const { maxDelayMs, store, stats } = this.#gates
    const closeMs = Math.ceil(Math.min(waitMs, maxDelayMs))
    const until = performance.now() + closeMs
    if (until <= this.#closedUntil + SAME_MS) return true
    this.#closedUntil = until
    stats.closings++
    if (store !== null) store.count(new GateQuestion(this, gateQuota(closeMs)))
    return true
  }
}

/** What a policy counts of its gates. */
export interface GateStats {
  closings: number
}

/** The hosts behind one policy. Outlives configuration changes. */
export class UpstreamGates {
  /** Shares what is known with other gateways; null: this process is alone. */
  readonly store: CounterStore | null
  readonly stats: GateStats
  /** The longest time an upstream can close a gate for by one answer. */
  maxDelayMs: number
  readonly #policy: string
  readonly #gates = new Map<string, UpstreamGate>()

  constructor(policy: string, store: CounterStore | null, stats: GateStats, maxDelayMs: number) {
    this.#policy = policy
    this.store = store
    this.stats = stats
    this.maxDelayMs = maxDelayMs
  }

  /** The gate of a cluster `outbound|port|subset|host`: ports and subsets of a host share one. */
  gateOf(clusterName: string): UpstreamGate {
    const host = clusterName.slice(clusterName.lastIndexOf('|') + 1)
    let gate = this.#gates.get(host)
    if (gate === undefined) {
      if (this.#gates.size >= MAX_HOSTS) this.#forgetOldest()
      const key = counterKey(`RateLimitPolicy upstream ${this.#policy}`, [host], 0)
      gate = new UpstreamGate(host, key, this)
      this.#gates.set(host, gate)
    }
    return gate
  }

  #forgetOldest(): void {
    const oldest = this.#gates.keys().next()
    if (!oldest.done) this.#gates.delete(oldest.value)
  }
}
