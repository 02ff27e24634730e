import { Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { ACCESS_LOG_MESH, loggedExchanges } from '../support/access-log.ts'
import { problemsOf } from '../support/admin-view.ts'
import { type Answer, call, type CallOptions } from '../support/call.ts'
import { callProxy } from '../support/egress.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { startRedis } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const ROUTES = `  - { name: api, match: [{ uri: { prefix: /api } }], route: [{ destination: { host: app } }] }
  - { name: rest, route: [{ destination: { host: app } }] }`

function app(upstreamPort: number, ...policies: readonly string[]): string {
  return (
    ACCESS_LOG_MESH +
    service('app', upstreamPort) +
    gateway('gw', ['app.test']) +
    virtualService('app', ['app.test'], ['gw'], ROUTES) +
    policies.join('')
  )
}

/** `spec` in flow style, without its braces. */
function policy(name: string, target: string, spec: string): string {
  return `apiVersion: tidegate.dev/v1alpha1
kind: RateLimitPolicy
metadata: { name: ${name} }
spec: { targetRef: ${target}, ${spec} }
---
`
}

const VS = '{ kind: VirtualService, name: app }'
/** A year: nothing comes back while a test runs. */
const TWO = 'limits: [{ requests: 2, per: 8760h }]'

function ask(gw: TestGateway, options: Partial<CallOptions> = {}): Promise<Answer> {
  return call({ port: gw.port(80), host: 'app.test', ...options })
}

async function statuses(
  gw: TestGateway,
  times: number,
  options: Partial<CallOptions> = {},
): Promise<readonly number[]> {
  const seen: number[] = []
  for (let i = 0; i < times; i++) seen.push((await ask(gw, options)).status)
  return seen
}

test.each(['gcra', 'fixedWindow', 'slidingWindow'])(
  'a VirtualService is limited with %s, over all its routes together',
  async (algorithm) => {
    await using upstream = await startUpstream('app')
    const limits = policy('all', VS, `algorithm: ${algorithm}, rules: [{ name: every, ${TWO} }]`)
    await using gw = await startGateway(app(upstream.port, limits))
    expect((await ask(gw, { path: '/api' })).headers).toMatchObject({
      'x-ratelimit-limit': '2, 2;w=31536000;name="every"',
      'x-ratelimit-remaining': '1',
    })
    expect(await statuses(gw, 3)).toEqual([200, 429, 429])
    const denied = await ask(gw)
    expect(denied).toMatchObject({ status: 429, body: '' })
    expect(denied.headers).toMatchObject({
      'x-envoy-ratelimited': 'true',
      'x-ratelimit-remaining': '0',
    })
    expect(Number(denied.headers['retry-after'])).toBeGreaterThan(1000)
    expect(denied.headers['x-tidegate-rate-limited-by']).toBeUndefined()
    expect(upstream.seen).toHaveLength(2)
    const logged = await loggedExchanges(gw, ['/'])
    expect(logged.get('/')).toMatchObject({
      flags: 'RL',
      details: 'request_rate_limited_by[default/all/every]',
    })
  },
)

test('a section is one route; a Gateway is all that it serves', async () => {
  await using upstream = await startUpstream('app')
  const route = policy(
    'route',
    '{ kind: VirtualService, name: app, sectionName: api }',
    `rules: [{ name: api, ${TWO} }]`,
  )
  const whole = policy(
    'whole',
    '{ kind: Gateway, name: gw }',
    'response: { headers: none }, rules: [{ name: all, limits: [{ requests: 5, per: 8760h }] }]',
  )
  await using gw = await startGateway(app(upstream.port, route, whole))
  expect(await statuses(gw, 3, { path: '/api' })).toEqual([200, 200, 429])
  // What the narrow limit refused was not counted by the wide one.
  expect(await statuses(gw, 4)).toEqual([200, 200, 200, 429])
  expect((await ask(gw)).headers['x-ratelimit-limit']).toBeUndefined()
  expect(await problemsOf(gw, 'rate-limit-policy-unmatched')).toEqual([])
})

describe('conditions', () => {
  test.each<[string, string, Partial<CallOptions>, Partial<CallOptions>]>([
    [
      'a header by prefix',
      'headers: { x-tier: { prefix: fr } }',
      { headers: { 'x-tier': 'free' } },
      { headers: { 'x-tier': 'gold' } },
    ],
    ['a header that is there', 'headers: { x-a: {} }', { headers: { 'x-a': '1' } }, {}],
    [
      'a header that is not there',
      'headers: { x-a: { invert: true } }',
      {},
      { headers: { 'x-a': '1' } },
    ],
    ['a method by expression', 'method: { regex: "P.*" }', { method: 'PUT' }, { method: 'GET' }],
    ['a path exactly', 'path: { exact: /a }', { path: '/a?b=c' }, { path: '/ab' }],
    [
      'a query parameter',
      'queryParams: { q: { exact: x y } }',
      { path: '/?a=1&q=x%20y' },
      { path: '/?q=z' },
    ],
    [
      'a source inside a block',
      'source: { cidrs: [127.0.0.0/31] }',
      { localAddress: '127.0.0.1' },
      { localAddress: '127.0.0.7' },
    ],
    [
      'a source outside a block',
      'source: { cidrs: [127.0.0.0/31], invert: true }',
      { localAddress: '127.0.0.7' },
      { localAddress: '127.0.0.1' },
    ],
    [
      'all conditions together',
      'path: { prefix: /a }, method: { exact: POST }',
      { path: '/a', method: 'POST' },
      { path: '/a', method: 'GET' },
    ],
  ])('%s', async (_name, match, hit, miss) => {
    await using upstream = await startUpstream('app')
    const limits = policy('some', VS, `rules: [{ name: some, match: { ${match} }, ${TWO} }]`)
    await using gw = await startGateway(app(upstream.port, limits))
    expect(await statuses(gw, 3, hit)).toEqual([200, 200, 429])
    expect(await statuses(gw, 3, miss)).toEqual([200, 200, 200])
  })

  test.each<[string, string, Partial<CallOptions>, Partial<CallOptions>]>([
    [
      'header',
      'headers: { x-user: { distinct: true } }',
      { headers: { 'x-user': 'a' } },
      { headers: { 'x-user': 'b' } },
    ],
    ['path', 'path: { prefix: /a, distinct: true }', { path: '/a/1' }, { path: '/a/2' }],
    [
      'source address',
      'source: { distinct: true }',
      { localAddress: '127.0.0.1' },
      { localAddress: '127.0.0.2' },
    ],
    [
      'source block',
      'source: { distinct: true, ipv4PrefixLength: 30 }',
      { localAddress: '127.0.0.1' },
      { localAddress: '127.0.0.9' },
    ],
  ])('each %s counts for itself', async (_name, match, one, other) => {
    await using upstream = await startUpstream('app')
    const limits = policy('each', VS, `rules: [{ name: each, match: { ${match} }, ${TWO} }]`)
    await using gw = await startGateway(app(upstream.port, limits))
    expect(await statuses(gw, 3, one)).toEqual([200, 200, 429])
    expect(await statuses(gw, 3, other)).toEqual([200, 200, 429])
  })
})

test('several windows of one rule all have to admit, and answers name each', async () => {
  await using upstream = await startUpstream('app')
  const limits = policy(
    'api',
    VS,
    `response: { headers: ietf, problemJson: true, ruleHeader: true },
     rules: [{ name: api, limits: [{ requests: 3, per: 8760h }, { requests: 100, per: 1h, burst: 2 }] }]`,
  )
  await using gw = await startGateway(app(upstream.port, limits))
  const first = await ask(gw)
  expect(first.headers['ratelimit-policy']).toBe(
    '"api-8760h";q=3;w=31536000, "api-1h";q=100;w=3600',
  )
  expect(first.headers['ratelimit']).toMatch(/^"api-8760h";r=2;t=\d+, "api-1h";r=1;t=36$/)
  expect(first.headers['x-ratelimit-limit']).toBeUndefined()
  expect((await ask(gw)).status).toBe(200)
  const denied = await ask(gw)
  expect(denied.status).toBe(429)
  expect(denied.headers['content-type']).toBe('application/problem+json')
  expect(JSON.parse(denied.body)).toEqual({
    type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
    title: 'Too Many Requests',
    status: 429,
    'violated-policies': ['api-1h'],
  })
  expect(denied.headers['x-tidegate-rate-limited-by']).toBe('default/api/api')
  // 100 an hour: one every 36 s.
  expect(Number(denied.headers['retry-after'])).toBeLessThanOrEqual(36)
})

test('a request costs what its header says, within bounds', async () => {
  await using upstream = await startUpstream('app')
  const limits = policy(
    'cost',
    VS,
    `rules: [{ name: cost, cost: { header: x-cost, number: 2, maximum: 5 }, limits: [{ requests: 10, per: 8760h }] }]`,
  )
  await using gw = await startGateway(app(upstream.port, limits))
  const left = async (cost: string): Promise<string | string[] | undefined> =>
    (await ask(gw, { headers: { 'x-cost': cost } })).headers['x-ratelimit-remaining']
  expect(await left('0')).toBe('8')
  expect(await left('99')).toBe('3')
  expect(await left('nonsense')).toBe('1')
  expect((await ask(gw)).status).toBe(429)
})

test('a shadow rule lets everybody pass, and the metrics tell', async () => {
  await using upstream = await startUpstream('app')
  const limits = policy('shadow', VS, `rules: [{ name: look, shadow: true, ${TWO} }]`)
  await using gw = await startGateway(app(upstream.port, limits))
  expect(await statuses(gw, 5)).toEqual([200, 200, 200, 200, 200])
  expect((await ask(gw)).headers['x-ratelimit-limit']).toBeUndefined()
  const metrics = await (await fetch(`${gw.admin}/stats/prometheus`)).text()
  const lines = metrics
    .split('\n')
    .filter((line) => line.startsWith('tidegate_rate_limit_requests'))
  expect(lines).toContain(
    'tidegate_rate_limit_requests_total{policy="default/shadow",rule="look",result="shadow_limited"} 4',
  )
  expect(lines).toContain(
    'tidegate_rate_limit_requests_total{policy="default/shadow",rule="look",result="allowed"} 2',
  )
})

test('gRPC callers get RESOURCE_EXHAUSTED and the time to wait', async () => {
  await using upstream = await startUpstream('app')
  const limits = policy('grpc', VS, `rules: [{ name: calls, limits: [{ requests: 1, per: 1h }] }]`)
  await using gw = await startGateway(app(upstream.port, limits))
  await ask(gw)
  const denied = await ask(gw, {
    method: 'POST',
    headers: { 'content-type': 'application/grpc+proto', te: 'trailers' },
  })
  expect(denied).toMatchObject({ status: 200, body: '' })
  expect(denied.headers['grpc-status']).toBe('8')
  expect(Number(denied.headers['grpc-retry-pushback-ms'])).toBeGreaterThan(3_000_000)
})

test('browsers may read a denial of another origin, and preflights are not counted', async () => {
  await using upstream = await startUpstream('app')
  const cors = virtualService(
    'web',
    ['app.test'],
    ['gw'],
    '  - { corsPolicy: { allowOrigins: [{ exact: "https://shop.test" }] }, route: [{ destination: { host: app } }] }',
  )
  const limits = policy(
    'web',
    '{ kind: VirtualService, name: web }',
    `rules: [{ name: r, ${TWO} }]`,
  )
  await using gw = await startGateway(
    service('app', upstream.port) + gateway('gw', ['app.test']) + cors + limits,
  )
  const headers = { origin: 'https://shop.test' }
  const preflight = { ...headers, 'access-control-request-method': 'GET' }
  for (let i = 0; i < 4; i++) {
    expect((await ask(gw, { method: 'OPTIONS', headers: preflight })).status).toBe(200)
  }
  expect(await statuses(gw, 3, { headers })).toEqual([200, 200, 429])
  const denied = await ask(gw, { headers })
  expect(denied.headers['access-control-allow-origin']).toBe('https://shop.test')
})

test('a ServiceEntry is limited on its way out', async () => {
  await using upstream = await startUpstream('api')
  const entry = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: api }
spec: { hosts: [api.test, other.test], resolution: STATIC, ports: [{ number: 80, name: http, protocol: HTTP }], endpoints: [{ address: 127.0.0.1, ports: { http: ${upstream.port} } }] }
---
`
  const limits = policy(
    'out',
    '{ kind: ServiceEntry, name: api, sectionName: api.test }',
    `rules: [{ name: out, ${TWO} }]`,
  )
  await using gw = await startGateway(entry + limits, { ports: [], egressProxy: true })
  const seen: number[] = []
  for (let i = 0; i < 3; i++) seen.push((await callProxy(gw.egressPort, 'http://api.test/')).status)
  expect(seen).toEqual([200, 200, 429])
  expect((await callProxy(gw.egressPort, 'http://other.test/')).status).toBe(200)
})

test('counters outlive a reload', async () => {
  await using upstream = await startUpstream('app')
  const limits = (requests: number): string =>
    policy('all', VS, `rules: [{ name: every, limits: [{ requests: ${requests}, per: 8760h }] }]`)
  await using gw = await startGateway(app(upstream.port, limits(2)))
  expect(await statuses(gw, 3)).toEqual([200, 200, 429])
  gw.write('config.yaml', app(upstream.port, limits(3)))
  await gw.reload()
  expect(await statuses(gw, 2)).toEqual([200, 429])
})

describe('with Redis', () => {
  test.each(['gcra', 'fixedWindow', 'slidingWindow'])(
    'two gateways share %s limits exactly, and keys hold no client data',
    async (algorithm) => {
      await using redis = await startRedis()
      await using upstream = await startUpstream('app')
      const limits = policy(
        'all',
        VS,
        `algorithm: ${algorithm}, timeout: 10s, onFailure: deny, rules: [
          { name: each, match: { headers: { x-user: { distinct: true } } }, limits: [{ requests: 20, per: 8760h }, { requests: 1000, per: 1000h }] }]`,
      )
      const options = { redisUrl: redis.url }
      await using one = await startGateway(app(upstream.port, limits), options)
      await using two = await startGateway(app(upstream.port, limits), options)
      const as = (user: string): Partial<CallOptions> => ({ headers: { 'x-user': user } })
      for (const gw of [one, two]) {
        // Refused with 503 until the gateway is connected.
        await waitFor('Redis', async () => (await ask(gw, as('probe'))).status === 200, 15_000)
      }
      const answers = await Promise.all(
        Array.from({ length: 60 }, (_, index) => ask(index % 2 === 0 ? one : two, as('alice'))),
      )
      const by = (status: number): number =>
        answers.filter((answer) => answer.status === status).length
      expect([by(200), by(429)]).toEqual([20, 40])
      const client = new Redis(redis.url, { protocol: 2 })
      const keys = await client.keys('*')
      client.disconnect()
      expect(keys.length).toBeGreaterThanOrEqual(4)
      expect(keys.join('\n')).not.toMatch(/alice/)
    },
  )

  test.each([
    ['local', [200, 200, 429, 429]],
    ['allow', [200, 200, 200, 200]],
    ['deny', [503, 503, 503, 503]],
  ] as const)('onFailure %s decides while Redis is away', async (onFailure, expected) => {
    await using redis = await startRedis()
    await redis.stop()
    await using upstream = await startUpstream('app')
    const limits = policy('all', VS, `onFailure: ${onFailure}, rules: [{ name: every, ${TWO} }]`)
    await using gw = await startGateway(app(upstream.port, limits), { redisUrl: redis.url })
    expect(await statuses(gw, 4)).toEqual(expected)
  })
})
