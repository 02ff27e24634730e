import { describe, expect, test } from 'vitest'
import { ResourceStore } from '../../src/config/store.ts'
import { Simulation, type SimulationOptions } from '../support/simulate.ts'

const GATEWAY = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw }
spec: { servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }] }
---
`

function root(http: string, metadata = ''): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: root${metadata} }
spec: { hosts: [a.com], gateways: [default/gw], http: ${http} }
---
`
}

function delegate(http: string, name = 'api', metadata = '', more = ''): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}${metadata} }
spec: { http: ${http}${more} }
---
`
}

function service(host: string): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${host.replaceAll('.', '-')} }
spec: { hosts: [${host}], ports: [{ number: 80, name: http, protocol: HTTP }], resolution: STATIC, endpoints: [{ address: 10.0.0.1 }] }
---
`
}

/** Which rule was taken shows in the redirect. */
function to(name: string, match = ''): string {
  return `{ name: ${name}, ${match === '' ? '' : `match: ${match}, `}redirect: { uri: /${name} } }`
}

const TO_API = 'delegate: { name: api }'

interface Tried {
  readonly path?: string
  readonly headers?: Record<string, string>
  readonly method?: string
}

function routeOf(yaml: string, call: Tried, options: SimulationOptions = {}): string | null {
  const run = new Simulation(GATEWAY + yaml, options)
  return run.resolve({ port: 80, host: 'a.com', ...call }).route
}

function forwardOf(yaml: string) {
  const accept = new Simulation(GATEWAY + yaml).listener(80)?.accept
  const route = accept?.type === 'http' ? accept.http.hosts.find('a.com')?.routes[0] : undefined
  if (route?.action.type !== 'forward') throw new Error('no forward action')
  return { route, action: route.action }
}

describe('a rule that delegates', () => {
  test("is replaced in its place by the delegate's rules; the rules behind it follow", () => {
    const yaml =
      root(
        `[${to('first', '[{ uri: { exact: /first } }]')}, { match: [{ uri: { prefix: /a } }], ${TO_API} }, ${to('last')}]`,
      ) +
      delegate(
        `[${to('x', '[{ uri: { prefix: /a/x } }]')}, ${to('first-too', '[{ uri: { prefix: /a/first } }]')}]`,
      )
    expect(routeOf(yaml, { path: '/first' })).toBe('first')
    expect(routeOf(yaml, { path: '/a/x' })).toBe('x')
    expect(routeOf(yaml, { path: '/a/other' })).toBe('last')
  })

  test('without match takes the delegate as it is', () => {
    const yaml =
      root(`[{ ${TO_API} }]`) + delegate(`[${to('x', '[{ uri: { exact: /x } }]')}, ${to('all')}]`)
    expect(routeOf(yaml, { path: '/x' })).toBe('x')
    expect(routeOf(yaml, { path: '/y' })).toBe('all')
  })

  test("gives its match to a delegate's rule that has none", () => {
    const yaml =
      root(`[{ match: [{ uri: { prefix: /a } }], ${TO_API} }]`) + delegate(`[${to('x')}]`)
    expect(routeOf(yaml, { path: '/a/b' })).toBe('x')
    expect(routeOf(yaml, { path: '/b' })).toBeNull()
  })

  test('stands in several VirtualServices and several rules at once', () => {
    const yaml =
      root(
        `[{ match: [{ uri: { prefix: /a } }], ${TO_API} }, { match: [{ uri: { prefix: /b } }], ${TO_API} }]`,
      ) + delegate(`[${to('x')}]`)
    expect(routeOf(yaml, { path: '/a' })).toBe('x')
    expect(routeOf(yaml, { path: '/b' })).toBe('x')
  })

  test.each([
    ['r', 'd', 'r-d'],
    ['', 'd', 'd'],
    ['r', '', 'r'],
  ])('named %j, of a rule named %j, is the route %j', (rootName, ownName, expected) => {
    const name = (text: string): string => (text === '' ? '' : `name: ${text}, `)
    const yaml =
      root(`[{ ${name(rootName)}${TO_API} }]`) +
      delegate(`[{ ${name(ownName)}redirect: { uri: /x } }]`)
    expect(routeOf(yaml, {})).toBe(expected)
  })

  test('joins the names of match entries too', () => {
    const yaml =
      root(`[{ name: r, match: [{ name: m, uri: { prefix: /a } }], ${TO_API} }]`) +
      delegate(`[{ name: d, match: [{ name: n, uri: { prefix: /a/b } }], redirect: { uri: /x } }]`)
    expect(routeOf(yaml, { path: '/a/b' })).toBe('r-d.m-n')
  })

  test("leads people to the delegate's line", () => {
    const yaml = root(`[{ ${TO_API} }]`) + delegate(`[${to('x', '[{ uri: { exact: /x } }]')}]`)
    const accept = new Simulation(GATEWAY + yaml).listener(80)?.accept
    const table = accept?.type === 'http' ? accept.http : null
    expect(table?.hosts.find('a.com')?.routes[0]?.origin).toMatchObject({
      name: 'api',
      path: 'spec.http[0].match[0]',
      line: 15,
    })
  })
})

describe('matches of a root rule and its delegate', () => {
  test.each([
    ['prefix in prefix', '{ uri: { prefix: /a } }', '{ uri: { prefix: /a/b } }', '/a/b/c', 'd'],
    ['exact in prefix', '{ uri: { prefix: /a } }', '{ uri: { exact: /a/b } }', '/a/b', 'd'],
    ['equal exact', '{ uri: { exact: /a } }', '{ uri: { exact: /a } }', '/a', 'd'],
    ['prefix beside prefix', '{ uri: { prefix: /a/b } }', '{ uri: { prefix: /a } }', '/a/b', null],
    ['prefix under exact', '{ uri: { exact: /a } }', '{ uri: { prefix: /a } }', '/a', null],
    ['another exact', '{ uri: { exact: /a } }', '{ uri: { exact: /b } }', '/b', null],
    ['regex under prefix', '{ uri: { prefix: /a } }', '{ uri: { regex: /a.* } }', '/a', null],
    ['prefix under regex', '{ uri: { regex: /a.* } }', '{ uri: { prefix: /a } }', '/a', null],
    ['equal regexes', '{ uri: { regex: /a.* } }', '{ uri: { regex: /a.* } }', '/a', null],
    [
      'regex where the root says nothing',
      '{ method: { exact: GET } }',
      '{ uri: { regex: /a.* } }',
      '/ab',
      'd',
    ],
    ['another method', '{ method: { exact: GET } }', '{ method: { exact: POST } }', '/', null],
    [
      'ignoreUriCase on one side',
      '{ uri: { prefix: /a }, ignoreUriCase: true }',
      '{ uri: { prefix: /a } }',
      '/a',
      null,
    ],
    [
      'ignoreUriCase on both',
      '{ uri: { prefix: /a }, ignoreUriCase: true }',
      '{ uri: { prefix: /a/b }, ignoreUriCase: true }',
      '/A/B',
      'd',
    ],
    ['another port', '{ port: 80 }', '{ port: 81 }', '/', null],
    ['a port of the root alone', '{ port: 81 }', '{ uri: { prefix: / } }', '/', null],
    ['other gateways', '{ gateways: [gw] }', '{ gateways: [other] }', '/', null],
  ])('%s', (_name, rootMatch, ownMatch, path, route) => {
    const yaml =
      root(`[{ match: [${rootMatch}], ${TO_API} }]`) + delegate(`[${to('d', `[${ownMatch}]`)}]`)
    expect(routeOf(yaml, { path })).toBe(route)
  })

  test.each([
    [{ 'x-r': '1', 'x-d': '2' }, 'd'],
    [{ 'x-d': '2' }, null],
    [{ 'x-r': '1' }, null],
  ])('headers are asked for by both: %j', (headers, route) => {
    const yaml =
      root(`[{ match: [{ headers: { x-r: { exact: "1" } } }], ${TO_API} }]`) +
      delegate(`[${to('d', '[{ headers: { x-d: { exact: "2" } } }]')}]`)
    expect(routeOf(yaml, { headers })).toBe(route)
  })

  test.each([
    [
      'the same key narrower',
      'headers: { k: { prefix: a } }',
      'headers: { k: { exact: ab } }',
      'd',
    ],
    ['the same key, presence first', 'headers: { k: {} }', 'headers: { k: { exact: ab } }', 'd'],
    ['the same key wider', 'headers: { k: { exact: ab } }', 'headers: { k: {} }', null],
    [
      'the same key otherwise',
      'headers: { k: { exact: x } }',
      'headers: { k: { exact: ab } }',
      null,
    ],
    [
      'query parameters',
      'queryParams: { q: { exact: "1" } }',
      'queryParams: { q: { exact: "2" } }',
      null,
    ],
    ['excluded headers united', 'withoutHeaders: { z: {} }', 'withoutHeaders: { k: {} }', null],
    [
      'excluded headers that are absent',
      'withoutHeaders: { z: {} }',
      'withoutHeaders: { y: {} }',
      'd',
    ],
  ])('%s', (_name, rootMatch, ownMatch, route) => {
    const yaml =
      root(`[{ match: [{ ${rootMatch} }], ${TO_API} }]`) +
      delegate(`[${to('d', `[{ ${ownMatch} }]`)}]`)
    expect(routeOf(yaml, { path: '/?q=2', headers: { k: 'ab' } })).toBe(route)
  })

  test('every pair that fits is kept, and a rule with one entry that fits nothing is dropped whole', () => {
    const matches = '[{ uri: { prefix: /a } }, { uri: { prefix: /b } }]'
    const yaml =
      root(`[{ match: ${matches}, ${TO_API} }]`) +
      delegate(
        `[${to('ab', '[{ uri: { exact: /a/1 } }, { uri: { exact: /b/1 } }]')}, ${to('ac', '[{ uri: { exact: /a/2 } }, { uri: { exact: /c/2 } }]')}]`,
      )
    expect(routeOf(yaml, { path: '/a/1' })).toBe('ab')
    expect(routeOf(yaml, { path: '/b/1' })).toBe('ab')
    expect(routeOf(yaml, { path: '/a/2' })).toBeNull()
  })
})

describe('fields beside match', () => {
  test("the delegate's own win block by block, the root's fill what it lacks", () => {
    const { action, route } = forwardOf(
      service('x.com') +
        root(
          `[{ timeout: 9s, retries: { attempts: 7, retryOn: "5xx" }, headers: { request: { set: { a: root } } }, rewrite: { uri: /root }, ${TO_API} }]`,
        ) +
        delegate(
          `[{ timeout: 2s, retries: { attempts: 1 }, route: [{ destination: { host: x.com } }] }]`,
        ),
    )
    expect(action.timeoutMs).toBe(2000)
    expect(action.retry?.attempts).toBe(1)
    expect(action.retry?.on.has('5xx')).toBe(false)
    expect(action.rewrite?.text).toBe('/root')
    expect(route.requestHeaders).not.toBeNull()
  })

  test("short names belong to the namespace of the VirtualService they stand in: the delegate's", () => {
    const { action } = forwardOf(
      service('web.team.svc.cluster.local') +
        root(`[{ delegate: { name: api, namespace: team } }]`) +
        delegate('[{ route: [{ destination: { host: web } }] }]', 'api', ', namespace: team'),
    )
    expect(action.destinations[0]?.clusterName).toBe('outbound|80||web.team.svc.cluster.local')
  })

  test("a mirror that comes from the root belongs to the root's namespace", () => {
    const { action } = forwardOf(
      service('web.team.svc.cluster.local') +
        service('shadow.default.svc.cluster.local') +
        root(`[{ mirror: { host: shadow }, delegate: { name: api, namespace: team } }]`) +
        delegate('[{ route: [{ destination: { host: web } }] }]', 'api', ', namespace: team'),
    )
    expect(JSON.stringify(action.mirrors)).toContain('shadow.default.svc.cluster.local')
  })

  test("gateways in a delegate's match bind the root to them", () => {
    const other = GATEWAY.replace('name: gw }', 'name: other, namespace: team }').replace(
      '80',
      '81',
    )
    const run = new Simulation(
      GATEWAY +
        other +
        root('[{ delegate: { name: api, namespace: team } }]') +
        delegate(`[${to('x', '[{ gateways: [other] }]')}]`, 'api', ', namespace: team'),
    )
    expect(run.resolve({ port: 81, host: 'a.com' }).route).toBe('x')
    expect(run.resolve({ port: 80, host: 'a.com' }).route).toBeNull()
  })
})

describe('findings', () => {
  function found(yaml: string, code: string) {
    return new Simulation(GATEWAY + yaml).found(code)
  }

  test('a delegate that does not exist takes its rule with it, and no other', () => {
    const yaml = root(`[{ match: [{ uri: { prefix: /a } }], ${TO_API} }, ${to('rest')}]`)
    expect(routeOf(yaml, { path: '/a' })).toBe('rest')
    expect(found(yaml, 'delegate-not-found')).toMatchObject([
      {
        severity: 'error',
        path: ['spec', 'http', 0, 'delegate'],
        line: 10,
        message: expect.stringContaining('VirtualService default/api does not exist'),
      },
    ])
  })

  test('a VirtualService with hosts is no delegate', () => {
    const yaml = root(`[{ ${TO_API} }]`) + root(`[${to('x')}]`).replace('name: root', 'name: api')
    expect(found(yaml, 'delegate-not-found')[0]?.message).toContain(
      'has hosts (default/api (test.yaml:15)), so it is no delegate',
    )
  })

  test.each([
    ['["."]', 'team', 0],
    ['["."]', 'default', 1],
    ['["default"]', 'team', 1],
    ['["*"]', 'team', 1],
    ['["elsewhere"]', 'team', 0],
  ])(
    'exportTo %s of a delegate in %s is judged from the namespace of the root',
    (exportTo, ns, seen) => {
      const yaml =
        root(`[{ delegate: { name: api, namespace: ${ns} } }]`) +
        delegate(`[${to('x')}]`, 'api', `, namespace: ${ns}`, `, exportTo: ${exportTo}`)
      const run = new Simulation(GATEWAY + yaml)
      expect(run.resolve({ port: 80, host: 'a.com' }).to).toBe(
        seen === 1 ? '301 http://a.com/x' : '404 NR',
      )
      expect(run.found('delegate-not-exported')).toHaveLength(1 - seen)
      expect(run.found('hidden-by-export-to')).toEqual([])
    },
  )

  test('a rule that matches more than its root names both with file and line', () => {
    const yaml =
      root(`[{ match: [{ uri: { prefix: /a } }], ${TO_API} }]`) +
      delegate(`[${to('x', '[{ uri: { prefix: /b } }]')}]`)
    const [problem] = found(yaml, 'delegate-rule-conflict')
    expect(problem).toMatchObject({
      file: 'test.yaml',
      line: 15,
      ref: { name: 'api' },
      path: ['spec', 'http', 0, 'match', 0],
    })
    expect(problem?.message).toContain('default/root (test.yaml:10)')
    expect(problem?.message).toContain('uri of this match')
  })

  test('a delegate that nobody names is reported', () => {
    expect(found(delegate(`[${to('x')}]`), 'delegate-not-used')).toHaveLength(1)
    expect(found(root(`[{ ${TO_API} }]`) + delegate(`[${to('x')}]`), 'delegate-not-used')).toEqual(
      [],
    )
  })

  test('a delegating rule hides no later rule, for nobody knows yet what it takes', () => {
    const yaml =
      root(`[{ ${TO_API} }, ${to('rest')}]`) + delegate(`[${to('x', '[{ uri: { exact: /x } }]')}]`)
    const { storeProblems } = new Simulation(GATEWAY + yaml)
    expect(storeProblems.filter(({ code }) => code === 'unreachable-rule')).toEqual([])
    expect(routeOf(yaml, { path: '/y' })).toBe('rest')
  })

  test('more pairs of match entries than are kept are refused, not computed', () => {
    const many = Array.from({ length: 200 }, (_, at) => `{ uri: { prefix: "/${at}" } }`).join(', ')
    const yaml = root(`[{ match: [${many}], ${TO_API} }]`) + delegate(`[${to('x', `[${many}]`)}]`)
    expect(found(yaml, 'delegate-too-large')).toHaveLength(1)
  })
})

describe('a delegate by itself', () => {
  test.each([
    ['gateways', `http: [${to('x')}], gateways: [gw]`, 'missing-field', 'error'],
    [
      'tcp rules',
      `http: [${to('x')}], tcp: [{ route: [{ destination: { host: x } }] }]`,
      'delegate-field-ignored',
      'warning',
    ],
    ['another delegate', 'http: [{ delegate: { name: y } }]', 'nested-delegate', 'error'],
    ['a delegate without name', 'http: [{ delegate: { namespace: y } }]', 'missing-field', 'error'],
    [
      'a name that is none',
      'http: [{ delegate: { name: "A b" } }]',
      'invalid-delegate-name',
      'error',
    ],
  ])('with %s', (_name, spec, code, severity) => {
    const text = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: api }
spec: { ${spec} }
`
    const { problems } = new ResourceStore({ compat: false }).load([
      { path: 'a.yaml', text, error: null },
    ])
    expect(problems.filter((problem) => problem.code === code)).toMatchObject([{ severity }])
  })
})
