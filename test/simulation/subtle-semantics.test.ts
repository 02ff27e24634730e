import { describe, expect, test } from 'vitest'
import type { HeaderMutation } from '../../src/routing/header-mutation.ts'
import { Headers } from '../../src/http/headers.ts'
import { Simulation } from '../support/simulate.ts'

const GATEWAY = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw }
spec: { servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }] }
---
`
const SERVICES = ['x', 'y', 'z']
  .map(
    (name) => `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name} }
spec: { hosts: [${name}.com], ports: [{ number: 80, name: http, protocol: HTTP }], resolution: STATIC, endpoints: [{ address: 10.0.0.1 }] }
---
`,
  )
  .join('')

function simulate(http: string): Simulation {
  return new Simulation(`${GATEWAY}${SERVICES}apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: v }
spec: { hosts: [a.com], gateways: [gw], http: [${http}] }
`)
}

function matched(
  match: string,
  call: { path?: string; headers?: Record<string, string> },
): boolean {
  const run = simulate(`{ match: [${match}], redirect: { uri: /yes } }`)
  expect(run.storeProblems.filter(({ severity }) => severity === 'error')).toEqual([])
  return run.resolve({ port: 80, host: 'a.com', ...call }).route !== null
}

describe('withoutHeaders', () => {
  test.each<[string, string, Record<string, string>, boolean]>([
    ['exact, header absent: it counts as empty', '{ k: { exact: v } }', {}, true],
    ['exact, header equal', '{ k: { exact: v } }', { k: 'v' }, false],
    ['exact, header otherwise', '{ k: { exact: v } }', { k: 'w' }, true],
    ['prefix, header absent', '{ k: { prefix: v } }', {}, true],
    ['a regex that takes the empty text, header absent', '{ k: { regex: ".*" } }', {}, false],
    ['a regex that wants a character, header absent', '{ k: { regex: ".+" } }', {}, true],
    ['nothing: the header must be absent, and is', '{ k: {} }', {}, true],
    ['nothing: the header must be absent, and is empty', '{ k: {} }', { k: '' }, false],
    ['the regex *: the header must be absent', '{ k: { regex: "*" } }', { k: 'v' }, false],
    ['two of them: both must hold', '{ k: {}, l: { exact: v } }', { l: 'v' }, false],
  ])('%s', (_name, without, headers, expected) => {
    expect(matched(`{ withoutHeaders: ${without} }`, { headers })).toBe(expected)
  })
})

describe('queryParams', () => {
  test.each([
    ['{ q: { exact: "1" } }', '/?q=1&q=2', true],
    ['{ q: { exact: "2" } }', '/?q=1&q=2', false],
    ['{ q: { exact: "a b" } }', '/?q=a%20b', false],
    ['{ q: { exact: "a%20b" } }', '/?q=a%20b', true],
    ['{ q: {} }', '/?q', true],
    ['{ q: {} }', '/?p=q', false],
    ['{ q: { prefix: ab } }', '/?q=abc', true],
    ['{ q: { regex: "[0-9]+" } }', '/?q=12a', false],
  ])('%s asked with %s: %s', (params, path, expected) => {
    expect(matched(`{ queryParams: ${params} }`, { path })).toBe(expected)
  })
})

describe('weights', () => {
  const to = (host: string, weight: number | null): string =>
    `{ destination: { host: ${host}.com }${weight === null ? '' : `, weight: ${weight}`} }`

  test.each([
    ['sums other than 100', [to('x', 1), to('y', 2)], '33% x, 67% y'],
    ['zero among others', [to('x', 0), to('y', 7), to('z', 7)], '50% y, 50% z'],
    ['none among others', [to('x', null), to('y', 1)], 'y'],
    ['a single one of zero', [to('x', 0)], 'x'],
    ['large and small', [to('x', 999), to('y', 1)], '100% x, 0% y'],
  ])('%s', (_name, route, expected) => {
    const outcome = simulate(`{ route: [${route.join(', ')}] }`).resolve({
      port: 80,
      host: 'a.com',
    })
    expect(outcome.to.replaceAll(/outbound\|80\|\|([xyz])\.com/g, '$1')).toBe(expected)
  })

  test.each([
    ['all zero', [to('x', 0), to('y', 0)]],
    ['all absent', [to('x', null), to('y', null)]],
    ['negative', [to('x', -1), to('y', 1)]],
  ])('%s of several is refused', (_name, route) => {
    const { storeProblems } = simulate(`{ route: [${route.join(', ')}] }`)
    expect(storeProblems.some(({ severity }) => severity === 'error')).toBe(true)
  })
})

describe('header operations', () => {
  function applied(rule: string, before: readonly string[]): readonly string[] {
    const accept = simulate(rule).listener(80)?.accept
    const route = accept?.type === 'http' ? accept.http.hosts.find('a.com')?.routes[0] : undefined
    if (route?.action.type !== 'forward') throw new Error('no forward action')
    const headers = new Headers([...before])
    const all: (HeaderMutation | null | undefined)[] = [
      route.action.destinations[0]?.requestHeaders,
      route.requestHeaders,
    ]
    for (const mutation of all) mutation?.apply(headers, null)
    return headers.fields
  }
  const one = (operations: string): string =>
    `route: [{ destination: { host: x.com }, headers: { request: ${operations} } }]`

  test('remove comes before set, set before add, names in order', () => {
    const rule = `{ headers: { request: { add: { c: "3", b: more }, set: { b: "2", a: "1" }, remove: [a, z] } }, route: [{ destination: { host: x.com } }] }`
    expect(applied(rule, ['a', 'client', 'z', 'client'])).toEqual([
      'a',
      '1',
      'b',
      '2',
      'b',
      'more',
      'c',
      '3',
    ])
  })

  test('what the route sets, its single destination cannot remove', () => {
    const rule = `{ headers: { request: { set: { a: route } } }, ${one('{ remove: [a] }')} }`
    expect(applied(rule, [])).toEqual(['a', 'route'])
  })

  test('of several destinations the route comes last and wins', () => {
    const rule = `{ headers: { request: { set: { a: route } } }, route: [{ destination: { host: x.com }, weight: 1, headers: { request: { set: { a: dest } } } }, { destination: { host: y.com }, weight: 1 }] }`
    expect(applied(rule, [])).toEqual(['a', 'route'])
  })

  test('empty values vanish, %% is a percent sign', () => {
    expect(applied(`{ ${one('{ set: { a: "", b: "100%%" } }')} }`, [])).toEqual(['b', '100%'])
  })

  test.each([
    ['an unbalanced percent', '{ headers: { request: { set: { a: "50%" } } }, ROUTE }'],
    ['removing Host', '{ headers: { request: { remove: [Host] } }, ROUTE }'],
    ['a pseudo-header', '{ headers: { request: { set: { ":path": /x } } }, ROUTE }'],
    ['Host in a response', '{ headers: { response: { set: { Host: x } } }, ROUTE }'],
    [
      'Host set and rewritten',
      '{ rewrite: { authority: r.com }, headers: { request: { set: { Host: x } } }, ROUTE }',
    ],
  ])('%s is refused', (_name, rule) => {
    const run = simulate(rule.replace('ROUTE', 'route: [{ destination: { host: x.com } }]'))
    const errors = run.storeProblems.filter(({ severity }) => severity === 'error')
    expect(errors).not.toEqual([])
  })
})

describe('redirects', () => {
  test.each([
    ['{ uri: /n }', 'a.com:8080', '301 http://a.com:8080/n?q'],
    ['{ uri: /n, derivePort: FROM_PROTOCOL_DEFAULT }', 'a.com:8080', '301 http://a.com/n?q'],
    ['{ authority: "b.com:81" }', 'a.com', '301 http://b.com:81/p?q'],
    ['{ authority: b.com, scheme: https, port: 443 }', 'a.com', '301 https://b.com/p?q'],
    ['{ scheme: https }', 'a.com:80', '301 https://a.com/p?q'],
    ['{ uri: "/n?own" }', 'a.com', '301 http://a.com/n?own'],
    ['{ redirectCode: 302, uri: /n }', 'a.com', '302 http://a.com/n?q'],
  ])('%s of a request for %s', (redirect, host, to) => {
    const run = simulate(`{ redirect: ${redirect} }`)
    expect(run.resolve({ port: 80, host, path: '/p?q' }).to).toBe(to)
  })

  test.each([
    ['nothing', '{ redirectCode: 301 }'],
    ['a code without meaning', '{ uri: /, redirectCode: 300 }'],
    ['a code that is no redirect', '{ uri: /, redirectCode: 200 }'],
    ['uri and prefixRewrite', '{ uri: /a, prefixRewrite: /b }'],
    ['port and derivePort', '{ port: 81, derivePort: FROM_REQUEST_PORT }'],
    ['another scheme', '{ scheme: ftp }'],
    ['a port out of range', '{ port: 70000 }'],
  ])('with %s are refused', (_name, redirect) => {
    const { storeProblems } = simulate(`{ redirect: ${redirect} }`)
    expect(storeProblems.some(({ severity }) => severity === 'error')).toBe(true)
  })
})

test('HTTPS servers of one port keep their routes apart: no merging across them', () => {
  const server = (name: string, host: string): string =>
    `{ port: { number: 443, name: ${name}, protocol: HTTPS }, hosts: [${host}], tls: { mode: SIMPLE, credentialName: none } }`
  const yaml = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw }
spec: { servers: [${server('one', 'a.com')}, ${server('two', '"*.com"')}] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: v }
spec: { hosts: [b.com], gateways: [gw], http: [{ redirect: { uri: /b } }] }
`
  const accept = new Simulation(yaml).listener(443)?.accept
  if (accept?.type !== 'tls') throw new Error('no TLS listener')
  expect(accept.chains.bySni.find('a.com')?.http.hosts.find('b.com')).toBeNull()
  expect(accept.chains.bySni.find('b.com')?.http.hosts.find('b.com')).not.toBeNull()
})
