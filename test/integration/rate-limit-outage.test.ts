import { expect, test } from 'vitest'
import { TOGETHER } from '../../plugins/rate-limit/counter-store.ts'
import { FIXED_WINDOW, type Quota } from '../../plugins/rate-limit/limit-check.ts'
import { LocalShare } from '../../plugins/rate-limit/local-share.ts'
import { MemoryStore } from '../../plugins/rate-limit/memory-store.ts'
import { RedisStore } from '../../plugins/rate-limit/redis-store.ts'
import { countRequest } from '../support/counted-requests.ts'
import { redisCommand } from '../support/redis-topologies.ts'
import { startRedis } from '../support/redis.ts'
import { waitFor } from '../support/wait.ts'

const YEAR_MS = 31_536_000_000
const BUDGET_MS = 20
/** What a busy machine may add; Redis itself would keep silent for ever. */
const MARGIN_MS = 2000
const LONG_MS = 30_000

interface Replica extends AsyncDisposable {
  readonly store: RedisStore
  readonly fallback: LocalShare
  readonly log: string[]
}

async function replica(url: string): Promise<Replica> {
  const log: string[] = []
  const store = new RedisStore(url, (_level, message) => log.push(message))
  await waitFor('the connection', () => store.status().available)
  return {
    store,
    fallback: new LocalShare(store.share, new MemoryStore()),
    log,
    [Symbol.asyncDispose]: () => store.close(),
  }
}

const quota = (limit: number, periodMs = YEAR_MS): Quota => ({
  algorithm: FIXED_WINDOW,
  limit,
  periodMs,
  burst: limit,
})

/** As a rule with onFailure local does. */
async function ask(
  { store, fallback }: Replica,
  limits: Parameters<typeof countRequest>[1],
): Promise<{ admitted: boolean; degraded: boolean; tookMs: number }> {
  const began = performance.now()
  const options = { charge: TOGETHER, timeoutMs: BUDGET_MS } as const
  let request = await countRequest(store, limits, options)
  const degraded = request.result === 'failed'
  if (degraded) request = await countRequest(fallback, limits, options)
  return { admitted: request.result === 'admitted', degraded, tookMs: performance.now() - began }
}

test(
  'Redis frozen for seconds under load: nobody waits longer than the budget, the shares of all replicas make the limit, and counting returns by itself',
  async () => {
    await using redis = await startRedis()
    const replicas: Replica[] = []
    await using stack = new AsyncDisposableStack()
    for (let i = 0; i < 3; i++) replicas.push(stack.use(await replica(redis.url)))
    for (const { store } of replicas) {
      await waitFor('all to be known', () => store.share.replicas === 3, 10_000)
    }
    const limit = 50
    const limits = [{ key: 'busy', quota: quota(limit) }]
    redis.freeze()
    let admitted = 0
    let slowest = 0
    const until = performance.now() + 2500
    await Promise.all(
      replicas.map(async (one) => {
        while (performance.now() < until) {
          const burst = await Promise.all(Array.from({ length: 5 }, () => ask(one, limits)))
          for (const { admitted: yes, tookMs, degraded } of burst) {
            expect(degraded).toBe(true)
            if (yes) admitted++
            slowest = Math.max(slowest, tookMs)
          }
          await new Promise((resolve) => setImmediate(resolve))
        }
      }),
    )
    expect(admitted).toBe(limit)
    expect(slowest).toBeLessThan(BUDGET_MS + MARGIN_MS)
    for (const { store, log } of replicas) {
      expect(store.status().available).toBe(false)
      expect(log.filter((line) => line.includes('not available'))).toHaveLength(1)
    }
    redis.thaw()
    for (const one of replicas) {
      await waitFor('the return', async () => !(await ask(one, limits)).degraded, 15_000)
      await waitFor('one word about it', () => one.log.length === 3)
      expect(one.log[2]).toContain('counting in Redis')
    }
  },
  LONG_MS,
)

test('without Redis a lasting denial still holds', async () => {
  await using redis = await startRedis()
  await using one = await replica(redis.url)
  const limits = [{ key: 'spent', quota: quota(1) }]
  expect((await ask(one, limits)).admitted).toBe(true)
  await redis.stop()
  await waitFor('the loss', () => !one.store.status().available)
  expect(await ask(one, limits)).toMatchObject({ admitted: false, degraded: false })
})

test(
  'a Redis that came back empty counts from nothing, and old denials are forgotten',
  async () => {
    await using redis = await startRedis()
    await using one = await replica(redis.url)
    const limits = [{ key: 'lost', quota: quota(1) }]
    expect((await ask(one, limits)).admitted).toBe(true)
    expect((await ask(one, limits)).admitted).toBe(false)
    await redis.restart()
    await waitFor('the loss', () => one.log.length >= 2, 10_000)
    await waitFor('the return', () => one.store.status().available, 10_000)
    expect(await ask(one, limits)).toMatchObject({ admitted: true, degraded: false })
  },
  LONG_MS,
)

test(
  'a full Redis that evicts nothing degrades, and recovers when there is room',
  async () => {
    await using redis = await startRedis()
    await using one = await replica(redis.url)
    const fresh = (i: number): Parameters<typeof countRequest>[1] => [
      { key: `key ${i}`, quota: quota(5) },
    ]
    await redisCommand(redis, (client) => client.config('SET', 'maxmemory', '1'))
    let asked = 0
    await waitFor('the breaker', async () => {
      expect((await ask(one, fresh(asked++))).admitted).toBe(true)
      return !one.store.status().available
    })
    expect(one.log.at(-1)).toContain('OOM')
    await redisCommand(redis, (client) => client.config('SET', 'maxmemory', '0'))
    await waitFor('the return', async () => !(await ask(one, fresh(asked++))).degraded, 15_000)
  },
  LONG_MS,
)
