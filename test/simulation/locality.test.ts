import { describe, expect, test } from 'vitest'
import type { ClusterPlan } from '../../src/clusters/plan.ts'
import { Simulation, type SimulationOptions } from '../support/simulate.ts'

/** One endpoint per locality, in order of their addresses 10.0.0.1, 10.0.0.2 ... */
const PLACES = ['eu/a/r1', 'eu/a/r2', 'eu/b/r1', 'us/a/r1', 'asia/a/r1', '']
const HERE = 'eu/a/r1'

function entry(places: readonly string[], more = ''): string {
  const endpoints = places.map((locality, i) => {
    const written = locality === '' ? '' : `, locality: ${locality}`
    return `{ address: 10.0.0.${i + 1}${written}${more} }`
  })
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: web }
spec:
  hosts: [web.test]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [${endpoints.join(', ')}]
---
`
}

function rule(policy: string): string {
  return `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: web }
spec: { host: web.test, trafficPolicy: { ${policy} } }
---
`
}

const setting = (text: string, outlier = ', outlierDetection: {}'): string =>
  rule(`loadBalancer: { localityLbSetting: { ${text} } }${outlier}`)

function simulate(
  policy: string,
  options: SimulationOptions = {},
  services = entry(PLACES),
): Simulation {
  return new Simulation(services + policy, { locality: HERE, ...options })
}

function web(simulation: Simulation): ClusterPlan {
  return simulation.cluster('outbound|80||web.test')
}

/** Priorities in order of the addresses. */
function priorities(simulation: Simulation): number[] {
  return web(simulation).endpoints.map(({ priority = 0 }) => priority)
}

/** Locality weights by the last part of the address. */
function weights(simulation: Simulation): Record<string, number | undefined> {
  return Object.fromEntries(
    web(simulation).endpoints.map(({ address, localityWeight }) => [
      address.replace('10.0.0.', ''),
      localityWeight,
    ]),
  )
}

describe('failover priorities', () => {
  test('outlierDetection alone turns locality priorities on, and that is said', () => {
    const run = simulate(rule('outlierDetection: {}'))
    expect(priorities(run)).toEqual([0, 1, 2, 3, 3, 3])
    const [problem] = run.found('locality-priorities-implied')
    expect(problem?.message).toContain('1 of 6 endpoints')
    expect(problem?.path).toEqual(['spec', 'trafficPolicy', 'outlierDetection'])
  })

  test.each<[string, string, SimulationOptions, number[]]>([
    ['without outlierDetection nothing fails over', setting('enabled: true', ''), {}, []],
    ['the rule switches it off', setting('enabled: false'), {}, []],
    [
      'the mesh switches it off',
      rule('outlierDetection: {}'),
      { meshConfig: { localityLbSetting: { enabled: false } } },
      [],
    ],
    [
      'the rule switches it on where the mesh has it off',
      setting('enabled: true'),
      { meshConfig: { localityLbSetting: { enabled: false } } },
      [0, 1, 2, 3, 3, 3],
    ],
    [
      'failover demotes the regions it does not name',
      setting('failover: [{ from: eu, to: us }]'),
      {},
      [0, 1, 2, 3, 4, 4],
    ],
    [
      'failover of another region says nothing about ours',
      setting('failover: [{ from: us, to: asia }]'),
      {},
      [0, 1, 2, 3, 3, 3],
    ],
    [
      'the failover of the mesh counts for rules without a setting',
      rule('outlierDetection: {}'),
      { meshConfig: { localityLbSetting: { failover: [{ from: 'eu', to: 'asia' }] } } },
      [0, 1, 2, 4, 3, 4],
    ],
    [
      'the setting of a rule replaces that of the mesh whole',
      setting('enabled: true'),
      { meshConfig: { localityLbSetting: { failover: [{ from: 'eu', to: 'us' }] } } },
      [0, 1, 2, 3, 3, 3],
    ],
    [
      'numbers have no gaps',
      rule('outlierDetection: {}'),
      { locality: 'us/b' },
      [1, 1, 1, 0, 1, 1],
    ],
    ['nobody is near: all alike', rule('outlierDetection: {}'), { locality: 'moon' }, []],
  ])('%s', (_what, policy, options, expected) => {
    const all = expected.length === 0 ? PLACES.map(() => 0) : expected
    expect(priorities(simulate(policy, options))).toEqual(all)
  })

  test('without own locality nothing happens, and one finding says so', () => {
    const two = setting('failover: [{ from: eu, to: us }]') + entry(PLACES).replaceAll('web', 'two')
    const run = simulate(two, { locality: '' })
    expect(priorities(run)).toEqual(PLACES.map(() => 0))
    expect(run.found('own-locality-unknown')).toHaveLength(1)
  })

  test('files that are only looked at need no locality', () => {
    const run = new Simulation(entry(PLACES) + setting('failover: [{ from: eu, to: us }]'))
    expect(priorities(run)).toEqual(PLACES.map(() => 0))
    expect(run.found('own-locality-unknown')).toEqual([])
  })

  test('without own locality and without a setting nobody is bothered', () => {
    const run = simulate(rule('outlierDetection: {}'), { locality: '' })
    expect(run.found('own-locality-unknown')).toEqual([])
  })
})

describe('failoverPriority', () => {
  const labelled = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: web }
spec:
  hosts: [web.test]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints:
  - { address: 10.0.0.1, labels: { net: one, v: x } }
  - { address: 10.0.0.2, labels: { net: one, v: y } }
  - { address: 10.0.0.3, labels: { net: two, v: x } }
  - { address: 10.0.0.4, locality: us/a, labels: { net: one, v: x } }
---
`
  const own = { ownLabels: [{ net: 'one', v: 'x' }] }

  test.each<[string, string, SimulationOptions, number[]]>([
    ['leading labels that agree go first', '[net, v]', own, [0, 1, 2, 0]],
    ['a match behind a difference counts nothing', '[v, net]', own, [0, 2, 1, 0]],
    ['a value in the list stands for our own', '["net=two", v]', own, [1, 1, 0, 1]],
    [
      'topology labels come from the locality',
      '[topology.kubernetes.io/region]',
      own,
      [1, 1, 1, 0],
    ],
  ])('%s', (_what, list, options, expected) => {
    const run = simulate(
      setting(`failoverPriority: ${list}`),
      { locality: 'us/a', ...options },
      labelled,
    )
    expect(priorities(run)).toEqual(expected)
  })

  test('failover beside it orders what the labels leave equal', () => {
    const policy = setting('failoverPriority: [net], failover: [{ from: us, to: eu }]')
    const run = simulate(policy, { locality: 'us/a', ...own }, labelled)
    expect(priorities(run)).toEqual([1, 1, 2, 0])
  })

  test('failover beside a topology label is refused', () => {
    const policy = setting(
      'failoverPriority: [topology.kubernetes.io/region], failover: [{ from: us, to: eu }]',
    )
    const problems = simulate(policy).storeProblems
    expect(problems.map(({ message }) => message).join()).toContain("simultaneously set 'failover'")
  })
})

describe('distribute', () => {
  test.each<[string, string, Record<string, number>]>([
    [
      'localities that are not listed get nothing',
      'distribute: [{ from: eu/a/*, to: { eu/a/r1: 80, us/a/r1: 20 } }]',
      { '1': 80, '4': 20 },
    ],
    [
      'localities under one wildcard share its weight',
      'distribute: [{ from: eu/*, to: { "eu/*": 70, "us/*": 30 } }]',
      { '1': 70 / 3, '2': 70 / 3, '3': 70 / 3, '4': 30 },
    ],
    [
      'the first entry that fits counts',
      'distribute: [{ from: us, to: { us: 100 } }, { from: eu, to: { asia: 100 } }]',
      { '5': 100 },
    ],
  ])('%s', (_what, text, expected) => {
    const found = weights(simulate(setting(text, '')))
    expect(Object.keys(found)).toEqual(Object.keys(expected))
    for (const [key, weight] of Object.entries(expected)) expect(found[key]).toBeCloseTo(weight)
  })

  test('an entry for another locality leaves everything alike', () => {
    const run = simulate(setting('distribute: [{ from: us/*, to: { us/*: 100 } }]', ''))
    expect(web(run).endpoints).toHaveLength(PLACES.length)
    expect(web(run).endpoints.every((one) => one.localityWeight === undefined)).toBe(true)
  })

  test('nobody left is 503 UH, and the finding says why', () => {
    const run = simulate(setting('distribute: [{ from: "*", to: { moon: 100 } }]', ''))
    expect(web(run).endpoints).toEqual([])
    expect(run.found('locality-without-endpoints')).toHaveLength(1)
  })
})

describe('where endpoints stand', () => {
  const SERVICE = `apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ name: http, port: 80 }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: web }
spec: { host: web, trafficPolicy: { outlierDetection: {} } }
---
apiVersion: v1
kind: Node
metadata:
  name: n1
  labels: { topology.kubernetes.io/region: eu, topology.kubernetes.io/zone: eu-b, topology.istio.io/subzone: r9 }
---
`
  const slice = (endpoint: string): string => `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-1, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ name: http, port: 8080 }]
endpoints: [{ addresses: [10.0.0.1], ${endpoint} }]
---
`
  const pod = (labels: string, spec = ''): string => `apiVersion: v1
kind: Pod
metadata: { name: web-1, labels: { app: web${labels} } }
spec: { ${spec} }
status: { podIP: 10.0.0.1 }
---
`

  test.each<[string, string, string]>([
    ['the Node of the slice', slice('nodeName: n1, zone: eu-z'), 'eu/eu-b/r9'],
    ['the zone of the slice', slice('zone: eu-z'), '/eu-z'],
    ['a Node that is not known', slice('nodeName: gone'), ''],
    ['the Node of the Pod', slice('zone: eu-z') + pod('', 'nodeName: n1'), 'eu/eu-b/r9'],
    [
      'the topology labels of the Pod',
      slice('zone: eu-z') + pod(', topology.kubernetes.io/region: eu'),
      'eu',
    ],
    [
      'istio-locality of the Pod before everything',
      slice('nodeName: n1') + pod(', istio-locality: us.us-c', 'nodeName: n1'),
      'us/us-c',
    ],
    ['the Node of a Pod without slices', pod('', 'nodeName: n1'), 'eu/eu-b/r9'],
  ])('%s', (_what, yaml, expected) => {
    const run = new Simulation(SERVICE + yaml)
    const [endpoint] = run.cluster('outbound|80||web.default.svc.cluster.local').endpoints
    expect(endpoint?.locality).toBe(expected)
  })

  test('a zone without its region is near when it is our own', () => {
    const two =
      slice('zone: eu-b') + slice('zone: eu-c').replaceAll('-1', '-2').replace('.1]', '.2]')
    const run = new Simulation(SERVICE + two, { locality: 'eu/eu-b' })
    const { endpoints } = run.cluster('outbound|80||web.default.svc.cluster.local')
    expect(endpoints.map(({ priority }) => priority)).toEqual([0, 1])
  })

  test.each<[string, string, string, number[]]>([
    ['PreferClose, without outlierDetection', 'trafficDistribution: PreferClose', '', [0, 1]],
    ['nothing said', 'type: ClusterIP', '', [0, 0]],
    [
      'a DestinationRule goes before it',
      'trafficDistribution: PreferClose',
      'loadBalancer: { localityLbSetting: { enabled: false } }, ',
      [0, 0],
    ],
  ])('trafficDistribution of a Service: %s', (_what, field, policy, expected) => {
    const two =
      slice('zone: eu-b') + slice('zone: eu-c').replaceAll('-1', '-2').replace('.1]', '.2]')
    const yaml = SERVICE.replace('spec: { selector', `spec: { ${field}, selector`).replace(
      'outlierDetection: {}',
      `${policy}connectionPool: { tcp: { maxConnections: 9 } }`,
    )
    const run = new Simulation(yaml + two, { locality: 'eu/eu-b' })
    const { endpoints } = run.cluster('outbound|80||web.default.svc.cluster.local')
    expect(endpoints.map(({ priority = 0 }) => priority)).toEqual(expected)
  })

  test('the Node of the gateway stands in for --locality', () => {
    const two =
      slice('zone: eu-b') + slice('zone: eu-c').replaceAll('-1', '-2').replace('.1]', '.2]')
    const run = new Simulation(SERVICE + two, { nodeName: 'n1' })
    const { endpoints } = run.cluster('outbound|80||web.default.svc.cluster.local')
    expect(endpoints.map(({ priority }) => priority)).toEqual([0, 1])
  })
})
