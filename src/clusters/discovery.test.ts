import { afterEach, describe, expect, test } from 'vitest'
import { TestContext, clusterPlan, endpointPlan } from '../../test/support/cluster-plans.ts'
import { type DnsAnswer, type DnsServer, startDnsServer } from '../../test/support/dns-server.ts'
import { UpstreamCall, upstreamRequest } from '../../test/support/upstream-call.ts'
import { startUpstream } from '../../test/support/upstream.ts'
import { waitFor } from '../../test/support/wait.ts'
import { UpstreamContexts } from '../tls/upstream-context.ts'
import { Resolver } from '../upstream/resolver.ts'
import { Cluster } from './cluster.ts'
import type { ClusterEvent } from './description.ts'
import type { ClusterPlan } from './plan.ts'

interface Bench {
  readonly dns: DnsServer
  readonly cluster: Cluster
  readonly events: ClusterEvent[]
}

const opened: (Bench & { readonly resolver: Resolver })[] = []

afterEach(async () => {
  for (const { cluster, resolver, dns } of opened.splice(0)) {
    cluster.close()
    resolver.close()
    await dns[Symbol.asyncDispose]()
  }
})

async function open(plan: ClusterPlan, records: Record<string, DnsAnswer>): Promise<Bench> {
  const dns = await startDnsServer(records)
  const resolver = new Resolver({ servers: [dns.address] })
  const events: ClusterEvent[] = []
  const cluster = new Cluster(plan, {
    resolver,
    contexts: new UpstreamContexts(),
    log: (event) => events.push(event),
  })
  const bench = { dns, cluster, events, resolver }
  opened.push(bench)
  return bench
}

function dnsPlan(discovery: 'dns' | 'dns-round-robin' = 'dns', port = 80): ClusterPlan {
  return clusterPlan({ discovery, endpoints: [endpointPlan('web.test', port)] })
}

function addresses(cluster: Cluster): readonly string[] {
  return cluster.endpoints.map(({ key }) => key).sort()
}

function send(cluster: Cluster): UpstreamCall {
  return new UpstreamCall((handler) =>
    cluster.startRequest(upstreamRequest(), handler, new TestContext()),
  )
}

describe('the first lookup', () => {
  test('makes the addresses endpoints with the weight and port of the name', async () => {
    const { cluster } = await open(
      clusterPlan({
        discovery: 'dns',
        endpoints: [endpointPlan('web.test', 80, { weight: 3 }), endpointPlan('10.0.0.9', 81)],
      }),
      { 'web.test': { a: ['10.0.0.1', '10.0.0.2'], aaaa: ['fd00::1'] } },
    )
    await cluster.ready
    expect(addresses(cluster)).toEqual(['10.0.0.1:80', '10.0.0.2:80', '10.0.0.9:81'])
    expect(cluster.endpoints.map(({ weight }) => weight)).toEqual([3, 3, 1])
  })

  test('takes IPv6 addresses when there are no others', async () => {
    const { cluster } = await open(dnsPlan(), { 'web.test': { aaaa: ['fd00::1'] } })
    await cluster.ready
    expect(addresses(cluster)).toEqual(['[fd00::1]:80'])
  })

  test('round robin makes the name itself the one endpoint', async () => {
    const { cluster } = await open(dnsPlan('dns-round-robin'), {
      'web.test': { a: ['10.0.0.1', '10.0.0.2'] },
    })
    await cluster.ready
    expect(addresses(cluster)).toEqual(['web.test:80'])
  })

  test.each<[string, DnsAnswer, string]>([
    ['NXDOMAIN', { code: 'NXDOMAIN' }, 'web.test: the name does not exist (NXDOMAIN)'],
    ['SERVFAIL', { code: 'SERVFAIL' }, 'web.test: the name server failed (SERVFAIL)'],
  ])('%s makes the cluster ready, and requests fail as 503 DF', async (_what, answer, reason) => {
    const { cluster, events } = await open(dnsPlan(), { 'web.test': answer })
    await cluster.ready
    const expected = { type: 'dns-failure', flag: 'DF', status: 503, transportReason: reason }
    expect((await send(cluster).done).failure).toMatchObject(expected)
    expect(events).toMatchObject([{ type: 'dns-failed', endpoint: 'web.test', reason }])
    expect(cluster.counters.updateFailure).toBe(1)
  })

  test('requests before any answer fail as 503 DF', async () => {
    const { cluster } = await open(dnsPlan(), { 'web.test': { silent: true } })
    expect((await send(cluster).done).failure).toMatchObject({
      flag: 'DF',
      transportReason: 'web.test: not resolved yet',
    })
  })
})

describe('later lookups', () => {
  test('a changed address is followed within the TTL, what stays is kept', async () => {
    await using upstream = await startUpstream('ok')
    const { cluster, dns } = await open(dnsPlan('dns', upstream.port), {
      'web.test': { a: ['127.0.0.1', '127.0.0.2'], ttl: 1 },
    })
    await cluster.ready
    const kept = cluster.endpoints.find(({ address }) => address === '127.0.0.1')
    expect((await send(cluster).done).status).toBe(200)
    dns.records.set('web.test', { a: ['127.0.0.3', '127.0.0.1'], ttl: 1 })
    const port = upstream.port
    const expected = [`127.0.0.1:${port}`, `127.0.0.3:${port}`]
    await waitFor('the change', () => addresses(cluster).join() === expected.join(), 4_000)
    expect(cluster.endpoints).toContain(kept)
    expect(kept!.connections).toBe(1)
  })

  test('failures keep the last good addresses', async () => {
    const { cluster, dns, events } = await open(dnsPlan(), {
      'web.test': { a: ['10.0.0.1'], ttl: 1 },
    })
    await cluster.ready
    dns.records.set('web.test', { code: 'SERVFAIL' })
    const failed = await waitFor('a failed lookup', () =>
      events.find(({ type }) => type === 'dns-failed'),
    )
    expect(failed.message).toBe('the last 1 good addresses stay in use')
    expect(addresses(cluster)).toEqual(['10.0.0.1:80'])
    expect(cluster.describe().dnsFailures).toEqual(['web.test: the name server failed (SERVFAIL)'])
  })

  test('a name that appears later is found', async () => {
    const { cluster, dns } = await open(dnsPlan(), {})
    await cluster.ready
    dns.records.set('web.test', { a: ['10.0.0.1'] })
    await waitFor('the address', () => cluster.endpoints.length === 1)
  })

  test('a new plan with the same name asks nothing again', async () => {
    const { cluster, dns } = await open(dnsPlan(), { 'web.test': { a: ['10.0.0.1'], ttl: 60 } })
    await cluster.ready
    const asked = dns.questions.length
    const [endpoint] = cluster.endpoints
    cluster.update(dnsPlan())
    await cluster.ready
    expect(dns.questions).toHaveLength(asked)
    expect(cluster.endpoints).toEqual([endpoint])
  })
})
