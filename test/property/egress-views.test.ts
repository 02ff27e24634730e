import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ClusterPlan } from '../../src/clusters/plan.ts'
import { Simulation } from '../support/simulate.ts'

const NAMESPACES = ['a', 'b', 'c', 'istio-system']
/** Clients may also be where nothing is written. */
const CLIENTS = [...NAMESPACES, 'empty']
const HOSTS = ['one.test', 'two.test', 'x.deep.test']

const entry = (host: string, namespace: string): string => `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${host}, namespace: ${namespace} }
spec:
  hosts: [${host}]
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP }, { number: 443, name: tls, protocol: TLS }]
  endpoints: [{ address: 192.0.2.1, labels: { v: "2" } }]
---
`

const namespace = fc.constantFrom(...NAMESPACES)
const exportTo = fc.oneof(
  fc.constantFrom('["*"]', '["."]', '[]'),
  fc.uniqueArray(namespace, { minLength: 1, maxLength: 3 }).map((names) => JSON.stringify(names)),
)
const destination = fc
  .tuple(fc.constantFrom(...HOSTS), fc.boolean())
  .map(([host, subset]) => `{ host: ${host}, ${subset ? 'subset: v2, ' : ''}port: { number: 80 } }`)
const action = fc.oneof(
  destination.map((to) => `http: [{ route: [{ destination: ${to} }] }]`),
  fc
    .integer({ min: 201, max: 206 })
    .map((status) => `http: [{ directResponse: { status: ${status} } }]`),
  fc
    .tuple(fc.constantFrom(...HOSTS), fc.constantFrom(...HOSTS))
    .map(
      ([sni, host]) =>
        `tls: [{ match: [{ sniHosts: [${sni}] }], route: [{ destination: { host: ${host}, port: { number: 443 } } }] }]`,
    ),
)
const virtualService = fc
  .record({
    namespace,
    exportTo,
    host: fc.constantFrom(...HOSTS, '"*.test"', 'made-up.test'),
    action,
  })
  .map(
    (one) => (index: number) => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: vs-${index}, namespace: ${one.namespace} }
spec: { hosts: [${one.host}], exportTo: ${one.exportTo}, ${one.action} }
---
`,
  )
const destinationRule = fc
  .record({
    namespace,
    exportTo,
    host: fc.constantFrom(...HOSTS, '"*.test"', '"*.deep.test"'),
    simple: fc.constantFrom('RANDOM', 'ROUND_ROBIN', 'LEAST_REQUEST'),
    subset: fc.boolean(),
  })
  .map(
    (one) => (index: number) => `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: dr-${index}, namespace: ${one.namespace} }
spec:
  host: ${one.host}
  exportTo: ${one.exportTo}
  trafficPolicy: { loadBalancer: { simple: ${one.simple} } }
  subsets: [${one.subset ? '{ name: v2, labels: { v: "2" } }' : ''}]
---
`,
  )

const mesh = fc
  .record({
    homes: fc.tuple(namespace, namespace, namespace),
    services: fc.array(virtualService, { maxLength: 5 }),
    rules: fc.array(destinationRule, { maxLength: 5 }),
  })
  .map(({ homes, services, rules }) =>
    [
      ...HOSTS.map((host, index) => entry(host, homes[index] ?? 'a')),
      ...services.map((text, index) => text(index)),
      ...rules.map((text, index) => text(index)),
    ].join(''),
  )

/** Where every host leads a client, and under what policy. */
function seen(run: Simulation, client: string): readonly string[] {
  const policy = (to: string): string => {
    const plan = run.snapshot.clusters.find((one: ClusterPlan) => one.name === to)
    const plainName = to.split('|').slice(0, 4).join('|')
    return plan === undefined ? to : `${plainName} ${plan.loadBalancer.policy}`
  }
  return [...HOSTS, 'made-up.test', 'other.test'].flatMap((host) => [
    policy(run.egress({ port: 80, host }, client).to),
    policy(run.connect(host, 443, client)),
    policy(run.connect(host, 80, client)),
  ])
}

test('a client is led as by a proxy that stands in its namespace', () => {
  fc.assert(
    fc.property(mesh, (yaml) => {
      const meshConfig = { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' as const } }
      const shared = new Simulation(yaml, { meshConfig, egressOpen: true })
      for (const client of CLIENTS) {
        const alone = new Simulation(yaml, { meshConfig, namespace: client })
        expect(seen(shared, client)).toEqual(seen(alone, ''))
      }
    }),
    { numRuns: 60 },
  )
})
