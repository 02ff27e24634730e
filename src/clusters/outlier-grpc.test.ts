import { afterEach, describe, expect, test } from 'vitest'
import {
  clusterPlan,
  endpointPlan,
  OUTLIER,
  TestContext,
} from '../../test/support/cluster-plans.ts'
import { echo, startGrpcUpstream } from '../../test/support/grpc-upstream.ts'
import { UpstreamCall, upstreamRequest } from '../../test/support/upstream-call.ts'
import { UpstreamContexts } from '../tls/upstream-context.ts'
import { Resolver } from '../upstream/resolver.ts'
import { Cluster } from './cluster.ts'
import { httpStatusOfGrpc } from './grpc-outcome.ts'

test('gRPC codes count as the HTTP statuses Envoy takes them for', () => {
  const statuses = Array.from({ length: 18 }, (_, code) => httpStatusOfGrpc(code))
  expect(statuses).toEqual([
    200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401, 500,
  ])
})

let cluster: Cluster | null = null
afterEach(() => cluster?.close())

async function afterCalls(
  answer: Parameters<typeof startGrpcUpstream>[0],
  count: number,
): Promise<Cluster> {
  await using upstream = await startGrpcUpstream(answer)
  const plan = clusterPlan({
    protocol: 'http2',
    endpoints: [endpointPlan('127.0.0.1', upstream.port), endpointPlan('10.255.0.1', 9)],
    outlier: { ...OUTLIER, consecutive5xx: 0, consecutiveGatewayErrors: 3 },
  })
  const opened = new Cluster(plan, {
    resolver: new Resolver({ servers: [] }),
    contexts: new UpstreamContexts(),
    log: () => {},
  })
  cluster = opened
  const tried = [opened.endpoints[1]!.key]
  for (let i = 0; i < count; i++) {
    const call = new UpstreamCall((handler) =>
      opened.startRequest(upstreamRequest({ method: 'POST' }), handler, new TestContext({ tried })),
    )
    expect((await call.done).status).toBe(200)
  }
  return opened
}

describe('HTTP 200 with a grpc-status', () => {
  const head = { ':status': 200, 'content-type': 'application/grpc+proto' }

  test.each<[string, Parameters<typeof startGrpcUpstream>[0], boolean]>([
    ['14 in the trailers ejects', echo({ 'grpc-status': '14' }), true],
    ['0 does not', echo({ 'grpc-status': '0' }), false],
    ['7 is an answer, not an error', echo({ 'grpc-status': '7' }), false],
    [
      '14 in the head of an answer without body ejects',
      (stream) => stream.respond({ ...head, 'grpc-status': '14' }, { endStream: true }),
      true,
    ],
    [
      'grpc-status of another content type says nothing',
      (stream) => {
        stream.respond(
          { ':status': 200, 'content-type': 'text/plain', 'grpc-status': '14' },
          { endStream: true },
        )
      },
      false,
    ],
  ])('%s', async (_what, answer, ejects) => {
    const { endpoints, counters } = await afterCalls(answer, 3)
    expect(endpoints[0]!.outlier.ejected).toBe(ejects)
    // The HTTP status is counted as what it is.
    expect(counters.toRecord()).toMatchObject({ rq_2xx: 3, rq_5xx: 0 })
  })

  test('trailers without grpc-status count as 500', async () => {
    const { endpoints } = await afterCalls(echo({ other: 'x' }), 2)
    expect(endpoints[0]!.outlier.consecutive5xx).toBe(2)
    expect(endpoints[0]!.requestsFailed).toBe(2)
  })
})
