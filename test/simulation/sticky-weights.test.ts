import { describe, expect, test } from 'vitest'
import type { ForwardAction } from '../../src/routing/route.ts'
import { Simulation } from '../support/simulate.ts'

interface Shape {
  readonly annotations?: string
  readonly routes?: string
  readonly balancer?: string
}

const TWO =
  '[{ destination: { host: app, subset: v1 }, weight: 3 }, { destination: { host: app, subset: v2 }, weight: 1 }]'
const HEADER = 'consistentHash: { httpHeaderName: X-User }'

function compiled({
  annotations = '{ tidegate.dev/sticky-weights: "true" }',
  routes = TWO,
  balancer = HEADER,
}: Shape): { action: ForwardAction; codes: readonly string[] } {
  const simulation = new Simulation(`apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw }
spec: { servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }] }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: app }
spec:
  hosts: [app.test]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 10.0.0.1 }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: app }
spec:
  host: app.test
  trafficPolicy: { loadBalancer: { ${balancer} } }
  subsets: [{ name: v1 }, { name: v2 }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: app, annotations: ${annotations} }
spec: { hosts: [app.test], gateways: [gw], http: [{ route: ${routes.replaceAll('host: app', 'host: app.test')} }] }
`)
  const listener = simulation.listener(80)!
  if (listener.accept.type !== 'http') throw new Error('not http')
  const { action } = listener.accept.http.hosts.lookup('app.test')!.routes[0]!
  if (action.type !== 'forward') throw new Error(action.type)
  const codes = simulation.problems.map(({ code }) => code)
  return { action, codes: codes.filter((code) => code.startsWith('sticky')) }
}

describe('tidegate.dev/sticky-weights', () => {
  test("takes the key of the first destination's DestinationRule", () => {
    const { action, codes } = compiled({})
    expect(action.sticky).toMatchObject({
      key: { from: 'header', name: 'x-user' },
      weights: [3, 1],
    })
    expect(new Set(action.sticky!.seeds).size).toBe(2)
    expect(codes).toEqual([])
  })

  test('another order of the destinations leaves each its seed', () => {
    const [first, second] = compiled({}).action.sticky!.seeds
    const turned = TWO.replace('v1', 'v3').replace('v2', 'v1').replace('v3', 'v2')
    expect(compiled({ routes: turned }).action.sticky!.seeds).toEqual([second, first])
  })

  test('the same destination twice counts as two', () => {
    const { action } = compiled({ routes: TWO.replace('v2', 'v1') })
    expect(new Set(action.sticky!.seeds).size).toBe(2)
  })

  const none: [name: string, shape: Shape, codes: string[]][] = [
    ['no annotation', { annotations: '{}' }, []],
    ['"false"', { annotations: '{ tidegate.dev/sticky-weights: "false" }' }, []],
    ['one destination', { routes: '[{ destination: { host: app, subset: v1 } }]' }, []],
    ['one with weight', { routes: TWO.replace('weight: 1', 'weight: 0') }, []],
    ['nothing to hash', { balancer: 'simple: RANDOM' }, ['sticky-weights-without-key']],
    [
      'another value',
      { annotations: '{ tidegate.dev/sticky-weights: "yes" }' },
      ['sticky-weights-invalid'],
    ],
  ]
  test.each(none)('no plan: %s', (_name, shape, expected) => {
    const { action, codes } = compiled(shape)
    expect(action.sticky).toBeNull()
    expect(codes).toEqual(expected)
  })
})
