import {
  COUNTED,
  type Counting,
  type CounterStore,
  type CountResult,
  EACH,
  PENDING,
  type StoreStatus,
  TOGETHER,
  UNAVAILABLE,
} from './counter-store.ts'
import type { ReplicaShare } from './heartbeat.ts'
import { Lease } from './lease.ts'
import { LimitCheck } from './limit-check.ts'

/** Counters that are leased at once; others are asked about each time. */
const MAX_LEASES = 10_000

/** How often leases are looked through for what nobody needs. */
const SWEEP_MS = 250

/** Nobody waits for a lease, so it may take its time; an answer behind this is lost. */
const LEASE_TIMEOUT_MS = 1000

/** Where leases are taken from. */
export interface LeaseSource extends CounterStore {
  readonly share: ReplicaShare
  giveBack(check: LimitCheck, chargedAtUs: number): void
}

/**
 * Takes units of busy limits ahead of need and spends them without asking. They are charged before
 * they are spent, and void when their window ends: never more than the limit is admitted. What is
 * held and not spent may be missing elsewhere: at most `lease` for each replica, and for all
 * together half of what was left.
 */
export class LeasedStore implements CounterStore {
  readonly #source: LeaseSource
  readonly #leases = new Map<string, Lease>()
  #sweeper: NodeJS.Timeout | null = null

  constructor(source: LeaseSource) {
    this.#source = source
  }

  get envoyKeys(): boolean {
    return this.#source.envoyKeys
  }

  /** Units charged and not spent. */
  get held(): number {
    let held = 0
    for (const { tokens } of this.#leases.values()) held += tokens
    return held
  }

  count(counting: Counting): CountResult {
    const { checks, charge } = counting
    if (charge === EACH) return this.#source.count(counting)
    const now = performance.now()
    const leases: (Lease | null)[] = []
    let leased = 0
    let ready = 0
    for (let i = 0; i < checks.length; i++) {
      const check = checks[i]!
      const lease = this.#leaseOf(check, now)
      if (lease !== null) leased++
      const has = lease !== null && lease.has(check.cost, now)
      if (has) ready++
      leases.push(lease)
    }
    if (leased === 0) return this.#source.count(counting)
    if (ready < checks.length) return this.#countRest(counting, leases, now)
    for (let i = 0; i < checks.length; i++) {
      leases[i]!.spend(checks[i]!, now)
      this.#renew(leases[i]!, now)
    }
    return COUNTED
  }

  status(): StoreStatus {
    return this.#source.status()
  }

  look(checks: readonly LimitCheck[]): Promise<boolean> {
    return this.#source.look?.(checks) ?? Promise.resolve(false)
  }

  forget(checks: readonly LimitCheck[]): Promise<number | null> {
    for (const { key } of checks) this.#leases.delete(key)
    return this.#source.forget?.(checks) ?? Promise.resolve(null)
  }

  /** Gives back what is held. The source is not closed. */
  close(): Promise<void> {
    if (this.#sweeper !== null) clearInterval(this.#sweeper)
    this.#sweeper = null
    for (const lease of this.#leases.values()) {
      const { tokens } = lease
      lease.tokens = 0
      this.#giveBack(lease, tokens)
    }
    this.#leases.clear()
    return Promise.resolve()
  }

  /** Asks for more where more will be needed. */
  renewAfter(lease: Lease, check: LimitCheck, askedAt: number): void {
    lease.learn(check, askedAt)
    if (!check.over) this.#renew(lease, performance.now())
  }

  /** null: the limit is not leased. Every check of it is noted. */
  #leaseOf(check: LimitCheck, now: number): Lease | null {
    if ((check.quota.lease ?? 0) === 0 || check.cost === 0) return null
    let lease = this.#leases.get(check.key)
    if (lease === undefined) {
      if (this.#leases.size >= MAX_LEASES) return null
      lease = new Lease(check, now)
      this.#leases.set(check.key, lease)
      this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS).unref()
    }
    lease.noteDemand(check, now)
    return lease
  }

  #countRest(counting: Counting, leases: readonly (Lease | null)[], now: number): CountResult {
    const rest = new RestCounting(this, counting, leases, now)
    const result = this.#source.count(rest)
    if (result === COUNTED) rest.conclude()
    else if (result === UNAVAILABLE) rest.unspend()
    return result
  }

  #renew(lease: Lease, now: number): void {
    const units = lease.wanted(this.#source.share.replicas, now)
    if (units === 0) return
    lease.asking = true
    const question = new LeaseQuestion(lease, units)
    const result = this.#source.count(question)
    if (result === COUNTED) question.counted()
    else if (result !== PENDING) question.failed()
  }

  #sweep(): void {
    const now = performance.now()
    for (const [key, lease] of this.#leases) {
      this.#giveBack(lease, lease.takeSurplus(now))
      if (lease.isIdle()) this.#leases.delete(key)
    }
    if (this.#leases.size > 0 || this.#sweeper === null) return
    clearInterval(this.#sweeper)
    this.#sweeper = null
  }

  #giveBack({ check: { key, quota }, chargedAtUs }: Lease, units: number): void {
    if (units > 0) this.#source.giveBack(new LimitCheck(key, quota, units, true), chargedAtUs)
  }
}

const NOT_PAID = -1

/** The checks of a request that are not paid by leases. */
class RestCounting implements Counting {
  readonly checks: readonly LimitCheck[]
  readonly charge = TOGETHER
  readonly timeoutMs: number
  readonly #store: LeasedStore
  readonly #whole: Counting
  /** Of each check of the whole: null is not leased. */
  readonly #leases: readonly (Lease | null)[]
  /** The window in which its lease paid; NOT_PAID. */
  readonly #paid: readonly number[]
  readonly #askedAt: number

  constructor(store: LeasedStore, whole: Counting, leases: readonly (Lease | null)[], now: number) {
    this.#store = store
    this.#whole = whole
    this.#leases = leases
    this.#askedAt = now
    this.timeoutMs = whole.timeoutMs
    const rest: LimitCheck[] = []
    this.#paid = whole.checks.map((check, i) => {
      const lease = leases[i] ?? null
      if (lease !== null && lease.has(check.cost, now)) {
        lease.spend(check, now)
        return lease.window
      }
      rest.push(check)
      return NOT_PAID
    })
    this.checks = rest
  }

  counted(): void {
    this.conclude()
    this.#whole.counted()
  }

  failed(): void {
    this.unspend()
    this.#whole.failed()
  }

  conclude(): void {
    if (this.checks.some(({ over, enforces }) => over && enforces)) this.unspend()
    for (let i = 0; i < this.#leases.length; i++) {
      const lease = this.#leases[i] ?? null
      const check = this.#whole.checks[i]!
      // A denial that was known already tells nothing new.
      if (lease === null || this.#paid[i] !== NOT_PAID || check.countedAtUs === 0) continue
      this.#store.renewAfter(lease, check, this.#askedAt)
    }
  }

  unspend(): void {
    for (let i = 0; i < this.#paid.length; i++) {
      const window = this.#paid[i]!
      if (window !== NOT_PAID) this.#leases[i]!.unspend(this.#whole.checks[i]!.cost, window)
    }
  }
}

/** One question for units ahead. */
class LeaseQuestion implements Counting {
  readonly checks: readonly LimitCheck[]
  readonly charge = TOGETHER
  readonly timeoutMs = LEASE_TIMEOUT_MS
  readonly #lease: Lease
  readonly #units: number
  readonly #askedAt = performance.now()

  constructor(lease: Lease, units: number) {
    this.#lease = lease
    this.#units = units
    this.checks = [new LimitCheck(lease.key, lease.check.quota, units, true)]
  }

  counted(): void {
    const lease = this.#lease
    const check = this.checks[0]!
    lease.asking = false
    if (check.countedAtUs === 0) return
    lease.learn(check, this.#askedAt)
    if (!check.over) lease.tokens += this.#units
  }

  /** It may have been charged all the same: then the units are lost until the window ends. */
  failed(): void {
    this.#lease.asking = false
  }
}
