import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { only, resolveFilters } from '../../test/support/envoy-filters.ts'
import { type Outcome, RecordedExchange } from '../../test/support/filter-exchange.ts'
import { type RedisServer, startRedis } from '../../test/support/redis.ts'
import { waitFor } from '../../test/support/wait.ts'
import type { Filter } from '../../src/filters/filter.ts'
import { createRateLimit, type RateLimit } from './index.ts'

let redis: RedisServer
let client: Redis
const open: RateLimit[] = []

beforeAll(async () => {
  redis = await startRedis()
  client = new Redis(redis.url, { protocol: 2, maxRetriesPerRequest: 0, retryStrategy: () => 50 })
  client.on('error', () => {})
})
afterAll(async () => {
  client.disconnect()
  await redis.stop()
})
beforeEach(async () => {
  await waitFor('redis', async () => {
    const reply = await client.flushall().catch(() => '')
    return reply === 'OK'
  })
  return async () => {
    await Promise.all(open.splice(0).map((rateLimit) => rateLimit.close()))
  }
})

async function limiter(log: (message: string) => void = () => {}): Promise<RateLimit> {
  const rateLimit = createRateLimit({ redisUrl: redis.url, log: (_level, message) => log(message) })
  open.push(rateLimit)
  await waitFor('the connection', () => rateLimit.status().available)
  return rateLimit
}

/** One limit for every request, counted by the year so that no window ends while a test runs. */
function filterOf(rateLimit: RateLimit, limit: number, settings = ''): Filter {
  const yaml = `
apiVersion: v1
kind: ConfigMap
metadata: { name: limits, namespace: istio-system }
data:
  limits.yaml: |
    domain: edge
    descriptors:
      - { key: all, value: requests, rate_limit: { unit: year, requests_per_unit: ${limit} } }
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: limits, namespace: istio-system }
spec:
  configPatches:
  - applyTo: HTTP_FILTER
    match: { context: GATEWAY }
    patch:
      operation: INSERT_FIRST
      value:
        name: envoy.filters.http.ratelimit
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit
          domain: edge
          ${settings}
          rate_limits:
          - actions: [{ generic_key: { descriptor_key: all, descriptor_value: requests } }]
`
  const { filters, problems } = resolveFilters(yaml, [{}], { factories: [rateLimit.factory] })
  expect(problems).toEqual([])
  return only(filters[0]!)
}

/** Generous: shared build machines pause for long. */
const FAR_BEYOND_ANY_DEADLINE_MS = 2500

async function timed(filter: Filter): Promise<{ outcome: Outcome; tookMs: number }> {
  const start = performance.now()
  const outcome = await new RecordedExchange().run(filter)
  return { outcome, tookMs: performance.now() - start }
}

test('two gateways share one limit exactly, however their checks overlap', async () => {
  const first = filterOf(await limiter(), 100, 'timeout: 10s')
  const second = filterOf(await limiter(), 100, 'timeout: 10s')
  const exchanges = Array.from({ length: 300 }, () => new RecordedExchange())
  const outcomes = await Promise.all(
    exchanges.map((exchange, index) => exchange.run(index % 2 === 0 ? first : second)),
  )
  expect(outcomes.filter(({ status }) => status === 200)).toHaveLength(100)
  expect(outcomes.filter(({ status }) => status === 429)).toHaveLength(200)
  expect(exchanges.every(({ settled }) => settled === 1)).toBe(true)
})

test('keys hold no client data, and end with their window', async () => {
  const rateLimit = await limiter()
  await new RecordedExchange().run(filterOf(rateLimit, 5, 'timeout: 10s'))
  const found = await client.keys('*')
  const keys = found.filter((key) => key !== 'tidegate:rl:replicas')
  expect(keys).toHaveLength(1)
  expect(keys[0]).toMatch(/^tidegate:rl:[\w-]{22}$/)
  const now = Math.floor(Date.now() / 1000)
  const endsAt = await client.expiretime(keys[0]!)
  expect(endsAt % 31_536_000).toBe(0)
  expect(endsAt).toBeGreaterThan(now)
})

test('a counter whose window ended starts again', async () => {
  const rateLimit = await limiter()
  const yearly = filterOf(rateLimit, 1, 'timeout: 10s')
  expect((await timed(yearly)).outcome.status).toBe(200)
  expect((await timed(yearly)).outcome.status).toBe(429)
  const key = (await client.keys('tidegate:rl:??????????????????????'))[0]!
  await client.expireat(key, Math.floor(Date.now() / 1000) + 1)
  await waitFor('the end of the window', async () => (await client.exists(key)) === 0)
  // A denial is believed for some seconds; by the gateway's own clock the year is not over.
  await waitFor(
    'the denial to be doubted',
    async () => (await timed(yearly)).outcome.status === 200,
    10_000,
  )
}, 15_000)

test('scripts lost by SCRIPT FLUSH are loaded again without losing a check', async () => {
  const filter = filterOf(await limiter(), 3, 'timeout: 10s\n          failure_mode_deny: true')
  const seen: number[] = []
  for (let i = 0; i < 5; i++) {
    await client.script('FLUSH')
    seen.push((await timed(filter)).outcome.status)
  }
  expect(seen).toEqual([200, 200, 200, 429, 429])
})

test('a frozen Redis costs each request its timeout, then nothing', async () => {
  const rateLimit = await limiter()
  const open = filterOf(rateLimit, 100, 'timeout: 0.05s')
  const closed = filterOf(rateLimit, 100, 'timeout: 0.05s\n          failure_mode_deny: true')
  redis.freeze()
  try {
    const waiting = await Promise.all([
      timed(open),
      timed(open),
      timed(open),
      timed(closed),
      timed(closed),
    ])
    expect(waiting.map(({ outcome }) => outcome.status)).toEqual([200, 200, 200, 500, 500])
    expect(waiting[3]!.outcome).toMatchObject({ flag: 'RLSE', details: 'rate_limiter_error' })
    for (const { tookMs } of waiting) {
      expect(tookMs).toBeGreaterThan(45)
      expect(tookMs).toBeLessThan(FAR_BEYOND_ANY_DEADLINE_MS)
    }
    // They went together: one failure of the server. Four more open the breaker.
    for (let i = 0; i < 4; i++) await timed(open)
    expect(rateLimit.status().available).toBe(false)
    expect((await timed(open)).outcome).toMatchObject({ status: 200, synchronous: true })
    expect((await timed(closed)).outcome).toMatchObject({ status: 500, synchronous: true })
  } finally {
    redis.thaw()
  }
  await waitFor('the probe', () => rateLimit.status().available, 10_000)
  expect((await timed(filterOf(rateLimit, 100, 'timeout: 10s'))).outcome.synchronous).toBe(false)
})

test('a connection that stays silent is given up, whatever the timeout', async () => {
  const rateLimit = await limiter()
  const filter = filterOf(rateLimit, 100, 'timeout: 0s\n          failure_mode_deny: true')
  redis.freeze()
  try {
    const { outcome, tookMs } = await timed(filter)
    expect(outcome.status).toBe(500)
    expect(tookMs).toBeLessThan(8000)
  } finally {
    redis.thaw()
  }
  await waitFor('a new connection', () => rateLimit.status().available, 10_000)
})

test('a stopped Redis fails at once, and a restarted one counts again; each change is said once', async () => {
  const log: string[] = []
  const rateLimit = await limiter((message) => log.push(message))
  const filter = filterOf(rateLimit, 2, 'timeout: 10s\n          failure_mode_deny: true')
  expect((await timed(filter)).outcome.status).toBe(200)
  await redis.stop()
  await waitFor('the loss', () => !rateLimit.status().available)
  for (let i = 0; i < 20; i++) {
    expect((await timed(filter)).outcome).toMatchObject({ status: 500, synchronous: true })
  }
  await redis.restart()
  await waitFor('the return', () => rateLimit.status().available, 10_000)
  const seen = [await timed(filter), await timed(filter), await timed(filter)]
  expect(seen.map(({ outcome }) => outcome.status)).toEqual([200, 200, 429])
  expect(log.map((message) => (message.includes('not available') ? 'down' : 'up'))).toEqual([
    'up',
    'down',
    'up',
  ])
  expect(rateLimit.status()).toMatchObject({ failures: 20, deniedOnFailure: 20, denied: 1 })
})

test('requests that wait when Redis dies are decided at once', async () => {
  const rateLimit = await limiter()
  const filter = filterOf(rateLimit, 100, 'timeout: 10s')
  redis.freeze()
  const waiting = Array.from({ length: 3 }, () => timed(filter))
  await redis.stop()
  for (const { outcome, tookMs } of await Promise.all(waiting)) {
    expect(outcome.status).toBe(200)
    expect(tookMs).toBeLessThan(FAR_BEYOND_ANY_DEADLINE_MS)
  }
  expect(rateLimit.status().failures).toBe(3)
  await redis.restart()
})

test('closing decides the requests that wait', async () => {
  const rateLimit = await limiter()
  const filter = filterOf(rateLimit, 100, 'timeout: 10s\n          failure_mode_deny: true')
  redis.freeze()
  try {
    const waiting = timed(filter)
    await rateLimit.close()
    expect((await waiting).outcome.status).toBe(500)
  } finally {
    redis.thaw()
  }
})

test('a client that left while its check was under way is left alone', async () => {
  const filter = filterOf(await limiter(), 0, 'timeout: 10s')
  const exchange = new RecordedExchange()
  void exchange.run(filter)
  exchange.ended = true
  await timed(filter)
  expect(exchange.settled).toBe(0)
})

test('the password of the URL is in no message', async () => {
  await using guarded = await startRedis({ password: 'hunter-2-secret' })
  const log: string[] = []
  const say = (_level: string, message: string): void => void log.push(message)
  const right = createRateLimit({ redisUrl: guarded.url, log: say })
  const wrong = createRateLimit({ redisUrl: guarded.url.replace('hunter-2', 'wrong'), log: say })
  open.push(right, wrong)
  await waitFor('the connection', () => right.status().available)
  await waitFor('the refusal', () => log.some((message) => message.includes('WRONGPASS')))
  expect(wrong.status().available).toBe(false)
  expect(log.join('\n')).not.toMatch(/secret/)
  expect(right.status().server).toBe(`127.0.0.1:${guarded.port}`)
})

test('a URL that is none is refused without repeating it', () => {
  const create = (): RateLimit =>
    createRateLimit({ redisUrl: 'http://user:pass@host', log: () => {} })
  expect(create).toThrow(/redis:\/\//)
  expect(create).not.toThrow(/pass@/)
})
