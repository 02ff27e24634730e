import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compileSnapshot } from '../../src/compile/compile.ts'
import type { CompileInput } from '../../src/compile/compile-input.ts'
import type { ResourceSet } from '../../src/config/resource-set.ts'
import { ResourceStore } from '../../src/config/store.ts'
import { dumpSnapshot } from '../support/snapshot-dump.ts'

const RUNS = 60

/** Resources that meet each other in every way the compiler knows, well and badly. */
const CORPUS = `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: default }
spec: { selector: { app: web }, clusterIP: 10.96.0.1, ports: [{ name: http, port: 80, targetPort: web }, { name: tcp-db, port: 3306 }] }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: team }
spec: { selector: { app: web }, ports: [{ name: grpc, port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: ingress, namespace: istio-system }
spec: { selector: { istio: ingressgateway }, ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: a, namespace: default, labels: { app: web, version: v1 } }
spec: { containers: [{ name: c, ports: [{ name: web, containerPort: 9090 }] }] }
status: { podIP: 10.0.0.1 }
---
apiVersion: v1
kind: Pod
metadata: { name: b, namespace: default, labels: { app: web, version: v2 } }
spec: { containers: [{ name: c, ports: [{ name: web, containerPort: 9090 }] }] }
status: { podIP: 10.0.0.2 }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-1, namespace: team, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ name: grpc, port: 81 }]
endpoints: [{ addresses: [10.0.1.1] }, { addresses: [10.0.1.2] }]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: vm, namespace: default, labels: { app: web, version: v3 } }
spec: { address: 10.0.0.3 }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: one }
spec: { hosts: [ext.test, web.default.svc.cluster.local], addresses: [192.0.2.0/24], ports: [{ number: 443, name: https, protocol: HTTPS }], resolution: STATIC, endpoints: [{ address: 10.1.0.1 }] }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: two }
spec: { hosts: [ext.test], ports: [{ number: 80, name: http, protocol: HTTP }, { number: 443, name: https, protocol: HTTPS }], resolution: STATIC, endpoints: [{ address: 10.1.0.2 }] }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: three, namespace: team }
spec: { hosts: [ext.test, "*.wild.test"], ports: [{ number: 443, name: tls, protocol: TLS }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: first }
spec: { host: web, trafficPolicy: { loadBalancer: { simple: RANDOM } }, subsets: [{ name: v1, labels: { version: v1 } }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: second }
spec: { host: web, trafficPolicy: { tls: { mode: SIMPLE } }, subsets: [{ name: v1, labels: { version: v2 } }, { name: v2, labels: { version: v2 } }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: wide, namespace: istio-system }
spec: { host: "*.test", trafficPolicy: { outlierDetection: {} } }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw }
spec:
  selector: { istio: ingressgateway }
  servers:
  - { port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }
  - { port: { number: 443, name: https, protocol: HTTPS }, hosts: [a.com], tls: { mode: SIMPLE, credentialName: gone } }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: other }
spec:
  servers:
  - { port: { number: 8080, name: http, protocol: HTTP }, hosts: [a.com], tls: { httpsRedirect: true } }
  - { port: { number: 443, name: https, protocol: HTTPS }, hosts: [a.com, b.com], tls: { mode: SIMPLE, credentialName: gone } }
  - { port: { number: 3306, name: tcp, protocol: TCP }, hosts: ["*"] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: a }
spec:
  hosts: [a.com]
  gateways: [gw, other]
  http:
  - match: [{ uri: { prefix: /v2 } }, { headers: { x: { regex: "a+" } } }]
    route: [{ destination: { host: web, subset: v2 }, weight: 1 }, { destination: { host: web, subset: v1 }, weight: 2 }]
  - route: [{ destination: { host: web, port: { number: 80 } } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: b }
spec:
  hosts: ["*"]
  gateways: [gw, other, missing]
  http: [{ redirect: { uri: /moved } }]
  tcp: [{ route: [{ destination: { host: web, port: { number: 3306 } } }] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: mesh-one }
spec: { hosts: [web, www.plain.test], http: [{ match: [{ port: 80 }], route: [{ destination: { host: gone } }] }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: mesh-two }
spec:
  hosts: [web, ext.test]
  http: [{ route: [{ destination: { host: 192.0.2.1, port: { number: 80 } } }] }]
  tls: [{ match: [{ sniHosts: [ext.test] }], route: [{ destination: { host: ext.test }, weight: 1 }, { destination: { host: web }, weight: 1 }] }]
`

const loaded = new ResourceStore({ compat: false }).load([
  { path: 'corpus.yaml', text: CORPUS, error: null },
])

function compile(set: ResourceSet, options: Partial<CompileInput> = {}): string {
  const { snapshot, problems } = compileSnapshot({
    set,
    generation: 1,
    ownLabels: [{ istio: 'ingressgateway' }],
    namespace: 'istio-system',
    domain: 'cluster.local',
    meshConfig: null,
    compat: false,
    filterFactories: [],
    ...options,
  })
  return `${dumpSnapshot(snapshot)}\n${JSON.stringify(problems, null, 1)}`
}

/** The set with its lists reordered, or thinned out as well. */
function setsFrom(base: ResourceSet, whole: boolean): fc.Arbitrary<ResourceSet> {
  const shuffled = <T>(list: readonly T[]): fc.Arbitrary<T[]> =>
    fc.shuffledSubarray([...list], whole ? { minLength: list.length } : {})
  return fc.record({
    gateways: shuffled(base.gateways),
    virtualServices: shuffled(base.virtualServices),
    destinationRules: shuffled(base.destinationRules),
    withheldRules: fc.constant([]),
    serviceEntries: shuffled(base.serviceEntries),
    workloadEntries: shuffled(base.workloadEntries),
    sidecars: shuffled(base.sidecars),
    envoyFilters: shuffled(base.envoyFilters),
    rateLimitPolicies: shuffled(base.rateLimitPolicies),
    services: shuffled(base.services),
    endpointSlices: shuffled(base.endpointSlices),
    endpoints: shuffled(base.endpoints),
    pods: shuffled(base.pods),
    secrets: shuffled(base.secrets),
    configMaps: shuffled(base.configMaps),
    namespaces: shuffled(base.namespaces),
    nodes: shuffled(base.nodes),
  })
}

describe('compilation', () => {
  test('the corpus is read without errors', () => {
    expect(loaded.problems.filter((problem) => problem.severity === 'error')).toEqual([])
  })

  test('does not depend on the order of resources', () => {
    const expected = compile(loaded.set)
    fc.assert(
      fc.property(setsFrom(loaded.set, true), (set) => {
        expect(compile(set)).toBe(expected)
      }),
      { numRuns: RUNS },
    )
  })

  test('never throws, whatever is missing, and repeats itself', () => {
    const options = fc.record({
      ownLabels: fc.constantFrom([], [{ istio: 'ingressgateway' }], [{ a: 'b' }]),
      namespace: fc.constantFrom('istio-system', 'default', 'team'),
      compat: fc.boolean(),
      meshConfig: fc.constantFrom(
        null,
        {},
        { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' as const } },
      ),
    })
    fc.assert(
      fc.property(setsFrom(loaded.set, false), options, (set, settings) => {
        expect(compile(set, settings)).toBe(compile(set, settings))
      }),
      { numRuns: RUNS },
    )
  })

  test('every cluster a route leads to is listed, once', () => {
    fc.assert(
      fc.property(setsFrom(loaded.set, false), (set) => {
        const dump = compile(set)
        const { clusters } = JSON.parse(dump.slice(0, dump.indexOf('\n[')) || '{}') as {
          clusters: { name: string }[]
        }
        const names = clusters.map((cluster) => cluster.name)
        expect(new Set(names).size).toBe(names.length)
        for (const [, used = ''] of dump.matchAll(/"cluster": "([^"]+)"/g))
          expect(names).toContain(used)
      }),
      { numRuns: RUNS },
    )
  })
})
