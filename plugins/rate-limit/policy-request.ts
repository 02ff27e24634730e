import {
  ANSWERED,
  CONTINUE,
  type FilterExchange,
  type Verdict,
  WAIT,
  type Waiter,
} from '../../src/filters/filter.ts'
import { COUNTED, type Counting, type CounterStore, PENDING, TOGETHER } from './counter-store.ts'
import { isGrpcRequest } from './grpc-request.ts'
import type { LimitCheck } from './limit-check.ts'
import {
  type Denial,
  denial,
  describeLimits,
  refusal,
  type RuleCheck,
  upstreamDenial,
} from './policy-answers.ts'
import type { PolicyRule } from './policy-rule.ts'
import type { PolicyUpstream } from './policy-upstream.ts'
import { paceAfter, paceUntil } from './queue-pace.ts'
import type { RateLimitStats } from './stats.ts'
import type { UpstreamGate } from './upstream-gates.ts'
import { QueuedRequest, type QueueSettings, type WaitingRooms } from './waiting-room.ts'

/** The rules of one route, and where they are counted. */
export interface PolicyPlan {
  readonly rules: readonly PolicyRule[]
  /** Policies whose upstreams are obeyed; empty for most routes. */
  readonly upstreams: readonly PolicyUpstream[]
  readonly store: CounterStore
  /** Counts in this process while `store` is away. Never waits. */
  readonly fallback: CounterStore
  readonly rooms: WaitingRooms
  readonly stats: RateLimitStats
}

/** A host of which one policy knows how it stands. */
export interface GatedUpstream {
  readonly upstream: PolicyUpstream
  readonly gate: UpstreamGate
  /** Goes with the checks of limits; null: nobody else knows, or there are none. */
  check: LimitCheck | null
}

export const TOO_MANY_REQUESTS = 429
const UNAVAILABLE_STATUS = 503

/** One request at the limits of the rules that apply to it: counted, and where they say so queued. */
export class PolicyRequest extends QueuedRequest implements Counting, Waiter {
  readonly checks: readonly LimitCheck[]
  readonly charge = TOGETHER
  readonly timeoutMs: number
  readonly #plan: PolicyPlan
  readonly #exchange: FilterExchange
  readonly #entries: readonly RuleCheck[]
  readonly #gates: readonly GatedUpstream[]

  constructor(
    plan: PolicyPlan,
    exchange: FilterExchange,
    entries: readonly RuleCheck[],
    gates: readonly GatedUpstream[],
  ) {
    super()
    this.#plan = plan
    this.#exchange = exchange
    this.#entries = entries
    this.#gates = gates
    const checks = entries.map(({ check }) => check)
    let timeoutMs = 1
    for (const { rule } of entries) timeoutMs = Math.max(timeoutMs, rule.timeoutMs)
    this.timeoutMs = timeoutMs
    // What is leased is not to wait for a round trip: such a gate is asked about beside it.
    if (gates.length > 0 && entries.some(({ check }) => (check.quota.lease ?? 0) === 0)) {
      for (const gated of gates) {
        gated.check = gated.gate.check(performance.now())
        if (gated.check !== null) checks.push(gated.check)
      }
    }
    this.checks = checks
  }

  /** One attempt. After WAIT the exchange is resumed or answered. */
  run(): Verdict {
    if (this.#gates.length > 0) {
      const held = this.#atGates()
      if (held !== CONTINUE) return held
    }
    if (this.#entries.length === 0) return this.#admit()
    const behind = this.#behindOthers()
    if (behind !== CONTINUE) return behind
    this.#plan.stats.checks++
    const result = this.#plan.store.count(this)
    if (result === PENDING) return WAIT
    return result === COUNTED ? this.#conclude() : this.#fallBack()
  }

  counted(): void {
    if (this.#exchange.ended) this.exchangeEnded()
    else if (this.#conclude() === CONTINUE) this.#exchange.resume()
  }

  failed(): void {
    if (this.#exchange.ended) this.exchangeEnded()
    else if (this.#fallBack() === CONTINUE) this.#exchange.resume()
  }

  override retry(): void {
    if (this.run() === CONTINUE) this.#exchange.resume()
  }

  override giveUp(key: string, waitMs: number): void {
    for (const { upstream, gate } of this.#gates) {
      if (gate.key === key) {
        this.#refuseForUpstream(upstream, gate, waitMs)
        return
      }
    }
    this.#refuseBehind(key, waitMs)
  }

  exchangeEnded(): void {
    this.lane?.owner.leave(this)
  }

  /** Hosts that asked not to be asked. */
  #atGates(): Verdict {
    const now = performance.now()
    for (let i = 0; i < this.#gates.length; i++) {
      const { upstream, gate, check } = this.#gates[i]!
      if (check === null) gate.refresh(now)
      const closedMs = gate.closedMs(now)
      if (closedMs > 0) return this.#holdForUpstream(upstream, gate, closedMs)
    }
    return CONTINUE
  }

  #holdForUpstream(upstream: PolicyUpstream, gate: UpstreamGate, closedMs: number): Verdict {
    const { queue, label, stats } = upstream
    if (queue !== null) {
      const room = this.#plan.rooms.open(label, stats)
      const pace = { firstMs: closedMs, perTurn: Number.POSITIVE_INFINITY, turnMs: 0 }
      if (room.join(this, gate.key, pace, queue)) return this.#wait()
    }
    this.#refuseForUpstream(upstream, gate, closedMs)
    return ANSWERED
  }

  #refuseForUpstream(upstream: PolicyUpstream, gate: UpstreamGate, closedMs: number): void {
    upstream.stats.limited++
    this.#refuse(upstreamDenial(upstream, gate.host, closedMs, isGrpcRequest(this.#exchange)))
  }

  /** Who waits for the same counter goes first. */
  #behindOthers(): Verdict {
    const { rooms } = this.#plan
    for (let i = 0; i < this.#entries.length; i++) {
      const { rule, check } = this.#entries[i]!
      if (rule.queue === null) continue
      const room = rooms.occupied(rule.label)
      const lane = room === null ? null : room.laneOf(check.key)
      if (room === null || lane === null || lane === this.lane) continue
      if (room.join(this, check.key, null, rule.queue)) return this.#wait()
      const ahead = lane.requests.length + lane.trying
      this.#refuseBehind(check.key, lane.waitMs(ahead, performance.now()))
      return ANSWERED
    }
    return CONTINUE
  }

  /** Without asking: the counter has others in front for that long. */
  #refuseBehind(key: string, waitMs: number): void {
    const behind = this.#entries.filter(({ check }) => check.key === key)
    const ms = Math.max(1, Math.ceil(waitMs))
    for (const { check } of behind) check.answer(true, 0, ms, ms)
    this.#count(this.#entries, true)
    this.#refuse(denial(this.#entries, behind, isGrpcRequest(this.#exchange)))
  }

  #conclude(): Verdict {
    for (let i = 0; i < this.#gates.length; i++) {
      const { upstream, gate, check } = this.#gates[i]!
      if (check === null || !check.over) continue
      gate.learn(check)
      return this.#holdForUpstream(upstream, gate, Math.max(1, check.retryMs))
    }
    return this.#decide(this.#entries)
  }

  #decide(entries: readonly RuleCheck[]): Verdict {
    const violated = entries.filter(({ check }) => check.over && check.enforces)
    if (violated.length === 0) {
      this.#count(entries, false)
      describeLimits(entries, new ResponseFields(this.#exchange))
      return this.#admit()
    }
    if (this.#queue(violated)) return this.#wait()
    this.#count(entries, true)
    this.#refuse(denial(entries, violated, isGrpcRequest(this.#exchange)))
    return ANSWERED
  }

  /** Waits for the limit that takes longest, if all that refuse can be waited for. */
  #queue(violated: readonly RuleCheck[]): boolean {
    let longest = violated[0]!
    let queue: QueueSettings | null = null
    for (const entry of violated) {
      if (entry.rule.queue === null) return false
      if (queue === null || entry.check.retryMs > longest.check.retryMs) {
        longest = entry
        queue = entry.rule.queue
      }
    }
    const { rule, check } = longest
    const room = this.#plan.rooms.open(rule.label, rule.stats)
    return queue !== null && room.join(this, check.key, paceUntil(check), queue)
  }

  #wait(): Verdict {
    this.#exchange.waitWith(this)
    return WAIT
  }

  #admit(): Verdict {
    for (const { gate } of this.#gates) this.#exchange.observeUpstream(gate)
    const { lane } = this
    if (lane === null) return CONTINUE
    const check = this.checks.find(({ key }) => key === lane.key)
    if (check === undefined) lane.owner.leave(this)
    else {
      const more = check.cost === 0 ? 0 : Math.floor(check.remaining / check.cost)
      lane.owner.served(this, more, paceAfter(check))
    }
    return CONTINUE
  }

  #refuse({ headers, body, details }: Denial): void {
    this.#plan.stats.denied++
    const waited =
      this.order === 0 ? '' : `_after_${Math.round(performance.now() - this.joinedAt)}ms`
    this.exchangeEnded()
    this.#exchange.answer(TOO_MANY_REQUESTS, headers, body, 'RL', details + waited)
  }

  /** Decides without the store. */
  #fallBack(): Verdict {
    const { stats, fallback } = this.#plan
    stats.failures++
    const local: RuleCheck[] = []
    let denying: PolicyRule | null = null
    let last: PolicyRule | null = null
    for (const entry of this.#entries) {
      const { rule } = entry
      if (rule !== last) rule.stats.unavailable++
      last = rule
      if (rule.onFailure === 'local') local.push(entry)
      else if (rule.onFailure === 'deny' && !rule.shadow) denying ??= rule
    }
    if (denying !== null) {
      stats.deniedOnFailure++
      const { headers, body } = refusal(denying, isGrpcRequest(this.#exchange))
      this.exchangeEnded()
      this.#exchange.answer(UNAVAILABLE_STATUS, headers, body, 'RLSE', 'rate_limiter_error')
      return ANSWERED
    }
    if (local.length === 0) return this.#admit()
    return fallback.count(new LocalCounting(local)) === COUNTED
      ? this.#decide(local)
      : this.#admit()
  }

  /** Each rule once, by the worst of its limits. Entries of a rule stand together. */
  #count(entries: readonly RuleCheck[], denied: boolean): void {
    for (let i = 0; i < entries.length; i++) {
      const { rule, check } = entries[i]!
      let over = check.over
      this.#plan.stats.hot.note(rule.stats, check)
      while (i + 1 < entries.length && entries[i + 1]!.rule === rule) {
        i++
        this.#plan.stats.hot.note(rule.stats, entries[i]!.check)
        if (entries[i]!.check.over) over = true
      }
      if (over && rule.shadow) rule.stats.shadowed++
      else if (over) rule.stats.limited++
      else if (!denied) rule.stats.allowed++
    }
  }
}

/** Limits that this process decides alone: at once. */
class LocalCounting implements Counting {
  readonly checks: readonly LimitCheck[]
  readonly charge = TOGETHER
  readonly timeoutMs = 1

  constructor(entries: readonly RuleCheck[]) {
    this.checks = entries.map(({ check }) => check)
  }

  counted(): void {
    // Never called: a fallback does not wait.
  }

  failed(): void {
    // As `counted`.
  }
}

/** Fields for an answer that somebody else gives. */
class ResponseFields {
  readonly #exchange: FilterExchange

  constructor(exchange: FilterExchange) {
    this.#exchange = exchange
  }

  add(name: string, value: string): void {
    this.#exchange.addResponseHeader(name, value)
  }
}
