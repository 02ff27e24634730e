import { describe, expect, test } from 'vitest'
import { callOf, explained, explainerOf } from '../../test/support/explain.ts'
import { gateway, service, virtualService } from '../../test/support/yaml.ts'
import { CallProblem } from './call.ts'

const ROUTES = `  - name: versions
    match:
    - { uri: { exact: /api/v1 } }
    - { uri: { prefix: /api/v2 }, method: { exact: POST } }
    - { headers: { end-user: { exact: jason } } }
    rewrite: { uri: /new, authority: inner.test }
    headers: { request: { set: { x-route: secret-value } } }
    timeout: 3s
    retries: { attempts: 2, retryOn: 5xx }
    route: [{ destination: { host: web } }]
  - name: old
    match: [{ uri: { prefix: /old } }]
    redirect: { uri: /new, authority: other.test }
  - name: text
    match: [{ uri: { prefix: /text } }]
    directResponse: { status: 418, body: { string: tea } }
  - name: split
    match: [{ uri: { prefix: /split } }]
    route:
    - { destination: { host: web }, weight: 20 }
    - { destination: { host: nowhere }, weight: 80 }
  - name: subset
    match: [{ uri: { prefix: /subset } }]
    route: [{ destination: { host: web, subset: v9 } }]
  - name: empty
    match: [{ uri: { prefix: /empty } }]
    route: [{ destination: { host: empty } }]`

const YAML = [
  service('web', 9000),
  `apiVersion: v1
kind: Service
metadata: { name: empty }
spec: { ports: [{ name: http, port: 80 }] }
---
`,
  gateway('gw', ['shop.test', '*.wild.test']),
  gateway('second', ['other.test'], 8080),
  virtualService('shop', ['shop.test'], ['gw'], ROUTES),
  virtualService('wild', ['*.wild.test'], ['gw'], '  - directResponse: { status: 200 }'),
].join('')
const explainer = explainerOf(YAML)
const lineOf = (text: string): number => YAML.split('\n').findIndex((one) => one.includes(text)) + 1

describe('a rule that wins', () => {
  const found = explained(explainer, 'http://shop.test/api/v2/x?y=1', { method: 'POST' })

  test('is found among the rules, with what stood in the way of those before it', () => {
    expect(found.rules.slice(0, 3)).toMatchObject([
      {
        verdict: 'rejected',
        place: { name: 'shop', path: 'spec.http[0].match[0]', line: lineOf('exact: /api/v1') },
        conditions: [
          { holds: false, reason: 'path /api/v2/x differs from exact /api/v1 at character 7' },
        ],
      },
      {
        verdict: 'matched',
        place: {
          path: 'spec.http[0].match[1]',
          file: 'test.yaml',
          line: lineOf('prefix: /api/v2'),
        },
        conditions: [{ holds: true }, { condition: 'method exact POST', holds: true }],
      },
      { verdict: 'not-reached', wouldMatch: false },
    ])
  })

  test('says what is done to the request, without values that configuration sets', () => {
    expect(found.route).toMatchObject({
      name: 'versions',
      action: 'forward',
      forwardedAs: { target: '/new/x?y=1', authority: 'inner.test' },
      timeoutMs: 3000,
      retry: { attempts: 2, on: ['5xx'] },
      requestHeaders: { set: ['x-route'] },
    })
    expect(JSON.stringify(found)).not.toContain('secret-value')
  })

  test('leads to a cluster with its endpoints', () => {
    const cluster = 'outbound|8080||web.default.svc.cluster.local'
    expect(found.outcome).toMatchObject({ ok: true, type: 'forward', status: null })
    expect(found.outcome.summary).toBe(`forwarded to ${cluster}`)
    expect(found.destinations).toMatchObject([
      { cluster, percent: 100, details: { endpoints: [{ address: '127.0.0.1:9000' }] } },
    ])
  })

  test('stands on a listener, a Gateway server and in a virtual host', () => {
    expect(found).toMatchObject({
      live: false,
      generation: 1,
      listener: {
        key: '*:80',
        type: 'http',
        routeTable: 'http.80',
        servers: [{ gateway: 'default/gw', place: { path: 'spec.servers[0]' } }],
      },
      virtualHost: {
        name: 'shop.test:80',
        domain: 'shop.test',
        match: 'exact',
        sources: [{ kind: 'VirtualService', name: 'shop', line: lineOf('name: shop') - 2 }],
      },
    })
  })
})

test('a later rule that would match too is told', () => {
  const found = explained(explainer, 'http://shop.test/api/v1', {
    headers: { 'end-user': 'jason' },
  })
  expect(found.rules.map(({ verdict, wouldMatch }) => [verdict, wouldMatch]).slice(0, 3)).toEqual([
    ['matched', false],
    ['not-reached', false],
    ['not-reached', true],
  ])
})

const OUTCOMES: [url: string, outcome: object][] = [
  [
    'http://shop.test/old',
    { ok: true, type: 'redirect', status: 301, location: 'http://other.test/new' },
  ],
  ['http://shop.test/text', { ok: true, type: 'direct-response', status: 418 }],
  ['http://a.wild.test/', { ok: true, status: 200 }],
  ['http://shop.test/empty', { ok: false, status: 503, flag: 'UH' }],
  ['http://shop.test/subset', { ok: false, status: 503, flag: 'NC' }],
  ['http://shop.test/nothing', { ok: false, status: 404, flag: 'NR' }],
  ['http://shop.tset/', { ok: false, status: 404, flag: 'NR', hints: ['nearest is shop.test'] }],
  ['http://shop.test:81/', { ok: false, status: null, flag: '' }],
  ['https://shop.test:80/', { ok: false, status: null }],
  ['http://shop.test/a/..;x/b', { ok: false, status: 400, flag: 'DPE' }],
  ['http://sh op.test/', { ok: false, status: 400, flag: 'DPE' }],
]

test.each(OUTCOMES)('%s comes to %j', (url, outcome) => {
  expect(explained(explainer, url).outcome).toMatchObject(outcome)
})

test('a missing subset is told as the compiler told it', () => {
  expect(explained(explainer, 'http://shop.test/subset').outcome.summary).toContain(
    'has the subset v9',
  )
})

test('a split of which one half is missing is forwarded with a warning', () => {
  const { outcome, destinations } = explained(explainer, 'http://shop.test/split')
  expect(outcome.ok).toBe(true)
  expect(outcome.hints.join()).toMatch(/^80 % get 503 NC from .*nowhere/)
  expect(destinations.map(({ percent }) => percent)).toEqual([20, 80])
})

test('where no rule matches the nearest is told, with what it misses', () => {
  const { outcome, rules } = explained(explainer, 'http://shop.test/api/v2')
  expect(outcome.hints).toEqual([
    `near: VirtualService default/shop spec.http[0].match[1] (test.yaml:${lineOf('prefix: /api/v2')}): method is GET, exact POST asked`,
  ])
  expect(new Set(rules.map(({ verdict }) => verdict))).toEqual(new Set(['rejected']))
})

test('a host of another port, and a port that is closed, name the open ones', () => {
  const yaml = `${YAML}${virtualService('other', ['other.test'], ['second'], '  - directResponse: { status: 200 }')}`
  const both = explainerOf(yaml)
  expect(explained(both, 'http://other.test/').outcome.hints).toContain(
    'other.test is served by http.8080, port 8080',
  )
  expect(explained(both, 'http://other.test:9/').outcome.hints).toEqual([
    'other.test is served on port 8080',
    'Gateways open port 80, 8080: give --port',
  ])
  expect(explained(both, 'http://other.test/', { port: 8080 }).outcome.ok).toBe(true)
})

test('a Gateway that is not served is told, with the reason', () => {
  const yaml = YAML.replace('name: gw }\nspec:', 'name: gw }\nspec:\n  selector: { app: other }')
  const { outcome } = explained(
    explainerOf(yaml, { ownLabels: [{ app: 'edge' }] }),
    'http://shop.test/',
  )
  expect(outcome.hints[0]).toBe(
    'Gateway default/gw has a server on port 80, but gateway ignored: selector app=other vs own labels app=edge',
  )
})

test('a gRPC client is told what it sees', () => {
  const headers = { 'content-type': 'application/grpc' }
  const { outcome } = explained(explainer, 'http://shop.test/empty', { method: 'POST', headers })
  expect(outcome.hints).toEqual(['the gRPC client gets HTTP 200 with grpc-status 14'])
})

test('a GRPC-WEB server matches rules with the gRPC request that is meant', () => {
  const yaml =
    gateway('web', ['g.test']).replace('protocol: HTTP }', 'protocol: GRPC-WEB }') +
    virtualService(
      'g',
      ['g.test'],
      ['web'],
      `  - match: [{ headers: { content-type: { exact: application/grpc+proto } } }]
    directResponse: { status: 200 }`,
    )
  const headers = { 'content-type': 'application/grpc-web+proto' }
  const found = explained(explainerOf(yaml), 'http://g.test/s/m', { method: 'POST', headers })
  expect(found.outcome.status).toBe(200)
})

test('normalisation shows what the client sent', () => {
  const found = explained(explainer, 'http://shop.test/x/../%61pi/v1')
  expect(found.request).toMatchObject({ path: '/api/v1', sentTarget: '/x/../%61pi/v1' })
  expect(found.outcome.ok).toBe(true)
})

test('an upgrade other than websocket is refused, a websocket URL asks for one', () => {
  const headers = { connection: 'upgrade', upgrade: 'other' }
  expect(explained(explainer, 'http://shop.test/api/v1', { headers }).outcome.status).toBe(403)
  expect(explained(explainer, 'ws://shop.test/api/v1').outcome.ok).toBe(true)
})

test.each(['10.1.2.3', 'shop/pod'])('the client is %s', (from) => {
  const pod = `apiVersion: v1
kind: Pod
metadata: { name: pod, namespace: shop }
status: { podIP: 10.1.2.3 }
---
`
  const found = explained(explainerOf(YAML + pod), 'http://shop.test/', { from })
  expect(found.request?.clientAddress).toBe('10.1.2.3')
})

test('a client that is no address and no Pod is a mistake of the caller', () => {
  const found = explainer.explain(callOf('http://shop.test/', { from: 'shop/nobody' }))
  expect(found).toBeInstanceOf(CallProblem)
})
