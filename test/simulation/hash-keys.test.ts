import { expect, test } from 'vitest'
import { Simulation } from '../support/simulate.ts'

/** Keys of a route to v1 and v2 of one service, each with its own consistentHash. */
function routeKeys(first: string, second: string): unknown {
  const subset = (name: string, hash: string): string =>
    `{ name: ${name}, trafficPolicy: { loadBalancer: { ${hash} } } }`
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
spec: { host: app.test, subsets: [${subset('v1', first)}, ${subset('v2', second)}] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: app }
spec:
  hosts: [app.test]
  gateways: [gw]
  http:
    - route:
        - { destination: { host: app.test, subset: v1 }, weight: 1 }
        - { destination: { host: app.test, subset: v2 }, weight: 1 }
`)
  const accept = simulation.listener(80)?.accept
  const action =
    accept?.type === 'http' ? accept.http.hosts.lookup('app.test')?.routes[0]?.action : undefined
  if (action?.type !== 'forward') throw new Error('no forward action')
  return action.preferences?.hashKeys ?? null
}

const HEADER = 'consistentHash: { httpHeaderName: X-User }'
const QUERY = 'consistentHash: { httpQueryParameterName: q, maglev: { tableSize: 13 } }'
const COOKIE = 'consistentHash: { httpCookie: { name: user, ttl: 60s } }'
const OTHER_COOKIE = 'consistentHash: { httpCookie: { name: user, path: /, ttl: 0s } }'

test.each([
  ['the same key twice', HEADER, HEADER, null],
  ['a key of one destination', HEADER, 'simple: RANDOM', null],
  ['no key', 'simple: RANDOM', 'simple: ROUND_ROBIN', null],
  ['cookies of one name', COOKIE, OTHER_COOKIE, null],
  [
    'different keys',
    HEADER,
    QUERY,
    [
      { from: 'header', name: 'x-user' },
      { from: 'query', name: 'q' },
    ],
  ],
])('weighted destinations with %s', (_name, first, second, expected) => {
  expect(routeKeys(first, second)).toEqual(expected)
})
