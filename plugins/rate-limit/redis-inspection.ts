import { setTimeout as pause } from 'node:timers/promises'
import { bySlot, keyOf, type KeySpace } from './batch.ts'
import { ANSWER_HEAD, ANSWER_LENGTH, LOOK, NAMED_WINDOW, NO_COUNTER } from './batch-script.ts'
import { US_PER_MS } from './counter.ts'
import type { LimitCheck } from './limit-check.ts'
import type { RedisLink } from './redis-client.ts'
import { isWindowKey } from './window-key.ts'

/** A person waits, no request: longer than any request's budget, and still an answer. */
const TIMEOUT_MS = 2000

type Link = Pick<RedisLink, 'slotOf' | 'decide' | 'remove'>

/** Answers the checks by the script that counts, which charges nothing for them. False: no answer. */
export async function lookInRedis(
  link: Link,
  space: KeySpace,
  checks: readonly LimitCheck[],
): Promise<boolean> {
  const keys = keysOf(checks, space)
  const asked = [...bySlot(keys, space).values()].map(async (indexes) => {
    const args: number[] = []
    for (const index of indexes) pushLook(args, checks[index]!)
    const own = indexes.map((index) => keys[index]!)
    answer(checks, indexes, await link.decide(own, args))
  })
  return (await settled(asked)) !== null
}

/** Deletes the counters of the checks, on all nodes that have some. null: not all of them answered. */
export async function forgetInRedis(
  link: Link,
  space: KeySpace,
  checks: readonly LimitCheck[],
): Promise<number | null> {
  const keys = keysOf(checks, space)
  const asked = [...bySlot(keys, space).values()].map((indexes) =>
    link.remove(indexes.map((index) => keys[index]!)),
  )
  const counts = await settled(asked)
  return counts === null ? null : counts.reduce((sum, count) => sum + count, 0)
}

/** Counters that are named by their window are those of this moment's. */
function keysOf(checks: readonly LimitCheck[], space: KeySpace): readonly string[] {
  const nowMs = Date.now()
  return checks.map((check) => keyOf(check, space, nowMs))
}

/** A group of one check and one request. */
function pushLook(args: number[], { key, quota, cost }: LimitCheck): void {
  const { algorithm, limit, periodMs, burst } = quota
  args.push(LOOK, 1, 1)
  args.push(
    isWindowKey(key) ? NAMED_WINDOW : algorithm,
    limit,
    periodMs * US_PER_MS,
    burst,
    cost,
    1,
  )
}

function answer(
  checks: readonly LimitCheck[],
  indexes: readonly number[],
  reply: readonly number[],
): void {
  for (const [place, index] of indexes.entries()) {
    const at = ANSWER_HEAD + place * ANSWER_LENGTH
    const [fit = NO_COUNTER, left = 0, retryMs = 0, resetMs = 0] = reply.slice(at)
    if (fit === NO_COUNTER) throw new Error('a key holds something that is no counter')
    checks[index]!.answer(fit === 0, left, retryMs, resetMs)
  }
}

/** All results, or null when one failed or the time is over. */
async function settled<T>(asked: readonly Promise<T>[]): Promise<readonly T[] | null> {
  const ended = new AbortController()
  const late = pause(TIMEOUT_MS, null, { signal: ended.signal, ref: false }).catch(() => null)
  try {
    return await Promise.race([Promise.all(asked), late])
  } catch {
    return null
  } finally {
    ended.abort()
  }
}
