import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { call } from '../support/call.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { gateway, virtualService } from '../support/yaml.ts'

/** One http rule of one host, and requests that must match or miss it. */
interface Row {
  readonly what: string
  /** Flow YAML of one HTTPMatchRequest. */
  readonly match: string
  readonly hits: readonly Sent[]
  readonly misses: readonly Sent[]
}

interface Sent {
  readonly path?: string
  readonly method?: string
  readonly headers?: Record<string, string | string[]>
  /** Appended to the row's host. */
  readonly port?: string
}

const rows: readonly Row[] = [
  {
    what: 'uri exact sees neither query nor fragment',
    match: '{ uri: { exact: /a } }',
    hits: [{ path: '/a' }, { path: '/a?x=1' }],
    misses: [{ path: '/A' }, { path: '/a/' }, { path: '/ab' }],
  },
  {
    what: 'uri prefix is a string prefix',
    match: '{ uri: { prefix: /foo } }',
    hits: [{ path: '/foo' }, { path: '/foo/bar' }, { path: '/foobar?q' }],
    misses: [{ path: '/fo' }, { path: '/x/foo' }, { path: '/FOO' }],
  },
  {
    what: 'uri regex matches the whole path',
    match: "{ uri: { regex: '/v[0-9]+/.*' } }",
    hits: [{ path: '/v1/x' }, { path: '/v22/' }],
    misses: [{ path: '/v/x' }, { path: '/a/v1/x' }, { path: '/v1' }],
  },
  {
    what: 'uri regex alternatives are anchored on both sides',
    match: "{ uri: { regex: '/a|/b' } }",
    hits: [{ path: '/a' }, { path: '/b' }],
    misses: [{ path: '/ab' }, { path: '/a/b' }],
  },
  {
    what: 'ignoreUriCase with exact and prefix',
    match: '{ uri: { prefix: /Foo }, ignoreUriCase: true }',
    hits: [{ path: '/foo/x' }, { path: '/FOO' }],
    misses: [{ path: '/fo' }],
  },
  {
    what: 'the path is normalised first',
    match: '{ uri: { exact: /a/b } }',
    hits: [{ path: '/a/b' }, { path: '/a/./b' }, { path: '/a/x/../b' }, { path: '/%61/b' }],
    misses: [{ path: '/a//b' }, { path: '/a%2Fb' }],
  },
  {
    what: 'method',
    match: '{ method: { exact: POST } }',
    hits: [{ method: 'POST' }],
    misses: [{ method: 'GET' }, { method: 'PUT' }],
  },
  {
    what: 'method regex',
    match: "{ method: { regex: 'GET|HEAD' } }",
    hits: [{ method: 'GET' }],
    misses: [{ method: 'DELETE' }],
  },
  {
    what: 'scheme is the one of the socket, whatever an untrusted client says',
    match: '{ scheme: { exact: http } }',
    hits: [{}, { headers: { 'x-forwarded-proto': 'https' } }],
    misses: [],
  },
  {
    what: 'authority is compared as received, with its port',
    match: '{ authority: { regex: ".*:8443" } }',
    hits: [{ port: ':8443' }],
    misses: [{}, { port: ':80' }],
  },
  {
    what: 'header exact, by a name in any case, of a value with its case',
    match: '{ headers: { End-User: { exact: jason } } }',
    hits: [{ headers: { 'end-user': 'jason' } }, { headers: { 'END-USER': 'jason' } }],
    misses: [{}, { headers: { 'end-user': 'Jason' } }, { headers: { 'end-user': 'jasons' } }],
  },
  {
    what: 'header prefix and regex together',
    match: "{ headers: { x-a: { prefix: v1 }, x-b: { regex: '[a-c]+' } } }",
    hits: [{ headers: { 'x-a': 'v1.2', 'x-b': 'abc' } }],
    misses: [
      { headers: { 'x-a': 'v1.2' } },
      { headers: { 'x-a': 'v1', 'x-b': 'abcd' } },
      { headers: { 'x-a': 'v2', 'x-b': 'abc' } },
    ],
  },
  {
    what: 'header presence',
    match: '{ headers: { x-debug: {} } }',
    hits: [{ headers: { 'x-debug': '1' } }, { headers: { 'x-debug': '' } }],
    misses: [{}],
  },
  {
    what: 'repeated headers are one value',
    match: "{ headers: { x-list: { exact: 'a,b' } } }",
    hits: [{ headers: { 'x-list': ['a', 'b'] } }],
    misses: [{ headers: { 'x-list': ['b', 'a'] } }, { headers: { 'x-list': 'a' } }],
  },
  {
    what: 'pseudo-headers',
    match: '{ headers: { ":method": { exact: PUT }, ":path": { prefix: /p } } }',
    hits: [{ method: 'PUT', path: '/p?x' }],
    misses: [{ method: 'PUT' }, { method: 'GET', path: '/p' }],
  },
  {
    what: 'withoutHeaders exact holds for an absent header too',
    match: '{ withoutHeaders: { x-env: { exact: prod } } }',
    hits: [{}, { headers: { 'x-env': 'dev' } }],
    misses: [{ headers: { 'x-env': 'prod' } }],
  },
  {
    what: 'withoutHeaders presence',
    match: '{ withoutHeaders: { x-env: {} } }',
    hits: [{}],
    misses: [{ headers: { 'x-env': 'x' } }],
  },
  {
    what: 'query parameters compare the first value, undecoded',
    match: "{ queryParams: { user: { exact: 'a%20b' }, id: { regex: '[0-9]+' } } }",
    hits: [{ path: '/?user=a%20b&id=12' }, { path: '/?id=1&user=a%20b&user=z' }],
    misses: [{ path: '/?user=a+b&id=1' }, { path: '/?user=a%20b&id=x' }, { path: '/?id=1' }],
  },
  {
    what: 'query prefix and presence',
    match: '{ queryParams: { q: { prefix: ab }, flag: {} } }',
    hits: [{ path: '/?flag&q=abc' }, { path: '/?flag=&q=ab' }],
    misses: [{ path: '/?flag&q=b' }, { path: '/?q=abc' }, { path: '/?flags&q=abc' }],
  },
  {
    what: 'all conditions of one entry',
    match: '{ uri: { prefix: /x }, method: { exact: PUT }, headers: { k: { exact: v } } }',
    hits: [{ path: '/x1', method: 'PUT', headers: { k: 'v' } }],
    misses: [
      { path: '/x1', headers: { k: 'v' } },
      { path: '/x1', method: 'PUT' },
    ],
  },
  {
    what: 'port is the number of the Gateway server',
    match: '{ port: 80 }',
    hits: [{}, { port: ':8080' }],
    misses: [],
  },
  { what: 'another port never matches', match: '{ port: 81 }', hits: [], misses: [{}] },
  {
    what: 'a Gateway named in the entry',
    match: '{ gateways: [gw], uri: { prefix: /g } }',
    hits: [{ path: '/g' }],
    misses: [{ path: '/' }],
  },
]

const hostOf = (index: number): string => `m${index}.test`

describe('HTTPMatchRequest over the socket', () => {
  let gw: TestGateway

  beforeAll(async () => {
    const services = rows.map(({ match }, index) =>
      virtualService(
        `vs-${index}`,
        [hostOf(index)],
        ['gw'],
        `  - { match: [${match}], directResponse: { status: 200, body: { string: hit } } }`,
      ),
    )
    gw = await startGateway(gateway('gw', ['*']) + services.join(''), { ports: [80] })
  })
  afterAll(() => gw[Symbol.asyncDispose]())

  test('every rule was accepted as written', () => {
    expect(gw.gateway.problems.filter((problem) => problem.severity === 'error')).toEqual([])
  })

  test.each(rows.map((row, index) => ({ ...row, index })))(
    '$what',
    async ({ hits, misses, index }) => {
      const statusOf = async (sent: Sent): Promise<number> => {
        const { path = '/', method = 'GET', headers = {}, port = '' } = sent
        const host = hostOf(index) + port
        const answer = await call({ port: gw.port(80), host, path, method, headers })
        return answer.status
      }
      const seen = { hits: [] as number[], misses: [] as number[] }
      for (const sent of hits) seen.hits.push(await statusOf(sent))
      for (const sent of misses) seen.misses.push(await statusOf(sent))
      expect(seen).toEqual({ hits: hits.map(() => 200), misses: misses.map(() => 404) })
    },
  )
})

test('rules are tried in order: the first match wins although a later one is longer', async () => {
  const answer = (match: string, text: string): string =>
    `  - { match: [${match}], directResponse: { status: 200, body: { string: ${text} } } }\n`
  await using gw = await startGateway(
    gateway('gw', ['*']) +
      virtualService(
        'vs',
        ['a.test'],
        ['gw'],
        answer('{ uri: { prefix: /a } }', 'short') +
          answer('{ uri: { prefix: /a/b } }', 'long') +
          answer('{ uri: { exact: /x } }, { headers: { k: { exact: v } } }', 'either') +
          answer('{ uri: { prefix: / } }', 'rest'),
      ),
    { ports: [80] },
  )
  const get = async (path: string, headers: Record<string, string> = {}): Promise<string> =>
    (await call({ port: gw.port(80), host: 'a.test', path, headers })).body
  expect(await get('/a/b')).toBe('short')
  expect(await get('/x')).toBe('either')
  expect(await get('/y', { k: 'v' })).toBe('either')
  expect(await get('/y')).toBe('rest')
})
