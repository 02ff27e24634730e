import { describe, expect, test } from 'vitest'
import type { Filter, FilterFactory, FilterSettings } from '../../src/filters/filter.ts'
import { Headers } from '../../src/http/headers.ts'
import type { HeaderMutation } from '../../src/routing/header-mutation.ts'
import type { Route } from '../../src/routing/route.ts'
import { Simulation, type SimulationOptions } from '../support/simulate.ts'

const SERVICES = ['x', 'y']
  .map(
    (name) => `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name} }
spec: { hosts: [${name}.com], ports: [{ number: 80, name: http, protocol: HTTP }], resolution: STATIC, endpoints: [{ address: 10.0.0.1 }] }
---
`,
  )
  .join('')

const GATEWAY = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw }
spec: { servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }] }
---
`

function simulate(rule: string, more = '', options: SimulationOptions = {}): Simulation {
  const service = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: v }
spec: { hosts: [a.com], gateways: [gw], http: [${rule}] }
---
`
  return new Simulation(SERVICES + GATEWAY + service + more, options)
}

function routeOf(run: Simulation): Route {
  const accept = run.listener(80)?.accept
  const route = accept?.type === 'http' ? accept.http.hosts.find('a.com')?.routes[0] : undefined
  if (route === undefined) throw new Error('no route')
  return route
}

function applied(
  mutation: HeaderMutation | null | undefined,
  before: readonly string[] = [],
): readonly string[] {
  const headers = new Headers([...before])
  mutation?.apply(headers, null)
  return headers.fields
}

const ONE = 'route: [{ destination: { host: x.com } }]'
const TWO =
  'route: [{ destination: { host: x.com }, weight: 1, headers: { request: { set: { a: dest }, remove: [gone] } } }, { destination: { host: y.com }, weight: 1 }]'

describe('header operations', () => {
  test('those of a single destination follow those of the route, kind by kind', () => {
    const rule = `{ headers: { request: { set: { a: route } } }, route: [{ destination: { host: x.com }, headers: { request: { remove: [a], add: { a: more } } } }] }`
    const route = routeOf(simulate(rule))
    expect(applied(route.requestHeaders, ['a', 'client'])).toEqual(['a', 'route', 'a', 'more'])
  })

  test('those of several destinations stay with their destination', () => {
    const { action, requestHeaders } = routeOf(
      simulate(`{ headers: { request: { set: { b: route } } }, ${TWO} }`),
    )
    expect(applied(requestHeaders)).toEqual(['b', 'route'])
    const [first, second] = action.type === 'forward' ? action.destinations : []
    expect(applied(first?.requestHeaders, ['gone', '1'])).toEqual(['a', 'dest'])
    expect(second?.requestHeaders).toBeNull()
  })

  test('response operations also surround redirects and direct responses', () => {
    for (const answer of ['redirect: { uri: /x }', 'directResponse: { status: 200 }']) {
      const route = routeOf(simulate(`{ headers: { response: { set: { x-a: "1" } } }, ${answer} }`))
      expect(applied(route.responseHeaders)).toEqual(['x-a', '1'])
    }
  })

  test.each([
    [
      'rewrite.authority before headers',
      `{ rewrite: { authority: r.com }, headers: { request: { add: { x: y } } }, ${ONE} }`,
      'r.com',
    ],
    [
      'set before add',
      `{ headers: { request: { set: { Host: set.com }, add: { ":authority": add.com } } }, ${ONE} }`,
      'set.com',
    ],
    [
      'the destination where the route says nothing',
      '{ route: [{ destination: { host: x.com }, headers: { request: { set: { host: d.com } } } }] }',
      'd.com',
    ],
    ['nothing', `{ ${ONE} }`, null],
  ])('the Host upstream: %s', (_name, rule, authority) => {
    const { action } = routeOf(simulate(rule))
    expect(action.type === 'forward' ? action.rewriteAuthority : undefined).toBe(authority)
  })
})

describe('answers and rewrites', () => {
  test.each([
    ['{ directResponse: { status: 503, body: { string: "sorry é" } } }', 'sorry é'],
    ['{ directResponse: { status: 503, body: { bytes: c29ycnk= } } }', 'sorry'],
    ['{ directResponse: { status: 503 } }', ''],
  ])('%s', (rule, body) => {
    const { action } = routeOf(simulate(rule))
    expect(
      action.type === 'direct-response' ? [action.status, action.body.toString('utf8')] : null,
    ).toEqual([503, body])
  })

  test.each([
    ['rewrite: { uri: / }', '[{ uri: { prefix: /foo } }]', '/foo/bar', '//bar'],
    ['rewrite: { uri: /new }', '[{ uri: { exact: /foo } }]', '/foo', '/new'],
    [
      'rewrite: { uriRegexRewrite: { match: "/v([0-9])", rewrite: "/w\\\\1" } }',
      '[{ uri: { prefix: / } }]',
      '/v1/v2',
      '/w1/w2',
    ],
  ])('%s', (rewrite, match, path, expected) => {
    const route = routeOf(simulate(`{ match: ${match}, ${rewrite}, ${ONE} }`))
    const { action } = route
    expect(action.type === 'forward' ? action.rewrite?.apply(path, route.match) : null).toBe(
      expected,
    )
  })

  test.each([
    ['{ redirect: { uri: /x } }', '301 http://a.com/x?q=1'],
    ['{ redirect: { authority: b.com, redirectCode: 308 } }', '308 http://b.com/p?q=1'],
    ['{ redirect: { scheme: https, port: 8443 } }', '301 https://a.com:8443/p?q=1'],
  ])('%s', (rule, to) => {
    expect(simulate(rule).resolve({ port: 80, host: 'a.com', path: '/p?q=1' }).to).toBe(to)
  })
})

describe('origins', () => {
  test('a route knows the file and line it was written in', () => {
    const run = simulate(`{ match: [{ uri: { exact: /x } }, { uri: { exact: /y } }], ${ONE} }`)
    const { origin } = routeOf(run)
    expect(origin).toMatchObject({
      kind: 'VirtualService',
      namespace: 'default',
      name: 'v',
      path: 'spec.http[0].match[0]',
      file: 'test.yaml',
    })
    expect(origin.line).toBeGreaterThan(1)
  })
})

describe('filters', () => {
  const envoyFilter = (context: string): string => `apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: limit, namespace: istio-system }
spec:
  configPatches:
  - applyTo: HTTP_FILTER
    match: { context: ${context}, listener: { filterChain: { filter: { name: envoy.filters.network.http_connection_manager, subFilter: { name: envoy.filters.http.router } } } } }
    patch:
      operation: INSERT_BEFORE
      value: { name: test.filter, typed_config: { "@type": type.googleapis.com/test.Filter, note: here } }
`
  /** Records what it was asked to compile. */
  class Recorder implements FilterFactory {
    readonly name = 'test.filter'
    readonly typeUrls = ['test.Filter']
    readonly settings: FilterSettings[] = []

    compile(settings: FilterSettings): Filter {
      this.settings.push(settings)
      return { name: this.name, onRequest: () => 0 }
    }
  }

  test('of gateways stand on gateway routes, with their virtual host and route', () => {
    const recorder = new Recorder()
    const run = simulate(`{ name: r, ${ONE} }`, envoyFilter('GATEWAY'), {
      filterFactories: [recorder],
    })
    expect(routeOf(run).filters.map((filter) => filter.name)).toEqual(['test.filter'])
    expect(recorder.settings).toMatchObject([
      {
        virtualHostName: 'a.com:80',
        routeName: 'r',
        action: 'ROUTE',
        listener: { value: { note: 'here' } },
      },
    ])
    expect(run.snapshot.egress.unknownHost.routes[0]?.filters).toEqual([])
  })

  test('of sidecars stand on egress routes', () => {
    const recorder = new Recorder()
    const run = simulate(`{ name: r, ${ONE} }`, envoyFilter('SIDECAR_OUTBOUND'), {
      filterFactories: [recorder],
    })
    expect(routeOf(run).filters).toEqual([])
    expect(run.snapshot.egress.http.get(80)?.find('x.com')?.routes[0]?.filters).toHaveLength(1)
    expect(run.snapshot.egress.unknownHost.routes[0]?.filters).toHaveLength(1)
  })
})
