import { describe, expect, test } from 'vitest'
import type { RetryLimits } from '../../src/clusters/retry-gate.ts'
import { Simulation } from '../support/simulate.ts'

/** `policy` is the spec of a DestinationRule behind its host, in flow style. */
function limits(policy: string, cluster = 'outbound|80|'): RetryLimits | null {
  const run = new Simulation(`apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: web }
spec:
  hosts: [web.default.svc.cluster.local]
  ports: [{ number: 80, name: http, protocol: HTTP }, { number: 81, name: http-two, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 10.0.0.1, labels: { v: one } }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: web }
spec: { host: web.default.svc.cluster.local, ${policy} }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web }
spec: { hosts: [web], http: [{ route: [{ destination: { host: web, subset: one, port: { number: 80 } } }] }] }
`)
  return run.cluster(`${cluster}|web.default.svc.cluster.local`).retries
}

const SUBSET = 'subsets: [{ name: one, labels: { v: one } }]'
const POOL = 'connectionPool: { http: { maxRetries: 7 } }'

describe('retries of a cluster that are under way at once', () => {
  test.each<[string, string, RetryLimits | null]>([
    ['are not bounded by default', `trafficPolicy: { tls: { mode: DISABLE } }, ${SUBSET}`, null],
    [
      'not by maxRetries 0 either, which counts as unset',
      `trafficPolicy: { connectionPool: { http: { maxRetries: 0 } } }, ${SUBSET}`,
      null,
    ],
    [
      'are bounded by maxRetries',
      `trafficPolicy: { ${POOL} }, ${SUBSET}`,
      { percent: 0, atLeast: 7 },
    ],
    [
      'by a budget of 20 percent, but 3, when it says nothing',
      `trafficPolicy: { retryBudget: {} }, ${SUBSET}`,
      { percent: 20, atLeast: 3 },
    ],
    [
      'by the budget instead of maxRetries',
      `trafficPolicy: { ${POOL}, retryBudget: { percent: 5, minRetryConcurrency: 1 } }, ${SUBSET}`,
      { percent: 5, atLeast: 1 },
    ],
    [
      'not by a budget beside settings of the port, which replace all',
      `trafficPolicy: { retryBudget: {}, portLevelSettings: [{ port: { number: 80 }, tls: { mode: DISABLE } }] }, ${SUBSET}`,
      null,
    ],
  ])('%s', (_name, policy, expected) => {
    expect(limits(policy)).toEqual(expected)
  })

  test('a subset keeps the budget above it, and its own comes first', () => {
    const own =
      'subsets: [{ name: one, labels: { v: one }, trafficPolicy: { retryBudget: { percent: 1 } } }]'
    const above = 'trafficPolicy: { retryBudget: { percent: 50 } }'
    expect(limits(`${above}, ${SUBSET}`, 'outbound|80|one')).toMatchObject({ percent: 50 })
    expect(limits(`${above}, ${own}`, 'outbound|80|one')).toMatchObject({ percent: 1 })
  })
})
