import { fromBytes } from '../../src/base/latin1.ts'
import type { HotLimit } from '../../src/filters/limit-report.ts'
import type { CounterStore } from './counter-store.ts'
import { NEAR_SHARE, type HotKeys, type WatchedKey } from './hot-keys.ts'
import { LimitCheck } from './limit-check.ts'
import type { MemoryStore } from './memory-store.ts'
import { algorithmName, capacity } from './reported-limit.ts'

/** Where counters live. */
export interface CounterPlaces {
  readonly store: CounterStore
  /** Of this process alone: local limits, and shared ones while the store is away. */
  readonly memory: MemoryStore
}

const RANKS = { over: 0, near: 1, unknown: 2, clear: 3 } as const

/**
 * The counters that are met near or over their limit, with their state of now: used up ones first,
 * then by how many requests did not fit. Bounded by what `HotKeys` watches.
 */
export async function hotLimits(hot: HotKeys, places: CounterPlaces): Promise<readonly HotLimit[]> {
  const watched = hot.watched()
  const checks = watched.map(({ key, quota, cost }) => {
    return new LimitCheck(key, quota, Math.max(1, cost), true)
  })
  const isLocal = watched.map(({ rule }) => rule.kind === 'local')
  places.memory.lookNow(checks.filter((_check, index) => isLocal[index]))
  const shared = checks.filter((_check, index) => !isLocal[index])
  const looked = shared.length > 0 && ((await places.store.look?.(shared)) ?? false)
  const now = Date.now()
  return watched
    .map((one, index) => hotLimit(one, isLocal[index] || looked ? checks[index]! : null, now))
    .sort((a, b) => RANKS[a.status] - RANKS[b.status] || overOf(b) - overOf(a) || b.count - a.count)
}

function overOf({ denied, wouldDeny }: HotLimit): number {
  return denied + wouldDeny
}

function hotLimit(watched: WatchedKey, check: LimitCheck | null, now: number): HotLimit {
  const { key, rule, quota, count, countError, over, shadowed, lastSeenMs } = watched
  const limit = capacity(quota)
  const remaining = check?.remaining ?? watched.remaining
  const used = limit - remaining
  return {
    key: fromBytes(key),
    kind: rule.kind,
    policy: rule.policy,
    rule: rule.rule,
    status: check === null ? 'unknown' : statusOf(check, used),
    algorithm: algorithmName(quota),
    requests: quota.limit,
    periodMs: quota.periodMs,
    burst: quota.burst,
    limit,
    used,
    remaining,
    resetMs: Math.ceil(check?.resetMs ?? Math.max(0, watched.resetAtMs - now)),
    count,
    countError,
    denied: over - shadowed,
    wouldDeny: shadowed,
    lastSeen: new Date(lastSeenMs).toISOString(),
  }
}

function statusOf({ over, quota }: LimitCheck, used: number): HotLimit['status'] {
  if (over) return 'over'
  return used >= capacity(quota) * NEAR_SHARE ? 'near' : 'clear'
}
