import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { clusterOf, metricOf, problemsOf } from '../support/admin-view.ts'
import type { Answer } from '../support/call.ts'
import { callProxy } from '../support/egress.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { RawServer } from '../support/raw-socket.ts'
import { seedFixture } from '../support/seed-fixture.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { workload } from '../support/workload.ts'

const FOO = 'outbound|8080||foo.default.svc.cluster.local'
const LOGGED = seedFixture('s25-policy', { mode: 'ALLOW_ANY' })

function ask(gw: TestGateway): Promise<Answer> {
  return callProxy(gw.egressPort, 'http://foo:8080/')
}

describe('S11 connectionPool with maxConnections 4', () => {
  interface Slow extends AsyncDisposable {
    readonly port: number
    /** Requests that wait for their answer. */
    readonly waiting: number
    /** Answers them, and from now on everything at once. */
    release(): void
  }

  async function startSlow(): Promise<Slow> {
    const held: ServerResponse[] = []
    let released = false
    const upstream = await startUpstream((_request, response) => {
      if (released) response.end('late')
      else held.push(response)
    })
    return {
      port: upstream.port,
      get waiting() {
        return held.length
      },
      release() {
        released = true
        for (const response of held.splice(0)) response.end('late')
      },
      [Symbol.asyncDispose]: () => upstream[Symbol.asyncDispose](),
    }
  }

  async function startSlowHttp2(): Promise<Slow> {
    const held: ServerHttp2Stream[] = []
    let released = false
    const server = createHttp2Server()
    const answer = (stream: ServerHttp2Stream): void => {
      stream.respond({ ':status': 200 })
      stream.end('late')
    }
    server.on('stream', (stream: ServerHttp2Stream) => {
      if (released) answer(stream)
      else held.push(stream)
    })
    const sessions = new Set<{ destroy(): void }>()
    server.on('session', (session) => sessions.add(session))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return {
      port: (server.address() as AddressInfo).port,
      get waiting() {
        return held.length
      },
      release() {
        released = true
        for (const stream of held.splice(0)) answer(stream)
      },
      async [Symbol.asyncDispose]() {
        for (const session of sessions) session.destroy()
        await new Promise<void>((resolve) => server.close(() => resolve()))
      },
    }
  }

  async function expectOverflow(gw: TestGateway, counter: string): Promise<void> {
    const refused = await ask(gw)
    expect(refused.status).toBe(503)
    expect(refused.headers['x-envoy-overloaded']).toBe('true')
    expect((await clusterOf(gw, FOO)).counters[counter]).toBe(1)
    expect(await metricOf(gw, `envoy_cluster_upstream_${counter}`, { cluster_name: FOO })).toBe(1)
    const flagged = { response_flags: 'UO', destination_service_name: 'foo' }
    expect(await metricOf(gw, 'istio_requests_total', flagged)).toBe(1)
    await waitFor('the access log', () => / 503 UO .*overflow/.test(gw.accessLog()))
  }

  async function expectServed(pending: readonly Promise<Answer>[]): Promise<void> {
    const answers = await Promise.all(pending)
    expect(answers.map((answer) => answer.body)).toEqual(pending.map(() => 'late'))
  }

  test('and one pending request: the fifth waits, the sixth is told UO', async () => {
    await using slow = await startSlow()
    const yaml =
      seedFixture('s11-connection-pool', { pending: 1, requests: 1000 }) +
      workload('foo', 'slow', { port: slow.port }) +
      LOGGED
    await using gw = await startGateway(yaml, { egressProxy: true })
    const pending = Array.from({ length: 5 }, () => ask(gw))
    const isFull = async (): Promise<boolean> => {
      const { counters } = await clusterOf(gw, FOO)
      return slow.waiting === 4 && counters['rq_pending_active'] === 1
    }
    await waitFor('four requests on their way and one pending', isFull)
    await expectOverflow(gw, 'rq_pending_overflow')
    expect((await clusterOf(gw, FOO)).counters['cx_total']).toBe(4)
    slow.release()
    await expectServed(pending)
  })

  test('and pending 0, which is as good as absent in Istio: more requests wait', async () => {
    await using slow = await startSlow()
    const yaml =
      seedFixture('s11-connection-pool', { pending: 0, requests: 1000 }) +
      workload('foo', 'slow', { port: slow.port })
    await using gw = await startGateway(yaml, { egressProxy: true })
    const pending = Array.from({ length: 9 }, () => ask(gw))
    const areWaiting = async (): Promise<boolean> =>
      (await clusterOf(gw, FOO)).counters['rq_pending_active'] === 5
    await waitFor('five pending requests', areWaiting)
    expect(slow.waiting).toBe(4)
    slow.release()
    await expectServed(pending)
  })

  test.each([
    ['HTTP/1.1', 'http', startSlow],
    ['HTTP/2', 'http2', startSlowHttp2],
  ])('and http2MaxRequests 4: the fifth of %s is told UO', async (_protocol, portName, start) => {
    await using slow = await start()
    const yaml =
      seedFixture('s11-connection-pool', { pending: 0, requests: 4 }).replace(
        'name: http\n',
        `name: ${portName}\n`,
      ) +
      workload('foo', 'slow', { port: slow.port, portName }) +
      LOGGED
    await using gw = await startGateway(yaml, { egressProxy: true })
    const pending = Array.from({ length: 4 }, () => ask(gw))
    await waitFor('four requests on their way', () => slow.waiting === 4)
    await expectOverflow(gw, 'rq_pending_overflow')
    slow.release()
    await expectServed(pending)
  })
})

describe('S12 outlierDetection.consecutiveErrors 7', () => {
  const INTERVAL_MS = 5 * 60_000
  const BASE_MS = 15 * 60_000

  function answering(status: number): Promise<Upstream> {
    return startUpstream((_request, response) => response.writeHead(status).end(String(status)))
  }

  async function start(first: number, second: number): Promise<TestGateway> {
    const yaml =
      seedFixture('s12-outlier') +
      workload('foo', 'bad', { port: first }) +
      workload('foo', 'good', { port: second })
    return startGateway(yaml, { egressProxy: true })
  }

  async function isEjected(gw: TestGateway, port: number): Promise<boolean> {
    const { endpoints } = await clusterOf(gw, FOO)
    return endpoints.find(({ address }) => address.endsWith(`:${port}`))!.health === 'ejected'
  }

  /** Asks until `wanted` answers had this status; round robin brings one in two requests. */
  async function askUntil(gw: TestGateway, status: number, wanted: number): Promise<void> {
    for (let seen = 0, sent = 0; seen < wanted; sent++) {
      if (sent > 2 * wanted + 2) throw new Error(`only ${seen} answers had status ${status}`)
      if ((await ask(gw)).status === status) seen++
    }
  }

  test.each([502, 503, 504])('six answers of %i do not eject, the seventh does', async (status) => {
    await using bad = await answering(status)
    await using good = await answering(200)
    await using gw = await start(bad.port, good.port)
    await askUntil(gw, status, 6)
    expect(await isEjected(gw, bad.port)).toBe(false)
    await askUntil(gw, status, 1)
    const { endpoints, counters } = await clusterOf(gw, FOO)
    const ejected = endpoints.find(({ address }) => address === `127.0.0.1:${bad.port}`)!
    expect(ejected.health).toBe('ejected')
    expect(ejected.returnsInMs).toBeGreaterThan(BASE_MS - 60_000)
    expect(ejected.returnsInMs).toBeLessThanOrEqual(BASE_MS + INTERVAL_MS)
    expect(counters['ejections_total']).toBe(1)
    const text = await (await fetch(`${gw.admin}/clusters`)).text()
    expect(text).toContain(`${FOO}::127.0.0.1:${bad.port}::health_flags::/failed_outlier_check\n`)
    const after = await Promise.all(Array.from({ length: 8 }, () => ask(gw)))
    expect(after.map((answer) => answer.status)).toEqual(Array(8).fill(200))
  })

  test('seven answers of 500 are no gateway errors', async () => {
    await using bad = await answering(500)
    await using good = await answering(200)
    await using gw = await start(bad.port, good.port)
    await askUntil(gw, 500, 10)
    expect(await isEjected(gw, bad.port)).toBe(false)
  })

  test('connections that are refused count like a 503, although retries hide them', async () => {
    const closed = await new RawServer(() => undefined).listen()
    const deadPort = closed.port
    await closed[Symbol.asyncDispose]()
    await using good = await answering(200)
    await using gw = await start(deadPort, good.port)
    for (let sent = 0; sent < 20 && !(await isEjected(gw, deadPort)); sent++) {
      expect((await ask(gw)).status).toBe(200)
    }
    const { endpoints } = await clusterOf(gw, FOO)
    const dead = endpoints.find(({ address }) => address.endsWith(`:${deadPort}`))!
    expect(dead.health).toBe('ejected')
    expect(dead.counters['cx_connect_fail']).toBe(7)
  })

  test('says which field to write instead', async () => {
    await using gw = await startGateway(seedFixture('s12-outlier'))
    const [problem] = await problemsOf(gw, 'deprecated-field')
    expect(problem).toMatchObject({ severity: 'warning', name: 'foo-default' })
    expect(problem?.path).toBe('spec.trafficPolicy.outlierDetection.consecutiveErrors')
    expect(`${problem?.message} ${problem?.hint}`).toContain('consecutiveGatewayErrors')
  })
})
