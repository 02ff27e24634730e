import { describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import type { ClusterPlan } from '../../src/clusters/plan.ts'
import { Headers } from '../../src/http/headers.ts'
import type { ForwardAction, Route } from '../../src/routing/route.ts'
import { tlsSecret } from '../support/secrets.ts'
import { Simulation, type SimulationOptions } from '../support/simulate.ts'

/**
 * What is most often wrong in implementations of this API, the most frequent first. What only shows
 * on the wire (trusted hops, CORS answers, gRPC answers) is tested there as well.
 */

const GATEWAY = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw, namespace: istio-system }
spec: { servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }] }
---
`

function entry(host: string, namespace = 'shop', more = ''): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${host.replaceAll('.', '-')}, namespace: ${namespace} }
spec:
  hosts: [${host}]
  ports: [{ number: 80, name: http, protocol: HTTP }, { number: 81, name: http-b, protocol: HTTP }]
${more === '' ? '  resolution: STATIC\n  endpoints: [{ address: 10.0.0.1, labels: { version: v1 } }]' : more}
---
`
}

function rule(host: string, spec: string, namespace = 'shop', name = 'rule'): string {
  return `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${name}, namespace: ${namespace} }
spec: { host: ${host}, ${spec} }
---
`
}

interface Sketch {
  readonly name?: string
  readonly hosts?: string
  readonly namespace?: string
  readonly created?: string
  readonly exportTo?: string
}

function routes(http: string, sketch: Sketch = {}): string {
  const { name = 'v', hosts = 'a.test', namespace = 'shop', created = '2024-01-01' } = sketch
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: ${namespace}, creationTimestamp: "${created}T00:00:00Z" }
spec:
  hosts: ["${hosts}"]
  gateways: [istio-system/gw]
  exportTo: ${sketch.exportTo ?? '["*"]'}
  http: [${http}]
---
`
}

const to = (host: string, more = ''): string => `route: [{ destination: { host: ${host}${more} } }]`
const direct = (status: number): string => `directResponse: { status: ${status} }`

function world(yaml: string, options: SimulationOptions = {}): Simulation {
  const run = new Simulation(GATEWAY + yaml, options)
  expect(run.storeProblems.filter(({ severity }) => severity === 'error')).toEqual([])
  return run
}

function routeOf(run: Simulation): Route {
  const accept = run.listener(80)?.accept
  const route = accept?.type === 'http' ? accept.http.hosts.lookup('a.test')?.routes[0] : undefined
  if (route === undefined) throw new Error('no route')
  return route
}

function actionOf(run: Simulation): ForwardAction {
  const { action } = routeOf(run)
  if (action.type !== 'forward') throw new Error(action.type)
  return action
}

function clusterOf(policy: string, options: SimulationOptions = {}): ClusterPlan {
  const yaml = entry('x.test') + rule('x.test', policy) + routes(`{ ${to('x.test', PORT)} }`)
  return world(yaml, options).cluster('outbound|80||x.test')
}

const PORT = ', port: { number: 80 }'
const ask = (run: Simulation, path = '/', host = 'a.test'): string =>
  run.resolve({ port: 80, host, path }).to

describe('1. uri.prefix', () => {
  test('is a raw string prefix', () => {
    const run = world(routes(`{ match: [{ uri: { prefix: /foo } }], ${direct(204)} }`))
    expect(ask(run, '/foobar')).toBe('direct 204')
  })

  test.each([
    ['/foo', '/', '//bar'],
    ['/foo/', '/', '/bar'],
    ['/foo', '/new', '/new/bar'],
  ])('rewritten from %s to %s is not repaired', (prefix, uri, expected) => {
    const http = `{ match: [{ uri: { prefix: ${prefix} } }], rewrite: { uri: ${uri} }, ${to('x.test', PORT)} }`
    const run = world(entry('x.test') + routes(http))
    expect(actionOf(run).rewrite!.apply('/foo/bar', routeOf(run).match)).toBe(expected)
  })
})

test('2. a virtual host once chosen is final: no second attempt with *', () => {
  const own = routes(`{ match: [{ uri: { exact: /only } }], ${direct(201)} }`)
  const run = world(own + routes(`{ ${direct(202)} }`, { name: 'all', hosts: '*' }))
  expect(ask(run, '/only')).toBe('direct 201')
  expect(ask(run, '/other')).toBe('404 NR')
  expect(ask(run, '/other', 'b.test')).toBe('direct 202')
})

test('3. VirtualServices of one host are concatenated by age, catch-alls last; length says nothing', () => {
  const older = `{ match: [{ uri: { prefix: /a } }], ${direct(201)} }, { ${direct(202)} }`
  const newer = `{ match: [{ uri: { prefix: /a/long } }], ${direct(203)} }, { match: [{ uri: { prefix: /b } }], ${direct(204)} }`
  const run = world(
    routes(newer, { name: 'newer', created: '2024-02-01' }) + routes(older, { name: 'older' }),
  )
  expect(['/a/long', '/b', '/c'].map((path) => ask(run, path))).toEqual([
    'direct 201',
    'direct 204',
    'direct 202',
  ])
})

test.each([
  ['web', 'outbound|80||web.shop.svc.cluster.local'],
  ['web.shop.svc.cluster.local', 'outbound|80||web.shop.svc.cluster.local'],
  ['web.shop', '503 NC'],
])(
  '4. a short name means the namespace it is written in, a dotted one itself: %s',
  (host, name) => {
    const run = world(entry('web.shop.svc.cluster.local') + routes(`{ ${to(host, PORT)} }`), {
      compat: true,
    })
    expect(ask(run)).toBe(name)
  },
)

describe('5. retries without any configuration', () => {
  const run = world(entry('x.test') + routes(`{ ${to('x.test', PORT)} }`))

  test('are two, after failures that no upstream saw, not after a 503', () => {
    const { attempts, on, statuses } = actionOf(run).retry!
    expect(attempts).toBe(2)
    expect([...on].toSorted()).toEqual([
      'cancelled',
      'connect-failure',
      'refused-stream',
      'retriable-status-codes',
      'unavailable',
    ])
    expect([...statuses]).toEqual([])
  })

  test.each([true, false])('of methods that are not idempotent: with --compat (%s)', (compat) => {
    expect(world('', { compat }).snapshot.mesh.retryAnyMethod).toBe(compat)
  })
})

test.each([
  ['', 0, 0],
  ['timeout: 0s,', 0, 0],
  ['timeout: 2s, retries: { attempts: 1, perTryTimeout: 1s },', 2_000, 1_000],
  ['timeout: 2s, retries: { attempts: 1, perTryTimeout: 2s },', 2_000, 0],
  ['retries: { attempts: 1, perTryTimeout: 3s },', 0, 3_000],
])('6. timeouts: "%s" is %i ms for all, %i ms for a try', (fields, timeoutMs, perTryTimeoutMs) => {
  const action = actionOf(world(entry('x.test') + routes(`{ ${fields} ${to('x.test', PORT)} }`)))
  expect([action.timeoutMs, action.retry!.perTryTimeoutMs]).toEqual([timeoutMs, perTryTimeoutMs])
})

describe('7. the DestinationRule of a host', () => {
  const lb = (simple: string): string => `trafficPolicy: { loadBalancer: { simple: ${simple} } }`
  const policyWith = (rules: string, namespace = 'istio-system'): string => {
    const yaml =
      entry('x.test') + rules + routes(`{ ${to('x.test', PORT)} }`, { namespace: 'team' })
    return world(yaml, { namespace }).cluster('outbound|80||x.test').loadBalancer.policy
  }

  test.each([
    ['of the VirtualService plays no role', rule('x.test', lb('RANDOM'), 'team'), 'least-request'],
    ['of the service counts', rule('x.test', lb('RANDOM'), 'shop'), 'random'],
  ])('namespace %s', (_name, rules, policy) => {
    expect(policyWith(rules)).toBe(policy)
  })

  test('namespace of the gateway comes first, unless it is the root, which comes last', () => {
    const both = (own: string): string =>
      rule('x.test', lb('RANDOM'), 'shop') + rule('x.test', lb('ROUND_ROBIN'), own)
    expect(policyWith(both('edge'), 'edge')).toBe('round-robin')
    expect(policyWith(both('istio-system'))).toBe('random')
  })

  test('a specific rule hides a wildcard whole', () => {
    const exact = rule('x.test', 'trafficPolicy: { tls: { mode: DISABLE } }', 'shop', 'exact')
    expect(policyWith(rule('"*.test"', lb('RANDOM')) + exact)).toBe('least-request')
  })

  test('of two for one host the first policy wins', () => {
    const second = rule('x.test', lb('ROUND_ROBIN'), 'shop', 'zz')
    expect(policyWith(rule('x.test', lb('RANDOM'), 'shop', 'aa') + second)).toBe('random')
  })
})

describe('8. what a narrower policy leaves out', () => {
  const parent = 'loadBalancer: { simple: RANDOM }, connectionPool: { http: { maxRetries: 7 } }'

  test('portLevelSettings takes from the defaults', () => {
    const ports = 'portLevelSettings: [{ port: { number: 80 }, tls: { mode: DISABLE } }]'
    const { loadBalancer, retries } = clusterOf(`trafficPolicy: { ${parent}, ${ports} }`)
    expect([loadBalancer.policy, retries]).toEqual(['least-request', null])
  })

  test('a subset takes block by block from its parent', () => {
    const subset =
      'subsets: [{ name: v1, labels: { version: v1 }, trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN } } }]'
    const yaml =
      entry('x.test') +
      rule('x.test', `trafficPolicy: { ${parent} }, ${subset}`) +
      routes(`{ ${to('x.test', `${PORT}, subset: v1`)} }`)
    const { loadBalancer, retries } = world(yaml).cluster('outbound|80|v1|x.test')
    expect(loadBalancer.policy).toBe('round-robin')
    expect(retries).not.toBeNull()
  })
})

test.each([
  ['an unknown host', 'nobody.test', '503 NC'],
  ['an unknown subset', `x.test${PORT}, subset: v9`, '503 NC'],
  ['an unknown port', 'x.test, port: { number: 99 }', '503 NC'],
  ['a subset without endpoints', `x.test${PORT}, subset: empty`, '503 UH'],
])('9. %s', (_name, destination, expected) => {
  const subsets = 'subsets: [{ name: empty, labels: { version: none } }]'
  const http = `{ route: [{ destination: { host: ${destination} } }] }`
  expect(ask(world(entry('x.test') + rule('x.test', subsets) + routes(http)))).toBe(expected)
})

test('9. no route is 404 NR at a Gateway; a blocked host is 502 at egress', () => {
  const run = world('', { meshConfig: { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } } })
  expect(ask(run)).toBe('404 NR')
  expect(run.egress({ port: 80, host: 'b.test' }).to).toBe('502 block')
})

test('10. outlierDetection: an empty block is on, at most 10 % go, panic is off', () => {
  const policy = 'trafficPolicy: { outlierDetection: {} }'
  expect(clusterOf(policy, { compat: true }).outlier).toMatchObject({
    consecutive5xx: 5,
    consecutiveGatewayErrors: 0,
    intervalMs: 10_000,
    baseEjectionTimeMs: 30_000,
    maxEjectionPercent: 10,
    minHealthPercent: 0,
    alwaysEjectOne: false,
  })
  expect(clusterOf(policy).outlier!.alwaysEjectOne).toBe(true)
})

test.each([
  ['without outlierDetection nothing is near or far', 'tls: { mode: DISABLE }', [0, 0]],
  ['outlierDetection alone makes the own zone first', 'outlierDetection: {}', [0, 1]],
])('11. %s', (_name, policy, expected) => {
  const endpoints = `  resolution: STATIC
  endpoints: [{ address: 10.0.0.1, locality: eu/a }, { address: 10.0.0.2, locality: us/a }]`
  const yaml =
    entry('x.test', 'shop', endpoints) +
    rule('x.test', `trafficPolicy: { ${policy} }`) +
    routes(`{ ${to('x.test', PORT)} }`)
  const plan = world(yaml, { locality: 'eu/a' }).cluster('outbound|80||x.test')
  expect(plan.endpoints.map(({ priority }) => priority ?? 0)).toEqual(expected)
})

describe('12. and 13. servers of a TLS port', () => {
  const authority = Authority.create('Simulated')
  const pair = authority.issue(['a.test'])
  const secret = tlsSecret('pair', pair)
  const server = (name: string, hosts: string, tls: string): string =>
    `{ port: { number: 443, name: ${name}, protocol: HTTPS }, hosts: ${hosts}, tls: ${tls} }`
  const secure = (servers: readonly string[], secrets = secret): Simulation =>
    new Simulation(`${secrets}apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: secure, namespace: shop }
spec: { servers: [${servers.join(', ')}] }
---
`)
  const SIMPLE = '{ mode: SIMPLE, credentialName: pair }'
  const at = (run: Simulation, sni: string): string => run.resolve({ port: 443, host: sni, sni }).to

  test('Secrets come from the namespace of the gateway', () => {
    const foreign = tlsSecret('pair', pair, 'shop')
    expect(at(secure([server('s', '[a.test]', SIMPLE)]), 'a.test')).toBe('404 NR')
    expect(at(secure([server('s', '[a.test]', SIMPLE)], foreign), 'a.test')).toBe(
      'handshake refused',
    )
  })

  test('a tls block without mode passes through: nothing is terminated', () => {
    const run = secure([
      '{ port: { number: 443, name: s, protocol: TLS }, hosts: [a.test], tls: { credentialName: pair } }',
    ])
    expect(at(run, 'a.test')).toBe('closed')
  })

  test('a * among the hosts lifts the SNI restriction', () => {
    const run = secure([server('s', '[a.test, "*"]', SIMPLE)])
    expect(at(run, 'other.test')).toBe('404 NR')
  })

  test('a duplicate host drops the entire later server', () => {
    const run = secure([server('s', '[a.test]', SIMPLE), server('t', '[a.test, b.test]', SIMPLE)])
    expect([at(run, 'a.test'), at(run, 'b.test')]).toEqual(['404 NR', 'closed'])
  })
})

test('14. httpsRedirect needs no VirtualService and comes before routing', () => {
  const yaml = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw, namespace: istio-system }
spec: { servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: [a.test], tls: { httpsRedirect: true } }] }
---
`
  expect(ask(new Simulation(yaml), '/p?q')).toBe('301 https://a.test/p?q')
  expect(ask(new Simulation(yaml + routes(`{ ${direct(204)} }`)), '/p')).toBe(
    '301 https://a.test/p',
  )
})

test.each([
  [undefined, 0],
  [2, 2],
  [-1, 0],
])('15. numTrustedProxies %s: %i hops of X-Forwarded-For are believed', (given, hops) => {
  const gatewayTopology = given === undefined ? {} : { numTrustedProxies: given }
  const run = new Simulation('', { meshConfig: { defaultConfig: { gatewayTopology } } })
  expect(run.snapshot.mesh.trustedProxies).toBe(hops)
})

test('16. header operations: remove, set, add, of the route before its only destination', () => {
  const headers = (operations: string): string => `headers: { request: { ${operations} } }`
  const run = world(
    entry('x.test') +
      routes(
        `{ ${headers('add: { b: "2" }, set: { a: "100%%", e: "" }, remove: [c]')}, route: [{ destination: { host: x.test${PORT} }, ${headers('remove: [a]')} }] }`,
      ),
  )
  const fields = new Headers(['a', 'client', 'b', '1', 'c', '3'])
  actionOf(run).destinations[0]!.requestHeaders?.apply(fields, null)
  routeOf(run).requestHeaders?.apply(fields, null)
  expect(fields.fields).toEqual(['b', '1', 'a', '100%', 'b', '2'])
})

test('17. a preflight needs a rule that takes OPTIONS', () => {
  const http = `{ match: [{ method: { exact: POST } }], corsPolicy: { allowOrigins: [{ exact: "*" }] }, ${direct(204)} }`
  const run = world(routes(http))
  expect(run.resolve({ port: 80, host: 'a.test', method: 'OPTIONS' }).to).toBe('404 NR')
  expect(run.resolve({ port: 80, host: 'a.test', method: 'POST' }).to).toBe('direct 204')
})

test.each<[string, string, Record<string, string>, string]>([
  ['a missing header is empty text', 'withoutHeaders: { k: { exact: v } }', {}, 'direct 204'],
  ['{} asks for presence', 'headers: { k: {} }', { k: '' }, 'direct 204'],
  ['several values are joined', 'headers: { k: { exact: "a,b" } }', { k: 'a,b' }, 'direct 204'],
  ['a query is not decoded', 'queryParams: { q: { exact: a b } }', {}, '404 NR'],
])('18. %s', (_name, match, headers, expected) => {
  const run = world(routes(`{ match: [{ ${match} }], ${direct(204)} }`))
  expect(run.resolve({ port: 80, host: 'a.test', path: '/?q=a%20b', headers }).to).toBe(expected)
})

test.each([
  ['sourceLabels: { istio: ingressgateway }', 'direct 204'],
  ['sourceLabels: { app: client }', '404 NR'],
  ['sourceNamespace: istio-system', 'direct 204'],
  ['sourceNamespace: shop', '404 NR'],
])('19. %s tests the gateway itself', (match, expected) => {
  const run = world(routes(`{ match: [{ ${match} }], ${direct(204)} }`), {
    ownLabels: [{ istio: 'ingressgateway' }],
  })
  expect(ask(run)).toBe(expected)
})

test.each([
  ['["."]', 'shop', '404 NR'],
  ['["."]', 'istio-system', 'direct 204'],
  ['[istio-system]', 'shop', 'direct 204'],
])(
  '20. exportTo %s in namespace %s is judged from the gateway',
  (exportTo, namespace, expected) => {
    expect(ask(world(routes(`{ ${direct(204)} }`, { exportTo, namespace })))).toBe(expected)
  },
)

test('21. the mesh allows any host, MeshConfig REGISTRY_ONLY those of the registry', () => {
  const known = entry('known.test')
  const mesh = { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } } as const
  const asked = (run: Simulation, host: string): string => run.egress({ port: 80, host }).to
  expect(asked(new Simulation(known), 'b.test')).toBe('passthrough')
  expect(asked(new Simulation(known, { meshConfig: mesh }), 'b.test')).toBe('502 block')
  expect(asked(new Simulation(known, { meshConfig: mesh }), 'known.test')).toBe(
    'outbound|80||known.test',
  )
})

test.each([
  ['mode: SIMPLE', null, []],
  ['mode: SIMPLE, sni: y.test', 'y.test', []],
  ['mode: SIMPLE, subjectAltNames: [z.test]', null, ['z.test']],
])(
  '22. TLS to an upstream with %s: who is asked for, and who has to answer',
  (tls, name, names) => {
    expect(clusterOf(`trafficPolicy: { tls: { ${tls} } }`).tls).toMatchObject({
      serverName: name,
      subjectAltNames: names,
      caFile: null,
      ca: null,
      insecureSkipVerify: false,
    })
  },
)

test('23. a ServiceEntry without resolution has no endpoints on a gateway', () => {
  const run = new Simulation(
    GATEWAY +
      entry('x.test', 'shop', '  location: MESH_EXTERNAL') +
      routes(`{ ${to('x.test', PORT)} }`),
  )
  expect(ask(run)).toBe('503 UH')
})

test('23. dnsRefreshRate is for failed lookups: a minute unless MeshConfig says more', () => {
  const policy = 'trafficPolicy: { loadBalancer: { simple: RANDOM } }'
  expect(clusterOf(policy).dnsRefreshMs).toBe(60_000)
  expect(clusterOf(policy, { meshConfig: { dnsRefreshRate: '5s' } }).dnsRefreshMs).toBe(5_000)
})

test('24. weights need not add to 100, a single one counts for all, a mirror is of everything', () => {
  const weighted = (weights: readonly number[]): string =>
    weights.map((weight) => `{ destination: { host: x.test${PORT} }, weight: ${weight} }`).join()
  const shares = (weights: readonly number[]): readonly number[] =>
    actionOf(world(entry('x.test') + routes(`{ route: [${weighted(weights)}] }`))).cumulativeWeights
  expect(shares([1, 0, 3])).toEqual([1, 4])
  expect(ask(world(entry('x.test') + routes(`{ route: [${weighted([0])}] }`)))).toBe(
    'outbound|80||x.test',
  )
  const mirrored = `{ ${to('x.test', PORT)}, mirror: { host: x.test${PORT} } }`
  expect(actionOf(world(entry('x.test') + routes(mirrored))).mirrors![0]!.chance).toBe(1)
})

test('25. retries name gRPC statuses, which count in the headers frame', () => {
  const retries = 'retries: { attempts: 1, retryOn: "cancelled,deadline-exceeded,unavailable" }'
  const run = world(entry('x.test') + routes(`{ ${retries}, ${to('x.test', PORT)} }`))
  expect([...actionOf(run).retry!.grpcStatuses]).toEqual(['1', '4', '14'])
})
