import { expect, test } from 'vitest'
import {
  OUTLIER,
  TestContext,
  clusterPlan,
  endpointPlan,
} from '../../test/support/cluster-plans.ts'
import { UpstreamCall, upstreamRequest } from '../../test/support/upstream-call.ts'
import { startUpstream } from '../../test/support/upstream.ts'
import { FileReserve } from '../base/file-reserve.ts'
import { UpstreamContexts } from '../tls/upstream-context.ts'
import { AddressGuard } from '../upstream/address-guard.ts'
import { Resolver } from '../upstream/resolver.ts'
import type { UpstreamAttempt, UpstreamHandler } from '../upstream/transport.ts'
import { Cluster } from './cluster.ts'
import { PassthroughCluster } from './passthrough-cluster.ts'
import type { ClusterPlan } from './plan.ts'

/** The process holds more files than that by far: every new one is of the reserve. */
const FULL = new FileReserve(4, () => 1)
const HOST = '127.0.0.1'

const resolver = new Resolver({ servers: [] })

function open(port: number, protocol: ClusterPlan['protocol']): Cluster {
  const plan = clusterPlan({
    protocol,
    endpoints: [endpointPlan(HOST, port)],
    outlier: { ...OUTLIER, consecutive5xx: 1, consecutiveGatewayErrors: 1 },
  })
  const contexts = new UpstreamContexts()
  return new Cluster(plan, { resolver, contexts, log: () => {}, reserve: FULL })
}

const passthrough = (): PassthroughCluster =>
  new PassthroughCluster({
    resolver,
    guard: new AddressGuard({ allow: ['127.0.0.0/8'] }),
    reserve: FULL,
  })

type Start = (handler: UpstreamHandler) => UpstreamAttempt

interface Case {
  readonly cluster: Cluster | PassthroughCluster
  readonly start: Start
}

function request(port: number, protocol: ClusterPlan['protocol']): Case {
  const cluster = open(port, protocol)
  const sent = upstreamRequest({})
  return { cluster, start: (handler) => cluster.startRequest(sent, handler, new TestContext()) }
}

function tunnel(port: number): Case {
  const cluster = open(port, 'tcp')
  return { cluster, start: (handler) => cluster.startTunnel(handler, new TestContext()) }
}

function requestToUnknown(port: number): Case {
  const cluster = passthrough()
  const sent = upstreamRequest({ authority: HOST })
  return { cluster, start: (handler) => cluster.startRequest(HOST, port, sent, handler) }
}

function tunnelToUnknown(port: number): Case {
  const cluster = passthrough()
  return { cluster, start: (handler) => cluster.startTunnel(HOST, port, handler) }
}

test.each<[string, (port: number) => Case]>([
  ['an HTTP/1.1 request', (port) => request(port, 'http1')],
  ['an HTTP/2 request', (port) => request(port, 'http2')],
  ['a tunnel', tunnel],
  ['a request to an unknown host', requestToUnknown],
  ['a tunnel to an unknown host', tunnelToUnknown],
])('%s overflows rather than take a file of the reserve', async (_what, prepare) => {
  await using upstream = await startUpstream('hello')
  const { cluster, start } = prepare(upstream.port)
  const { failure } = await new UpstreamCall(start).done
  expect(failure).toMatchObject({ type: 'overflow', flag: 'UO', status: 503 })
  expect(cluster.counters).toMatchObject({ cxOverflow: 1, cxConnectFail: 0, cxActive: 0 })
  const [endpoint] = cluster.describe().endpoints
  expect(endpoint).toMatchObject({
    health: 'healthy',
    lastConnectFailure: '',
    activeConnections: 0,
  })
  cluster.close()
})
