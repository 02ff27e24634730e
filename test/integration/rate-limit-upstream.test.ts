import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { ACCESS_LOG_MESH, loggedExchanges } from '../support/access-log.ts'
import type { Answer } from '../support/call.ts'
import { callProxy } from '../support/egress.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { startProvider } from '../support/provider.ts'
import { startRedis } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'

/** `api.test` and `other.test` on their way out; `spec` of the policy in flow style. */
function egress(port: number, spec: string): string {
  return `${ACCESS_LOG_MESH}apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: api }
spec: { hosts: [api.test, other.test], resolution: STATIC, ports: [{ number: 80, name: http, protocol: HTTP }], endpoints: [{ address: 127.0.0.1, ports: { http: ${port} } }] }
---
apiVersion: tidegate.dev/v1alpha1
kind: RateLimitPolicy
metadata: { name: provider }
spec: { targetRef: { kind: ServiceEntry, name: api }, ${spec} }
`
}

const EGRESS = { ports: [], egressProxy: true }
const ask = (gw: TestGateway, host = 'api.test', path = '/'): Promise<Answer> =>
  callProxy(gw.egressPort, `http://${host}${path}`)

test.each<[name: string, status: number, fields: Record<string, string>]>([
  ['429 with Retry-After', 429, { 'retry-after': '60' }],
  ['503 with Retry-After', 503, { 'retry-after': '60' }],
  [
    '429 with a date',
    429,
    { date: 'Wed, 21 Oct 2026 07:28:00 GMT', 'retry-after': 'Wed, 21 Oct 2026 07:29:00 GMT' },
  ],
  ['RateLimit that is used up', 200, { ratelimit: '"day";r=0;t=60' }],
  ['x-ratelimit-remaining: 0', 200, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '60' }],
])('%s closes the host, and no other', async (_name, status, fields) => {
  await using upstream = await startUpstream((_request, response) => {
    response.writeHead(status, fields).end()
  })
  await using gw = await startGateway(egress(upstream.port, 'upstream: { obey: true }'), EGRESS)
  const first = await ask(gw)
  expect(first.status).toBe(status)
  const refused = await ask(gw, 'api.test', '/later')
  expect(refused).toMatchObject({ status: 429, body: '' })
  expect(refused.headers['x-envoy-ratelimited']).toBe('true')
  const retryAfter = Number(refused.headers['retry-after'])
  expect(retryAfter).toBeGreaterThan(50)
  expect(retryAfter).toBeLessThanOrEqual(60)
  expect((await ask(gw, 'other.test')).status).toBe(status)
  const logged = await loggedExchanges(gw, ['/later'])
  expect(logged.get('/later')).toMatchObject({
    flags: 'RL',
    details: 'request_rate_limited_by_upstream[api.test]',
  })
  const metrics = await (await fetch(`${gw.admin}/stats/prometheus`)).text()
  expect(metrics).toContain(
    'tidegate_rate_limit_upstream_closings_total{policy="default/provider",rule="(upstream)"} 2',
  )
  expect(metrics).toContain(
    'tidegate_rate_limit_requests_total{policy="default/provider",rule="(upstream)",result="limited"} 1',
  )
})

test('it is asked again when the time is over, and never waits longer than maxDelay', async () => {
  let asked = 0
  await using upstream = await startUpstream((_request, response) => {
    asked++
    if (asked === 1) response.writeHead(429, { 'retry-after': '86400' })
    response.end()
  })
  const spec = 'upstream: { obey: true, maxDelay: 150ms }'
  await using gw = await startGateway(egress(upstream.port, spec), EGRESS)
  expect((await ask(gw)).status).toBe(429)
  expect((await ask(gw)).status).toBe(429)
  expect(asked).toBe(1)
  await waitFor('the host to be open', async () => (await ask(gw)).status === 200)
  expect(asked).toBe(2)
})

test('a refusal that is obeyed is not retried', async () => {
  let asked = 0
  await using upstream = await startUpstream((_request, response) => {
    asked++
    response.writeHead(503, { 'retry-after': '60' }).end()
  })
  const retries = `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: api }
spec: { hosts: [api.test], http: [{ retries: { attempts: 3, retryOn: 5xx }, route: [{ destination: { host: api.test } }] }] }
`
  const spec = 'upstream: { obey: true }'
  await using gw = await startGateway(egress(upstream.port, spec) + retries, EGRESS)
  expect((await ask(gw)).status).toBe(503)
  expect(asked).toBe(1)
})

test('policies without obey let a provider refuse', async () => {
  await using upstream = await startUpstream((_request, response) => {
    response.writeHead(429, { 'retry-after': '60' }).end()
  })
  const spec = 'rules: [{ name: all, limits: [{ requests: 100, per: 1h }] }]'
  await using gw = await startGateway(egress(upstream.port, spec), EGRESS)
  for (let i = 0; i < 3; i++) expect((await ask(gw)).headers['x-envoy-ratelimited']).toBeUndefined()
})

test('what one gateway hears the other obeys, with and without limits of its own', async () => {
  await using redis = await startRedis()
  let asked = 0
  await using upstream = await startUpstream((_request, response) => {
    asked++
    response.writeHead(asked <= 2 ? 200 : 429, asked <= 2 ? {} : { 'retry-after': '60' }).end()
  })
  for (const rules of ['', ', rules: [{ name: all, limits: [{ requests: 100000, per: 1s }] }]']) {
    asked = 0
    const client = new Redis(redis.url, { protocol: 2 })
    await client.flushall()
    client.disconnect()
    const yaml = egress(upstream.port, `timeout: 5s, upstream: { obey: true }${rules}`)
    await using one = await startGateway(yaml, { ...EGRESS, redisUrl: redis.url })
    await using two = await startGateway(yaml, { ...EGRESS, redisUrl: redis.url })
    for (const gw of [one, two]) {
      await waitFor('Redis', () => gw.gateway.rateLimits.activity.store.available)
      expect((await ask(gw)).status).toBe(200)
    }
    expect((await ask(one)).headers['x-envoy-ratelimited']).toBeUndefined()
    const heard = await waitFor('the other gateway to hear', async () => {
      const answer = await ask(two)
      return answer.headers['x-envoy-ratelimited'] === 'true' ? answer : null
    })
    expect(Number(heard.headers['retry-after'])).toBeGreaterThan(50)
    // With limits of its own it hears in the same round trip: the upstream is asked three times.
    if (rules !== '') expect(asked).toBe(3)
  }
})

test('while Redis is away each gateway obeys what it hears itself', async () => {
  await using redis = await startRedis()
  await redis.stop()
  let asked = 0
  await using upstream = await startUpstream((_request, response) => {
    asked++
    response.writeHead(429, { 'retry-after': '60' }).end()
  })
  const spec =
    'upstream: { obey: true }, rules: [{ name: all, limits: [{ requests: 9, per: 1h }] }]'
  await using gw = await startGateway(egress(upstream.port, spec), {
    ...EGRESS,
    redisUrl: redis.url,
  })
  for (let i = 0; i < 4; i++) await ask(gw)
  expect(asked).toBe(1)
})

test('a provider that tells what is left never has to refuse, and all are served in the end', async () => {
  await using provider = await startProvider({
    requests: 10,
    windowMs: 300,
    fields: (remaining, resetMs) => ({
      'x-ratelimit-remaining': String(remaining),
      'x-ratelimit-reset': (resetMs / 1000).toFixed(3),
    }),
  })
  const spec = 'upstream: { obey: true, queue: { maxWait: 30s, maxRequests: 100 } }'
  await using gw = await startGateway(egress(provider.upstream.port, spec), EGRESS)
  // One after another: what the last answer said holds for the next request.
  for (let i = 0; i < 35; i++) expect((await ask(gw)).status).toBe(200)
  expect([provider.served, provider.refused]).toEqual([35, 0])
})

test('limits of its own keep a provider from refusing anybody, over several gateways', async () => {
  await using redis = await startRedis()
  await using provider = await startProvider({
    requests: 40,
    windowMs: 1000,
    fields: () => ({ 'retry-after': '1' }),
  })
  // At most 22 in any second, with room for those that were held up on their way.
  const spec = `timeout: 5s, upstream: { obey: true, queue: { maxWait: 30s } },
    rules: [{ name: out, limits: [{ requests: 20, per: 1s, burst: 2 }], queue: { maxWait: 30s } }]`
  const yaml = egress(provider.upstream.port, spec)
  await using one = await startGateway(yaml, { ...EGRESS, redisUrl: redis.url })
  await using two = await startGateway(yaml, { ...EGRESS, redisUrl: redis.url })
  for (const gw of [one, two]) {
    await waitFor('Redis', () => gw.gateway.rateLimits.activity.store.available)
  }
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, index) => ask(index % 2 === 0 ? one : two)),
  )
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 60 }, () => 200))
  expect([provider.served, provider.refused]).toEqual([60, 0])
}, 20_000)
