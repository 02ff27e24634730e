import { expect, test } from 'vitest'
import { TOGETHER } from '../../plugins/rate-limit/counter-store.ts'
import { LeasedStore } from '../../plugins/rate-limit/leased-store.ts'
import { FIXED_WINDOW, LimitCheck, type Quota } from '../../plugins/rate-limit/limit-check.ts'
import { RedisStore } from '../../plugins/rate-limit/redis-store.ts'
import { call } from '../support/call.ts'
import { type CountedRequest, countRequest } from '../support/counted-requests.ts'
import { startGateway } from '../support/gateway.ts'
import { startRedis } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

/** Gateways that count on one server, each with its leases. */
class Replicas implements AsyncDisposable {
  readonly stores: LeasedStore[] = []
  readonly #redis: RedisStore[] = []

  static async start(count: number, url: string): Promise<Replicas> {
    const replicas = new Replicas()
    for (let i = 0; i < count; i++) {
      const store = new RedisStore(url, () => {})
      replicas.#redis.push(store)
      replicas.stores.push(new LeasedStore(store))
      await waitFor('the connection', () => store.status().available)
    }
    return replicas
  }

  get trips(): number {
    return this.#redis.reduce((sum, store) => sum + store.status().redis!.trips, 0)
  }

  /** Units charged in the window of this moment. */
  async charged(key: string, quota: Quota): Promise<number> {
    const check = new LimitCheck(key, quota, 1, true)
    expect(await this.#redis[0]!.look([check])).toBe(true)
    return quota.limit - check.remaining
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const store of this.stores) await store.close()
    for (const store of this.#redis) await store.close()
  }
}

const LEASE = 20

test.each([1, 2, 4, 8])(
  '%i replicas with leases at ten times the limit: never more in a calendar window',
  async (count) => {
    const limit = 400
    const periodMs = 250
    const quota: Quota = {
      algorithm: FIXED_WINDOW,
      limit,
      periodMs,
      burst: limit,
      lease: LEASE,
    }
    await using redis = await startRedis()
    await using replicas = await Replicas.start(count, redis.url)
    const until = Date.now() + 4 * periodMs
    const requests: Promise<CountedRequest>[] = []
    const perMs = Math.ceil((10 * limit) / periodMs)
    let next = 0
    for (let last = Date.now(); last < until;) {
      const now = Date.now()
      // A machine that stood still does not make up for all of it.
      for (let i = 0; i < Math.min(20, now - last) * perMs; i++) {
        const store = replicas.stores[next++ % count]!
        requests.push(countRequest(store, [{ key: 'flood', quota }], { charge: TOGETHER }))
      }
      last = now
      await new Promise((resolve) => setImmediate(resolve))
    }
    const seen = await Promise.all(requests)
    expect(seen.filter(({ result }) => result === 'failed')).toEqual([])
    const windowOf = (at: number): number => Math.floor(at / periodMs)
    const admitted = new Map<number, number>()
    let total = 0
    for (const { result, sentAt, answeredAt } of seen) {
      if (result !== 'admitted') continue
      total++
      const window = windowOf(sentAt)
      if (window === windowOf(answeredAt)) admitted.set(window, (admitted.get(window) ?? 0) + 1)
    }
    for (const inWindow of admitted.values()) expect(inWindow).toBeLessThanOrEqual(limit)
    const windows = new Set(seen.map(({ sentAt }) => windowOf(sentAt))).size
    // All but what is held somewhere, of the windows that are not cut at either end.
    expect(total).toBeGreaterThanOrEqual((limit - count * LEASE) * (windows - 2))
    expect(total).toBeLessThanOrEqual(limit * (windows + 1))
  },
  20_000,
)

const YEAR: Quota = {
  algorithm: FIXED_WINDOW,
  limit: 100_000,
  periodMs: 31_536_000_000,
  burst: 100_000,
  lease: 500,
}

test('what is held is charged, is within its bound, and goes back when nobody needs it', async () => {
  await using redis = await startRedis()
  await using replicas = await Replicas.start(2, redis.url)
  let most = 0
  for (let i = 0; i < 3000; i++) {
    const store = replicas.stores[i % 2]!
    const { result } = await countRequest(store, [{ key: 'k', quota: YEAR }], { charge: TOGETHER })
    expect(result).toBe('admitted')
    for (const { held } of replicas.stores) most = Math.max(most, held)
  }
  expect(most).toBeGreaterThan(1)
  expect(most).toBeLessThanOrEqual(500)
  await waitFor('leases to be given back', () => replicas.stores.every(({ held }) => held === 0))
  await waitFor('the counter', async () => (await replicas.charged('k', YEAR)) === 3000)
})

test('a busy limit needs few round trips', async () => {
  await using redis = await startRedis()
  await using replicas = await Replicas.start(1, redis.url)
  const store = replicas.stores[0]!
  const asked = 5000
  for (let i = 0; i < asked; i++) {
    await countRequest(store, [{ key: 'k', quota: YEAR }], { charge: TOGETHER })
  }
  expect(asked / replicas.trips).toBeGreaterThan(5)
})

test('a policy with a lease admits exactly its limit, and a gateway that ends gives back', async () => {
  await using redis = await startRedis()
  await using upstream = await startUpstream('app')
  const yaml = `${service('app', upstream.port)}${gateway('gw', ['app.test'])}${virtualService(
    'app',
    ['app.test'],
    ['gw'],
    '  - route: [{ destination: { host: app } }]',
  )}apiVersion: tidegate.dev/v1alpha1
kind: RateLimitPolicy
metadata: { name: leased }
spec:
  targetRef: { kind: VirtualService, name: app }
  timeout: 5s
  rules:
  - name: r
    limits: [{ requests: 300, per: 8760h, algorithm: fixedWindow, lease: { maximum: 50 } }]
`
  const ask = (port: number) => call({ port, host: 'app.test' })
  let served = 0
  {
    await using first = await startGateway(yaml, { redisUrl: redis.url })
    await waitFor('Redis', () => first.gateway.rateLimits.activity.store.available)
    for (let i = 0; i < 100; i++) if ((await ask(first.port(80))).status === 200) served++
  }
  expect(served).toBe(100)
  await using second = await startGateway(yaml, { redisUrl: redis.url })
  await waitFor('Redis', () => second.gateway.rateLimits.activity.store.available)
  for (let i = 0; i < 260; i++) if ((await ask(second.port(80))).status === 200) served++
  expect(served).toBe(300)
})
