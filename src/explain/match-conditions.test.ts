import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type RequestSketch, requestOf } from '../../test/support/requests.ts'
import type { StringMatchSpec } from '../routing/string-match.ts'
import { compileRouteMatch, type RouteMatchSpec } from '../routing/route-match.ts'
import { conditionsOf, describeMismatch } from './match-conditions.ts'

function mismatch(spec: RouteMatchSpec, sketch: RequestSketch): readonly string[] | null {
  const { match, errors } = compileRouteMatch(spec)
  expect(errors).toEqual([])
  return describeMismatch(match, requestOf(sketch))
}

const sentences: [spec: RouteMatchSpec, request: RequestSketch, sentence: string][] = [
  [
    { uri: { exact: '/api/v1' } },
    { target: '/api/v2' },
    'path /api/v2 differs from exact /api/v1 at character 7',
  ],
  [
    { uri: { exact: '/api' } },
    { target: '/api/x' },
    'path /api/x differs from exact /api from character 5 on, where the exact text ends',
  ],
  [
    { uri: { exact: '/api' } },
    { target: '/api/' },
    'path /api/ differs from exact /api from character 5 on, where the exact text ends (only a trailing slash differs)',
  ],
  [
    { uri: { exact: '/api/v1' } },
    { target: '/api' },
    'path /api differs from exact /api/v1 at character 5, where it ends',
  ],
  [
    { uri: { exact: '/API' } },
    { target: '/api' },
    'path /api differs from exact /API at character 2 (only upper and lower case differ)',
  ],
  [{ uri: { prefix: '/api' } }, { target: '/web' }, 'path /web does not begin with /api'],
  [
    { uri: { prefix: '/api/' } },
    { target: '/api' },
    'path /api does not begin with /api/ (only its trailing slash is missing)',
  ],
  [
    { uri: { regex: '/a+' } },
    { target: '/ab' },
    'path /ab does not match regex /a+ (a regex has to match the whole value)',
  ],
  [{ method: { exact: 'GET' } }, { method: 'POST' }, 'method is POST, exact GET asked'],
  [{ scheme: { exact: 'https' } }, {}, 'scheme is http, exact https asked'],
  [
    { authority: { exact: 'a.com' } },
    { authority: 'a.com:8080' },
    'authority a.com:8080 differs from exact a.com from character 6 on, where the exact text ends (authority is compared with its port)',
  ],
  [
    { headers: { 'end-user': { exact: 'jason' } } },
    {},
    "header end-user is missing, exact 'jason' asked",
  ],
  [
    { headers: { 'end-user': { exact: 'jason' } } },
    { headers: ['end-user', 'bob'] },
    "header end-user is 'bob', exact 'jason' asked",
  ],
  [
    { headers: { 'end-user': { prefix: 'test-' } } },
    { headers: ['end-user', 'bob'] },
    "header end-user 'bob' does not begin with 'test-'",
  ],
  [{ headers: { x: {} } }, {}, 'header x is missing, any value asked'],
  [
    { headers: { 'x-api-key': { exact: 'hunter2' } } },
    { headers: ['x-api-key', 'hunter3'] },
    'header x-api-key has another value, exact [redacted] asked',
  ],
  [{ withoutHeaders: { x: {} } }, { headers: ['x', '1'] }, 'header x is present, and must not be'],
  [
    { withoutHeaders: { x: { exact: '1' } } },
    { headers: ['x', '1'] },
    "header x matches exact '1', which withoutHeaders excludes: '1'",
  ],
  [
    { withoutHeaders: { x: { regex: 'a*' } } },
    {},
    "header x is missing, which counts as '' and matches regex 'a*'",
  ],
  [
    { withoutHeaders: { x: { regex: 'a*' } } },
    { headers: ['x', 'b'.repeat(9000)] },
    'header x of 9000 bytes is longer than a regex looks at',
  ],
  [
    { queryParams: { v: { exact: '2' } } },
    { target: '/?v=1' },
    "query parameter v is '1', exact '2' asked",
  ],
  [{ queryParams: { v: {} } }, { target: '/?w' }, 'query parameter v is missing, any value asked'],
  [
    { headers: { '@request.auth.claims.group': { exact: 'a' } } },
    {},
    "claim @request.auth.claims.group is missing, exact 'a' asked",
  ],
]

test.each(sentences)('%j of %j: %s', (spec, request, sentence) => {
  expect(mismatch(spec, request)).toEqual([sentence])
})

test('every failed condition is told, and those that hold are listed', () => {
  const { match } = compileRouteMatch({
    uri: { prefix: '/api' },
    method: { exact: 'POST' },
    headers: { 'end-user': { exact: 'jason' } },
  })
  const conditions = conditionsOf(match, requestOf({ target: '/api/x' }))
  expect(conditions.map(({ condition, holds }) => [condition, holds])).toEqual([
    ['path prefix /api', true],
    ['method exact POST', false],
    ["header end-user exact 'jason'", false],
  ])
})

test('the expected value of a credential stays out of every sentence', () => {
  const secret = 'hunter2'
  const spec = { exact: secret }
  const { match } = compileRouteMatch({
    headers: { authorization: spec, cookie: { prefix: secret } },
    withoutHeaders: { 'x-session': spec },
    queryParams: { token: { regex: secret } },
  })
  const request = requestOf({ target: '/?token=t', headers: ['x-session', secret, 'cookie', 'c'] })
  expect(JSON.stringify(conditionsOf(match, request))).not.toContain(secret)
})

const word = fc.constantFrom('', 'a', 'ab', 'b', '/', '/a', '/ab', '/A', 'http', 'ä')
const stringMatch: fc.Arbitrary<StringMatchSpec> = fc.oneof(
  word.map((exact) => ({ exact })),
  word.map((prefix) => ({ prefix })),
  fc.constantFrom('a*', '.*', '/a?', '[ab]+', '*').map((regex) => ({ regex })),
  fc.constant({}),
)
const name = fc.constantFrom('x', 'y', 'host', ':path', 'token')
const map = fc.dictionary(name, stringMatch, { maxKeys: 3, noNullPrototype: true })
const specs = fc.record(
  {
    uri: stringMatch,
    ignoreUriCase: fc.boolean(),
    method: stringMatch,
    scheme: stringMatch,
    authority: stringMatch,
    headers: map,
    withoutHeaders: map,
    queryParams: map,
  },
  { requiredKeys: [] },
)
const requests = fc.record({
  method: word,
  authority: word,
  target: fc
    .tuple(word, fc.constantFrom('', '?x', '?x=a&y=b', '?y=ab'))
    .map((parts) => parts.join('')),
  headers: fc.array(fc.tuple(name, fc.oneof(word, fc.constant('a'.repeat(9000)))), {
    maxLength: 3,
  }),
})

test('a mismatch is described exactly where the matcher says no', () => {
  fc.assert(
    fc.property(specs, requests, (spec, sketch) => {
      const { match } = compileRouteMatch(spec)
      const request = requestOf({ ...sketch, headers: sketch.headers.flat() })
      const reasons = describeMismatch(match, request)
      expect(reasons === null).toBe(match === null || match.matches(request))
      for (const reason of reasons ?? []) expect(reason).not.toBe('')
    }),
    { numRuns: 1000 },
  )
})
