import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { metricOf } from '../support/admin-view.ts'
import { startBlackHole } from '../support/black-hole.ts'
import { startBodySink } from '../support/body-sink.ts'
import { WIRES } from '../support/both-wires.ts'
import { call } from '../support/call.ts'
import { callProxy } from '../support/egress.ts'
import { freePort } from '../support/free-port.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { collect, H2Client } from '../support/h2-client.ts'
import { mirroredTo, SHADOW_CLUSTER } from '../support/mirrored.ts'
import { destinationRule } from '../support/routed.ts'
import { RawServer, RawSocket } from '../support/raw-socket.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { service, virtualService } from '../support/yaml.ts'

const MIB = 1_048_576
const HOST = 'app.test'
/** How late an answer comes to a process that ends: many times what it takes to end. */
const LATE_MS = 300

function outcomes(gw: TestGateway, outcome: string): Promise<number> {
  return metricOf(gw, 'tidegate_mirror_requests_total', { outcome })
}

/** Waits until this many shadows ended this way. */
async function untilOutcome(gw: TestGateway, outcome: string, count: number): Promise<void> {
  await waitFor(`${count} ${outcome}`, async () => (await outcomes(gw, outcome)) === count)
}

describe.each([
  ['HTTP/1.1', 'http'],
  ['HTTP/2', 'grpc'],
] as const)('to %s upstreams', (protocol, portName) => {
  test.each(WIRES.map((wire) => [wire.name, wire] as const))(
    'a body of 1 MiB over %s arrives intact at both',
    async (_name, wire) => {
      await using app = await startBodySink(protocol, 'app')
      await using shadow = await startBodySink(protocol, 'shadow')
      await using gw = await startGateway(mirroredTo(app.port, shadow.port, { portName }), {
        ports: [80],
      })
      const body = randomBytes(MIB)
      const sha256 = createHash('sha256').update(body).digest('hex')
      const answer = await wire.ask({ port: gw.port(80), host: HOST, method: 'POST', body })
      expect([answer.status, answer.body.toString()]).toEqual([200, 'app'])
      await untilOutcome(gw, 'completed', 1)
      const whole = { bytes: MIB, sha256, fate: 'ended' }
      expect(app.received).toMatchObject([whole])
      expect(shadow.received).toMatchObject([whole])
    },
  )

  test('trailers of an HTTP/2 client arrive at both', async () => {
    await using app = await startBodySink(protocol, 'app')
    await using shadow = await startBodySink(protocol, 'shadow')
    await using gw = await startGateway(mirroredTo(app.port, shadow.port, { portName }), {
      ports: [80],
    })
    await using client = new H2Client(gw.port(80))
    const stream = client.open(
      { ':method': 'POST', ':path': '/', ':authority': HOST },
      { endStream: false, waitForTrailers: true },
    )
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '7' }))
    stream.end('message')
    expect((await collect(stream)).status).toBe(200)
    await untilOutcome(gw, 'completed', 1)
    const whole = { bytes: 7, fate: 'ended', trailers: { 'x-sum': '7' } }
    expect(app.received).toMatchObject([whole])
    expect(shadow.received).toMatchObject([whole])
  })

  test('a client that leaves within the body takes the copy with it', async () => {
    await using app = await startBodySink(protocol, 'app')
    await using shadow = await startBodySink(protocol, 'shadow')
    await using gw = await startGateway(mirroredTo(app.port, shadow.port, { portName }), {
      ports: [80],
    })
    const client = await RawSocket.connect(gw.port(80))
    client.write(`POST / HTTP/1.1\r\nhost: ${HOST}\r\ncontent-length: 100\r\n\r\nhalf`)
    await waitFor(
      'both to begin',
      () => app.received[0]?.bytes === 4 && shadow.received[0]?.bytes === 4,
    )
    client.destroy()
    await waitFor('the copy to break off', () => shadow.received[0]?.fate === 'aborted')
    await untilOutcome(gw, 'aborted', 1)
    expect(gw.gateway.activeExchanges).toBe(0)
  })

  test('100 concurrent requests have 100 copies', async () => {
    await using app = await startBodySink(protocol, 'app')
    await using shadow = await startBodySink(protocol, 'shadow')
    await using gw = await startGateway(mirroredTo(app.port, shadow.port, { portName }), {
      ports: [80],
    })
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        call({ port: gw.port(80), host: HOST, method: 'POST', body: 'x'.repeat(index + 1) }),
      ),
    )
    expect(answers.every(({ status, body }) => status === 200 && body === 'app')).toBe(true)
    await untilOutcome(gw, 'completed', 100)
    const sizes = shadow.received.map(({ bytes }) => bytes).toSorted((a, b) => a - b)
    expect(sizes).toEqual(Array.from({ length: 100 }, (_, index) => index + 1))
  })
})

describe('a mirror that is not well', () => {
  const UPLOAD = 'x'.repeat(8 * MIB)

  async function uploads(gw: TestGateway): Promise<void> {
    const answer = await call({ port: gw.port(80), host: HOST, method: 'POST', body: UPLOAD })
    expect([answer.status, answer.body]).toEqual([200, 'app'])
  }

  test('refuses connections: the request does not notice', async () => {
    await using app = await startBodySink('HTTP/1.1', 'app')
    await using gw = await startGateway(mirroredTo(app.port, await freePort()), { ports: [80] })
    await uploads(gw)
    expect(app.received[0]!.bytes).toBe(UPLOAD.length)
    await waitFor('the end of the copy', async () => {
      return (await outcomes(gw, 'failed')) + (await outcomes(gw, 'too-slow')) === 1
    })
    expect((await call({ port: gw.port(80), host: HOST })).body).toBe('app')
    await waitFor('the other copy', async () => (await outcomes(gw, 'failed')) >= 1)
  })

  test('never answers a connection: the request is not delayed, the copy is given up', async () => {
    await using hole = await startBlackHole()
    await using app = await startBodySink('HTTP/1.1', 'app')
    await using gw = await startGateway(mirroredTo(app.port, hole.port, { rule: 'timeout: 5s' }), {
      ports: [80],
    })
    await uploads(gw)
    await untilOutcome(gw, 'too-slow', 1)
    expect((await call({ port: gw.port(80), host: HOST })).body).toBe('app')
  })

  test('does not read: the request is not slowed down, the copy is given up', async () => {
    await using shadow = await new RawServer((socket) => {
      socket.on('error', () => {})
      socket.pause()
    }).listen()
    await using app = await startBodySink('HTTP/1.1', 'app')
    await using gw = await startGateway(mirroredTo(app.port, shadow.port), { ports: [80] })
    // Beyond what the kernel holds for two sockets, and what the gateway holds for one shadow.
    for (let i = 0; i < 4; i++) await uploads(gw)
    await waitFor('the copies to be given up', async () => (await outcomes(gw, 'too-slow')) >= 1)
    expect(app.received.map(({ bytes }) => bytes)).toEqual(Array(4).fill(UPLOAD.length))
  })

  test('does not answer: its copy times out with the route, long after the client has its answer', async () => {
    await using shadow = await new RawServer((socket) => socket.on('error', () => {})).listen()
    await using app = await startBodySink('HTTP/1.1', 'app')
    await using gw = await startGateway(
      mirroredTo(app.port, shadow.port, { rule: 'timeout: 0.3s' }),
      { ports: [80] },
    )
    expect((await call({ port: gw.port(80), host: HOST })).body).toBe('app')
    await untilOutcome(gw, 'timed-out', 1)
    expect(await metricOf(gw, 'envoy_cluster_upstream_rq_timeout', {})).toBe(1)
  })

  test('answers with an error: nobody hears of it but its own cluster', async () => {
    await using shadow = await startUpstream((_request, response) => response.writeHead(500).end())
    await using app = await startBodySink('HTTP/1.1', 'app')
    await using gw = await startGateway(mirroredTo(app.port, shadow.port), { ports: [80] })
    for (let i = 0; i < 3; i++) await call({ port: gw.port(80), host: HOST })
    await untilOutcome(gw, 'completed', 3)
    expect(await metricOf(gw, 'istio_requests_total', {})).toBe(3)
    expect(await metricOf(gw, 'istio_requests_total', { response_code: '500' })).toBe(0)
    const cluster = { cluster_name: SHADOW_CLUSTER }
    expect(await metricOf(gw, 'envoy_cluster_upstream_rq_total', cluster)).toBe(3)
  })
})

test('a mirror shares outlier detection with the requests of its cluster', async () => {
  await using shadow = await startUpstream((_request, response) => response.writeHead(500).end())
  await using app = await startUpstream('app')
  const yaml =
    mirroredTo(app.port, shadow.port) +
    destinationRule(
      'shadow',
      '{ outlierDetection: { consecutive5xxErrors: 3, maxEjectionPercent: 100, baseEjectionTime: 60s } }',
    ) +
    virtualService(
      'direct',
      ['direct.test'],
      ['gw'],
      '  - route: [{ destination: { host: shadow } }]',
    )
  await using gw = await startGateway(yaml.replace('hosts: ["app.test"]', 'hosts: ["*"]'), {
    ports: [80],
  })
  for (let i = 0; i < 3; i++)
    expect((await call({ port: gw.port(80), host: HOST })).status).toBe(200)
  await untilOutcome(gw, 'completed', 3)
  expect((await call({ port: gw.port(80), host: 'direct.test' })).status).toBe(503)
  expect((await call({ port: gw.port(80), host: HOST })).status).toBe(200)
  await untilOutcome(gw, 'failed', 1)
})

test('a WebSocket is not mirrored', async () => {
  await using app = await new RawServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () =>
      socket.write('HTTP/1.1 101 Switching\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nhi'),
    )
  }).listen()
  await using shadow = await startUpstream('shadow')
  await using gw = await startGateway(mirroredTo(app.port, shadow.port), { ports: [80] })
  const client = await RawSocket.connect(gw.port(80))
  client.write(
    `GET / HTTP/1.1\r\nhost: ${HOST}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
  )
  await client.until(/101[^]*hi$/)
  expect(
    await metricOf(gw, 'envoy_cluster_upstream_rq_total', { cluster_name: SHADOW_CLUSTER }),
  ).toBe(0)
  client.destroy()
})

test('requests through the egress proxy are mirrored without any address', async () => {
  await using app = await startUpstream('app')
  await using shadow = await startUpstream('shadow')
  const rule = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: app }
spec: { hosts: [app], http: [{ route: [{ destination: { host: app } }], mirror: { host: shadow } }] }
---
`
  const yaml = service('app', app.port) + service('shadow', shadow.port) + rule
  await using gw = await startGateway(yaml, { ports: [], egressProxy: true })
  expect((await callProxy(gw.egressPort, 'http://app:8080/page')).body).toBe('app')
  const copy = await waitFor('the copy', () => shadow.seen[0])
  expect(copy.headers.host).toBe('app:8080')
  expect(copy.headers['x-forwarded-for']).toBeUndefined()
})

describe('drain', () => {
  test('waits for a copy that is still on its way', async () => {
    const answered: boolean[] = []
    await using shadow = await startUpstream((_request, response) => {
      response.on('close', () => answered.push(response.writableFinished))
      void waitFor('the drain', () => gw.gateway.state === 'draining').then(() =>
        setTimeout(() => response.end(), LATE_MS),
      )
    })
    await using app = await startUpstream('app')
    await using gw = await startGateway(mirroredTo(app.port, shadow.port), { ports: [80] })
    await call({ port: gw.port(80), host: HOST })
    await gw.gateway.drain({ delayMs: 0, timeoutMs: 20_000 })
    await waitFor('the end of the copy', () => answered.length === 1)
    expect(answered).toEqual([true])
  })

  test('does not wait for one that never ends', async () => {
    await using shadow = await new RawServer((socket) => socket.on('error', () => {})).listen()
    await using app = await startUpstream('app')
    await using gw = await startGateway(mirroredTo(app.port, shadow.port), { ports: [80] })
    await call({ port: gw.port(80), host: HOST })
    const began = performance.now()
    await gw.gateway.drain({ delayMs: 0, timeoutMs: 60_000 })
    expect(performance.now() - began).toBeLessThan(10_000)
  })
})

test('config_dump names the mirrors of a route', async () => {
  await using app = await startUpstream('app')
  await using gw = await startGateway(mirroredTo(app.port, app.port), { ports: [80] })
  const dump = await (await fetch(`${gw.admin}/config_dump?resource=routes`)).text()
  expect(dump).toContain(SHADOW_CLUSTER)
})
