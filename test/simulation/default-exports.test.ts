import { expect, test } from 'vitest'
import type { MeshConfigSpec } from '../../src/config/mesh-config.ts'
import { Simulation } from '../support/simulate.ts'

const YAML = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw, namespace: istio-system }
spec: { servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web, namespace: istio-system }
spec: { hosts: [a.test], gateways: [gw], http: [{ route: [{ destination: { host: web.test } }] }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: other, namespace: shop }
spec:
  hosts: [b.test]
  gateways: [istio-system/gw]
  http: [{ route: [{ destination: { host: clock.shop.svc.cluster.local } }] }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: web, namespace: shop }
spec:
  hosts: [web.test]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 10.0.0.1 }]
---
apiVersion: v1
kind: Service
metadata: { name: clock, namespace: shop }
spec: { selector: { app: clock }, ports: [{ name: http, port: 80 }] }
---
apiVersion: v1
kind: Endpoints
metadata: { name: clock, namespace: shop }
subsets: [{ addresses: [{ ip: 10.0.0.2 }], ports: [{ name: http, port: 80 }] }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: web, namespace: shop }
spec: { host: web.test, trafficPolicy: { loadBalancer: { simple: RANDOM } } }
`
const WEB = 'outbound|80||web.test'
const CLOCK = 'outbound|80||clock.shop.svc.cluster.local'

interface Seen {
  readonly a: string
  readonly b: string
  /** Policy of web.test, null where it is hidden. */
  readonly policy: string | null
}

function seen(meshConfig: MeshConfigSpec | null, yaml = YAML): Seen {
  const run = new Simulation(yaml, { meshConfig })
  const to = (host: string): string => run.resolve({ port: 80, host }).to
  const web = run.snapshot.clusters.find(({ name }) => name === WEB)
  return { a: to('a.test'), b: to('b.test'), policy: web?.loadBalancer.policy ?? null }
}

const EVERYTHING: Seen = { a: WEB, b: CLOCK, policy: 'random' }

test.each<[string, MeshConfigSpec | null, Partial<Seen>]>([
  ['nothing exports everywhere', null, {}],
  ['"*" exports everywhere', { defaultServiceExportTo: ['*'] }, {}],
  [
    'defaultVirtualServiceExportTo "." hides those of other namespaces',
    { defaultVirtualServiceExportTo: ['.'] },
    { b: '404 NR' },
  ],
  [
    'defaultServiceExportTo "." hides ServiceEntries and Services',
    { defaultServiceExportTo: ['.'] },
    { a: '503 NC', b: '503 NC', policy: null },
  ],
  [
    'defaultServiceExportTo with our namespace shows them',
    { defaultServiceExportTo: ['istio-system'] },
    {},
  ],
  [
    'defaultDestinationRuleExportTo "." leaves the service without its rule',
    { defaultDestinationRuleExportTo: ['.'] },
    { policy: 'least-request' },
  ],
])('MeshConfig: %s', (_name, mesh, expected) => {
  expect(seen(mesh)).toEqual({ ...EVERYTHING, ...expected })
})

test('exportTo of the resource goes before the default', () => {
  const yaml = YAML.replace('spec: { host: web.test,', 'spec: { exportTo: ["*"], host: web.test,')
    .replace('  hosts: [b.test]', '  exportTo: [istio-system]\n  hosts: [b.test]')
    .replace('  hosts: [web.test]', '  exportTo: ["*"]\n  hosts: [web.test]')
    .replace(
      'name: clock, namespace: shop }\nspec',
      'name: clock, namespace: shop, annotations: { networking.istio.io/exportTo: "*" } }\nspec',
    )
  const mesh = {
    defaultServiceExportTo: ['.'],
    defaultVirtualServiceExportTo: ['.'],
    defaultDestinationRuleExportTo: ['.'],
  }
  expect(seen(mesh, yaml)).toEqual(EVERYTHING)
})

test('a default that means nothing is reported and leaves "*"', () => {
  const meshConfig = { defaultVirtualServiceExportTo: ['~'], defaultServiceExportTo: ['No Name'] }
  const run = new Simulation(YAML, { meshConfig })
  expect(run.found('mesh-export-to-invalid')).toHaveLength(2)
  expect(seen(meshConfig)).toEqual(EVERYTHING)
})
