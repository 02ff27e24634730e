import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { CHANGES, seen } from '../fixtures/plugins/seen-headers.ts'
import { WIRES } from '../support/both-wires.ts'
import { startGateway, type TestGateway, type TestGatewayOptions } from '../support/gateway.ts'
import { routedTo } from '../support/routed.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const PLUGIN = join(import.meta.dirname, '../fixtures/plugins/seen-headers.ts')
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

const edge = (upstream: Upstream, options: TestGatewayOptions = {}): Promise<TestGateway> =>
  startGateway(routedTo(upstream.port), { plugins: [PLUGIN], ports: [80], ...options })

/** What a client writes to look like somebody else. */
const FORGED = {
  'x-forwarded-for': '203.0.113.9',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'admin.test',
  'x-forwarded-client-cert': 'By=forged',
  'x-envoy-external-address': '10.0.0.1',
  'x-envoy-internal': 'true',
  'x-envoy-some-day': 'forged',
  'x-request-id': 'forged',
  'x-own': 'stays',
}

const TRUE = {
  'x-forwarded-for': '203.0.113.9,127.0.0.1',
  'x-forwarded-proto': 'http',
  'x-envoy-external-address': '127.0.0.1',
  'x-request-id': expect.stringMatching(UUID) as string,
  'x-own': 'stays',
}

const GONE = ['x-forwarded-host', 'x-forwarded-client-cert', 'x-envoy-internal', 'x-envoy-some-day']

describe.each(WIRES)('$name: the headers the edge owns', ({ ask }) => {
  beforeEach(() => {
    seen.length = 0
  })

  test('are true before a hook sees them, and go upstream as it saw them', async () => {
    await using upstream = await startUpstream('hello')
    await using gw = await edge(upstream)
    expect((await ask({ port: gw.port(80), headers: FORGED })).status).toBe(200)
    const [hook] = seen
    const backend = upstream.seen[0]!.headers
    for (const headers of [hook!, backend]) {
      expect(headers).toMatchObject(TRUE)
      expect(GONE.filter((name) => name in headers)).toEqual([])
    }
    expect(backend['x-request-id']).toBe(hook!['x-request-id'])
    await gw.gateway.close()
    expect(gw.accessLog()).toContain(String(hook!['x-request-id']))
  })

  test("are true for a plugin's own routes", async () => {
    await using upstream = await startUpstream('hello')
    await using gw = await edge(upstream)
    const answer = await ask({ port: gw.port(80), path: '/own', headers: FORGED })
    const shown = JSON.parse(answer.body.toString()) as Record<string, string>
    expect(shown).toMatchObject(TRUE)
    expect(GONE.filter((name) => name in shown)).toEqual([])
    await gw.gateway.close()
    expect(gw.accessLog()).toContain(shown['x-request-id'])
  })

  test('are those of a trusted proxy when one stands in front', async () => {
    await using upstream = await startUpstream('hello')
    await using gw = await edge(upstream, { trustedProxies: ['127.0.0.1/32'] })
    await ask({ port: gw.port(80), headers: FORGED })
    expect(seen).toMatchObject([
      {
        'x-forwarded-for': '203.0.113.9,127.0.0.1',
        'x-forwarded-proto': 'https',
        'x-forwarded-host': 'admin.test',
        'x-envoy-external-address': '203.0.113.9',
        'x-request-id': 'forged',
      },
    ])
    expect(upstream.seen[0]!.headers).toMatchObject(seen[0]!)
  })

  test('go upstream as a plugin changed them', async () => {
    await using upstream = await startUpstream('hello')
    await using gw = await edge(upstream)
    await ask({ port: gw.port(80), path: '/changed', headers: FORGED })
    const backend = upstream.seen[0]!.headers
    for (const [name, value] of Object.entries(CHANGES)) expect(backend[name], name).toBe(value)
    await gw.gateway.close()
    expect(gw.accessLog()).toContain('"plugin"')
  })
})
