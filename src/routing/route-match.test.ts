import fc from 'fast-check'
import { RE2JS } from 're2js'
import { describe, expect, test } from 'vitest'
import { type RequestSketch, requestOf } from '../../test/support/requests.ts'
import { firstQueryValue } from './query-condition.ts'
import { compileRouteMatch, type RouteMatchSpec } from './route-match.ts'
import type { StringMatchSpec } from './string-match.ts'

function matches(spec: RouteMatchSpec, sketch: RequestSketch): boolean {
  const { match, errors } = compileRouteMatch(spec)
  expect(errors).toEqual([])
  return match === null || match.matches(requestOf(sketch))
}

type Row = { name: string; spec: RouteMatchSpec; request: RequestSketch; expected: boolean }

const rows: Row[] = [
  {
    name: 'prefix is a raw string prefix',
    spec: { uri: { prefix: '/foo' } },
    request: { target: '/foobar' },
    expected: true,
  },
  {
    name: 'uri is compared without query',
    spec: { uri: { exact: '/foo' } },
    request: { target: '/foo?x=/y' },
    expected: true,
  },
  {
    name: 'uri regex must match the whole path',
    spec: { uri: { regex: '/foo' } },
    request: { target: '/foo/x' },
    expected: false,
  },
  {
    name: 'case of a path matters',
    spec: { uri: { exact: '/foo' } },
    request: { target: '/FOO' },
    expected: false,
  },
  {
    name: 'ignoreUriCase folds exact',
    spec: { uri: { exact: '/foo' }, ignoreUriCase: true },
    request: { target: '/FOO' },
    expected: true,
  },
  {
    name: 'ignoreUriCase folds prefix',
    spec: { uri: { prefix: '/Foo' }, ignoreUriCase: true },
    request: { target: '/fOo/x' },
    expected: true,
  },
  {
    name: 'ignoreUriCase leaves regex alone',
    spec: { uri: { regex: '/foo' }, ignoreUriCase: true },
    request: { target: '/FOO' },
    expected: false,
  },
  {
    name: 'authority keeps its port',
    spec: { authority: { exact: 'a.com' } },
    request: { authority: 'a.com:8080' },
    expected: false,
  },
  {
    name: 'authority is case-sensitive',
    spec: { authority: { exact: 'a.com' } },
    request: { authority: 'A.com' },
    expected: false,
  },
  {
    name: 'method is case-sensitive',
    spec: { method: { exact: 'get' } },
    request: { method: 'GET' },
    expected: false,
  },
  {
    name: 'scheme is compared',
    spec: { scheme: { exact: 'https' } },
    request: { scheme: 'http' },
    expected: false,
  },
  {
    name: 'conditions are ANDed',
    spec: { uri: { prefix: '/' }, method: { exact: 'POST' } },
    request: { method: 'GET' },
    expected: false,
  },
  {
    name: 'header names ignore case',
    spec: { headers: { 'X-User': { exact: 'a' } } },
    request: { headers: ['x-user', 'a'] },
    expected: true,
  },
  {
    name: 'header values do not',
    spec: { headers: { 'x-user': { exact: 'a' } } },
    request: { headers: ['x-user', 'A'] },
    expected: false,
  },
  {
    name: 'repeated headers are joined',
    spec: { headers: { x: { exact: 'a,b' } } },
    request: { headers: ['x', 'a', 'x', 'b'] },
    expected: true,
  },
  {
    name: 'no single one of repeated headers counts',
    spec: { headers: { x: { exact: 'a' } } },
    request: { headers: ['x', 'a', 'x', 'b'] },
    expected: false,
  },
  {
    name: '{} asks for presence',
    spec: { headers: { x: {} } },
    request: { headers: ['x', ''] },
    expected: true,
  },
  {
    name: '{} fails without the header',
    spec: { headers: { x: {} } },
    request: {},
    expected: false,
  },
  {
    name: 'regex * asks for presence',
    spec: { headers: { x: { regex: '*' } } },
    request: { headers: ['x', 'any'] },
    expected: true,
  },
  {
    name: 'a missing header is not an empty one',
    spec: { headers: { x: { exact: '' } } },
    request: {},
    expected: false,
  },
  {
    name: 'a regex that accepts nothing needs the header',
    spec: { headers: { x: { regex: '.*' } } },
    request: {},
    expected: false,
  },
  {
    name: ':authority as a header',
    spec: { headers: { ':authority': { prefix: 'a.com' } } },
    request: { authority: 'a.com:1' },
    expected: true,
  },
  {
    name: 'host as a header',
    spec: { headers: { Host: { exact: 'a.com' } } },
    request: { authority: 'a.com' },
    expected: true,
  },
  {
    name: ':method as a header',
    spec: { headers: { ':method': { exact: 'PUT' } } },
    request: { method: 'PUT' },
    expected: true,
  },
  {
    name: ':path holds the query',
    spec: { headers: { ':path': { exact: '/a?b=1' } } },
    request: { target: '/a?b=1' },
    expected: true,
  },
  {
    name: ':scheme as a header',
    spec: { headers: { ':scheme': { exact: 'https' } } },
    request: { scheme: 'https' },
    expected: true,
  },
  {
    name: 'upgrade as a header',
    spec: { headers: { Upgrade: { exact: 'websocket' } } },
    request: { upgrade: 'websocket' },
    expected: true,
  },
  {
    name: 'connection of an upgrade',
    spec: { headers: { connection: { regex: '(?i)upgrade' } } },
    request: { upgrade: 'websocket' },
    expected: true,
  },
  {
    name: 'content-length as a header',
    spec: { headers: { 'content-length': { exact: '12' } } },
    request: { bodyLength: 12 },
    expected: true,
  },
  {
    name: 'unknown body length is no header',
    spec: { headers: { 'content-length': {} } },
    request: { bodyLength: -1 },
    expected: false,
  },
  {
    name: 'a key spelled uri is an ordinary header',
    spec: { headers: { uri: { exact: '/' } } },
    request: { target: '/' },
    expected: false,
  },
  {
    name: 'without a validated token a JWT claim is absent',
    spec: { headers: { '@request.auth.claims.group': {} } },
    request: {},
    expected: false,
  },
  {
    name: 'without a validated token no JWT claim has a value that is excluded',
    spec: { withoutHeaders: { '@request.auth.claims[a][b]': { exact: 'x' } } },
    request: {},
    expected: true,
  },
  {
    name: 'without exact holds when absent',
    spec: { withoutHeaders: { x: { exact: 'a' } } },
    request: {},
    expected: true,
  },
  {
    name: 'without exact holds on another value',
    spec: { withoutHeaders: { x: { exact: 'a' } } },
    request: { headers: ['x', 'b'] },
    expected: true,
  },
  {
    name: 'without exact fails on the value',
    spec: { withoutHeaders: { x: { exact: 'a' } } },
    request: { headers: ['x', 'a'] },
    expected: false,
  },
  {
    name: 'without a regex that accepts empty fails when absent',
    spec: { withoutHeaders: { x: { regex: 'a*' } } },
    request: {},
    expected: false,
  },
  {
    name: 'without {} wants absence',
    spec: { withoutHeaders: { x: {} } },
    request: {},
    expected: true,
  },
  {
    name: 'without {} fails on an empty value',
    spec: { withoutHeaders: { x: {} } },
    request: { headers: ['x', ''] },
    expected: false,
  },
  {
    name: 'without a regex fails on a value too long to look at',
    spec: { withoutHeaders: { x: { regex: 'evil' } } },
    request: { headers: ['x', 'a'.repeat(9000)] },
    expected: false,
  },
  {
    name: 'without a regex sees through bytes that are no UTF-8',
    spec: { withoutHeaders: { x: { regex: '.*admin.*' } } },
    request: { headers: ['x', '\xffadmin'] },
    expected: false,
  },
  {
    name: 'query: exact',
    spec: { queryParams: { v: { exact: '2' } } },
    request: { target: '/?u=1&v=2' },
    expected: true,
  },
  {
    name: 'query: the first value counts',
    spec: { queryParams: { v: { exact: '2' } } },
    request: { target: '/?v=1&v=2' },
    expected: false,
  },
  {
    name: 'query: {} accepts a key without value',
    spec: { queryParams: { v: {} } },
    request: { target: '/?v' },
    expected: true,
  },
  {
    name: 'query: {} wants the key',
    spec: { queryParams: { v: {} } },
    request: { target: '/?vv=1&wv=2' },
    expected: false,
  },
  {
    name: 'query: nothing is decoded',
    spec: { queryParams: { v: { exact: 'a b' } } },
    request: { target: '/?v=a%20b' },
    expected: false,
  },
  {
    name: 'query: the encoded text is compared',
    spec: { queryParams: { v: { exact: 'a%20b' } } },
    request: { target: '/?v=a%20b' },
    expected: true,
  },
  {
    name: 'query: case of keys matters',
    spec: { queryParams: { v: {} } },
    request: { target: '/?V=1' },
    expected: false,
  },
]

test.each(rows)('$name', ({ spec, request, expected }) => {
  expect(matches(spec, request)).toBe(expected)
})

describe('compiling', () => {
  test('an entry without conditions is no match object', () => {
    expect(compileRouteMatch({})).toEqual({ match: null, errors: [] })
    expect(compileRouteMatch({ headers: {} }).match).toBeNull()
  })

  test('every condition that cannot be compiled is named', () => {
    const { match, errors } = compileRouteMatch({
      uri: { regex: '(' },
      headers: { 'x-a': { regex: '[' } },
      queryParams: { q: { regex: 'a**' } },
    })
    expect(match).toBeNull()
    expect(errors.map((error) => error.split(':')[0])).toEqual([
      'headers["x-a"]',
      'queryParams["q"]',
      'uri',
    ])
  })

  test.each<{ spec: RouteMatchSpec; kind: string; prefixLength: number; catchAll: boolean }>([
    { spec: { uri: { prefix: '/foo/' } }, kind: 'prefix', prefixLength: 5, catchAll: false },
    { spec: { uri: { prefix: '/é' } }, kind: 'prefix', prefixLength: 3, catchAll: false },
    { spec: { uri: { prefix: '/' } }, kind: 'prefix', prefixLength: 1, catchAll: true },
    { spec: { uri: { regex: '.*' } }, kind: 'regex', prefixLength: 1, catchAll: true },
    { spec: { uri: { exact: '/' } }, kind: 'exact', prefixLength: 1, catchAll: false },
    { spec: { method: { exact: 'GET' } }, kind: 'none', prefixLength: 1, catchAll: false },
    {
      spec: { uri: { prefix: '/' }, headers: { x: {} } },
      kind: 'prefix',
      prefixLength: 1,
      catchAll: false,
    },
  ])('$spec is of kind $kind', ({ spec, kind, prefixLength, catchAll }) => {
    const { match } = compileRouteMatch(spec)
    expect(match).toMatchObject({ kind, prefixLength, isCatchAll: catchAll })
  })
})

describe('against a naive reading', () => {
  const word = fc.constantFrom('', 'a', 'ab', 'b', '/', '/a', '/ab', '/A')
  const stringMatch: fc.Arbitrary<StringMatchSpec> = fc.oneof(
    word.map((exact) => ({ exact })),
    word.map((prefix) => ({ prefix })),
    fc.constantFrom('a*', '.*', '/a?', '[ab]+').map((regex) => ({ regex })),
    fc.constant({}),
  )
  const key: fc.Arbitrary<string> = fc.constantFrom('x', 'y')
  const maps = fc.dictionary(key, stringMatch, { maxKeys: 2, noNullPrototype: true })
  const spec = fc.record(
    {
      uri: stringMatch,
      method: stringMatch,
      headers: maps,
      withoutHeaders: maps,
      queryParams: maps,
    },
    { requiredKeys: [] },
  )
  const pair = fc.tuple(key, word)
  const request = fc.record({
    path: word,
    method: word,
    headers: fc.array(pair, { maxLength: 3 }),
    query: fc.array(pair, { maxLength: 3 }),
  })

  function stringMatches(text: StringMatchSpec, value: string): boolean {
    if (text.exact !== undefined) return text.exact === value
    if (text.prefix !== undefined) return value.indexOf(text.prefix) === 0
    return text.regex === undefined || RE2JS.compile(`^(?:${text.regex})$`).test(value)
  }

  test('the same requests match', () => {
    fc.assert(
      fc.property(spec, request, (wanted, sent) => {
        const headers = new Map<string, string>()
        for (const [name, value] of sent.headers) {
          headers.set(name, headers.has(name) ? `${headers.get(name)},${value}` : value)
        }
        const query = new Map(sent.query.toReversed())
        const expected =
          (wanted.uri === undefined || stringMatches(wanted.uri, sent.path)) &&
          (wanted.method === undefined || stringMatches(wanted.method, sent.method)) &&
          Object.entries(wanted.headers ?? {}).every(
            ([name, text]) => headers.has(name) && stringMatches(text, headers.get(name)!),
          ) &&
          Object.entries(wanted.withoutHeaders ?? {}).every(([name, text]) =>
            Object.keys(text).length === 0
              ? !headers.has(name)
              : !stringMatches(text, headers.get(name) ?? ''),
          ) &&
          Object.entries(wanted.queryParams ?? {}).every(
            ([name, text]) => query.has(name) && stringMatches(text, query.get(name)!),
          )
        const target = sent.query.map(([name, value]) => `${name}=${value}`).join('&')
        const actual = matches(wanted, {
          method: sent.method,
          target: sent.query.length === 0 ? sent.path : `${sent.path}?${target}`,
          headers: sent.headers.flat(),
        })
        expect(actual).toBe(expected)
      }),
      { numRuns: 2000 },
    )
  })
})

test('the first query value equals the first hit among the split pairs', () => {
  const text = fc.array(fc.constantFrom('a', 'b', '=', '&', '%41'), { maxLength: 8 })
  fc.assert(
    fc.property(text, fc.constantFrom('a', 'b', 'ab', 'a%41'), (characters, key) => {
      const query = `?${characters.join('')}`
      const found = query
        .slice(1)
        .split('&')
        .map((pair) => [
          pair.split('=')[0],
          pair.includes('=') ? pair.slice(pair.indexOf('=') + 1) : '',
        ])
        .find(([name]) => name === key)
      expect(firstQueryValue(query, key)).toBe(found === undefined ? null : found[1])
    }),
    { numRuns: 1000 },
  )
  expect(firstQueryValue('', 'a')).toBeNull()
})
