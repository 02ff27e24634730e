import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { countRequest } from '../../test/support/counted-requests.ts'
import { type RedisServer, startRedis } from '../../test/support/redis.ts'
import { waitFor } from '../../test/support/wait.ts'
import { EACH, type RedisStatus, TOGETHER } from './counter-store.ts'
import { FIXED_WINDOW, GCRA, type Quota, SLIDING_WINDOW } from './limit-check.ts'
import { RedisStore } from './redis-store.ts'

let redis: RedisServer
let client: Redis
const open: RedisStore[] = []

beforeAll(async () => {
  redis = await startRedis()
  client = new Redis(redis.url, { protocol: 2 })
})
afterAll(async () => {
  client.disconnect()
  await redis.stop()
})
beforeEach(async () => {
  await client.flushall()
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((store) => store.close()))
})

async function connected(): Promise<RedisStore> {
  const store = new RedisStore(redis.url, () => {})
  open.push(store)
  await waitFor('the connection', () => store.status().available)
  return store
}

const YEAR_MS = 31_536_000_000

function quota(limit: number, algorithm: Quota['algorithm'] = FIXED_WINDOW): Quota {
  return { algorithm, limit, periodMs: YEAR_MS, burst: limit }
}

function spent(store: RedisStore): Pick<RedisStatus, 'trips' | 'checks' | 'nearDenials'> {
  const { trips, checks, nearDenials } = store.status().redis!
  return { trips, checks, nearDenials }
}

test.each([
  ['fixed window, each', FIXED_WINDOW, EACH],
  ['fixed window, together', FIXED_WINDOW, TOGETHER],
  ['sliding window, each', SLIDING_WINDOW, EACH],
  ['sliding window, together', SLIDING_WINDOW, TOGETHER],
  ['GCRA, each', GCRA, EACH],
  ['GCRA, together', GCRA, TOGETHER],
] as const)(
  '%s: equal requests of one tick share a trip, and the first of them are admitted',
  async (_name, algorithm, charge) => {
    const store = await connected()
    const limits = [{ key: 'same', quota: quota(4, algorithm) }]
    const requests = await Promise.all(
      Array.from({ length: 10 }, () => countRequest(store, limits, { charge })),
    )
    expect(requests.map(({ result }) => result)).toEqual([
      ...Array<string>(4).fill('admitted'),
      ...Array<string>(6).fill('refused'),
    ])
    expect(requests.map(({ checks }) => checks[0]!.remaining)).toEqual([
      3,
      2,
      1,
      ...Array(7).fill(0),
    ])
    expect(requests[9]!.checks[0]!.retryMs).toBeGreaterThan(0)
    expect(spent(store)).toEqual({ trips: 1, checks: 10, nearDenials: 0 })
  },
)

test('a counter that refuses is counted on by envoyproxy/ratelimit: one INCRBY for all', async () => {
  const store = await connected()
  const limits = [{ key: 'counted-on', quota: quota(4) }]
  await Promise.all(Array.from({ length: 10 }, () => countRequest(store, limits)))
  expect(await client.get('tidegate:rl:counted-on')).toBe('10')
})

test('requests with many limits go together in one trip', async () => {
  const store = await connected()
  const requests = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      countRequest(
        store,
        Array.from({ length: 10 }, (_unused, at) => ({
          key: `limit ${at} of ${index}`,
          quota: quota(5),
        })),
      ),
    ),
  )
  expect(requests.every(({ result }) => result === 'admitted')).toBe(true)
  expect(spent(store)).toEqual({ trips: 1, checks: 200, nearDenials: 0 })
})

test('all or none: a request that one limit refuses takes nothing from the others', async () => {
  const store = await connected()
  const limits = [
    { key: 'wide', quota: quota(10) },
    { key: 'narrow', quota: quota(3, GCRA) },
    { key: 'watched', quota: quota(2, SLIDING_WINDOW), enforces: false },
  ]
  const requests = await Promise.all(
    Array.from({ length: 6 }, () => countRequest(store, limits, { charge: TOGETHER })),
  )
  expect(requests.map(({ result }) => result)).toEqual([
    ...Array<string>(3).fill('admitted'),
    ...Array<string>(3).fill('refused'),
  ])
  expect(requests.map(({ checks }) => checks.map(({ remaining }) => remaining))).toEqual([
    [9, 2, 1],
    [8, 1, 0],
    [7, 0, 0],
    [7, 0, 0],
    [7, 0, 0],
    [7, 0, 0],
  ])
  expect(requests.map(({ checks }) => checks[2]!.over)).toEqual([
    false,
    false,
    true,
    true,
    true,
    true,
  ])
})

test('a key that is used up is denied without a trip; a shadow limit is counted on', async () => {
  const store = await connected()
  const used = [{ key: 'used up', quota: quota(1) }]
  expect((await countRequest(store, used)).result).toBe('admitted')
  const before = spent(store).trips
  for (let i = 0; i < 20; i++) {
    const { result, atOnce, checks } = await countRequest(store, used)
    expect([result, atOnce]).toEqual(['refused', true])
    expect(checks[0]!.retryMs).toBeGreaterThan(0)
  }
  expect(spent(store)).toMatchObject({ trips: before, nearDenials: 20 })
  const shadow = [{ key: 'looked on', quota: quota(1), enforces: false }]
  for (let i = 0; i < 5; i++) expect((await countRequest(store, shadow)).atOnce).toBe(false)
  expect(await client.get('tidegate:rl:looked on')).toBe('5')
})

test('a limit that was raised is asked about again; so is a cheaper request', async () => {
  const store = await connected()
  await countRequest(store, [{ key: 'edited', quota: quota(1) }])
  expect((await countRequest(store, [{ key: 'edited', quota: quota(1) }])).atOnce).toBe(true)
  expect((await countRequest(store, [{ key: 'edited', quota: quota(3) }])).result).toBe('admitted')
  const dear = [{ key: 'dear', quota: quota(3, GCRA), cost: 2 }]
  expect((await countRequest(store, dear)).result).toBe('admitted')
  expect(await countRequest(store, dear)).toMatchObject({ result: 'refused', atOnce: true })
  const cheap = [{ key: 'dear', quota: quota(3, GCRA) }]
  expect((await countRequest(store, cheap)).result).toBe('admitted')
})

test('a denial of one limit answers a request that meets several', async () => {
  const store = await connected()
  const limits = [
    { key: 'roomy', quota: quota(9) },
    { key: 'full', quota: quota(1) },
  ]
  await countRequest(store, limits, { charge: TOGETHER })
  const again = await countRequest(store, limits, { charge: TOGETHER })
  expect(again).toMatchObject({ result: 'refused', atOnce: true })
  expect(again.checks.map(({ over }) => over)).toEqual([false, true])
  expect(await client.get('tidegate:rl:roomy')).toBe('1')
})

test('a slow Redis makes batches larger, not the queue of calls longer', async () => {
  const store = await connected()
  redis.freeze()
  const requests: Promise<unknown>[] = []
  for (let tick = 0; tick < 40; tick++) {
    for (let i = 0; i < 10; i++) {
      const limits = [{ key: `key ${tick} ${i}`, quota: quota(100) }]
      requests.push(countRequest(store, limits, { timeoutMs: 5000 }))
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  redis.thaw()
  await Promise.all(requests)
  expect(spent(store).checks).toBe(400)
  expect(spent(store).trips).toBeLessThan(10)
})

test('a foreign value under a key fails only the requests that meet it', async () => {
  await client.set('tidegate:rl:foreign', 'not a counter')
  const store = await connected()
  const [foreign, own] = await Promise.all([
    countRequest(store, [{ key: 'foreign', quota: quota(5) }]),
    countRequest(store, [{ key: 'own', quota: quota(5) }]),
  ])
  expect([foreign.result, own.result]).toEqual(['failed', 'admitted'])
})
