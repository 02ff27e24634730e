import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { clusterOf, problemsOf } from '../support/admin-view.ts'
import type { Answer } from '../support/call.ts'
import { startDnsServer } from '../support/dns-server.ts'
import { callProxy, openTunnel, refusedTunnel } from '../support/egress.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { RawServer, RawSocket } from '../support/raw-socket.ts'
import { seedFixture } from '../support/seed-fixture.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { workload } from '../support/workload.ts'

const REGISTRY_ONLY = seedFixture('s25-policy', { mode: 'REGISTRY_ONLY' })

function ask(gw: TestGateway, authority: string): Promise<Answer> {
  return callProxy(gw.egressPort, `http://${authority}/`)
}

describe('S21 a ServiceEntry with a block of addresses and static endpoints', () => {
  /** Says its name, then every byte it gets. */
  function echoing(name: string): Promise<RawServer> {
    return new RawServer((socket: Socket) => {
      socket.on('error', () => socket.destroy())
      socket.write(`${name}:`)
      socket.pipe(socket)
    }).listen()
  }

  test.each(['ext-svc.example.com:443', '192.192.192.57:443'])(
    'CONNECT %s spreads over both endpoints',
    async (authority) => {
      await using first = await echoing('first')
      await using second = await echoing('second')
      const yaml = seedFixture('s21-external', { first: first.port, second: second.port })
      await using gw = await startGateway(yaml + REGISTRY_ONLY, { egressProxy: true })
      const names = new Set<string>()
      // Two endpoints at even chances: 64 tunnels miss one of them once in 2^63 runs.
      for (let tunnel = 0; tunnel < 64 && names.size < 2; tunnel++) {
        const { status, socket } = await openTunnel(gw.egressPort, authority, 'ping')
        expect(status).toBe(200)
        const client = new RawSocket(socket)
        socket.resume()
        const [, name = ''] = /^(first|second):ping$/.exec(await client.until('ping')) ?? []
        names.add(name)
        client.destroy()
      }
      expect(names).toEqual(new Set(['first', 'second']))
      const cluster = await clusterOf(gw, 'outbound|443||ext-svc.example.com')
      expect(new Set(cluster.endpoints.map(({ address }) => address))).toEqual(
        new Set([`127.0.0.1:${first.port}`, `127.0.0.1:${second.port}`]),
      )
    },
  )

  test('an address outside the block and another port stay unknown', async () => {
    const yaml = seedFixture('s21-external', { first: 1, second: 2 })
    await using gw = await startGateway(yaml + REGISTRY_ONLY, { egressProxy: true })
    for (const authority of [
      '192.192.193.57:443',
      '192.192.192.57:8443',
      'ext-svc.example.com:80',
    ]) {
      expect((await refusedTunnel(gw.egressPort, authority)).status, authority).toBe(502)
    }
  })

  test('the block and the resolution are repaired, and both repairs are shown', async () => {
    await using gw = await startGateway(seedFixture('s21-external', { first: 1, second: 2 }))
    const [block] = await problemsOf(gw, 'cidr-host-bits')
    expect(block).toMatchObject({
      severity: 'warning',
      name: 'external',
      path: 'spec.addresses[0]',
    })
    expect(`${block?.message} ${block?.hint}`).toContain('192.192.192.0/24')
    const [resolution] = await problemsOf(gw, 'enum-repaired')
    expect(resolution).toMatchObject({ severity: 'warning', path: 'spec.resolution' })
    expect(`${resolution?.message} ${resolution?.hint}`).toContain('STATIC')
  })
})

describe('S22 a public name with a fixed endpoint', () => {
  test('is reached without any DNS question', async () => {
    await using dns = await startDnsServer({ 'www.baidu.com': { a: ['192.0.2.1'] } })
    await using endpoint = await startUpstream('from the endpoint')
    const yaml = seedFixture('s22-public-name', { endpoint: endpoint.port })
    await using gw = await startGateway(yaml, { egressProxy: true, resolvers: [dns.address] })
    expect(await ask(gw, 'www.baidu.com:8080')).toMatchObject({ body: 'from the endpoint' })
    const { status, socket } = await openTunnel(gw.egressPort, 'www.baidu.com:8080')
    socket.destroy()
    expect(status).toBe(200)
    expect(endpoint.seen[0]?.headers.host).toBe('www.baidu.com:8080')
    expect(dns.questions).toEqual([])
    // The same server would have been asked: it is for a name that nobody declared.
    await ask(gw, 'undeclared.test:8080')
    expect(dns.questions).toContain('A undeclared.test')
  })
})

describe('S23 a ServiceEntry for the names of a Service', () => {
  test('takes them all, and the collision is reported', async () => {
    await using pod = await startUpstream('the pod')
    await using endpoint = await startUpstream('the endpoint')
    const yaml =
      seedFixture('s23-service-names', { endpoint: endpoint.port }) +
      workload('my-service', 'pod', { port: pod.port })
    await using gw = await startGateway(yaml, { egressProxy: true })
    const names = ['my-service', 'my-service.default', 'my-service.default.svc.cluster.local']
    for (const name of names) expect((await ask(gw, name)).body, name).toBe('the endpoint')
    const [collision] = await problemsOf(gw, 'service-entry-overrides-service')
    expect(collision).toMatchObject({ severity: 'warning', name: 'my-service-in-istio' })
    expect(collision?.message).toContain('my-service.default.svc.cluster.local')
  })

  test('with --compat the Service keeps its name, as in Istio', async () => {
    await using pod = await startUpstream('the pod')
    const yaml =
      seedFixture('s23-service-names', { endpoint: 1 }) +
      workload('my-service', 'pod', { port: pod.port })
    await using gw = await startGateway(yaml, { egressProxy: true, compat: true })
    expect((await ask(gw, 'my-service.default.svc.cluster.local')).body).toBe('the pod')
  })
})

describe('S24 an endpoint that is a DNS name', () => {
  test.each(['DNS', 'DNS_ROUND_ROBIN'])(
    'with resolution %s requests follow its A record without a restart',
    async (resolution) => {
      await using old = await startUpstream('old', '127.0.0.2')
      await using moved = await startUpstream('moved', '127.0.0.3', old.port)
      const ttl = 1
      await using dns = await startDnsServer({ 'baz.test': { a: ['127.0.0.2'], ttl } })
      const yaml = seedFixture('s24-forwarded-name', { endpoint: old.port, resolution })
      await using gw = await startGateway(yaml, { egressProxy: true, resolvers: [dns.address] })
      const { generation } = gw.gateway.snapshot!
      expect((await ask(gw, 'foo.bar.com')).body).toBe('old')

      dns.records.set('baz.test', { a: ['127.0.0.3'], ttl })
      const changed = performance.now()
      await waitFor('the new address', async () => (await ask(gw, 'foo.bar.com')).body === 'moved')
      // The TTL, and two seconds for a busy machine.
      expect(performance.now() - changed).toBeLessThan((ttl + 2) * 1000)
      expect((await ask(gw, 'foo.bar.com')).body).toBe('moved')

      const asked = dns.questions.length
      dns.records.set('baz.test', { code: 'SERVFAIL' })
      await waitFor('another lookup', () => dns.questions.length >= asked + 2)
      expect((await ask(gw, 'foo.bar.com')).body).toBe('moved')
      expect(moved.seen[0]?.headers.host).toBe('foo.bar.com')
      expect(gw.gateway.snapshot?.generation).toBe(generation)
      expect(dns.questions.every((question) => question.endsWith(' baz.test'))).toBe(true)
    },
  )
})
