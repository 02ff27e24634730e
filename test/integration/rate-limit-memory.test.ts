import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ACCESS_LOG_MESH, loggedExchanges } from '../support/access-log.ts'
import { problemsOf } from '../support/admin-view.ts'
import { type Answer, call } from '../support/call.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { limitedApp } from '../support/rate-limits.ts'
import { startUpstream } from '../support/upstream.ts'

const MINUTE_MS = 60_000
const QUICKSTART = join(import.meta.dirname, '../../examples/quickstart/config')

/** Runs again when the clock's minute, and with it the limit's window, ended meanwhile. */
async function withinOneMinute(run: () => Promise<void>): Promise<void> {
  const minute = Math.floor(Date.now() / MINUTE_MS)
  try {
    await run()
  } catch (error) {
    if (Math.floor(Date.now() / MINUTE_MS) === minute) throw error
    await withinOneMinute(run)
  }
}

async function statuses(gw: TestGateway, path: string, count: number): Promise<number[]> {
  const found: number[] = []
  for (let i = 0; i < count; i++) {
    found.push((await call({ port: gw.port(80), host: 'calcclient.com', path })).status)
  }
  return found
}

const ask = (gw: TestGateway): Promise<Answer> => call({ port: gw.port(80), host: 'app.test' })

test('the quickstart admits three requests a minute to /limited and any number elsewhere', async () => {
  await using upstream = await startUpstream('calc')
  const endpoints = `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: calcclient-1, labels: { kubernetes.io/service-name: calcclient } }
addressType: IPv4
ports: [{ name: http, port: ${upstream.port} }]
endpoints: [{ addresses: [127.0.0.1] }]
`
  const files = {
    'calcclient.yaml': readFileSync(join(QUICKSTART, 'calcclient.yaml'), 'utf8'),
    'rate-limit.yaml': readFileSync(join(QUICKSTART, 'rate-limit.yaml'), 'utf8'),
    'endpoints.yaml': endpoints,
    'mesh.yaml': ACCESS_LOG_MESH,
  }
  await withinOneMinute(async () => {
    await using gw = await startGateway(files, { labels: [{ istio: 'ingressgateway' }] })
    expect(await problemsOf(gw, 'rate-limit-timeout-misplaced')).toEqual([])
    expect(await statuses(gw, '/limited', 5)).toEqual([200, 200, 200, 429, 429])
    expect(await statuses(gw, '/calc', 6)).toEqual(Array(6).fill(200))
    // The descriptor is the whole path, query included.
    expect(await statuses(gw, '/limited?page=2', 1)).toEqual([200])

    const denied = await call({ port: gw.port(80), host: 'calcclient.com', path: '/limited' })
    expect(denied).toMatchObject({ status: 429, body: '' })
    expect(denied.headers['x-envoy-ratelimited']).toBe('true')
    expect(Number(denied.headers['retry-after'])).toBeGreaterThan(0)
    expect(Number(denied.headers['retry-after'])).toBeLessThanOrEqual(60)

    const logged = await loggedExchanges(gw, ['/limited', '/calc'])
    expect(logged.get('/limited')).toEqual({
      status: '429',
      flags: 'RL',
      details: 'request_rate_limited',
    })
    expect(logged.get('/calc')).toMatchObject({ status: '200', flags: '-' })
  })
  expect(upstream.seen.every((seen) => seen.url !== '/limited' || seen.method === 'GET')).toBe(true)
})

test('without Redis a process counts by itself, exactly, however many ask at once', async () => {
  await using upstream = await startUpstream('app')
  await using gw = await startGateway(limitedApp({ limit: 30, upstreamPort: upstream.port }))
  const answers = await Promise.all(Array.from({ length: 90 }, () => ask(gw)))
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(30)
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(60)
  expect(upstream.seen).toHaveLength(30)
})

test('counters outlive configuration changes, also of the limit itself', async () => {
  await using upstream = await startUpstream('app')
  const yaml = (limit: number): string => limitedApp({ limit, upstreamPort: upstream.port })
  await using gw = await startGateway(yaml(3))
  expect((await ask(gw)).headers['x-ratelimit-remaining']).toBe('2')
  expect((await ask(gw)).headers['x-ratelimit-remaining']).toBe('1')
  gw.write('other.yaml', 'apiVersion: v1\nkind: Namespace\nmetadata: { name: new }\n')
  await gw.reload()
  expect((await ask(gw)).headers['x-ratelimit-remaining']).toBe('0')
  expect((await ask(gw)).status).toBe(429)
  gw.write('config.yaml', yaml(6))
  await gw.reload()
  expect((await ask(gw)).headers['x-ratelimit-remaining']).toBe('1')
  expect((await ask(gw)).status).toBe(200)
  expect((await ask(gw)).status).toBe(429)
})

test('a limit that is taken out of the configuration ends, one that comes begins, on kept connections too', async () => {
  await using upstream = await startUpstream('app')
  const limited = limitedApp({ limit: 1, upstreamPort: upstream.port })
  const free = limited.replace(
    /apiVersion: networking.istio.io\/v1alpha3\nkind: EnvoyFilter[^]*$/,
    '',
  )
  await using gw = await startGateway(free)
  for (let i = 0; i < 3; i++) expect((await ask(gw)).status).toBe(200)
  gw.write('config.yaml', limited)
  await gw.reload()
  expect([(await ask(gw)).status, (await ask(gw)).status]).toEqual([200, 429])
  gw.write('config.yaml', free)
  await gw.reload()
  expect((await ask(gw)).status).toBe(200)
})
