import { networkInterfaces } from 'node:os'
import { expect, test } from 'vitest'
import { startBlackHole } from '../../test/support/black-hole.ts'
import { clusterPlan, endpointPlan, TestContext } from '../../test/support/cluster-plans.ts'
import { startDnsServer } from '../../test/support/dns-server.ts'
import { startUpstream } from '../../test/support/upstream.ts'
import { UpstreamCall, upstreamRequest } from '../../test/support/upstream-call.ts'
import { waitFor } from '../../test/support/wait.ts'
import { UpstreamContexts } from '../tls/upstream-context.ts'
import { AddressGuard } from '../upstream/address-guard.ts'
import { Resolver } from '../upstream/resolver.ts'
import { Cluster } from './cluster.ts'
import { PassthroughCluster } from './passthrough-cluster.ts'

const HAS_IPV6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === '::1'),
)
/** The 250 ms that an address has alone, with much room; the connect timeout is 5 s. */
const SOON_MS = 2_500
const NAME = 'both.test'

interface Dialler {
  /** A connection to the name at `port`: its peer's address. */
  readonly connect: (port: number) => Promise<string>
  readonly close: () => void
}

function requests(resolver: Resolver): Dialler {
  const guard = new AddressGuard({ allow: ['127.0.0.0/8', '::1/128'] })
  const cluster = new PassthroughCluster({ resolver, guard })
  const request = upstreamRequest({ authority: NAME })
  return {
    connect: async (port) => {
      const call = new UpstreamCall((handler) => cluster.startRequest(NAME, port, request, handler))
      return (await call.done).remote
    },
    close: () => cluster.close(),
  }
}

function tunnels(resolver: Resolver): Dialler {
  const guard = new AddressGuard({ allow: ['127.0.0.0/8', '::1/128'] })
  const cluster = new PassthroughCluster({ resolver, guard })
  return {
    connect: async (port) => {
      const call = new UpstreamCall((handler) => cluster.startTunnel(NAME, port, handler))
      const { remote } = await waitFor('the tunnel', () => call.stream)
      call.attempt.abort()
      return remote
    },
    close: () => cluster.close(),
  }
}

function roundRobin(resolver: Resolver): Dialler {
  let cluster: Cluster | null = null
  return {
    connect: async (port) => {
      const plan = clusterPlan({
        discovery: 'dns-round-robin',
        endpoints: [endpointPlan(NAME, port)],
      })
      const contexts = new UpstreamContexts()
      const opened = new Cluster(plan, { resolver, contexts, log: () => {} })
      cluster = opened
      await opened.ready
      const call = new UpstreamCall((handler) =>
        opened.startRequest(upstreamRequest(), handler, new TestContext()),
      )
      return (await call.done).remote
    },
    close: () => cluster?.close(),
  }
}

test.skipIf(!HAS_IPV6).each([
  ['a request through the egress proxy', requests],
  ['a tunnel through the egress proxy', tunnels],
  ['a connection of a DNS_ROUND_ROBIN cluster', roundRobin],
])('%s goes on with ::1 when 127.0.0.1 is silent', async (_name, open) => {
  await using hole = await startBlackHole()
  await using _upstream = await startUpstream('ok', '::1', hole.port)
  await using dns = await startDnsServer({ [NAME]: { a: ['127.0.0.1'], aaaa: ['::1'] } })
  const resolver = new Resolver({ servers: [dns.address] })
  const dialler = open(resolver)
  const startedMs = performance.now()
  const remote = await dialler.connect(hole.port)
  const tookMs = performance.now() - startedMs
  dialler.close()
  resolver.close()
  expect(remote).toBe(`[::1]:${hole.port}`)
  expect(tookMs).toBeLessThan(SOON_MS)
})
