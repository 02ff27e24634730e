import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { Authority } from '../../../certs/authority.ts'
import {
  OUTLIER,
  clusterPlan,
  endpointPlan,
  TestContext,
} from '../../../test/support/cluster-plans.ts'
import { grpcFrame, startGrpcUpstream } from '../../../test/support/grpc-upstream.ts'
import { startUpstream, type Upstream } from '../../../test/support/upstream.ts'
import { UpstreamCall, upstreamRequest } from '../../../test/support/upstream-call.ts'
import { untilStill, waitFor } from '../../../test/support/wait.ts'
import { Resolver } from '../../upstream/resolver.ts'
import type { Cluster } from '../cluster.ts'
import type { ClusterEvent } from '../description.ts'
import type { ClusterPlan } from '../plan.ts'
import { ClusterRegistry } from '../registry.ts'
import type { HealthCheckPlan } from './plan.ts'

const HTTP: HealthCheckPlan = {
  question: { kind: 'http', path: '/healthz', host: 'web', statuses: [[200, 299]], http2: false },
  intervalMs: 20,
  timeoutMs: 500,
  healthyThreshold: 2,
  unhealthyThreshold: 3,
  port: null,
}
const SLOW = { ...HTTP, intervalMs: 3_600_000 }

const resolver = new Resolver({ servers: [] })
const registries: ClusterRegistry[] = []
const sockets = new Set<Socket>()

afterEach(async () => {
  for (const registry of registries.splice(0)) await registry.close()
  for (const socket of sockets) socket.destroy()
})

interface Bench {
  readonly registry: ClusterRegistry
  readonly events: ClusterEvent[]
  install(init: Parameters<typeof clusterPlan>[0]): Cluster
}

function open(): Bench {
  const events: ClusterEvent[] = []
  const registry = new ClusterRegistry({ resolver, log: (event) => events.push(event) })
  registries.push(registry)
  const install = (init: Parameters<typeof clusterPlan>[0]): Cluster => {
    const plan: ClusterPlan = clusterPlan(init)
    registry.install([plan])
    return plan.runtime!
  }
  return { registry, events, install }
}

function send(cluster: Cluster): UpstreamCall {
  return new UpstreamCall((handler) =>
    cluster.startRequest(upstreamRequest(), handler, new TestContext()),
  )
}

/** Answers health checks with what `status` says just then. */
async function backend(status: { now: number }): Promise<Upstream & { checks: () => number }> {
  let checks = 0
  const upstream = await startUpstream((request, response) => {
    if (request.url === '/healthz') checks++
    response.statusCode = request.url === '/healthz' ? status.now : 200
    response.end('ok')
  })
  return Object.assign(upstream, { checks: () => checks })
}

function states(cluster: Cluster): readonly (string | null)[] {
  return cluster.describe().endpoints.map(({ healthCheck }) => healthCheck)
}

describe('the state of an endpoint', () => {
  test('the first answer decides alone', async () => {
    await using upstream = await backend({ now: 500 })
    const cluster = open().install({
      endpoints: [endpointPlan('127.0.0.1', upstream.port)],
      healthCheck: SLOW,
    })
    expect((await send(cluster).done).status).toBe(200)
    await waitFor('the first check', () => states(cluster)[0] === 'unhealthy')
    expect((await send(cluster).done).failure).toMatchObject({ type: 'no-endpoint', flag: 'UH' })
    expect(cluster.describe().endpoints[0]).toMatchObject({
      health: 'unhealthy',
      healthCheckFailure: 'status 500',
    })
    expect(upstream.checks()).toBe(1)
  })

  test('three failures in a row take it out, two successes bring it back', async () => {
    const status = { now: 200 }
    await using upstream = await backend(status)
    const { install, events } = open()
    const cluster = install({
      endpoints: [endpointPlan('127.0.0.1', upstream.port)],
      healthCheck: HTTP,
    })
    await waitFor('the first success', () => states(cluster)[0] === 'healthy')
    const failures = cluster.counters.healthCheckFailure
    status.now = 503
    await waitFor('its end', () => states(cluster)[0] === 'unhealthy')
    expect(cluster.counters.healthCheckFailure - failures).toBe(3)
    status.now = 204
    const successes = cluster.counters.healthCheckSuccess
    await waitFor('its return', () => states(cluster)[0] === 'healthy')
    expect(cluster.counters.healthCheckSuccess - successes).toBe(2)
    expect((await send(cluster).done).status).toBe(200)
    expect(events.map(({ type }) => type)).toEqual(['check-failed', 'check-passed'])
    expect(events[0]!.message).toContain('failed 3 times in a row (status 503)')
  })

  test('checks are no requests of the cluster', async () => {
    await using upstream = await backend({ now: 200 })
    const cluster = open().install({
      endpoints: [endpointPlan('127.0.0.1', upstream.port)],
      healthCheck: HTTP,
    })
    await waitFor('some checks', () => cluster.counters.healthCheckSuccess > 2)
    expect(cluster.counters).toMatchObject({ rqTotal: 0, cxTotal: 0, cxActive: 0 })
  })

  test('one that joins others gets no request before it was asked', async () => {
    await using old = await backend({ now: 200 })
    const held: (() => void)[] = []
    await using late = await startUpstream((request, response) => {
      if (request.url === '/healthz') held.push(() => response.end())
      else response.end('late')
    })
    const { install } = open()
    const first = endpointPlan('127.0.0.1', old.port)
    const second = endpointPlan('127.0.0.1', late.port)
    const healthCheck = { ...SLOW, timeoutMs: 5_000 }
    install({ endpoints: [first], healthCheck })
    const cluster = install({ endpoints: [first, second], healthCheck })
    for (let i = 0; i < 4; i++) expect((await send(cluster).done).body).toBe('ok')
    await waitFor('the question', () => held.length === 1)
    held[0]!()
    await waitFor('the answer', () => states(cluster)[1] === 'healthy')
    const bodies = [(await send(cluster).done).body, (await send(cluster).done).body]
    expect(bodies.sort()).toEqual(['late', 'ok'])
  })

  test('minHealthPercent counts both what is ejected and what fails its checks', async () => {
    await using bad = await backend({ now: 500 })
    const { install, events } = open()
    const cluster = install({
      endpoints: [endpointPlan('127.0.0.1', bad.port)],
      healthCheck: SLOW,
      outlier: { ...OUTLIER, minHealthPercent: 50 },
    })
    await waitFor('panic', () => events.some(({ type }) => type === 'panic'))
    expect((await send(cluster).done).status).toBe(200)
    expect(cluster.describe()).toMatchObject({ panic: true, endpoints: [{ health: 'unhealthy' }] })
  })
})

describe('a new configuration', () => {
  test('keeps what is known of an endpoint and takes new thresholds', async () => {
    await using upstream = await backend({ now: 500 })
    const { install } = open()
    const endpoints = [endpointPlan('127.0.0.1', upstream.port)]
    const before = install({ endpoints, healthCheck: SLOW })
    await waitFor('the first check', () => states(before)[0] === 'unhealthy')
    const after = install({ endpoints, healthCheck: { ...SLOW, unhealthyThreshold: 1 } })
    expect(after).toBe(before)
    expect(states(after)).toEqual(['unhealthy'])
    expect(upstream.checks()).toBe(1)
  })

  test('with another question asks it at once', async () => {
    await using upstream = await backend({ now: 500 })
    const { install } = open()
    const endpoints = [endpointPlan('127.0.0.1', upstream.port)]
    const cluster = install({ endpoints, healthCheck: SLOW })
    await waitFor('the first check', () => states(cluster)[0] === 'unhealthy')
    install({ endpoints, healthCheck: { ...SLOW, question: { kind: 'tcp' } } })
    await waitFor('the other answer', () => states(cluster)[0] === 'healthy')
    expect((await send(cluster).done).status).toBe(200)
  })

  test('without checks uses every endpoint again', async () => {
    await using upstream = await backend({ now: 500 })
    const { install } = open()
    const endpoints = [endpointPlan('127.0.0.1', upstream.port)]
    const cluster = install({ endpoints, healthCheck: HTTP })
    await waitFor('the first check', () => states(cluster)[0] === 'unhealthy')
    install({ endpoints })
    expect((await send(cluster).done).status).toBe(200)
    await untilStill('the checks', upstream.checks)
  })

  test('without the cluster ends its checks', async () => {
    await using upstream = await backend({ now: 200 })
    const { install, registry } = open()
    const cluster = install({
      endpoints: [endpointPlan('127.0.0.1', upstream.port)],
      healthCheck: HTTP,
    })
    await waitFor('the first check', () => states(cluster)[0] === 'healthy')
    registry.install([])
    await untilStill('the checks', upstream.checks)
  })

  test('that names an unchecked cluster again begins checks', async () => {
    await using upstream = await backend({ now: 500 })
    const { install } = open()
    const endpoints = [endpointPlan('127.0.0.1', upstream.port)]
    const cluster = install({ endpoints })
    install({ endpoints, healthCheck: SLOW })
    await waitFor('the first check', () => states(cluster)[0] === 'unhealthy')
  })
})

describe('an endpoint', () => {
  const check = async (
    port: number,
    question: HealthCheckPlan['question'],
    init: { timeoutMs?: number; tls?: ClusterPlan['tls'] } = {},
  ): Promise<{ problem: string; state: string | null; network: number }> => {
    const cluster = open().install({
      endpoints: [endpointPlan('127.0.0.1', port)],
      healthCheck: { ...SLOW, question, timeoutMs: init.timeoutMs ?? 1_000 },
      tls: init.tls ?? null,
    })
    await waitFor('the check', () => states(cluster)[0] !== 'pending')
    const { healthCheckFailure, healthCheck } = cluster.describe().endpoints[0]!
    const network = cluster.counters.healthCheckNetworkFailure
    return { problem: healthCheckFailure, state: healthCheck, network }
  }

  test.each([
    ['says nothing', () => {}, 'no answer within 50 ms'],
    ['closes at once', (socket: Socket) => socket.end(), 'connection termination'],
    [
      'speaks another protocol',
      (socket: Socket) => socket.write('hello\r\n\r\n'),
      'protocol error',
    ],
  ] as const)('that %s is unhealthy', async (_what, script, problem) => {
    const server = createTcpServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      script(socket)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    expect(await check(port, HTTP.question, { timeoutMs: 50 })).toEqual({
      problem,
      state: 'unhealthy',
      network: 1,
    })
    server.close()
  })

  test('that refuses connections is unhealthy for a tcp check', async () => {
    const upstream = await startUpstream('ok')
    await upstream[Symbol.asyncDispose]()
    expect(await check(upstream.port, { kind: 'tcp' })).toMatchObject({
      problem: 'delayed connect error: 111',
      network: 1,
    })
  })

  test('whose certificate is not trusted is unhealthy for a tcp check', async () => {
    await using upstream = await startUpstream('ok')
    const tls = {
      serverName: null,
      subjectAltNames: [],
      ca: Authority.create('Another CA').certificate,
      caFile: null,
      client: null,
      insecureSkipVerify: false,
    }
    const { problem } = await check(upstream.port, { kind: 'tcp' }, { tls })
    expect(problem).toContain('TLS_error')
  })

  const serving = (status: number): Buffer => grpcFrame(Buffer.of(0x08, status))
  test.each([
    ['SERVING', serving(1), '0', ''],
    ['NOT_SERVING', serving(2), '0', 'the service says NOT_SERVING'],
    ['an empty message', grpcFrame(''), '0', 'the service says UNKNOWN'],
    ['no message', Buffer.alloc(0), '0', 'no message in the answer'],
    ['another message', grpcFrame('hello'), '0', 'the answer is no HealthCheckResponse'],
    ['a long message', grpcFrame('x'.repeat(5_000)), '0', 'the answer is too long'],
    ['NOT_FOUND', Buffer.alloc(0), '5', 'grpc-status 5'],
  ])('that answers a grpc check with %s', async (_what, body, code, problem) => {
    await using upstream = await startGrpcUpstream((stream) => {
      stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': code }))
      stream.end(body)
    })
    const question = { kind: 'grpc', service: 'shop.Cart', host: 'web.test' } as const
    expect(await check(upstream.port, question)).toMatchObject({ problem })
    const [call] = upstream.seen
    expect(call!.headers).toMatchObject({
      ':path': '/grpc.health.v1.Health/Check',
      ':authority': 'web.test',
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    expect(call!.body).toEqual(
      grpcFrame(Buffer.concat([Buffer.of(0x0a, 9), Buffer.from('shop.Cart')])),
    )
  })
})
