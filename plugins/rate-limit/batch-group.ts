import { ANSWER_LENGTH, NO_COUNTER } from './batch-script.ts'
import { type Charge, type Counting, EACH } from './counter-store.ts'
import { FIXED_WINDOW, type LimitCheck, type Quota } from './limit-check.ts'
import type { NearCache } from './near-cache.ts'

/** One request whose checks are on their way. */
export interface Waiting {
  readonly counting: Counting
  /** It was decided without an answer: nothing is charged for it if that can be helped. */
  readonly settled: boolean
  /** One of the groups it belongs to is answered, or failed. */
  groupDone(answered: boolean): void
}

/** What has to be given back: a part of a request was charged, another part refused. */
export interface Refund {
  readonly check: LimitCheck
  readonly requests: number
  /** When it was charged: microseconds on Redis' clock. */
  readonly chargedAtUs: number
}

/** The script's word on one check of a group. */
class CheckAnswer {
  /** Keys of one call are decided together. */
  part = 0
  fit = 0
  left = 0
  retryMs = 0
  resetMs = 0
  chargedAtUs = 0
}

/** Equal requests of one tick: the same counters, costs and quotas. Granted in part, in order. */
export class BatchGroup {
  readonly charge: Charge
  readonly checks: readonly LimitCheck[]
  readonly answers: readonly CheckAnswer[]
  readonly #members: Waiting[] = []
  /** Where the checks of each member begin in its counting. */
  readonly #offsets: number[] = []
  #openParts = 0
  #parts = 0
  #failed = false

  constructor(charge: Charge, checks: readonly LimitCheck[]) {
    this.charge = charge
    this.checks = checks
    this.answers = checks.map(() => new CheckAnswer())
  }

  get size(): number {
    return this.#members.length
  }

  add(member: Waiting, offset: number): void {
    this.#members.push(member)
    this.#offsets.push(offset)
  }

  /** The checks of `counting` from `offset` on are those of this group. */
  equals(counting: Counting, offset: number): boolean {
    const { checks } = this
    for (let i = 0; i < checks.length; i++) {
      const own = checks[i]!
      const other = counting.checks[offset + i]
      if (
        other === undefined ||
        own.key !== other.key ||
        own.cost !== other.cost ||
        own.enforces !== other.enforces ||
        !equalQuota(own.quota, other.quota)
      ) {
        return false
      }
    }
    return true
  }

  /** Requests that nobody waits for any more are left out; 0 when none is left. */
  dropSettled(): number {
    let kept = 0
    for (let i = 0; i < this.#members.length; i++) {
      const member = this.#members[i]!
      if (member.settled) continue
      this.#members[kept] = member
      this.#offsets[kept] = this.#offsets[i]!
      kept++
    }
    this.#members.length = kept
    this.#offsets.length = kept
    return kept
  }

  /** One more call carries checks of this group. */
  openPart(): number {
    this.#openParts++
    return ++this.#parts
  }

  /** One check's numbers begin at `at`. */
  take(index: number, reply: readonly number[], at: number, nowUs: number): void {
    const answer = this.answers[index]!
    answer.fit = reply[at] ?? NO_COUNTER
    answer.left = reply[at + 1] ?? 0
    answer.retryMs = reply[at + 2] ?? 0
    answer.resetMs = reply[at + ANSWER_LENGTH - 1] ?? 0
    answer.chargedAtUs = nowUs
    if (answer.fit === NO_COUNTER) this.#failed = true
  }

  /** A call that carried a part of this group is over. */
  partDone(answered: boolean, askedAt: number, near: NearCache, refunds: Refund[]): void {
    if (!answered) this.#failed = true
    if (--this.#openParts > 0) return
    if (!this.#failed) this.#answerAll(askedAt, near, refunds)
    for (const member of this.#members) member.groupDone(!this.#failed)
  }

  #answerAll(askedAt: number, near: NearCache, refunds: Refund[]): void {
    const { checks, answers } = this
    const n = this.#members.length
    const together = this.charge !== EACH
    const granted = together ? this.#granted(n, 0) : n
    for (let k = 0; k < checks.length; k++) {
      const check = checks[k]!
      const answer = answers[k]!
      let charged = answer.fit
      if (together) {
        charged = Math.min(granted, answer.fit)
        const ownPart = this.#parts === 1 ? granted : this.#granted(n, answer.part)
        const excess = Math.min(ownPart, answer.fit) - charged
        if (excess > 0) {
          const { chargedAtUs } = answer
          if (check.cost > 0) refunds.push({ check, requests: excess, chargedAtUs })
          answer.left += excess * check.cost
        }
      } else if (check.quota.algorithm === FIXED_WINDOW) {
        // Counted whatever comes of it.
        charged = n
      }
      if (check.enforces && check.cost > 0 && answer.left < check.cost) {
        const left = Math.max(0, answer.left)
        near.deny(check, left, askedAt, answer.retryMs, answer.resetMs)
      }
      this.#answerCheck(k, granted, charged)
    }
  }

  /** How many of the requests get all they need from one part of the group; 0 means from all. */
  #granted(n: number, part: number): number {
    let granted = n
    for (let k = 0; k < this.checks.length; k++) {
      const answer = this.answers[k]!
      if (part !== 0 && answer.part !== part) continue
      if (this.checks[k]!.enforces) granted = Math.min(granted, answer.fit)
    }
    return granted
  }

  #answerCheck(k: number, granted: number, charged: number): void {
    const { fit, left, retryMs, resetMs, chargedAtUs } = this.answers[k]!
    const { cost } = this.checks[k]!
    for (let j = 0; j < this.#members.length; j++) {
      const member = this.#members[j]!
      if (member.settled) continue
      // Behind the last grant nothing changes any more.
      const over = j < granted ? j >= fit : fit <= granted
      const behind = charged - Math.min(j + 1, charged)
      const check = member.counting.checks[this.#offsets[j]! + k]!
      check.answer(over, left + behind * cost, retryMs, resetMs)
      check.countedAtUs = chargedAtUs
    }
  }
}

function equalQuota(a: Quota, b: Quota): boolean {
  return (
    a === b ||
    (a.algorithm === b.algorithm &&
      a.limit === b.limit &&
      a.periodMs === b.periodMs &&
      a.burst === b.burst)
  )
}
