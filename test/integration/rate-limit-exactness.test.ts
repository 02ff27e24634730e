import { expect, test } from 'vitest'
import { type Charge, EACH, TOGETHER } from '../../plugins/rate-limit/counter-store.ts'
import {
  FIXED_WINDOW,
  GCRA,
  type Quota,
  SLIDING_WINDOW,
} from '../../plugins/rate-limit/limit-check.ts'
import { RedisStore } from '../../plugins/rate-limit/redis-store.ts'
import { type CountedRequest, countRequest } from '../support/counted-requests.ts'
import { floodFromProcess } from '../support/redis-flood.ts'
import { startRedis } from '../support/redis.ts'
import { waitFor } from '../support/wait.ts'

/**
 * Admissions are replayed by their own times: one that was sent behind the beginning of a window
 * and answered before its end was certainly counted inside. Redis has the clock of this machine.
 */

const LIMIT = 40
const PERIOD_MS = 250
const RUN_MS = 3 * PERIOD_MS
/** Requests per millisecond over all replicas: far more than ten times the limit. */
const OVERLOAD = 10
const PER_MS = Math.ceil((LIMIT * OVERLOAD) / PERIOD_MS) + 1

async function flood(
  stores: readonly RedisStore[],
  quota: Quota,
  charge: Charge,
): Promise<CountedRequest[]> {
  const limits = [{ key: `flood ${quota.algorithm} ${charge} ${stores.length}`, quota }]
  const requests: Promise<CountedRequest>[] = []
  const until = Date.now() + RUN_MS
  let last = Date.now()
  let next = 0
  while (Date.now() < until) {
    const now = Date.now()
    for (let i = 0; i < (now - last) * PER_MS; i++) {
      const store = stores[next++ % stores.length]!
      requests.push(countRequest(store, limits, { charge }))
    }
    last = now
    await new Promise((resolve) => setImmediate(resolve))
  }
  return Promise.all(requests)
}

async function replicas(
  count: number,
  url: string,
): Promise<AsyncDisposableStack & { stores: RedisStore[] }> {
  const stack = new AsyncDisposableStack()
  const stores: RedisStore[] = []
  for (let i = 0; i < count; i++) {
    const store = new RedisStore(url, () => {})
    stack.defer(() => store.close())
    stores.push(store)
    await waitFor('the connection', () => store.status().available)
  }
  return Object.assign(stack, { stores })
}

/** The most that was certainly admitted between two moments so far apart, each admission a start. */
function mostWithin(admitted: readonly CountedRequest[], lengthMs: number): number {
  let most = 0
  for (const { sentAt } of admitted) {
    const inside = admitted.filter(
      (other) => other.sentAt >= sentAt && other.answeredAt < sentAt + lengthMs,
    )
    most = Math.max(most, inside.length)
  }
  return most
}

test.each(
  [1, 2, 4, 8].flatMap((count) => [
    { count, charge: EACH as Charge, name: 'each' },
    { count, charge: TOGETHER as Charge, name: 'together' },
  ]),
)(
  '$count replicas ($name) at ten times the limit: exactly the limit in every calendar window',
  async ({ count, charge }) => {
    await using redis = await startRedis()
    await using gateways = await replicas(count, redis.url)
    const quota: Quota = {
      algorithm: FIXED_WINDOW,
      limit: LIMIT,
      periodMs: PERIOD_MS,
      burst: LIMIT,
    }
    const seen = await flood(gateways.stores, quota, charge)
    expect(seen.filter(({ result }) => result === 'failed')).toEqual([])
    const admitted = seen.filter(({ result }) => result === 'admitted')
    const windowOf = (at: number): number => Math.floor(at / PERIOD_MS)
    const windows = new Set(seen.map(({ sentAt }) => windowOf(sentAt)))
    for (const window of windows) {
      const certain = admitted.filter(
        ({ sentAt, answeredAt }) => windowOf(sentAt) === window && windowOf(answeredAt) === window,
      )
      expect(certain.length).toBeLessThanOrEqual(LIMIT)
    }
    // All of it was used, but for the windows cut at either end: nobody is denied what is there.
    expect(admitted.length).toBeGreaterThanOrEqual(LIMIT * (windows.size - 2))
    expect(admitted.length).toBeLessThanOrEqual(LIMIT * (windows.size + 1))
  },
  20_000,
)

test.each([1, 4])('%i replicas: a sliding window holds wherever it begins', async (count) => {
  await using redis = await startRedis()
  await using gateways = await replicas(count, redis.url)
  const quota: Quota = {
    algorithm: SLIDING_WINDOW,
    limit: LIMIT,
    periodMs: PERIOD_MS,
    burst: LIMIT,
  }
  const seen = await flood(gateways.stores, quota, TOGETHER)
  const admitted = seen.filter(({ result }) => result === 'admitted')
  expect(mostWithin(admitted, PERIOD_MS)).toBeLessThanOrEqual(LIMIT)
  expect(admitted.length).toBeGreaterThanOrEqual(LIMIT)
})

test.each([1, 4])('%i replicas: GCRA admits its burst and its rate, no more', async (count) => {
  await using redis = await startRedis()
  await using gateways = await replicas(count, redis.url)
  const burst = 10
  const quota: Quota = { algorithm: GCRA, limit: LIMIT, periodMs: PERIOD_MS, burst }
  const seen = await flood(gateways.stores, quota, TOGETHER)
  const admitted = seen.filter(({ result }) => result === 'admitted')
  for (const lengthMs of [30, 100, 250, 600]) {
    const most = burst + Math.ceil((lengthMs * LIMIT) / PERIOD_MS)
    expect(mostWithin(admitted, lengthMs)).toBeLessThanOrEqual(most)
  }
  expect(admitted.length).toBeGreaterThanOrEqual((RUN_MS / PERIOD_MS - 1) * LIMIT)
})

test('four processes at ten times the limit: never more than the limit in a calendar window', async () => {
  await using redis = await startRedis()
  const quota: Quota = { algorithm: FIXED_WINDOW, limit: LIMIT, periodMs: PERIOD_MS, burst: LIMIT }
  const order = {
    url: redis.url,
    key: 'processes',
    quota,
    requestsPerMs: 1,
    // Long enough for all to have started.
    untilMs: Date.now() + 3000,
  }
  const all = await Promise.all(Array.from({ length: 4 }, () => floodFromProcess(order)))
  const perWindow = new Map<number, number>()
  for (const [sentAt, answeredAt] of all.flat()) {
    const window = Math.floor(sentAt / PERIOD_MS)
    if (Math.floor(answeredAt / PERIOD_MS) !== window) continue
    perWindow.set(window, (perWindow.get(window) ?? 0) + 1)
  }
  // A process that starts slowly may find the time over.
  expect(all.filter((admitted) => admitted.length > 0).length).toBeGreaterThanOrEqual(2)
  for (const admitted of perWindow.values()) expect(admitted).toBeLessThanOrEqual(LIMIT)
  expect(all.flat().length).toBeGreaterThanOrEqual(2 * LIMIT)
}, 30_000)

/** A thousand clients, far below their limits, from many requests of each tick. */
test('at full load over a thousand keys a round trip carries at least ten checks', async () => {
  await using redis = await startRedis()
  await using gateways = await replicas(2, redis.url)
  const quota: Quota = { algorithm: GCRA, limit: 1_000_000, periodMs: 3_600_000, burst: 1_000_000 }
  let sent = 0
  const worker = async (id: number): Promise<void> => {
    const store = gateways.stores[id % 2]!
    for (let i = 0; i < 60; i++) {
      const limits = [{ key: `client ${(id * 61 + i) % 1000}`, quota }]
      const { result } = await countRequest(store, limits, { charge: TOGETHER })
      expect(result).toBe('admitted')
      sent++
    }
  }
  await Promise.all(Array.from({ length: 256 }, (_, id) => worker(id)))
  let trips = 0
  for (const store of gateways.stores) trips += store.status().redis!.trips
  expect(sent / trips).toBeGreaterThanOrEqual(10)
}, 20_000)
