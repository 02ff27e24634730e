import { expect, test } from 'vitest'
import type { MeshConfigSpec } from '../../src/config/mesh-config.ts'
import { Simulation } from '../support/simulate.ts'

function pod(name: string, ip: string, account: string | null): string {
  const spec = account === null ? '{}' : `{ serviceAccountName: ${account} }`
  return `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { app: web } }
spec: ${spec}
status: { podIP: ${ip}, phase: Running }
---
`
}

const SERVICE = `apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { selector: { app: web }, ports: [{ name: http, port: 80 }] }
---
`
const HOST = 'web.shop.svc.cluster.local'

function entry(endpoints: string, more = ''): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: web, namespace: shop }
spec:
  hosts: [${HOST}]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  ${endpoints}
  ${more}
---
`
}

const WORKLOAD = `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: vm, namespace: shop }
spec: { address: 10.0.0.9, labels: { app: web }, serviceAccount: vm }
---
`

/** Names that the peer has to show one of. */
function names(
  resources: string,
  { tls = 'mode: ISTIO_MUTUAL', meshConfig = null as MeshConfigSpec | null } = {},
): readonly string[] {
  const run = new Simulation(
    `${resources}apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: web, namespace: shop }
spec: { host: ${HOST}, trafficPolicy: { tls: { ${tls} } } }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web, namespace: shop }
spec: { hosts: [${HOST}], http: [{ route: [{ destination: { host: ${HOST} } }] }] }
`,
    { meshConfig },
  )
  expect(run.storeProblems).toEqual([])
  return run.cluster(`outbound|80||${HOST}`).tls!.subjectAltNames
}

const PODS = pod('one', '10.0.0.1', 'web') + pod('two', '10.0.0.2', null)

test.each<[string, string, readonly string[]]>([
  [
    'Pods run as their service account, or as default',
    SERVICE + PODS,
    ['spiffe://cluster.local/ns/shop/sa/default', 'spiffe://cluster.local/ns/shop/sa/web'],
  ],
  ['a WorkloadEntry says it', SERVICE + WORKLOAD, ['spiffe://cluster.local/ns/shop/sa/vm']],
  [
    'an endpoint of a ServiceEntry says it',
    entry('endpoints: [{ address: 10.0.0.1, serviceAccount: api }, { address: 10.0.0.2 }]'),
    ['spiffe://cluster.local/ns/shop/sa/api'],
  ],
  ['addresses alone say nothing', entry('endpoints: [{ address: 10.0.0.1 }]'), []],
  [
    'subjectAltNames of the ServiceEntry go before',
    entry(
      'endpoints: [{ address: 10.0.0.1, serviceAccount: api }]',
      'subjectAltNames: ["spiffe://other/ns/a/sa/b"]',
    ),
    ['spiffe://other/ns/a/sa/b'],
  ],
])('ISTIO_MUTUAL believes whom the endpoints run as: %s', (_name, resources, expected) => {
  expect(names(resources)).toEqual(expected)
})

test('subjectAltNames of the rule go before all', () => {
  const tls = 'mode: ISTIO_MUTUAL, subjectAltNames: ["spiffe://cluster.local/ns/x/sa/y"]'
  expect(names(SERVICE + PODS, { tls })).toEqual(['spiffe://cluster.local/ns/x/sa/y'])
})

test('MeshConfig names the trust domain and its aliases', () => {
  const meshConfig = { trustDomain: 'corp.test', trustDomainAliases: ['old.test'] }
  expect(names(SERVICE + pod('one', '10.0.0.1', 'web'), { meshConfig })).toEqual([
    'spiffe://corp.test/ns/shop/sa/web',
    'spiffe://old.test/ns/shop/sa/web',
  ])
})

test('other modes do not look at service accounts', () => {
  expect(names(SERVICE + PODS, { tls: 'mode: SIMPLE' })).toEqual([])
})
