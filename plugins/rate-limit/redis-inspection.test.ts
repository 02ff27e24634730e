import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RedisServer, startRedis } from '../../test/support/redis.ts'
import { waitFor } from '../../test/support/wait.ts'
import { type Charge, EACH, type Counting, TOGETHER } from './counter-store.ts'
import { FIXED_WINDOW, GCRA, LimitCheck, type Quota, SLIDING_WINDOW } from './limit-check.ts'
import { MemoryStore } from './memory-store.ts'
import { RedisStore } from './redis-store.ts'
import { windowKey } from './window-key.ts'

const YEAR_MS = 31_536_000_000
const PREFIX = 'tidegate:rl:'

let redis: RedisServer
let client: Redis
let store: RedisStore

beforeAll(async () => {
  redis = await startRedis()
  client = new Redis(redis.port, '127.0.0.1', { protocol: 2 })
  store = new RedisStore(redis.url, () => {})
  await waitFor('Redis', () => store.status().available)
})
afterAll(async () => {
  await store.close()
  client.disconnect()
  await redis.stop()
})

/** Asks as a request does. */
function count(one: Pick<Counting, 'checks' | 'charge'>): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (): void => reject(new Error('Redis did not answer'))
    const result = store.count({ ...one, timeoutMs: 8000, counted: resolve, failed })
    if (result === 0) resolve()
    else if (result === 2) failed()
  })
}

/** Every counter with its contents. */
async function contents(): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {}
  for (const key of (await client.keys('*')).toSorted()) {
    if (!key.endsWith('replicas')) found[key] = await client.dumpBuffer(key)
  }
  return found
}

const quota = (algorithm: Quota['algorithm']): Quota => ({
  algorithm,
  limit: 3,
  periodMs: YEAR_MS,
  burst: 3,
})

const CASES: [name: string, key: string, algorithm: Quota['algorithm'], charge: Charge][] = [
  ['a fixed window', 'fixed', FIXED_WINDOW, EACH],
  ['a sliding window', 'sliding', SLIDING_WINDOW, TOGETHER],
  ['GCRA', 'gcra', GCRA, TOGETHER],
  ['a window of envoyproxy/ratelimit', windowKey('edge', ['a', 'x']), FIXED_WINDOW, EACH],
]

describe.each(CASES)('%s', (_name, key, algorithm, charge) => {
  const check = (cost = 1): LimitCheck => new LimitCheck(key, quota(algorithm), cost, true)

  test('is looked at without a trace, tells what would fit, and is forgotten', async () => {
    const empty = check()
    const untouched = await contents()
    expect(await store.look([empty])).toBe(true)
    expect(empty).toMatchObject({ over: false, remaining: 3 })
    expect(await contents()).toEqual(untouched)

    await count({ checks: [check(2)], charge })
    const before = await contents()
    const [one, two] = [check(), check(2)]
    expect(await store.look([one, two])).toBe(true)
    expect([one.over, one.remaining, two.over]).toEqual([false, 1, true])
    expect(two.retryMs).toBeGreaterThan(0)
    expect(await contents()).toEqual(before)

    await count({ checks: [check(1)], charge })
    const refused = check()
    await count({ checks: [refused], charge })
    // Known to be used up: answered from memory, until it is forgotten.
    expect(refused.over).toBe(true)
    expect(await store.forget([check()])).toBe(1)
    expect(await contents()).toEqual(untouched)
    const anew = check()
    await count({ checks: [anew], charge })
    expect(anew).toMatchObject({ over: false, remaining: 2 })
    expect(await store.forget([check()])).toBe(1)
    expect(await store.forget([check()])).toBe(0)
  })

  test('is told as memory tells it', async () => {
    const memory = new MemoryStore()
    for (const cost of [1, 1, 1]) {
      const asked = check(cost)
      memory.count({ checks: [asked], charge, timeoutMs: 1, counted: () => {}, failed: () => {} })
      await count({ checks: [check(cost)], charge })
      const [here, there] = [check(), check()]
      memory.lookNow([here])
      await store.look([there])
      expect([there.over, there.remaining]).toEqual([here.over, here.remaining])
    }
    await store.forget([check()])
  })
})

test('a key that holds something else is not told as a counter', async () => {
  await client.set(`${PREFIX}strange`, 'text')
  const check = new LimitCheck('strange', quota(GCRA), 1, true)
  expect(await store.look([check])).toBe(false)
  await client.del(`${PREFIX}strange`)
})

test('more counters than one script call carries are looked at in one go', async () => {
  const checks = Array.from(
    { length: 2000 },
    (_, i) => new LimitCheck(`k${i}`, quota(GCRA), 1, true),
  )
  expect(await store.look(checks)).toBe(true)
  expect(checks.every(({ remaining }) => remaining === 3)).toBe(true)
})

test('while Redis is away nothing is said', async () => {
  await using other = await startRedis()
  const away = new RedisStore(other.url, () => {})
  await waitFor('Redis', () => away.status().available)
  other.freeze()
  const check = new LimitCheck('k', quota(GCRA), 1, true)
  expect([await away.look([check]), await away.forget([check])]).toEqual([false, null])
  other.thaw()
  await away.close()
})
