import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { Headers } from '../../src/filters/headers.ts'
import { startRedis } from '../../test/support/redis.ts'
import { waitFor } from '../../test/support/wait.ts'
import { TOGETHER } from './counter-store.ts'
import { GCRA, LimitCheck } from './limit-check.ts'
import { RedisStore } from './redis-store.ts'
import { RuleStats } from './stats.ts'
import { type UpstreamGate, UpstreamGates } from './upstream-gates.ts'

const MINUTE = new Headers(['retry-after', '60'])

function gates(store: RedisStore | null, maxDelayMs = 300_000): UpstreamGates {
  return new UpstreamGates('ns/p', store, new RuleStats('ns/p', '(upstream)'), maxDelayMs)
}

const closedMs = (gate: UpstreamGate): number => gate.closedMs(performance.now())

test('ports and subsets of a host share a gate, other hosts do not', () => {
  const own = gates(null)
  const gate = own.gateOf('outbound|80||api.test')
  expect(own.gateOf('outbound|443|v2|api.test')).toBe(gate)
  expect(own.gateOf('outbound|80||other.test')).not.toBe(gate)
})

test('a later moment counts, an earlier one does not', () => {
  const own = gates(null)
  const gate = own.gateOf('outbound|80||api.test')
  expect(gate.upstreamAnswered(200, new Headers())).toBe(false)
  expect(closedMs(gate)).toBe(0)
  expect(gate.upstreamAnswered(429, MINUTE)).toBe(true)
  expect(gate.upstreamAnswered(429, new Headers(['retry-after', '1']))).toBe(true)
  expect(closedMs(gate)).toBeGreaterThan(59_000)
  expect(gate.upstreamAnswered(429, new Headers(['retry-after', '90']))).toBe(true)
  expect(closedMs(gate)).toBeGreaterThan(89_000)
  // The one between said nothing new.
  expect(own.stats.closings).toBe(2)
})

test('no answer closes for longer than the policy allows', () => {
  const gate = gates(null, 5000).gateOf('outbound|80||api.test')
  gate.upstreamAnswered(503, new Headers(['retry-after', '9999999']))
  expect(closedMs(gate)).toBeLessThanOrEqual(5000)
})

test('hosts are bounded', () => {
  const own = gates(null)
  const first = own.gateOf('outbound|80||h0.test')
  for (let i = 1; i <= 10_000; i++) own.gateOf(`outbound|80||h${i}.test`)
  expect(own.gateOf('outbound|80||h0.test')).not.toBe(first)
})

test('a gate is closed for all, in a refresh and in the round trip of a limit, which is not charged', async () => {
  await using redis = await startRedis()
  const one = new RedisStore(redis.url, () => {})
  const two = new RedisStore(redis.url, () => {})
  const client = new Redis(redis.url, { protocol: 2 })
  try {
    for (const store of [one, two]) await waitFor('Redis', () => store.status().available)
    const told = gates(one).gateOf('outbound|80||api.test')
    told.upstreamAnswered(429, MINUTE)
    await waitFor('the key', async () => (await client.dbsize()) > 1)
    // Never to be found out from the key which host it is.
    expect((await client.keys('*')).join()).not.toContain('api')

    const asking = gates(two).gateOf('outbound|80||api.test')
    await waitFor('the refresh', () => {
      asking.refresh(performance.now())
      return closedMs(asking) > 50_000
    })

    const going = gates(two).gateOf('outbound|80||api.test')
    const limit = new LimitCheck(
      'limit',
      { algorithm: GCRA, limit: 5, periodMs: 3_600_000, burst: 5 },
      1,
      true,
    )
    const gate = going.check(performance.now())!
    await new Promise<void>((resolve, reject) => {
      const checks = [limit, gate]
      const failed = (): void => reject(new Error('not counted'))
      two.count({ checks, charge: TOGETHER, timeoutMs: 5000, counted: resolve, failed })
    })
    expect(gate).toMatchObject({ over: true })
    expect(gate.retryMs).toBeGreaterThan(50_000)
    expect(await two.look([limit])).toBe(true)
    expect(limit.remaining).toBe(5)
  } finally {
    client.disconnect()
    await one.close()
    await two.close()
  }
})

test('a shorter closing does not open what a longer one closed', async () => {
  await using redis = await startRedis()
  const store = new RedisStore(redis.url, () => {})
  const client = new Redis(redis.url, { protocol: 2 })
  try {
    await waitFor('Redis', () => store.status().available)
    const long = gates(store).gateOf('outbound|80||api.test')
    long.upstreamAnswered(429, MINUTE)
    const ttl = async (): Promise<number> => {
      const keys = (await client.keys('*')).filter((key) => !key.endsWith('replicas'))
      return keys.length === 0 ? 0 : client.pttl(keys[0]!)
    }
    await waitFor('the long one', async () => (await ttl()) > 50_000)
    const short = gates(store).gateOf('outbound|80||api.test')
    short.upstreamAnswered(429, new Headers(['retry-after', '2']))
    // What it is told in answer is what the other one said.
    await waitFor('the answer', () => closedMs(short) > 50_000)
    expect(await ttl()).toBeGreaterThan(50_000)
  } finally {
    client.disconnect()
    await store.close()
  }
})
