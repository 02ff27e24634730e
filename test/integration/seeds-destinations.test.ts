import type { Socket } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { clusterOf, problemsOf } from '../support/admin-view.ts'
import { call } from '../support/call.ts'
import { startDnsServer } from '../support/dns-server.ts'
import { callProxy } from '../support/egress.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { RawServer, RawSocket } from '../support/raw-socket.ts'
import { seedFixture } from '../support/seed-fixture.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { countBodies, sendMany, sigmasFrom } from '../support/traffic.ts'
import { startUpstream } from '../support/upstream.ts'
import { workload } from '../support/workload.ts'
import { service } from '../support/yaml.ts'

const LABELS = [{ istio: 'ingressgateway' }]
const REGISTRY_ONLY = seedFixture('s25-policy', { mode: 'REGISTRY_ONLY' })

afterEach(() => vi.restoreAllMocks())

function saying(text: string): Promise<RawServer> {
  return new RawServer((socket: Socket) => socket.end(`${text}\n`)).listen()
}

async function said(gw: TestGateway, gatewayPort: number): Promise<string> {
  const client = await RawSocket.connect(gw.port(gatewayPort))
  const text = await client.untilEnd()
  client.destroy()
  return text
}

describe('S7 TCP routes to a service, an address and a name', () => {
  const start = async (servers: Record<string, number>, resolver: string, policy = '') => {
    const { tcpEcho = 0, address = 0, name = 0 } = servers
    const yaml =
      seedFixture('s07-destinations', { address, name }) +
      workload('tcp-echo', 'tcp-echo', { port: tcpEcho, portName: 'tcp' }) +
      policy
    const ports = [9001, 9002, 9003]
    return startGateway(yaml, { labels: LABELS, ports, resolvers: [resolver] })
  }

  test('each reach their own', async () => {
    await using dns = await startDnsServer({ 'backend.test': { a: ['127.0.0.1'] } })
    await using one = await saying('the service')
    await using two = await saying('the address')
    await using three = await saying('the name')
    const servers = { tcpEcho: one.port, address: two.port, name: three.port }
    await using gw = await start(servers, dns.address)
    expect(await said(gw, 9001)).toBe('the service\n')
    expect(await said(gw, 9002)).toBe('the address\n')
    expect(await said(gw, 9003)).toBe('the name\n')
    const guessed = await problemsOf(gw, 'destination-host-not-registered')
    expect(guessed.map((problem) => problem.severity)).toEqual(['info', 'info'])
  })

  test('under REGISTRY_ONLY what nobody declared is a black hole with a reason', async () => {
    await using dns = await startDnsServer({ 'backend.test': { a: ['127.0.0.1'] } })
    await using one = await saying('the service')
    await using other = await saying('never')
    const servers = { tcpEcho: one.port, address: other.port, name: other.port }
    await using gw = await start(servers, dns.address, REGISTRY_ONLY)
    expect(await said(gw, 9001)).toBe('the service\n')
    expect(await said(gw, 9002)).toBe('')
    expect(await said(gw, 9003)).toBe('')
    const refused = await problemsOf(gw, 'destination-host-not-found')
    expect(refused.map((problem) => problem.hint)).toEqual([
      expect.stringContaining('REGISTRY_ONLY'),
      expect.stringContaining('REGISTRY_ONLY'),
    ])
    expect(other.sockets).toEqual([])
    expect(dns.questions).toEqual([])
  })
})

describe('S8 subsets by label', () => {
  test('v1 and v3 balance by chance, v2 alternates strictly, and none gets requests of another', async () => {
    vi.spyOn(Math, 'random').mockImplementation(seededRandom(8))
    const names = ['v1-a', 'v1-b', 'v2-a', 'v2-b', 'v3-a', 'v3-b']
    const upstreams = await Promise.all(names.map((name) => startUpstream(name)))
    await using stack = new AsyncDisposableStack()
    for (const upstream of upstreams) stack.use(upstream)
    const endpoints = names.map((name, index) => {
      const labels = { app: 'reviews', version: name.slice(0, 2) }
      return workload('reviews', name, { port: upstreams[index]!.port, labels })
    })
    const yaml = seedFixture('s08-subsets') + endpoints.join('')
    await using gw = await startGateway(yaml, { egressProxy: true })
    const bodies = async (path: string): Promise<string[]> => {
      const url = `http://reviews:8080${path}`
      const replies = await sendMany({ port: gw.egressPort, count: 60, url })
      return replies.map((reply) => reply.body)
    }
    expect(alternations(await bodies('/v2'), ['v2-a', 'v2-b'])).toBe(59)
    for (const version of ['v1', 'v3']) {
      const turns = alternations(await bodies(`/${version}`), [`${version}-a`, `${version}-b`])
      expect(sigmasFrom(0.5, turns, 59)).toBeLessThan(5)
    }
  })

  test('the app label tells two Deployments of one Service apart, at 90 to 10', async () => {
    vi.spyOn(Math, 'random').mockImplementation(seededRandom(88))
    await using first = await startUpstream('calcserver1')
    await using second = await startUpstream('calcserver2')
    const endpoint = (app: string, port: number): string =>
      workload('calcserver', app, { port, portName: '', labels: { app, service: 'calcserver' } })
    const yaml =
      seedFixture('s08-app-subsets') +
      endpoint('calcserver1', first.port) +
      endpoint('calcserver2', second.port)
    await using gw = await startGateway(yaml, { egressProxy: true })
    const count = 1000
    const url = 'http://calcserver:50012/'
    const replies = await sendMany({ port: gw.egressPort, count, concurrency: 8, url })
    const hits = countBodies(replies).get('calcserver1') ?? 0
    expect(sigmasFrom(0.9, hits, count)).toBeLessThan(4)
    expect(hits + (countBodies(replies).get('calcserver2') ?? 0)).toBe(count)
  })

  /** How often one body is followed by the other; fails on a body that is neither. */
  function alternations(bodies: readonly string[], expected: readonly string[]): number {
    expect(new Set(bodies)).toEqual(new Set(expected))
    return bodies.filter((body, index) => index > 0 && body !== bodies[index - 1]).length
  }
})

describe('S16 a destination without port', () => {
  test('goes to the only port of the service', async () => {
    await using calc = await startUpstream('calc')
    const yaml =
      seedFixture('s16-destination-port') + service('calcclient', calc.port, { port: 8000 })
    await using gw = await startGateway(yaml, { labels: LABELS, ports: [80] })
    const answer = await call({ port: gw.port(80), host: 'calcclient.com' })
    expect(answer).toMatchObject({ status: 200, body: 'calc' })
    const cluster = await clusterOf(gw, 'outbound|8000||calcclient.default.svc.cluster.local')
    expect(cluster.counters['rq_2xx']).toBe(1)
  })

  test('is a finding when there are two', async () => {
    const yaml =
      seedFixture('s16-destination-port') +
      `apiVersion: v1
kind: Service
metadata: { name: calcclient }
spec: { ports: [{ name: http, port: 8000 }, { name: http-admin, port: 9000 }] }
`
    await using gw = await startGateway(yaml, { labels: LABELS, ports: [80] })
    const [finding] = await problemsOf(gw, 'destination-port-ambiguous')
    expect(finding).toMatchObject({
      severity: 'error',
      kind: 'VirtualService',
      name: 'vs-calcclient',
    })
    expect(`${finding?.message} ${finding?.hint}`).toMatch(/8000.*9000/)
    expect((await call({ port: gw.port(80), host: 'calcclient.com' })).status).toBe(503)
  })
})

describe('S17 a Service without selector and endpoints', () => {
  test('is a name that a VirtualService moves', async () => {
    await using calc = await startUpstream('calc')
    const yaml = seedFixture('s17-virtual-name') + service('calcclient', calc.port, { port: 8000 })
    await using gw = await startGateway(yaml, { egressProxy: true })
    const answer = await callProxy(gw.egressPort, 'http://foo:8080/calc')
    expect(answer).toMatchObject({ status: 200, body: 'calc' })
    expect(calc.seen.map(({ url: path, headers }) => [path, headers.host])).toEqual([
      ['/calc', 'foo:8080'],
    ])
    const cluster = await clusterOf(gw, 'outbound|8000||calcclient.default.svc.cluster.local')
    expect(cluster.counters['rq_2xx']).toBe(1)
  })
})
