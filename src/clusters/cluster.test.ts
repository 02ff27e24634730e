import { createServer as createH2Server } from 'node:http2'
import type { ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { startBlackHole } from '../../test/support/black-hole.ts'
import {
  OUTLIER,
  TestContext,
  clusterPlan,
  endpointPlan,
} from '../../test/support/cluster-plans.ts'
import { UpstreamCall, upstreamRequest } from '../../test/support/upstream-call.ts'
import { startUpstream } from '../../test/support/upstream.ts'
import { waitFor } from '../../test/support/wait.ts'
import { UpstreamContexts } from '../tls/upstream-context.ts'
import { Resolver } from '../upstream/resolver.ts'
import type { UpstreamRequest } from '../upstream/transport.ts'
import type { ClusterAttempt } from './attempt.ts'
import { Cluster } from './cluster.ts'
import type { ClusterPlan } from './plan.ts'

const resolver = new Resolver({ servers: [] })
const clusters: Cluster[] = []
let nowMs: number | null = null

afterEach(() => {
  for (const cluster of clusters.splice(0)) cluster.close()
  nowMs = null
})

function open(plan: ClusterPlan): Cluster {
  const cluster = new Cluster(plan, {
    resolver,
    contexts: new UpstreamContexts(),
    log: () => {},
    now: () => nowMs ?? performance.now(),
  })
  clusters.push(cluster)
  return cluster
}

function send(
  cluster: Cluster,
  init: Partial<UpstreamRequest> = {},
  context: TestContext = new TestContext(),
): UpstreamCall {
  return new UpstreamCall((handler) =>
    cluster.startRequest(upstreamRequest(init), handler, context),
  )
}

/** An upstream that answers when the test says so, in the order requests came. */
async function startSlowUpstream(): Promise<SlowUpstream> {
  const held: { url: string; response: ServerResponse }[] = []
  const upstream = await startUpstream((request, response) => {
    held.push({ url: request.url ?? '', response })
  })
  return {
    port: upstream.port,
    held,
    answerNext() {
      held.shift()!.response.end('done')
    },
    [Symbol.asyncDispose]: () => upstream[Symbol.asyncDispose](),
  }
}

interface SlowUpstream extends AsyncDisposable {
  readonly port: number
  readonly held: { url: string; response: ServerResponse }[]
  answerNext(): void
}

async function startTcp(
  onSocket: (socket: Socket) => void,
): Promise<AsyncDisposable & { port: number }> {
  const sockets = new Set<Socket>()
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    onSocket(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

describe('connections', () => {
  test('the connection that became idle last is used first, and marked as reused', async () => {
    await using upstream = await startSlowUpstream()
    const cluster = open(clusterPlan({ endpoints: [endpointPlan('127.0.0.1', upstream.port)] }))
    const first = send(cluster)
    const second = send(cluster)
    await waitFor('both', () => upstream.held.length === 2)
    upstream.answerNext()
    upstream.answerNext()
    expect((await first.done).reused).toBe(false)
    await second.done
    for (let i = 0; i < 3; i++) {
      const call = send(cluster)
      expect(call.callbacks).toEqual(['ready'])
      await waitFor('request', () => upstream.held.length === 1)
      upstream.answerNext()
      expect(await call.done).toMatchObject({ status: 200, body: 'done', reused: true })
    }
    expect(cluster.counters).toMatchObject({
      cxTotal: 2,
      cxActive: 2,
      rqTotal: 5,
      rqActive: 0,
      rq2xx: 5,
    })
  })

  test('maxRequestsPerConnection 1 makes a connection for each request', async () => {
    await using upstream = await startUpstream('ok')
    const endpoints = [endpointPlan('127.0.0.1', upstream.port)]
    const cluster = open(clusterPlan({ endpoints, limits: { maxRequestsPerConnection: 1 } }))
    for (let i = 0; i < 3; i++) expect((await send(cluster).done).reused).toBe(false)
    expect(cluster.counters).toMatchObject({ cxTotal: 3, cxActive: 0, cxMaxRequests: 3 })
  })

  test('idle connections close after idleTimeout', async () => {
    await using upstream = await startUpstream('ok')
    const endpoints = [endpointPlan('127.0.0.1', upstream.port)]
    const cluster = open(clusterPlan({ endpoints, limits: { idleTimeoutMs: 30_000 } }))
    nowMs = 1_000
    await send(cluster).done
    nowMs = 30_999
    cluster.sweep()
    expect(cluster.counters.cxActive).toBe(1)
    nowMs = 31_000
    cluster.sweep()
    expect(cluster.counters).toMatchObject({ cxActive: 0, cxIdleTimeout: 1 })
  })

  test('a connection that the peer closed while idle is not used', async () => {
    await using upstream = await startUpstream('ok')
    const cluster = open(clusterPlan({ endpoints: [endpointPlan('127.0.0.1', upstream.port)] }))
    await send(cluster).done
    upstream.server.closeIdleConnections()
    await waitFor('the close', () => cluster.counters.cxActive === 0)
    expect(await send(cluster).done).toMatchObject({ status: 200, reused: false })
  })

  test('bytes behind an answer do not become the next answer', async () => {
    await using upstream = await startTcp((socket) => {
      socket.once('data', () => {
        const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n'
        socket.write(`${answer}ok${answer}no`)
      })
    })
    const endpoints = [endpointPlan('127.0.0.1', upstream.port)]
    const cluster = open(clusterPlan({ endpoints, limits: { maxConnections: 1 } }))
    const calls = [send(cluster), send(cluster), send(cluster)]
    const outcomes = await Promise.all(calls.map((call) => call.done))
    expect(outcomes.map(({ body }) => body)).toEqual(['ok', 'ok', 'ok'])
    expect(cluster.counters.cxTotal).toBe(3)
  })
})

describe('circuit breakers', () => {
  test('requests beyond maxConnections wait, those beyond maxPendingRequests overflow', async () => {
    await using upstream = await startSlowUpstream()
    const endpoints = [endpointPlan('127.0.0.1', upstream.port)]
    const limits = { maxConnections: 4, maxPendingRequests: 1 }
    const cluster = open(clusterPlan({ endpoints, limits }))
    const calls = Array.from({ length: 6 }, () => send(cluster))
    const refused = (await calls[5]!.done).failure
    expect(refused).toMatchObject({
      type: 'overflow',
      flag: 'UO',
      status: 503,
      resetReason: 'overflow',
    })
    await waitFor('four requests', () => upstream.held.length === 4)
    expect(cluster.counters).toMatchObject({
      rqPendingActive: 1,
      rqPendingOverflow: 1,
      cxActive: 4,
    })
    for (let i = 0; i < 5; i++) {
      await waitFor('a request', () => upstream.held.length > 0)
      upstream.answerNext()
    }
    const outcomes = await Promise.all(calls.slice(0, 5).map((call) => call.done))
    expect(outcomes.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
    expect(cluster.counters).toMatchObject({ cxTotal: 4, rqPendingActive: 0, rqActive: 0 })
  })

  test('waiting requests are served in order, an aborted one never', async () => {
    await using upstream = await startSlowUpstream()
    const endpoints = [endpointPlan('127.0.0.1', upstream.port)]
    const cluster = open(clusterPlan({ endpoints, limits: { maxConnections: 1 } }))
    const calls = ['/0', '/1', '/2', '/3', '/4'].map((target) => send(cluster, { target }))
    calls[2]!.attempt.abort()
    calls[2]!.attempt.abort()
    expect(cluster.counters.rqPendingActive).toBe(3)
    const served: string[] = []
    for (let i = 0; i < 4; i++) {
      await waitFor('a request', () => upstream.held.length > 0)
      served.push(upstream.held[0]!.url)
      upstream.answerNext()
    }
    expect(served).toEqual(['/0', '/1', '/3', '/4'])
    await calls[4]!.done
    expect(calls[2]!.callbacks).toEqual([])
    expect(cluster.counters).toMatchObject({ cxTotal: 1, rqPendingActive: 0, rqActive: 0 })
    expect(cluster.endpoints[0]!.load).toBe(0)
  })

  test('a request that gives up while it runs frees its place for the next', async () => {
    await using upstream = await startSlowUpstream()
    const endpoints = [endpointPlan('127.0.0.1', upstream.port)]
    const cluster = open(clusterPlan({ endpoints, limits: { maxConnections: 1 } }))
    const first = send(cluster)
    const second = send(cluster, { target: '/second' })
    await waitFor('the first', () => upstream.held.length === 1)
    first.attempt.abort()
    await waitFor('the second', () => upstream.held.some(({ url }) => url === '/second'))
    upstream.held.at(-1)!.response.end('done')
    expect(await second.done).toMatchObject({ status: 200 })
    expect(first.callbacks).toEqual(['ready'])
    expect(cluster.counters.rqActive).toBe(0)
  })

  test('maxConnections is for the whole cluster, and idle connections make room', async () => {
    await using a = await startUpstream('a')
    await using b = await startUpstream('b')
    const endpoints = [a, b].map(({ port }) => endpointPlan('127.0.0.1', port))
    const cluster = open(clusterPlan({ endpoints, limits: { maxConnections: 1 } }))
    const bodies: string[] = []
    for (let i = 0; i < 4; i++) bodies.push((await send(cluster).done).body)
    expect(bodies).toEqual(['a', 'b', 'a', 'b'])
    expect(cluster.counters).toMatchObject({ cxTotal: 4, cxActive: 1 })
  })

  test('a freed connection serves the oldest waiter, whichever endpoint was picked for it', async () => {
    await using a = await startSlowUpstream()
    await using b = await startSlowUpstream()
    const endpoints = [a, b].map(({ port }) => endpointPlan('127.0.0.1', port))
    const cluster = open(clusterPlan({ endpoints, limits: { maxConnections: 1 } }))
    const first = send(cluster)
    const second = send(cluster)
    await waitFor('the first', () => a.held.length === 1)
    a.answerNext()
    await waitFor('the second', () => a.held.length === 1)
    a.answerNext()
    expect((await second.done).remote).toBe((await first.done).remote)
    expect(cluster.endpoints.map(({ load }) => load)).toEqual([0, 0])
  })

  test('maxRequests counts active requests', async () => {
    await using upstream = await startSlowUpstream()
    const endpoints = [endpointPlan('127.0.0.1', upstream.port)]
    const cluster = open(clusterPlan({ endpoints, limits: { maxRequests: 2 } }))
    const calls = [send(cluster), send(cluster)]
    await waitFor('two', () => upstream.held.length === 2)
    expect((await send(cluster).done).failure).toMatchObject({ type: 'overflow' })
    expect(cluster.counters.rqPendingOverflow).toBe(1)
    upstream.answerNext()
    upstream.answerNext()
    await Promise.all(calls.map((call) => call.done))
    const again = send(cluster)
    await waitFor('another', () => upstream.held.length === 1)
    upstream.answerNext()
    expect((await again.done).status).toBe(200)
  })

  test('an upgraded connection keeps its place until the tunnel ends', async () => {
    await using upstream = await startTcp((socket) => {
      socket.once('data', () => {
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
        )
      })
      socket.on('end', () => socket.end())
    })
    const endpoints = [endpointPlan('127.0.0.1', upstream.port)]
    const limits = { maxConnections: 1, maxPendingRequests: 1 }
    const cluster = open(clusterPlan({ endpoints, limits }))
    const call = send(cluster, { upgrade: 'websocket' })
    await waitFor('the tunnel', () => call.status === 101)
    expect(cluster.counters).toMatchObject({ cxActive: 1, rqActive: 1 })
    call.attempt.abort()
    expect(cluster.counters).toMatchObject({ cxActive: 0, rqActive: 0 })
  })
})

describe('endpoints that cannot be reached', () => {
  test('a refused connection is 503 UF at once, and the retry goes elsewhere', async () => {
    await using upstream = await startUpstream('ok')
    const closed = await startTcp(() => {})
    await closed[Symbol.asyncDispose]()
    const endpoints = [closed, upstream].map(({ port }) => endpointPlan('127.0.0.1', port))
    const cluster = open(clusterPlan({ endpoints }))
    const call = send(cluster)
    const { remote } = call.attempt as ClusterAttempt
    expect(remote).toBe(`127.0.0.1:${closed.port}`)
    expect((await call.done).failure).toMatchObject({
      type: 'connect-refused',
      flag: 'UF',
      status: 503,
      retryable: 'always',
      transportReason: 'delayed connect error: 111',
    })
    const retry = send(cluster, {}, new TestContext({ tried: [remote] }))
    expect(await retry.done).toMatchObject({ body: 'ok', remote: `127.0.0.1:${upstream.port}` })
    expect(cluster.describe().endpoints[0]!.counters).toMatchObject({
      cx_connect_fail: 1,
      rq_error: 1,
    })
  })

  test('a connection that is never completed fails after connectTimeout', async () => {
    await using hole = await startBlackHole()
    const endpoints = [endpointPlan('127.0.0.1', hole.port)]
    const cluster = open(clusterPlan({ endpoints, limits: { connectTimeoutMs: 200 } }))
    const startedMs = performance.now()
    const { failure } = await send(cluster).done
    expect(failure).toMatchObject({
      type: 'connect-timeout',
      flag: 'UF',
      resetReason: 'connection timeout',
    })
    const tookMs = performance.now() - startedMs
    expect(tookMs).toBeGreaterThan(190)
    expect(tookMs).toBeLessThan(1_000)
    expect(cluster.counters).toMatchObject({ cxConnectTimeout: 1, cxActive: 0 })
  })

  test('requests whose connection is being made count as pending', async () => {
    await using hole = await startBlackHole()
    const endpoints = [endpointPlan('127.0.0.1', hole.port)]
    const limits = { connectTimeoutMs: 200, maxPendingRequests: 3 }
    const cluster = open(clusterPlan({ endpoints, limits }))
    const calls = Array.from({ length: 5 }, () => send(cluster))
    const outcomes = await Promise.all(calls.map((call) => call.done))
    expect(outcomes.map(({ failure }) => failure?.type)).toEqual([
      'connect-timeout',
      'connect-timeout',
      'connect-timeout',
      'overflow',
      'overflow',
    ])
  })

  test('no endpoint is 503 UH, told after the call returned', async () => {
    const cluster = open(clusterPlan())
    const call = send(cluster)
    expect(call.callbacks).toEqual([])
    expect((await call.done).failure).toMatchObject({
      type: 'no-endpoint',
      flag: 'UH',
      status: 503,
    })
    const aborted = send(cluster)
    aborted.attempt.abort()
    await send(cluster).done
    expect(aborted.callbacks).toEqual([])
  })

  test('endpoints that only answer errors are ejected until nobody is left', async () => {
    await using upstream = await startUpstream((_request, response) => {
      response.statusCode = 503
      response.end()
    })
    await using healthy = await startUpstream('ok')
    const endpoints = [upstream, healthy].map(({ port }) => endpointPlan('127.0.0.1', port))
    const outlier = { ...OUTLIER, consecutive5xx: 2, maxEjectionPercent: 50 }
    const cluster = open(clusterPlan({ endpoints, outlier }))
    const statuses: number[] = []
    for (let i = 0; i < 8; i++) statuses.push((await send(cluster).done).status)
    expect(statuses).toEqual([503, 200, 503, 200, 200, 200, 200, 200])
    expect(cluster.describe().endpoints[0]).toMatchObject({ health: 'ejected', ejections: 1 })
  })

  test('below minHealthPercent ejected endpoints get requests too', async () => {
    await using upstream = await startUpstream((_request, response) => {
      response.statusCode = 500
      response.end()
    })
    const endpoints = [endpointPlan('127.0.0.1', upstream.port)]
    const strict = { ...OUTLIER, consecutive5xx: 1 }
    const cluster = open(clusterPlan({ endpoints, outlier: strict }))
    await send(cluster).done
    expect((await send(cluster).done).failure).toMatchObject({ type: 'no-endpoint' })
    cluster.update(clusterPlan({ endpoints, outlier: { ...strict, minHealthPercent: 50 } }))
    expect((await send(cluster).done).status).toBe(500)
    expect(cluster.describe()).toMatchObject({ panic: true })
  })

  test('a timeout that the proxy reports counts as a gateway error', () => {
    const endpoints = [endpointPlan('10.0.0.1', 80), endpointPlan('10.0.0.2', 80)]
    const outlier = { ...OUTLIER, consecutive5xx: 0, consecutiveGatewayErrors: 1 }
    const cluster = open(clusterPlan({ endpoints, outlier }))
    cluster.reportTimeout({ remote: '10.0.0.2:80', abort: () => {} })
    expect(cluster.describe().endpoints.map(({ health }) => health)).toEqual(['healthy', 'ejected'])
  })
})

describe('changes of the plan', () => {
  test('what did not change keeps its connections and counters', async () => {
    await using upstream = await startUpstream('ok')
    const plan = (): ClusterPlan =>
      clusterPlan({ endpoints: [endpointPlan('127.0.0.1', upstream.port)] })
    const cluster = open(plan())
    await send(cluster).done
    cluster.update(plan())
    expect(await send(cluster).done).toMatchObject({ reused: true })
    expect(cluster.counters).toMatchObject({ cxTotal: 1, rqTotal: 2 })
  })

  test('an endpoint that leaves closes its idle connections and finishes its requests', async () => {
    await using old = await startSlowUpstream()
    await using next = await startUpstream('next')
    const cluster = open(clusterPlan({ endpoints: [endpointPlan('127.0.0.1', old.port)] }))
    const finished = send(cluster)
    const running = send(cluster)
    await waitFor('both', () => old.held.length === 2)
    old.answerNext()
    await finished.done
    cluster.update(clusterPlan({ endpoints: [endpointPlan('127.0.0.1', next.port)] }))
    expect(cluster.counters.cxActive).toBe(1)
    expect((await send(cluster).done).body).toBe('next')
    old.answerNext()
    expect(await running.done).toMatchObject({ status: 200, body: 'done' })
    await waitFor('the last old connection', () => cluster.counters.cxActive === 1)
  })
})

describe('HTTP/2', () => {
  test('requests share a connection', async () => {
    const server = createH2Server((request, response) => {
      response.end(request.url)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const endpoints = [endpointPlan('127.0.0.1', port)]
    const cluster = open(clusterPlan({ endpoints, protocol: 'http2' }))
    const calls = ['/a', '/b', '/c'].map((target) => send(cluster, { target }))
    const outcomes = await Promise.all(calls.map((call) => call.done))
    expect(outcomes.map(({ body }) => body)).toEqual(['/a', '/b', '/c'])
    expect(cluster.counters).toMatchObject({ cxTotal: 1, rqTotal: 3, rqActive: 0 })
    cluster.close()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })

  test('maxRequestsPerConnection ends a connection after its last stream', async () => {
    const server = createH2Server((_request, response) => {
      response.end('ok')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const endpoints = [endpointPlan('127.0.0.1', port)]
    const limits = { maxRequestsPerConnection: 2 }
    const cluster = open(clusterPlan({ endpoints, protocol: 'http2', limits }))
    for (let i = 0; i < 4; i++) expect((await send(cluster).done).body).toBe('ok')
    await waitFor('both ends', () => cluster.counters.cxActive === 0)
    expect(cluster.counters).toMatchObject({ cxTotal: 2, cxMaxRequests: 2 })
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })

  test('a refused connection fails every request that waited for it', async () => {
    const closed = await startTcp(() => {})
    await closed[Symbol.asyncDispose]()
    const endpoints = [endpointPlan('127.0.0.1', closed.port)]
    const cluster = open(clusterPlan({ endpoints, protocol: 'http2' }))
    const outcomes = await Promise.all([send(cluster), send(cluster)].map((call) => call.done))
    expect(outcomes.map(({ failure }) => failure?.type)).toEqual([
      'connect-refused',
      'connect-refused',
    ])
    expect(cluster.counters).toMatchObject({ cxTotal: 1, cxActive: 0, rqPendingActive: 0 })
  })
})

describe('TLS', () => {
  const authority = Authority.create('Test CA')
  const pair = authority.issue(['a.test', 'b.test'])

  async function startTls(): Promise<AsyncDisposable & { port: number; names: unknown[] }> {
    const names: unknown[] = []
    const server = createHttpsServer(
      { cert: pair.certificate, key: pair.key },
      (request, response) => {
        names.push((request.socket as TLSSocket).servername)
        response.end('ok')
      },
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return {
      port: (server.address() as AddressInfo).port,
      names,
      async [Symbol.asyncDispose]() {
        server.closeAllConnections()
        await new Promise<void>((resolve) => server.close(() => resolve()))
      },
    }
  }

  const plan = (port: number, ca: string): ClusterPlan => {
    const tls = {
      serverName: null,
      subjectAltNames: [],
      ca,
      caFile: null,
      client: null,
      insecureSkipVerify: false,
    }
    return clusterPlan({ endpoints: [endpointPlan('127.0.0.1', port)], tls })
  }

  test('a connection verified for one host is never used for another', async () => {
    await using upstream = await startTls()
    const cluster = open(plan(upstream.port, authority.certificate))
    for (const authority of ['a.test', 'b.test:443', 'a.test:443']) {
      expect((await send(cluster, { authority }).done).status).toBe(200)
    }
    expect(upstream.names).toEqual(['a.test', 'b.test', 'a.test'])
    expect(cluster.counters).toMatchObject({ cxTotal: 2, cxActive: 2 })
    expect((await send(cluster, { authority: 'c.test' }).done).failure).toMatchObject({
      flag: 'UF',
    })
  })

  test('other trust closes idle connections, the same in a new plan does not', async () => {
    await using upstream = await startTls()
    const cluster = open(plan(upstream.port, authority.certificate))
    await send(cluster, { authority: 'a.test' }).done
    cluster.update(plan(upstream.port, authority.certificate))
    expect(await send(cluster, { authority: 'a.test' }).done).toMatchObject({ reused: true })
    cluster.update(plan(upstream.port, Authority.create('Another CA').certificate))
    expect(cluster.counters.cxActive).toBe(0)
    expect((await send(cluster, { authority: 'a.test' }).done).failure).toMatchObject({
      type: 'tls-error',
      flag: 'UF',
    })
  })
})

describe('tunnels', () => {
  const tunnel = (cluster: Cluster): UpstreamCall => {
    return new UpstreamCall((handler) => cluster.startTunnel(handler, new TestContext()))
  }

  test('carry bytes both ways and count as connections', async () => {
    await using echo = await startTcp((socket) => socket.pipe(socket))
    const endpoints = [endpointPlan('127.0.0.1', echo.port)]
    const cluster = open(clusterPlan({ endpoints, protocol: 'tcp', limits: { maxConnections: 1 } }))
    const call = tunnel(cluster)
    await waitFor('the tunnel', () => call.stream)
    expect((await tunnel(cluster).done).failure).toMatchObject({ type: 'overflow', flag: 'UO' })
    call.stream!.sendBody(Buffer.from('hello'))
    await waitFor('the echo', () => call.body === 'hello')
    call.stream!.sendEnd(null)
    await call.done
    await waitFor('the end', () => cluster.counters.cxActive === 0)
    expect(cluster.counters).toMatchObject({ cxTotal: 1, cxOverflow: 1, rqActive: 0 })
  })

  test('given up while they connect, they leave nothing behind', async () => {
    await using hole = await startBlackHole()
    const cluster = open(clusterPlan({ endpoints: [endpointPlan('127.0.0.1', hole.port)] }))
    const call = tunnel(cluster)
    call.attempt.abort()
    expect(cluster.counters.cxActive).toBe(0)
  })
})
