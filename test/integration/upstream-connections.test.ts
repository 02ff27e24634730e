import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { createServer as createH2Server, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { call } from '../support/call.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { H2Client } from '../support/h2-client.ts'
import { RawServer, RawSocket } from '../support/raw-socket.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const CLUSTER = 'outbound|8080||web.default.svc.cluster.local'
const closers: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

function pool(block: string): string {
  return `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: web }
spec: { host: web, trafficPolicy: { connectionPool: ${block} } }
---
`
}

function config(port: number, rule: string, portName = 'http'): string {
  return (
    service('web', port, { portName }) +
    gateway('gw', ['shop.test']) +
    virtualService('web', ['shop.test'], ['gw'], '  - route: [{ destination: { host: web } }]') +
    rule
  )
}

const open = (port: number, rule: string, portName?: string): Promise<TestGateway> =>
  startGateway(config(port, rule, portName), { ports: [80] })

const ask = (gw: TestGateway) => call({ port: gw.port(80), host: 'shop.test' })

function counters(gw: TestGateway): Readonly<Record<string, number>> {
  return gw.gateway.describeClusters().find(({ name }) => name === CLUSTER)!.counters
}

interface H2Upstream {
  readonly port: number
  readonly sessions: Set<ServerHttp2Session>
  pings: number
}

/** An h2c server that answers what version it was asked in; refuses HTTP/1 altogether. */
async function h2Upstream(): Promise<H2Upstream> {
  const server = createH2Server()
  const upstream: H2Upstream = { port: 0, sessions: new Set(), pings: 0 }
  server.on('session', (session) => {
    upstream.sessions.add(session)
    session.on('ping', () => upstream.pings++)
    session.on('close', () => upstream.sessions.delete(session))
  })
  server.on('request', (request, response) => response.end(request.httpVersion))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(async () => {
    for (const session of upstream.sessions) session.destroy()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })
  return Object.assign(upstream, { port: (server.address() as AddressInfo).port })
}

describe('maxConnectionDuration', () => {
  const AGED = pool('{ tcp: { maxConnectionDuration: 300ms } }')

  test('an HTTP connection that reached its age takes no further request', async () => {
    await using upstream = await startUpstream('ok')
    await using gw = await open(upstream.port, AGED)
    await ask(gw)
    await ask(gw)
    expect(counters(gw)).toMatchObject({ cx_total: 1 })
    await waitFor('another connection', async () => {
      expect((await ask(gw)).status).toBe(200)
      return counters(gw)['cx_total'] === 2
    })
    expect(counters(gw)['cx_max_duration_reached']).toBeGreaterThan(0)
  })

  test('an idle one is closed, a busy one is not', async () => {
    const held: ServerResponse[] = []
    await using upstream = await startUpstream((request, response) => {
      if (request.url === '/slow') held.push(response)
      else response.end('ok')
    })
    await using gw = await open(upstream.port, AGED)
    const slow = call({ port: gw.port(80), host: 'shop.test', path: '/slow' })
    await waitFor('the request', () => held.length === 1)
    await ask(gw)
    await waitFor('the idle one to close', () => counters(gw)['cx_active'] === 1)
    held[0]!.end('done')
    expect((await slow).body).toBe('done')
    await waitFor('the busy one to close', () => counters(gw)['cx_active'] === 0)
  })

  test('HTTP/2 connections end with the streams they carry', async () => {
    const upstream = await h2Upstream()
    await using gw = await open(upstream.port, AGED, 'http2')
    await ask(gw)
    await waitFor('it to close', () => upstream.sessions.size === 0)
    expect((await ask(gw)).body).toBe('2.0')
    expect(counters(gw)['cx_total']).toBe(2)
  })

  test('a raw connection is cut', async () => {
    await using server = await new RawServer((socket) => socket.write('hello')).listen()
    const yaml = `${service('web', server.port, { port: 9000, portName: 'tcp' })}apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw }
spec: { servers: [{ port: { number: 9000, name: tcp, protocol: TCP }, hosts: ["*"] }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: tcp }
spec: { hosts: ["*"], gateways: [gw], tcp: [{ route: [{ destination: { host: web } }] }] }
---
${AGED}`
    await using gw = await startGateway(yaml, { ports: [9000] })
    const client = await RawSocket.connect(gw.port(9000))
    await client.until('hello')
    await client.untilEnd()
    await waitFor('the access log', () => / DT /.test(gw.accessLog()))
  })
})

describe('useClientProtocol', () => {
  const SAME = pool('{ http: { useClientProtocol: true } }')

  test('HTTP/1.1 clients get HTTP/1.1 upstream, HTTP/2 clients HTTP/2', async () => {
    const h2 = await h2Upstream()
    await using h1 = await startUpstream('one')
    await using gw = await open(h2.port, SAME)
    await using client = new H2Client(gw.port(80))
    const headers = { ':path': '/', ':authority': 'shop.test' }
    expect((await client.fetch(headers)).body).toBe('2.0')
    gw.write('config.yaml', config(h1.port, SAME))
    await gw.reload()
    expect((await ask(gw)).body).toBe('one')
  })

  test('without it the port decides for both', async () => {
    await using upstream = await startUpstream('one')
    await using gw = await open(upstream.port, pool('{ http: { maxRetries: 1 } }'))
    await using client = new H2Client(gw.port(80))
    expect((await client.fetch({ ':path': '/', ':authority': 'shop.test' })).body).toBe('one')
  })
})

describe('the protocol of a port', () => {
  test.each([
    ['http', '', false],
    ['http', pool('{ http: { h2UpgradePolicy: UPGRADE } }'), true],
    ['http2', '', true],
    ['grpc', '', true],
    ['grpc-web', '', true],
    ['http2', pool('{ http: { h2UpgradePolicy: DO_NOT_UPGRADE } }'), true],
  ])('%s %s', async (portName, rule, isHttp2) => {
    const h2 = await h2Upstream()
    await using h1 = await startUpstream('1.1')
    await using gw = await open(isHttp2 ? h2.port : h1.port, rule, portName)
    expect((await ask(gw)).body).toBe(isHttp2 ? '2.0' : '1.1')
  })
})

describe('HTTP/2 connections', () => {
  test('maxConcurrentStreams bounds the streams of each', async () => {
    const upstream = await h2Upstream()
    const rule = pool('{ http: { maxConcurrentStreams: 2 } }')
    await using gw = await open(upstream.port, rule, 'http2')
    expect((await ask(gw)).body).toBe('2.0')
    const answers = await Promise.all(Array.from({ length: 6 }, () => ask(gw)))
    expect(answers.map(({ body }) => body)).toEqual(Array(6).fill('2.0'))
    expect(upstream.sessions.size).toBeGreaterThan(1)
  })

  test('http2KeepAlive asks idle ones too', async () => {
    const upstream = await h2Upstream()
    const rule = pool('{ http: { http2KeepAlive: { interval: 50ms, timeout: 1s } } }')
    await using gw = await open(upstream.port, rule, 'http2')
    await ask(gw)
    await waitFor('three PINGs', () => upstream.pings >= 3)
    expect(upstream.sessions.size).toBe(1)
  })
})

test('an endpoint that is a unix socket is served, and a timeout counts against it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-unix-'))
  const path = join(folder, 'web.sock')
  const server = createServer((request, response) => {
    if (request.url !== '/silent') response.end('by socket')
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  closers.push(async () => {
    server.closeAllConnections()
    await new Promise<void>((resolve) => server.close(() => resolve()))
    rmSync(folder, { recursive: true, force: true })
  })
  const yaml = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: web }
spec:
  hosts: [web.test]
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP }]
  endpoints: [{ address: "unix://${path}" }]
---
${gateway('gw', ['shop.test'])}${virtualService('web', ['shop.test'], ['gw'], '  - timeout: 100ms\n    route: [{ destination: { host: web.test } }]')}`
  await using gw = await startGateway(yaml, { ports: [80] })
  expect(await ask(gw)).toMatchObject({ status: 200, body: 'by socket' })
  const silent = await call({ port: gw.port(80), host: 'shop.test', path: '/silent' })
  expect(silent.status).toBe(504)
  const cluster = gw.gateway.describeClusters().find(({ name }) => name.includes('web.test'))!
  expect(cluster.endpoints).toMatchObject([{ address: path, counters: { rq_error: 1 } }])
})

test('what a connection pool refuses is 503 UO, named as overload and counted', async () => {
  const held: ServerResponse[] = []
  await using upstream = await startUpstream((_request, response) => held.push(response))
  await using gw = await open(upstream.port, pool('{ http: { http2MaxRequests: 1 } }'))
  const first = ask(gw)
  await waitFor('the request', () => held.length === 1)
  const refused = await ask(gw)
  expect(refused).toMatchObject({ status: 503, headers: { 'x-envoy-overloaded': 'true' } })
  expect(refused.body).toContain('reset reason: overflow')
  expect(counters(gw)).toMatchObject({ rq_pending_overflow: 1 })
  const metrics = await (await fetch(`${gw.admin}/stats/prometheus`)).text()
  expect(metrics).toMatch(/envoy_cluster_upstream_rq_pending_overflow\{[^}]*web[^}]*\} 1/)
  held[0]!.end()
  await first
})
