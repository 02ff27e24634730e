import { type AddressInfo, createServer, type Server } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { startBlackHole } from '../../test/support/black-hole.ts'
import { type DnsAnswer, type DnsServer, startDnsServer } from '../../test/support/dns-server.ts'
import { UpstreamCall, upstreamRequest } from '../../test/support/upstream-call.ts'
import { startUpstream } from '../../test/support/upstream.ts'
import { waitFor } from '../../test/support/wait.ts'
import { AddressGuard } from '../upstream/address-guard.ts'
import { Resolver } from '../upstream/resolver.ts'
import { PassthroughCluster } from './passthrough-cluster.ts'

const opened: { cluster: PassthroughCluster; resolver: Resolver; dns: DnsServer }[] = []

afterEach(async () => {
  for (const { cluster, resolver, dns } of opened.splice(0)) {
    cluster.close()
    resolver.close()
    await dns[Symbol.asyncDispose]()
  }
})

async function open(
  records: Record<string, DnsAnswer>,
  allow: readonly string[] = ['127.0.0.0/8'],
): Promise<{ cluster: PassthroughCluster; dns: DnsServer }> {
  const dns = await startDnsServer(records)
  const resolver = new Resolver({ servers: [dns.address] })
  const guard = new AddressGuard({ allow })
  const cluster = new PassthroughCluster({ resolver, guard })
  opened.push({ cluster, resolver, dns })
  return { cluster, dns }
}

function send(cluster: PassthroughCluster, host: string, port: number): UpstreamCall {
  const request = upstreamRequest({ authority: host })
  return new UpstreamCall((handler) => cluster.startRequest(host, port, request, handler))
}

function tunnel(cluster: PassthroughCluster, host: string, port: number): UpstreamCall {
  return new UpstreamCall((handler) => cluster.startTunnel(host, port, handler))
}

describe('requests', () => {
  test('go to the resolved address and share connections', async () => {
    await using upstream = await startUpstream('ok')
    const { cluster, dns } = await open({ 'web.test': { a: ['127.0.0.1'], ttl: 60 } })
    expect(await send(cluster, 'web.test', upstream.port).done).toMatchObject({
      status: 200,
      body: 'ok',
      remote: `127.0.0.1:${upstream.port}`,
      reused: false,
    })
    expect(await send(cluster, 'web.test', upstream.port).done).toMatchObject({ reused: true })
    expect(dns.questions.filter((question) => question.startsWith('A '))).toHaveLength(1)
    expect(cluster.describe()).toMatchObject({
      name: 'PassthroughCluster',
      counters: { cx_total: 1, rq_total: 2 },
    })
  })

  test('fall through to the next address when one refuses', async () => {
    await using upstream = await startUpstream('ok')
    const { cluster } = await open({ 'web.test': { a: ['127.0.0.9', '127.0.0.1'] } })
    const outcome = await send(cluster, 'web.test', upstream.port).done
    expect(outcome.remote).toBe(`127.0.0.1:${upstream.port}`)
  })

  test('do not wait long for an address that is silent', async () => {
    await using hole = await startBlackHole()
    const server: Server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'))
    })
    await new Promise<void>((resolve) => server.listen(hole.port, '127.0.0.2', resolve))
    const { cluster } = await open({ 'web.test': { a: ['127.0.0.1', '127.0.0.2'] } })
    const startedMs = performance.now()
    expect(await send(cluster, 'web.test', hole.port).done).toMatchObject({ body: 'ok' })
    expect(performance.now() - startedMs).toBeLessThan(2_000)
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })

  test('fail with the last reason when every address fails', async () => {
    const upstream = await startUpstream('ok')
    await upstream[Symbol.asyncDispose]()
    const { cluster } = await open({ 'web.test': { a: ['127.0.0.1', '127.0.0.2'] } })
    const { failure } = await send(cluster, 'web.test', upstream.port).done
    expect(failure).toMatchObject({ type: 'connect-refused', flag: 'UF', status: 503 })
    expect(cluster.counters).toMatchObject({ cxTotal: 2, cxActive: 0, rqPendingActive: 0 })
  })

  test('for a name that does not exist fail as 503 DF', async () => {
    const { cluster } = await open({})
    const { failure } = await send(cluster, 'web.test', 80).done
    expect(failure).toMatchObject({ type: 'dns-failure', flag: 'DF', status: 503 })
  })

  test('given up before the answer, leave nothing behind', async () => {
    const { cluster } = await open({ 'web.test': { silent: true } })
    const call = send(cluster, 'web.test', 80)
    call.attempt.abort()
    const literal = send(cluster, '127.0.0.1', 1)
    literal.attempt.abort()
    await send(cluster, '127.0.0.1', 1).done
    expect(call.callbacks).toEqual([])
    expect(literal.callbacks).toEqual([])
    expect(cluster.counters).toMatchObject({ cxActive: 0, rqPendingActive: 0 })
  })
})

describe('addresses that are not allowed', () => {
  test.each([
    ['127.0.0.1', '127.0.0.1 (loopback)'],
    ['127.1', '127.0.0.1 (loopback)'],
    ['2130706433', '127.0.0.1 (loopback)'],
    ['::ffff:7f00:1', '127.0.0.1 (loopback)'],
    ['169.254.169.254', '169.254.169.254 (cloud metadata)'],
    ['rebound.test', '127.0.0.1 (loopback)'],
  ])('%s is refused without a connection', async (host, address) => {
    const connections: unknown[] = []
    const canary = createServer((socket) => connections.push(socket.destroy()))
    await new Promise<void>((resolve) => canary.listen(0, '127.0.0.1', resolve))
    const { port } = canary.address() as AddressInfo
    const { cluster } = await open({ 'rebound.test': { a: ['127.0.0.1'] } }, [])
    for (const call of [send(cluster, host, port), tunnel(cluster, host, port)]) {
      expect((await call.done).failure).toMatchObject({
        type: 'address-refused',
        status: 502,
        transportReason: `address ${address} is not allowed`,
      })
    }
    expect(cluster.counters.cxTotal).toBe(0)
    await new Promise<void>((resolve) => canary.close(() => resolve()))
    expect(connections).toEqual([])
  })

  test('only the allowed addresses of a name are dialled', async () => {
    await using upstream = await startUpstream('ok')
    const { cluster } = await open({ 'web.test': { a: ['169.254.169.254', '127.0.0.1'] } })
    expect(await send(cluster, 'web.test', upstream.port).done).toMatchObject({ body: 'ok' })
    expect(cluster.describe().endpoints.map(({ address }) => address)).toEqual([
      `127.0.0.1:${upstream.port}`,
    ])
  })

  test('a name that turns to another address is judged again', async () => {
    await using upstream = await startUpstream('ok')
    const { cluster, dns } = await open({ 'web.test': { a: ['127.0.0.1'], ttl: 0 } }, ['127.0.0.1'])
    await send(cluster, 'web.test', upstream.port).done
    dns.records.set('web.test', { a: ['127.0.0.2'] })
    await waitFor('the refusal', async () => {
      const { failure } = await send(cluster, 'web.test', upstream.port).done
      return failure?.type === 'address-refused'
    })
  })
})

describe('tunnels', () => {
  test('carry bytes, and fall through to the next address', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.pipe(socket)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const { cluster } = await open({ 'web.test': { a: ['127.0.0.9', '127.0.0.1'] } })
    const call = tunnel(cluster, 'web.test', port)
    const stream = await waitFor('the tunnel', () => call.stream)
    expect(stream.remote).toBe(`127.0.0.1:${port}`)
    stream.sendBody(Buffer.from('hello'))
    await waitFor('the echo', () => call.body === 'hello')
    call.attempt.abort()
    expect(cluster.counters).toMatchObject({ cxActive: 0, rqActive: 0 })
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })
})
