import { afterEach, describe, expect, test } from 'vitest'
import {
  clusterPlan,
  endpointPlan,
  OUTLIER,
  TestContext,
} from '../../../test/support/cluster-plans.ts'
import { seededRandom } from '../../../test/support/seeded-random.ts'
import { UpstreamCall, upstreamRequest } from '../../../test/support/upstream-call.ts'
import { startUpstream } from '../../../test/support/upstream.ts'
import { UpstreamContexts } from '../../tls/upstream-context.ts'
import { Resolver } from '../../upstream/resolver.ts'
import { Cluster } from '../cluster.ts'
import type { HashKeyPlan, LoadBalancerPlan } from '../plan.ts'

const BY_HEADER: HashKeyPlan = { from: 'header', name: 'user' }
const POLICIES: readonly LoadBalancerPlan[] = [
  { policy: 'least-request' },
  { policy: 'round-robin' },
  { policy: 'random' },
  { policy: 'ring-hash', key: BY_HEADER, minimumRingSize: 1_024 },
  { policy: 'maglev', key: BY_HEADER, tableSize: 65_537 },
]
const NAMES = ['a', 'b', 'c']
const WEIGHTS = [1, 2, 1]
const REQUESTS = 400

let cluster: Cluster | null = null
afterEach(() => cluster?.close())

describe.each(POLICIES)('three weighted endpoints behind real sockets: $policy', (loadBalancer) => {
  test('share by weight, and the others take over when one answers errors', async () => {
    let broken = ''
    await using stack = new AsyncDisposableStack()
    const endpoints = []
    for (const [i, name] of NAMES.entries()) {
      const upstream = await startUpstream((_request, response) => {
        response.statusCode = broken === name ? 500 : 200
        response.end(name)
      })
      stack.use(upstream)
      endpoints.push(endpointPlan('127.0.0.1', upstream.port, { weight: WEIGHTS[i]! }))
    }
    const outlier = { ...OUTLIER, consecutive5xx: 3 }
    const opened = new Cluster(clusterPlan({ endpoints, loadBalancer, outlier }), {
      resolver: new Resolver({ servers: [] }),
      contexts: new UpstreamContexts(),
      log: () => {},
      random: seededRandom(2024),
    })
    cluster = opened
    const counts = async (): Promise<number[]> => {
      const hits = new Map<string, number>()
      for (let i = 0; i < REQUESTS; i++) {
        const context = new TestContext({ headers: { user: `user-${i}` } })
        const call = new UpstreamCall((handler) =>
          opened.startRequest(upstreamRequest(), handler, context),
        )
        const { body } = await call.done
        hits.set(body, (hits.get(body) ?? 0) + 1)
      }
      return NAMES.map((name) => hits.get(name) ?? 0)
    }
    const healthy = await counts()
    // Ports, and with them hash points, differ from run to run.
    healthy.forEach((count, i) => {
      const expected = (REQUESTS * WEIGHTS[i]!) / 4
      expect(Math.abs(count - expected)).toBeLessThan(0.2 * REQUESTS)
    })
    broken = 'b'
    const [one, errors, other] = await counts()
    expect(errors).toBe(3)
    expect(one! + other!).toBe(REQUESTS - 3)
    expect(Math.min(one!, other!)).toBeGreaterThan(0.2 * REQUESTS)
  })
})
