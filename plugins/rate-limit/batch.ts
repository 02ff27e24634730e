import { ANSWER_HEAD, ANSWER_LENGTH, NAMED_WINDOW, REFUND } from './batch-script.ts'
import { BatchGroup, type Refund, type Waiting } from './batch-group.ts'
import { US_PER_MS } from './counter.ts'
import type { LimitCheck } from './limit-check.ts'
import type { NearCache } from './near-cache.ts'
import { isWindowKey, windowKeyAt } from './window-key.ts'

/** Checks in one call of the script: what Redis does in a few milliseconds. */
const MAX_CHECKS_PER_CALL = 512

/** How keys look in Redis, and which of them may meet in one call. */
export interface KeySpace {
  readonly prefix: string
  /** What keys of envoyproxy/ratelimit begin with. */
  readonly envoyPrefix: string
  /** Calls carry keys of one slot; a single server has one. */
  slotOf(key: string): number
}

/** One call of the script, and which of its numbers belong to whom. */
export class BatchCall {
  readonly slot: number
  readonly keys: string[] = []
  readonly args: (string | number)[] = []
  /** Groups with checks in this call. */
  readonly #groups: BatchGroup[] = []
  readonly #owners: (BatchGroup | null)[] = []
  readonly #indexes: number[] = []

  constructor(slot: number) {
    this.slot = slot
  }

  get isFull(): boolean {
    return this.keys.length >= MAX_CHECKS_PER_CALL
  }

  /** The checks of a group that live in this call's slot. */
  addGroup(group: BatchGroup, indexes: readonly number[], keys: readonly string[]): void {
    const part = group.openPart()
    this.#groups.push(group)
    this.args.push(group.charge, indexes.length, group.size)
    for (const index of indexes) {
      const check = group.checks[index]!
      group.answers[index]!.part = part
      this.keys.push(keys[index]!)
      this.#owners.push(group)
      this.#indexes.push(index)
      const { burst } = check.quota
      this.#pushCheck(check, burst, check.enforces ? 1 : 0)
    }
  }

  addRefund({ check, requests, chargedAtUs }: Refund, key: string): void {
    this.args.push(REFUND, 1, requests)
    this.keys.push(key)
    this.#owners.push(null)
    this.#indexes.push(0)
    this.#pushCheck(check, chargedAtUs, requests)
  }

  answered(reply: readonly number[], askedAt: number, near: NearCache, refunds: Refund[]): void {
    const nowUs = (reply[0] ?? 0) * 1_000_000 + (reply[1] ?? 0)
    for (let i = 0; i < this.#owners.length; i++) {
      this.#owners[i]?.take(this.#indexes[i]!, reply, ANSWER_HEAD + i * ANSWER_LENGTH, nowUs)
    }
    for (const group of this.#groups) group.partDone(true, askedAt, near, refunds)
  }

  failed(askedAt: number, near: NearCache, refunds: Refund[]): void {
    for (const group of this.#groups) group.partDone(false, askedAt, near, refunds)
  }

  #pushCheck(check: LimitCheck, burst: number, last: number): void {
    const { quota, cost } = check
    const algorithm = isWindowKey(check.key) ? NAMED_WINDOW : quota.algorithm
    this.args.push(algorithm, quota.limit, quota.periodMs * US_PER_MS, burst, cost, last)
  }
}

/** The checks of one event loop tick, equal ones put together. Made into as few calls as can be. */
export class Batch {
  readonly #groups: BatchGroup[] = []
  /** The latest group by its keys: an equal request joins it. */
  readonly #byKeys = new Map<string, BatchGroup>()
  readonly #refunds: Refund[] = []

  get isEmpty(): boolean {
    return this.#groups.length === 0 && this.#refunds.length === 0
  }

  /** Check `index` of an EACH counting. */
  addOne(member: Waiting, index: number): void {
    const { checks } = member.counting
    this.#join(checks[index]!.key, member, index, 1)
  }

  /** All checks of a TOGETHER counting. */
  addAll(member: Waiting): void {
    const { checks } = member.counting
    let keys = ''
    for (let i = 0; i < checks.length; i++) keys += `${checks[i]!.key} `
    this.#join(keys, member, 0, checks.length)
  }

  addRefund(refund: Refund): void {
    this.#refunds.push(refund)
  }

  calls(space: KeySpace, nowMs: number): BatchCall[] {
    const calls: BatchCall[] = []
    const open = new Map<number, BatchCall>()
    const callFor = (slot: number): BatchCall => {
      let call = open.get(slot)
      if (call === undefined || call.isFull) {
        call = new BatchCall(slot)
        open.set(slot, call)
        calls.push(call)
      }
      return call
    }
    for (const group of this.#groups) {
      if (group.dropSettled() === 0) continue
      const keys = group.checks.map((check) => keyOf(check, space, nowMs))
      for (const [slot, indexes] of bySlot(keys, space)) {
        callFor(slot).addGroup(group, indexes, keys)
      }
    }
    for (const refund of this.#refunds) {
      const key = keyOf(refund.check, space, refund.chargedAtUs / US_PER_MS)
      callFor(space.slotOf(key)).addRefund(refund, key)
    }
    return calls
  }

  #join(keys: string, member: Waiting, offset: number, length: number): void {
    const { counting } = member
    let group = this.#byKeys.get(keys)
    if (
      group === undefined ||
      group.charge !== counting.charge ||
      !group.equals(counting, offset)
    ) {
      group = new BatchGroup(counting.charge, counting.checks.slice(offset, offset + length))
      this.#groups.push(group)
      this.#byKeys.set(keys, group)
    }
    group.add(member, offset)
  }
}

/** The key of a check as Redis has it. */
export function keyOf(check: LimitCheck, space: KeySpace, nowMs: number): string {
  if (isWindowKey(check.key)) return space.envoyPrefix + windowKeyAt(check, nowMs)
  return space.prefix + check.key
}

/** Indexes of the keys that may meet in one call. */
export function bySlot(keys: readonly string[], space: KeySpace): Map<number, number[]> {
  const slots = new Map<number, number[]>()
  for (let i = 0; i < keys.length; i++) {
    const slot = space.slotOf(keys[i]!)
    const indexes = slots.get(slot)
    if (indexes === undefined) slots.set(slot, [i])
    else indexes.push(i)
  }
  return slots
}
