import { describe, expect, test } from 'vitest'
import { ACCESS_LOG_MESH, loggedExchanges } from '../support/access-log.ts'
import { WIRES } from '../support/both-wires.ts'
import { type FlakyUpstream, type Mood, startFlaky } from '../support/flaky-upstream.ts'
import { freePort } from '../support/free-port.ts'
import { startGateway } from '../support/gateway.ts'
import { routedTo } from '../support/routed.ts'
import { waitFor } from '../support/wait.ts'

const HOST = 'app.test'

function configuration(
  upstream: { port: number },
  protocol: string,
  rule: string,
  policy?: string,
) {
  const portName = protocol === 'h2' ? 'http2' : 'http'
  const extra = policy === undefined ? {} : { policy }
  return ACCESS_LOG_MESH + routedTo(upstream.port, { portName, rule, ...extra })
}

function bodies(upstream: FlakyUpstream): readonly string[] {
  return upstream.seen.map(({ body }) => body)
}

const FAIL: Mood = { status: 503 }
const RETRY = 'retries: { attempts: 2, backoff: 1ms, retryOn: "5xx,reset,refused-stream" }'
const LONG = 'x'.repeat(300_000)

describe.each(['h1', 'h2'] as const)('%s upstream', (protocol) => {
  describe.each(WIRES)('$name client', (wire) => {
    test('failures are retried with the same request; the last of too many comes with URX', async () => {
      const cases: readonly [path: string, mood: Mood, body: string][] = [
        ['/status', FAIL, ''],
        ['/status-after-body', FAIL, 'small'],
        ['/status-after-long-body', FAIL, LONG],
        ['/reset', 'reset', 'small'],
        ['/reset-after-long-body', 'reset', LONG],
        ['/refused', 'refuse', 'small'],
      ]
      const moods = cases.flatMap(([, mood]): Mood[] => [mood, { status: 200 }])
      const exhausted: Mood[] = [FAIL, FAIL, { status: 502 }]
      await using upstream = await startFlaky(protocol, [...moods, ...exhausted])
      await using gw = await startGateway(configuration(upstream, protocol, RETRY))
      const port = gw.port(80)
      for (const [path, , body] of cases) {
        const asked = body === '' ? {} : { method: 'POST', body }
        const answer = await wire.ask({ port, host: HOST, path, ...asked })
        expect(answer, path).toMatchObject({ status: 200, isCut: false })
        const seen = upstream.seen.filter((request) => request.path === path)
        expect(seen.map((request) => request.body === body)).toEqual([true, true])
        const counts = seen.map(({ headers }) => headers['x-envoy-attempt-count'])
        expect(counts, path).toEqual(['1', '2'])
      }
      expect((await wire.ask({ port, host: HOST, path: '/exhausted' })).status).toBe(502)
      const log = await loggedExchanges(gw, [...cases.map(([path]) => path), '/exhausted'])
      for (const [path] of cases) expect(log.get(path)!.flags, path).toBe('-')
      expect(log.get('/exhausted')).toMatchObject({ status: '502', flags: 'URX' })
    })

    test('a body beyond the limit is sent once: the first answer stands', async () => {
      await using upstream = await startFlaky(protocol, [FAIL])
      await using gw = await startGateway(configuration(upstream, protocol, RETRY))
      const body = Buffer.alloc(1_200_000, 0x78)
      const answer = await wire.ask({ port: gw.port(80), host: HOST, method: 'PUT', body })
      expect(answer.status).toBe(503)
      expect(upstream.seen.length).toBe(1)
    })
  })
})

describe('without retries in the route', () => {
  test('a 503 is not retried, nor is a reset', async () => {
    await using upstream = await startFlaky('h1', [FAIL, 'reset'])
    await using gw = await startGateway(routedTo(upstream.port))
    const { ask } = WIRES[0]!
    expect((await ask({ port: gw.port(80), host: HOST, method: 'POST' })).status).toBe(503)
    expect((await ask({ port: gw.port(80), host: HOST, method: 'POST' })).status).toBe(503)
    expect(upstream.seen.length).toBe(2)
  })

  test('a POST to a port where nobody listens goes to the next endpoint', async () => {
    await using upstream = await startFlaky('h1', [])
    const closed = await freePort()
    const entry = (port: number) => `{ address: 127.0.0.1, ports: { http: ${port} } }`
    await using gw = await startGateway(
      routedTo(upstream.port).replaceAll('host: app }', 'host: pair.test }') +
        `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: pair }
spec:
  hosts: [pair.test]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP }]
  endpoints: [${entry(closed)}, ${entry(upstream.port)}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: pair }
spec: { host: pair.test, trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN } } }
---
`,
    )
    const { ask } = WIRES[0]!
    for (let i = 0; i < 4; i++) {
      const body = `order ${i}`
      const answer = await ask({ port: gw.port(80), host: HOST, method: 'POST', body })
      expect(answer.status).toBe(200)
    }
    expect(bodies(upstream)).toEqual(['order 0', 'order 1', 'order 2', 'order 3'])
  })

  test('attempts: 0 switches that off', async () => {
    const port = await freePort()
    await using gw = await startGateway(configuration({ port }, 'h1', 'retries: { attempts: 0 }'))
    const answer = await WIRES[0]!.ask({ port: gw.port(80), host: HOST, path: '/a' })
    expect(answer.status).toBe(503)
    expect((await loggedExchanges(gw, ['/a'])).get('/a')!.flags).toBe('UF')
  })
})

describe('the retries of a cluster', () => {
  const policy = '{ connectionPool: { http: { maxRetries: 1 } } }'

  test('beyond maxRetries answers are passed on with UO, and counted', async () => {
    // The retry of the first request stays under way, for it is never answered.
    await using upstream = await startFlaky('h1', [FAIL, 'silence', FAIL])
    await using gw = await startGateway(configuration(upstream, 'h1', RETRY, policy))
    const [wire] = WIRES
    const first = wire!.start({ port: gw.port(80), host: HOST, path: '/first' })
    await waitFor('the retry', () => upstream.seen.length === 2)
    const second = await wire!.ask({ port: gw.port(80), host: HOST, path: '/second' })
    expect(second.status).toBe(503)
    expect((await loggedExchanges(gw, ['/second'])).get('/second')!.flags).toBe('UO')
    const stats = await (await fetch(`${gw.admin}/stats/prometheus`)).text()
    const count = (name: string): string | undefined =>
      new RegExp(`^envoy_cluster_upstream_rq_${name}\\{.*app\\.default.*\\} (\\d+)$`, 'm').exec(
        stats,
      )?.[1]
    expect([count('retry'), count('retry_overflow')]).toEqual(['1', '1'])
    first.reset()
  })

  test('a budget of nothing admits none', async () => {
    await using upstream = await startFlaky('h1', [FAIL])
    const budget = '{ retryBudget: { percent: 0, minRetryConcurrency: 0 } }'
    await using gw = await startGateway(configuration(upstream, 'h1', RETRY, budget))
    const answer = await WIRES[0]!.ask({ port: gw.port(80), host: HOST })
    expect(answer.status).toBe(503)
    expect(upstream.seen.length).toBe(1)
  })
})

describe('what a route says about methods', () => {
  test.each([
    ['an explicit retryOn repeats a POST', 'retryOn: "5xx",', {}, 2],
    ['numbers do, too', 'retryOn: "503",', {}, 2],
  ])('%s', async (_name, on, options, requests) => {
    await using upstream = await startFlaky('h1', [FAIL])
    const rule = `retries: { ${on} attempts: 1, backoff: 1ms }`
    await using gw = await startGateway(configuration(upstream, 'h1', rule), options)
    await WIRES[0]!.ask({ port: gw.port(80), host: HOST, method: 'POST', body: 'pay' })
    expect(upstream.seen.length).toBe(requests)
  })

  test.each([
    ['the policy of the mesh repeats a GET', 'GET', false, 2],
    ['but no POST', 'POST', false, 1],
    ['unless compat is on', 'POST', true, 2],
  ])('%s', async (_name, method, compat, requests) => {
    await using upstream = await startFlaky('h1', [FAIL])
    const mesh = ACCESS_LOG_MESH.replace(
      '    accessLogFile',
      '    defaultHttpRetryPolicy: { attempts: 1, retryOn: 5xx, backoff: 1ms }\n    accessLogFile',
    )
    await using gw = await startGateway(mesh + routedTo(upstream.port), { compat })
    await WIRES[0]!.ask({ port: gw.port(80), host: HOST, method })
    expect(upstream.seen.length).toBe(requests)
  })
})

test('a gRPC call whose answer is trailers-only UNAVAILABLE is retried by default', async () => {
  const headers = { 'content-type': 'application/grpc', 'grpc-status': '14' }
  await using upstream = await startFlaky('h2', [
    { status: 200, headers },
    { status: 200, headers: { ...headers, 'grpc-status': '0' } },
  ])
  await using gw = await startGateway(routedTo(upstream.port, { portName: 'grpc' }))
  const answer = await WIRES[1]!.ask({
    port: gw.port(80),
    host: HOST,
    method: 'POST',
    headers: { 'content-type': 'application/grpc', te: 'trailers' },
    body: 'call',
  })
  expect(answer.headers['grpc-status']).toBe('0')
  expect(bodies(upstream)).toEqual(['call', 'call'])
})
