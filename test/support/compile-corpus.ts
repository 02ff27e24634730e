import fc from 'fast-check'
import { compileSnapshot } from '../../src/compile/compile.ts'
import type { CompileInput, CompileResult } from '../../src/compile/compile-input.ts'
import type { ResourceSet } from '../../src/config/resource-set.ts'
import { ResourceStore } from '../../src/config/store.ts'
import { dumpSnapshot } from './snapshot-dump.ts'

/** Resources that meet each other in every way the compiler knows, well and badly. */
export const CORPUS = `
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
  - match: [{ uri: { prefix: /v2 } }, { headers: { x: { regex: "a+" } } }, { sourceNamespace: elsewhere }]
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

export const loadedCorpus = new ResourceStore({ compat: false }).load([
  { path: 'corpus.yaml', text: CORPUS, error: null },
])

/** Compiled as a gateway in istio-system would, unless `options` say otherwise. */
export function compileCorpus(
  set: ResourceSet,
  options: Partial<CompileInput> = {},
): CompileResult {
  return compileSnapshot({
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
}

/** All that a compilation says, as text. */
export function dumpOf({ snapshot, problems }: CompileResult): string {
  return `${dumpSnapshot(snapshot)}\n${JSON.stringify(problems, null, 1)}`
}

/** The set with its lists reordered, or thinned out as well. */
export function setsFrom(base: ResourceSet, whole: boolean): fc.Arbitrary<ResourceSet> {
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
    requestAuthentications: shuffled(base.requestAuthentications),
    withheldAuthentications: fc.constant([]),
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
