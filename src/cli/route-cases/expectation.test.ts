import { beforeAll, describe, expect, test } from 'vitest'
import { casesFrom, loadedFrom } from '../../../test/support/route-cases.ts'
import { gateway, service, virtualService } from '../../../test/support/yaml.ts'
import type { LoadedConfiguration } from '../../process/configuration.ts'
import { type CaseResult, runCases } from './case-run.ts'
import { CoverageCount } from './coverage.ts'

const CONFIGURATION = [
  service('web', 9000),
  service('api', 9001, { port: 80 }),
  gateway('edge', ['a.test']),
  `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: secure }
spec:
  servers:
  - port: { number: 443, name: https, protocol: HTTPS }
    hosts: [a.test]
    tls: { mode: SIMPLE, credentialName: not-under-version-control }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: web }
spec: { host: web, subsets: [{ name: v1, labels: {} }, { name: v2, labels: {} }] }
---
`,
  virtualService(
    'main',
    ['a.test'],
    ['edge', 'secure'],
    `  - name: moved
    match: [{ uri: { prefix: /old } }]
    redirect: { uri: /new }
  - name: said
    match: [{ uri: { prefix: /say } }]
    directResponse: { status: 202, body: { string: hello } }
  - name: split
    match: [{ uri: { exact: /none } }, { uri: { prefix: /split } }]
    rewrite: { uri: /parts, authority: inner.test }
    headers: { request: { set: { x-route: "%ROUTE_NAME%" }, remove: [x-gone] } }
    corsPolicy: { allowOrigins: [{ exact: "http://o.test" }] }
    route:
    - { destination: { host: web, subset: v1 }, weight: 80, headers: { request: { set: { x-part: one } } } }
    - { destination: { host: web, subset: v2 }, weight: 20, headers: { request: { set: { x-part: two } } } }
  - name: lost
    match: [{ uri: { prefix: /lost } }]
    route: [{ destination: { host: nowhere } }]
  - name: api
    match: [{ uri: { prefix: /api } }]
    headers: { request: { set: { authorization: hush } } }
    route: [{ destination: { host: api } }]`,
  ),
].join('')

let loaded: LoadedConfiguration
beforeAll(async () => {
  loaded = await loadedFrom(CONFIGURATION, 'web.yaml')
})

function run(request: string, expected: string): CaseResult {
  const file = casesFrom(`cases:\n- name: it\n  request: ${request}\n  expect: { ${expected} }\n`)
  const [result] = runCases(file, loaded, new CoverageCount()).cases
  if (result === undefined) throw new Error('no result')
  return result
}

type Row = [request: string, holds: string, fails: string, actual: string]

describe('an expectation holds, or says what is there instead', () => {
  const rows: Row[] = [
    ['/api', 'virtualService: default/main', 'virtualService: shop/main', 'default/main'],
    ['/api', 'virtualService: main', 'virtualService: other', 'default/main'],
    ['/nothing', 'status: 404', 'virtualService: main', 'none'],
    ['/api', 'route: api', 'route: split', '"api"'],
    ['/nothing', 'flag: NR', 'route: split', 'none'],
    ['/split', 'rule: "spec.http[2]"', 'rule: "spec.http[1]"', 'spec.http[2].match[1]'],
    [
      '/split',
      'rule: "spec.http[2].match[1]"',
      'rule: "spec.http[2].match[0]"',
      'spec.http[2].match[1]',
    ],
    [
      '/api',
      'cluster: "outbound|80||api.default.svc.cluster.local"',
      'cluster: "outbound|81||api.default.svc.cluster.local"',
      'outbound|80||api.default.svc.cluster.local',
    ],
    ['/say', 'refused: false', 'cluster: x', 'none'],
    [
      '/split',
      'destinations: [{ host: web, subset: v2, weight: 20 }, { host: web, subset: v1, weight: 80, port: 8080 }]',
      'destinations: [{ host: web, subset: v1 }]',
      'web.default.svc.cluster.local port 8080 subset v1 weight 80, web.default.svc.cluster.local port 8080 subset v2 weight 20',
    ],
    [
      '/api',
      'destinations: [{ host: api.default.svc.cluster.local, weight: 100, subset: "" }]',
      'destinations: [{ host: api, weight: 99 }]',
      'api.default.svc.cluster.local port 80 weight 100',
    ],
    ['/say', 'status: 202', 'status: 200', '202'],
    ['/api', 'refused: false', 'status: 200', 'that of the upstream'],
    ['/lost', 'flag: NC', 'flag: ""', '"NC"'],
    ['/lost', 'refused: true', 'refused: false', 'true'],
    [
      '/old',
      'redirect: "http://a.test/new"',
      'redirect: "https://a.test/new"',
      'http://a.test/new',
    ],
    ['/api', 'flag: ""', 'redirect: "http://a.test/"', 'no redirect'],
    [
      '/say',
      'directResponse: { status: 202, body: hello }',
      'directResponse: { body: bye }',
      '"hello"',
    ],
    ['/say', 'directResponse: { body: hello }', 'directResponse: { status: 200 }', '202'],
    ['/api', 'flag: ""', 'directResponse: { status: 200 }', 'no direct response'],
    ['/split/a?b=c', 'rewrite: { path: /parts/a }', 'rewrite: { path: /split/a }', '/parts/a'],
    [
      '/split/a?b=c',
      'rewrite: { path: "/parts/a?b=c" }',
      'rewrite: { path: "/parts/a?b" }',
      '/parts/a?b=c',
    ],
    [
      '/split',
      'rewrite: { authority: inner.test }',
      'rewrite: { authority: a.test }',
      'inner.test',
    ],
    ['/say', 'status: 202', 'rewrite: { path: /say }', 'the request is not forwarded'],
    ['/split', 'headers: { x-route: split }', 'headers: { x-route: api }', '"split"'],
    [
      '/split',
      'headers: { host: inner.test }',
      'headers: { host: a.test }',
      '"inner.test" to outbound|8080|v1|web.default.svc.cluster.local',
    ],
    [
      '/split',
      'headers: { x-forwarded-proto: http }',
      'headers: { x-none: a }',
      'not sent to outbound|8080|v1|web.default.svc.cluster.local',
    ],
    ['/split', 'withoutHeaders: [x-gone]', 'withoutHeaders: [x-route]', '"split"'],
    [
      '/split',
      'headers: { x-sent: "1" }',
      'headers: { x-part: one }',
      '"two" to outbound|8080|v2|web.default.svc.cluster.local',
    ],
    ['/api', 'virtualHost: a.test', 'virtualHost: b.test', 'a.test:80'],
    ['/api', 'virtualHost: "a.test:80"', 'virtualHost: "a.test:81"', 'a.test:80'],
    ['/api', 'listener: "*:80"', 'listener: "*:81"', '*:80'],
    ['/api', 'gateway: default/edge', 'gateway: secure', 'default/edge'],
    ['/split', 'filters: [cors]', 'filters: [fault]', 'cors'],
    ['/api', 'flag: ""', 'filters: [cors]', 'none'],
  ]
  test.each(rows)('%s: %s', (path, holds, fails, actual) => {
    const request = `{ url: "http://a.test${path}", headers: { x-gone: a, x-sent: "1" } }`
    expect(run(request, holds).mismatches).toEqual([])
    const failed = run(request, fails)
    expect(failed.passed).toBe(false)
    expect(failed.mismatches.map((one) => one.actual.replace(/^("split") to .*/, '$1'))).toEqual([
      actual,
    ])
  })
})

test('a server whose Secret is not among the files answers as if it were', () => {
  expect(run('{ url: https://a.test/api }', 'gateway: secure, route: api').passed).toBe(true)
  expect(run('{ url: https://b.test/api }', 'refused: true').passed).toBe(true)
})

test('a failed case names the rule that decided and why the expected one did not', () => {
  const { decidedBy, expectedRules, mismatches } = run('{ url: http://a.test/api }', 'route: split')
  expect(mismatches).toEqual([{ field: 'route', line: 4, expected: '"split"', actual: '"api"' }])
  expect(decidedBy).toMatchObject({
    name: 'api',
    place: { file: 'web.yaml', path: 'spec.http[4].match[0]' },
  })
  expect(decidedBy?.place.line).toBeGreaterThan(1)
  expect(expectedRules.map(({ conditions }) => conditions[0]?.reason)).toEqual([
    expect.stringContaining('/none'),
    expect.stringContaining('/split'),
  ])
})

test('a client that the configuration does not have fails its case alone', () => {
  const result = run('{ url: http://a.test/, from: shop/nobody }', 'status: 404')
  expect(result.mismatches).toEqual([
    expect.objectContaining({
      field: 'request',
      actual: expect.stringContaining('no Pod shop/nobody'),
    }),
  ])
})

test('credentials are compared, and not shown', () => {
  const headers = (value: string): CaseResult =>
    run('{ url: http://a.test/api }', `headers: { authorization: ${value} }`)
  expect(headers('hush').passed).toBe(true)
  const failed = headers('other-hush')
  expect(failed.mismatches).toMatchObject([{ expected: 'this value', actual: 'another value' }])
  expect(JSON.stringify(failed)).not.toContain('hush')
  const sent = run('{ url: http://a.test/api }', 'withoutHeaders: [authorization]')
  expect(JSON.stringify(sent)).not.toContain('hush')
  expect(sent.passed).toBe(false)
})

test('a server that is broken otherwise is not assumed to work', async () => {
  const broken = CONFIGURATION.replace(
    'credentialName: not-under-version-control',
    'caCertificates: /x',
  )
  const file = casesFrom(
    'cases:\n- { name: it, request: { url: https://a.test/api }, expect: { refused: true } }\n',
  )
  const { cases } = runCases(file, await loadedFrom(broken), new CoverageCount())
  expect(cases[0]?.mismatches).toEqual([])
})
