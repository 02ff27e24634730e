import { describe, expect, test } from 'vitest'
import type { ClusterPlan } from '../../src/clusters/plan.ts'
import { Simulation, type SimulationOptions } from '../support/simulate.ts'

function simulate(policy: string, options: SimulationOptions = {}): Simulation {
  const yaml = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: web }
spec:
  hosts: [web.test]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 10.0.0.1 }, { address: 10.0.0.2, weight: 3 }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: web }
spec: { host: web.test, trafficPolicy: { ${policy} } }
`
  return new Simulation(yaml, options)
}

function web(simulation: Simulation): ClusterPlan {
  return simulation.cluster('outbound|80||web.test')
}

const balancer = (text: string): Simulation => simulate(`loadBalancer: { ${text} }`)

describe('the policy of a cluster', () => {
  const warmup = { durationMs: 60_000, minimumPercent: 10, aggression: 1 }

  test.each<[string, string, unknown]>([
    ['nothing said', 'simple: UNSPECIFIED', { policy: 'least-request' }],
    ['LEAST_CONN is LEAST_REQUEST', 'simple: LEAST_CONN', { policy: 'least-request' }],
    ['ROUND_ROBIN', 'simple: ROUND_ROBIN', { policy: 'round-robin' }],
    ['RANDOM', 'simple: RANDOM', { policy: 'random' }],
    [
      'warmup of the default policy',
      'warmup: { duration: 60s }',
      { policy: 'least-request', warmup },
    ],
    [
      'warmup of ROUND_ROBIN',
      'simple: ROUND_ROBIN, warmup: { duration: 1m, minimumPercent: 25, aggression: 2.5 }',
      {
        policy: 'round-robin',
        warmup: { durationMs: 60_000, minimumPercent: 25, aggression: 2.5 },
      },
    ],
    [
      'the deprecated form of warmup',
      'simple: ROUND_ROBIN, warmupDurationSecs: 60s',
      { policy: 'round-robin', warmup },
    ],
    [
      'warmup of RANDOM has no effect',
      'simple: RANDOM, warmup: { duration: 1m }',
      { policy: 'random' },
    ],
  ])('%s', (_what, text, expected) => {
    expect(web(balancer(text)).loadBalancer).toEqual(expected)
  })

  test.each<[string, string, string]>([
    ['LEAST_CONN', 'simple: LEAST_CONN', 'deprecated-value'],
    ['warmupDurationSecs', 'warmupDurationSecs: 60s', 'deprecated-field'],
    ['warmup of RANDOM', 'simple: RANDOM, warmup: { duration: 1m }', 'warmup-without-effect'],
    [
      'warmup of consistentHash',
      'consistentHash: { useSourceIp: true }, warmup: { duration: 1m }',
      'warmup-without-effect',
    ],
  ])('%s is a warning', (_what, text, code) => {
    const found = balancer(text).storeProblems.find((problem) => problem.code === code)
    expect(found?.severity).toBe('warning')
  })

  test('PASSTHROUGH is LEAST_REQUEST, and that is said', () => {
    const run = balancer('simple: PASSTHROUGH')
    expect(web(run).loadBalancer).toEqual({ policy: 'least-request' })
    expect(run.found('load-balancer-passthrough')).toHaveLength(1)
  })
})

describe('outlierDetection', () => {
  const outlier = (text: string, compat = false): ClusterPlan['outlier'] =>
    web(simulate(`outlierDetection: { ${text} }`, { compat })).outlier

  test('consecutiveErrors counts gateway errors, in place of the 5xx counter', () => {
    expect(outlier('consecutiveErrors: 7')).toMatchObject({
      consecutiveGatewayErrors: 7,
      consecutive5xx: 0,
    })
  })

  test('with --compat consecutiveErrors has no effect, as in Istio', () => {
    expect(outlier('consecutiveErrors: 7', true)).toMatchObject({
      consecutiveGatewayErrors: 0,
      consecutive5xx: 5,
    })
  })

  test('consecutive5xxErrors stays active beside consecutiveGatewayErrors', () => {
    expect(outlier('consecutiveGatewayErrors: 3')).toMatchObject({
      consecutiveGatewayErrors: 3,
      consecutive5xx: 5,
    })
  })

  test('10 percent of a small cluster: one may be ejected, with --compat nobody', () => {
    expect(outlier('interval: 1s')).toMatchObject({ maxEjectionPercent: 10, alwaysEjectOne: true })
    expect(outlier('interval: 1s', true)).toMatchObject({ alwaysEjectOne: false })
  })

  test('panic is off unless minHealthPercent asks for it', () => {
    expect(outlier('interval: 1s')?.minHealthPercent).toBe(0)
    expect(outlier('minHealthPercent: 50')?.minHealthPercent).toBe(50)
  })

  test('the list of error codes is kept', () => {
    expect(outlier('outlierDetectionHttpErrorCodes: [429, 503]')?.errorCodes).toEqual([429, 503])
  })
})

describe('endpoints of an EndpointSlice that shuts down', () => {
  const DRAINING = '{ ready: false, serving: true, terminating: true }'

  function addresses(first: string, second: string): string[] {
    const run = new Simulation(`apiVersion: v1
kind: Service
metadata: { name: web }
spec: { ports: [{ name: http, port: 80 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-1, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ name: http, port: 8080 }]
endpoints:
- { addresses: [10.0.0.1], conditions: ${first} }
- { addresses: [10.0.0.2], conditions: ${second} }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web }
spec: { hosts: [web], http: [{ route: [{ destination: { host: web } }] }] }
`)
    const { endpoints } = run.cluster('outbound|80||web.default.svc.cluster.local')
    return endpoints.map(({ address }) => address)
  }

  test.each<[string, string, string, string[]]>([
    ['gets no new requests', DRAINING, '{ ready: true }', ['10.0.0.2']],
    ['is used while nobody is ready', DRAINING, '{ ready: false }', ['10.0.0.1']],
    [
      'not when it no longer serves',
      '{ ready: false, serving: false, terminating: true }',
      '{ ready: false }',
      [],
    ],
    [
      'ready counts before terminating',
      '{ ready: true, terminating: true }',
      '{ ready: true }',
      ['10.0.0.1', '10.0.0.2'],
    ],
    ['nothing said means ready', '{}', '{ ready: false }', ['10.0.0.1']],
  ])('%s', (_what, first, second, expected) => {
    expect(addresses(first, second)).toEqual(expected)
  })
})
