import { afterEach, describe, expect, test } from 'vitest'
import { clusterPlan, endpointPlan, TestContext } from '../../test/support/cluster-plans.ts'
import { type DnsAnswer, type DnsServer, startDnsServer } from '../../test/support/dns-server.ts'
import { startUpstream } from '../../test/support/upstream.ts'
import { UpstreamCall, upstreamRequest } from '../../test/support/upstream-call.ts'
import { waitFor } from '../../test/support/wait.ts'
import { UpstreamContexts } from '../tls/upstream-context.ts'
import { Resolver } from '../upstream/resolver.ts'
import { Cluster } from './cluster.ts'

const open: (() => PromiseLike<void> | void)[] = []

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

/** A DNS_ROUND_ROBIN cluster of the name web.test on this port. */
async function roundRobin(
  port: number,
  answer: DnsAnswer,
  limits: { maxRequestsPerConnection?: number; connectTimeoutMs?: number } = {},
): Promise<{ cluster: Cluster; dns: DnsServer }> {
  const dns = await startDnsServer({ 'web.test': answer })
  const resolver = new Resolver({ servers: [dns.address] })
  const plan = clusterPlan({
    discovery: 'dns-round-robin',
    endpoints: [endpointPlan('web.test', port)],
    limits,
  })
  const cluster = new Cluster(plan, { resolver, contexts: new UpstreamContexts(), log: () => {} })
  open.push(
    () => dns[Symbol.asyncDispose](),
    () => resolver.close(),
    () => cluster.close(),
  )
  await cluster.ready
  return { cluster, dns }
}

function send(cluster: Cluster): UpstreamCall {
  return new UpstreamCall((handler) =>
    cluster.startRequest(upstreamRequest(), handler, new TestContext()),
  )
}

describe('DNS_ROUND_ROBIN', () => {
  test('a new connection goes to the first address, and is named by it', async () => {
    await using upstream = await startUpstream('ok')
    const { cluster } = await roundRobin(upstream.port, { a: ['127.0.0.1', '127.0.0.2'] })
    expect(await send(cluster).done).toMatchObject({
      status: 200,
      remote: `127.0.0.1:${upstream.port}`,
    })
  })

  test('a connection lives on while the answer has its address, wherever in it', async () => {
    await using upstream = await startUpstream('ok')
    const { cluster, dns } = await roundRobin(upstream.port, { a: ['127.0.0.1'], ttl: 1 })
    await send(cluster).done
    const before = cluster.counters.updateSuccess
    dns.records.set('web.test', { a: ['127.0.0.9', '127.0.0.1'], ttl: 60 })
    await waitFor('the next answer', () => cluster.counters.updateSuccess > before)
    expect(await send(cluster).done).toMatchObject({ status: 200, reused: true })
  })

  test('one whose address is gone finishes its request and takes no other', async () => {
    const held: (() => void)[] = []
    await using old = await startUpstream((_request, response) => {
      held.push(() => response.end('old'))
    })
    await using next = await startUpstream('new', '127.0.0.2', old.port)
    const { cluster, dns } = await roundRobin(old.port, { a: ['127.0.0.1'], ttl: 1 })
    const running = send(cluster)
    await waitFor('the request', () => held.length === 1)
    const before = cluster.counters.updateSuccess
    dns.records.set('web.test', { a: ['127.0.0.2'], ttl: 60 })
    await waitFor('the next answer', () => cluster.counters.updateSuccess > before)
    held[0]!()
    expect((await running.done).body).toBe('old')
    expect((await send(cluster).done).body).toBe('new')
    expect(next.seen).toHaveLength(1)
  })

  test('the next connection after a change goes to the new address', async () => {
    await using old = await startUpstream('old')
    await using next = await startUpstream('new', '127.0.0.2', old.port)
    const { cluster, dns } = await roundRobin(
      old.port,
      { a: ['127.0.0.1'], ttl: 1 },
      { maxRequestsPerConnection: 1 },
    )
    expect((await send(cluster).done).body).toBe('old')
    const before = cluster.counters.updateSuccess
    dns.records.set('web.test', { a: ['127.0.0.2'], ttl: 60 })
    await waitFor('the next answer', () => cluster.counters.updateSuccess > before)
    expect((await send(cluster).done).body).toBe('new')
    expect(next.seen).toHaveLength(1)
  })

  test.each<[string, DnsAnswer]>([
    ['IPv4 address', { a: ['127.0.0.9', '127.0.0.1'] }],
    ['family', { a: ['127.0.0.1'], aaaa: ['::ffff:127.0.0.9'] }],
  ])('an address that refuses is passed over for the next %s', async (_what, answer) => {
    await using upstream = await startUpstream('ok')
    const { cluster } = await roundRobin(upstream.port, answer)
    expect((await send(cluster).done).status).toBe(200)
  })

  test('all addresses refusing is one failure of the endpoint', async () => {
    const upstream = await startUpstream('ok')
    const { port } = upstream
    await upstream[Symbol.asyncDispose]()
    const { cluster } = await roundRobin(port, { a: ['127.0.0.9', '127.0.0.8'] })
    expect((await send(cluster).done).failure).toMatchObject({
      type: 'connect-refused',
      transportReason: 'delayed connect error: 111',
    })
    expect(cluster.endpoints[0]).toMatchObject({ connectFailures: 1, connections: 0 })
  })

  test('a name that never resolved is no endpoint: 503 DF', async () => {
    const { cluster } = await roundRobin(80, { code: 'NXDOMAIN' })
    expect(cluster.endpoints).toEqual([])
    expect((await send(cluster).done).failure).toMatchObject({ flag: 'DF', status: 503 })
  })

  test('a timeout is counted against the endpoint whatever its address was', async () => {
    await using upstream = await startUpstream('ok')
    const { cluster } = await roundRobin(upstream.port, { a: ['127.0.0.1'] })
    const { remote } = await send(cluster).done
    const failed = cluster.endpoints[0]!.requestsFailed
    cluster.reportTimeout({ remote, abort: () => {} })
    expect(cluster.endpoints[0]!.requestsFailed).toBe(failed + 1)
  })
})
