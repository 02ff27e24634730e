import { expect, test } from 'vitest'
import { ResourceStore } from '../config/store.ts'
import type { FilterCompileContext, FilterFactory } from '../filters/filter.ts'
import { compileSnapshot } from './compile.ts'
import type { CompileInput } from './compile-input.ts'

/** What filters are told of a service while this configuration is compiled. */
function find(yaml: string, clusterName: string): unknown {
  let found: unknown = null
  const factory: FilterFactory = {
    name: 'asking',
    typeUrls: [],
    begin: (context: FilterCompileContext) => (found = context.findService(clusterName)),
    compile: () => null,
  }
  const { set } = new ResourceStore({ compat: false }).load([
    { path: 'test.yaml', text: yaml, error: null },
  ])
  const input: CompileInput = {
    set,
    generation: 1,
    ownLabels: [],
    namespace: 'istio-system',
    domain: 'cluster.local',
    nodeName: '',
    meshConfig: null,
    compat: false,
    limits: new Map(),
    filterFactories: [factory],
    trustedProxies: [],
  }
  compileSnapshot(input)
  return found
}

const SERVICE = `apiVersion: v1
kind: Service
metadata: { name: limiter, namespace: limits }
spec: { ports: [{ name: grpc, port: 8081 }]NONE }
---
`
const SLICE = `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: l-1, namespace: limits, labels: { kubernetes.io/service-name: limiter } }
addressType: IPv4
ports: [{ name: grpc, port: 9000 }]
endpoints: [{ addresses: [10.0.0.1] }, { addresses: [10.0.0.2] }]
---
`
const ENTRY = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: e }
spec:
  hosts: [limits.example.com]
  ports: [{ number: 443, name: grpc, protocol: GRPC }]
  resolution: DNS
  endpoints: [{ address: one.example.com, ports: { grpc: 8081 } }, { address: two.example.com }]
---
`
const NAME = 'outbound|8081||limiter.limits.svc.cluster.local'

test.for<{ name: string; yaml: string; cluster: string; found: unknown }>([
  {
    name: 'the endpoints of a Service',
    yaml: SERVICE.replace('NONE', '') + SLICE,
    cluster: NAME,
    found: [
      { host: '10.0.0.1', port: 9000 },
      { host: '10.0.0.2', port: 9000 },
    ],
  },
  {
    name: 'a Service by its name where endpoints are not told',
    yaml: SERVICE.replace('NONE', ''),
    cluster: NAME,
    found: [{ host: 'limiter.limits.svc.cluster.local', port: 8081 }],
  },
  {
    name: 'a headless Service by its name, which stands for all Pods',
    yaml: SERVICE.replace('NONE', ', clusterIP: None'),
    cluster: NAME,
    found: [{ host: 'limiter.limits.svc.cluster.local', port: 8081 }],
  },
  {
    name: 'the names of a ServiceEntry',
    yaml: ENTRY,
    cluster: 'outbound|443||limits.example.com',
    found: [
      { host: 'one.example.com', port: 8081 },
      { host: 'two.example.com', port: 443 },
    ],
  },
  {
    name: 'a name that is not one of Istio',
    yaml: ENTRY,
    cluster: 'limits.example.com',
    found: 'no cluster "limits.example.com" is known',
  },
])('$name', ({ yaml, cluster, found }) => {
  expect(find(yaml, cluster)).toEqual(found)
})
