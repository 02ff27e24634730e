import type { Counting, CounterStore, CountResult, StoreStatus } from './counter-store.ts'
import type { ReplicaShare } from './heartbeat.ts'
import { GCRA, LimitCheck, type Quota } from './limit-check.ts'
import type { MemoryStore } from './memory-store.ts'

/** Shares remembered; beyond that they are worked out anew. */
const MAX_SHARES = 10_000

/**
 * Counts in this process while the shared counters are away: each replica admits its share of a
 * limit, and all shares make the limit. What does not divide goes to other replicas for each key.
 */
export class LocalShare implements CounterStore {
  readonly envoyKeys = false
  readonly #share: ReplicaShare
  readonly #memory: MemoryStore
  #shares = new Map<string, Quota>()
  #sharesFor = 0

  constructor(share: ReplicaShare, memory: MemoryStore) {
    this.#share = share
    this.#memory = memory
  }

  count(counting: Counting): CountResult {
    const { checks, charge, timeoutMs } = counting
    const shares = checks.map(
      ({ key, quota, cost, enforces }) =>
        new LimitCheck(key, this.#shareOf(quota, key), cost, enforces),
    )
    const unused = (): void => {}
    const result = this.#memory.count({
      checks: shares,
      charge,
      timeoutMs,
      counted: unused,
      failed: unused,
    })
    for (let i = 0; i < checks.length; i++) {
      const { over, remaining, retryMs, resetMs } = shares[i]!
      checks[i]!.answer(over, remaining, retryMs, resetMs)
    }
    return result
  }

  status(): StoreStatus {
    return this.#memory.status()
  }

  close(): Promise<void> {
    return this.#memory.close()
  }

  #shareOf(quota: Quota, key: string): Quota {
    const { replicas, rank } = this.#share
    if (replicas === 1) return quota
    if (this.#sharesFor !== replicas || this.#shares.size > MAX_SHARES) {
      this.#shares = new Map()
      this.#sharesFor = replicas
    }
    const turn = (rank + turnOf(key)) % replicas
    const { algorithm, limit, periodMs, burst } = quota
    const id = `${algorithm} ${limit} ${periodMs} ${burst} ${turn}`
    let share = this.#shares.get(id)
    if (share === undefined) {
      share = divide(quota, replicas, turn)
      this.#shares.set(id, share)
    }
    return share
  }
}

function divide(quota: Quota, replicas: number, turn: number): Quota {
  const { algorithm, limit, periodMs, burst } = quota
  const part = (units: number): number =>
    Math.floor(units / replicas) + (turn < units % replicas ? 1 : 0)
  // A rate divides by making the period longer; what may come at once is divided in whole requests.
  if (algorithm === GCRA) {
    return { algorithm, limit, periodMs: periodMs * replicas, burst: part(burst) }
  }
  return { algorithm, limit: part(limit), periodMs, burst: part(limit) }
}

function turnOf(key: string): number {
  let sum = 0
  for (let i = 0; i < key.length; i++) sum = (sum * 31 + key.charCodeAt(i)) >>> 0
  return sum
}
