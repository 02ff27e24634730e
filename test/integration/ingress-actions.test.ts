import { describe, expect, test } from 'vitest'
import { call } from '../support/call.ts'
import { startGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

/** Enough that a share three standard deviations off is next to impossible by chance. */
const PICKS = 400

describe('weighted destinations', () => {
  const rows: readonly (readonly [
    what: string,
    weights: readonly number[],
    low: number,
    high: number,
  ])[] = [
    ['20 to 80', [20, 80], 0.11, 0.29],
    ['weights need not add up to 100', [3, 1], 0.65, 0.85],
    ['a weight of 0 gets nothing', [0, 7], 0, 0],
    ['all to one', [100, 0], 1, 1],
  ]
  test.each(rows)('%s', async (_what, [first, second], low, high) => {
    await using one = await startUpstream('one')
    await using two = await startUpstream('two')
    await using gw = await startGateway(
      service('one', one.port) +
        service('two', two.port) +
        gateway('gw', ['app.test']) +
        virtualService(
          'app',
          ['app.test'],
          ['gw'],
          `  - route: [{ destination: { host: one }, weight: ${first} }, { destination: { host: two }, weight: ${second} }]`,
        ),
      { ports: [80] },
    )
    const port = gw.port(80)
    for (let sent = 0; sent < PICKS; sent += 20) {
      await Promise.all(Array.from({ length: 20 }, () => call({ port, host: 'app.test' })))
    }
    expect(one.seen.length + two.seen.length).toBe(PICKS)
    const share = one.seen.length / PICKS
    expect(share).toBeGreaterThanOrEqual(low)
    expect(share).toBeLessThanOrEqual(high)
  })

  test('one destination gets all, whatever its weight', async () => {
    await using one = await startUpstream('one')
    await using gw = await startGateway(
      service('one', one.port) +
        gateway('gw', ['app.test']) +
        virtualService(
          'app',
          ['app.test'],
          ['gw'],
          '  - route: [{ destination: { host: one }, weight: 0 }]',
        ),
      { ports: [80] },
    )
    expect((await call({ port: gw.port(80), host: 'app.test' })).body).toBe('one')
  })
})

test('rewrites change what the upstream sees and keep the original path in a header', async () => {
  const rows: readonly {
    match: string
    rewrite: string
    sent: string
    url: string
    host?: string
    original: string | undefined
  }[] = [
    {
      match: '{ uri: { prefix: /p/ } }',
      rewrite: '{ uri: / }',
      sent: '/p/a/b?x=1%2F',
      url: '/a/b?x=1%2F',
      original: '/p/a/b?x=1%2F',
    },
    {
      match: '{ uri: { prefix: /raw } }',
      rewrite: '{ uri: / }',
      sent: '/raw/bar',
      url: '//bar',
      original: '/raw/bar',
    },
    {
      match: '{ uri: { exact: /e } }',
      rewrite: '{ uri: /other/place }',
      sent: '/e?q',
      url: '/other/place?q',
      original: '/e?q',
    },
    {
      match: "{ uri: { regex: '/r/.*' } }",
      rewrite: '{ uri: /fixed }',
      sent: '/r/anything',
      url: '/fixed',
      original: '/r/anything',
    },
    {
      match: '{ uri: { prefix: /g/ } }',
      rewrite: "{ uriRegexRewrite: { match: '^/g/([^/]+)/([^/]+)$', rewrite: '/\\2/\\1' } }",
      sent: '/g/one/two?k=v',
      url: '/two/one?k=v',
      original: '/g/one/two?k=v',
    },
    {
      match: '{ uri: { prefix: /CI }, ignoreUriCase: true }',
      rewrite: '{ uri: /x }',
      sent: '/cI/y',
      url: '/x/y',
      original: '/cI/y',
    },
    {
      match: '{ uri: { prefix: /auth } }',
      rewrite: '{ authority: inner.test }',
      sent: '/auth',
      url: '/auth',
      host: 'inner.test',
      original: undefined,
    },
    {
      match: '{ uri: { prefix: /both } }',
      rewrite: '{ uri: /b, authority: "inner.test:81" }',
      sent: '/both/x',
      url: '/b/x',
      host: 'inner.test:81',
      original: '/both/x',
    },
    {
      match: '{ method: { exact: GET } }',
      rewrite: '{ uri: /new }',
      sent: '/a',
      url: '/newa',
      original: '/a',
    },
  ]
  await using app = await startUpstream('app')
  const rules = rows.map(
    ({ match, rewrite }) =>
      `  - { match: [${match}], rewrite: ${rewrite}, route: [{ destination: { host: app } }] }\n`,
  )
  await using gw = await startGateway(
    service('app', app.port) +
      gateway('gw', ['app.test']) +
      virtualService('app', ['app.test'], ['gw'], rules.join('')),
    { ports: [80] },
  )
  expect(gw.gateway.problems.filter((problem) => problem.severity === 'error')).toEqual([])
  for (const row of rows) {
    await call({ port: gw.port(80), host: 'app.test', path: row.sent })
    const seen = app.seen.at(-1)!
    expect({
      url: seen.url,
      host: seen.headers.host,
      original: seen.headers['x-envoy-original-path'],
    }).toEqual({ url: row.url, host: row.host ?? 'app.test', original: row.original })
  }
})

test('redirects compute status and location from the request', async () => {
  const rows: readonly (readonly [
    redirect: string,
    sent: string,
    status: number,
    location: string,
  ])[] = [
    ['{ uri: /new }', '?q=1', 301, 'http://app.test/new?q=1'],
    ['{ uri: "/new?own=1" }', '?q=1', 301, 'http://app.test/new?own=1'],
    ['{ authority: other.test }', '/x?q', 301, 'http://other.test$PATH/x?q'],
    ['{ scheme: https, redirectCode: 308 }', '', 308, 'https://app.test$PATH'],
    ['{ scheme: https, port: 8443 }', '', 301, 'https://app.test:8443$PATH'],
    ['{ uri: /p, derivePort: FROM_REQUEST_PORT }', '', 301, 'http://app.test/p'],
    ['{ uri: /p, port: 80, redirectCode: 302 }', '', 302, 'http://app.test/p'],
    ['{ prefixRewrite: /n }', '/rest?k', 301, 'http://app.test/n/rest?k'],
    ['{ uri: /p, redirectCode: 303 }', '', 303, 'http://app.test/p'],
    ['{ uri: /p, redirectCode: 307 }', '', 307, 'http://app.test/p'],
  ]
  const rules = rows.map(
    ([redirect], index) =>
      `  - { match: [{ uri: { prefix: /r${index}x } }], redirect: ${redirect} }\n`,
  )
  await using gw = await startGateway(
    gateway('gw', ['app.test']) + virtualService('app', ['app.test'], ['gw'], rules.join('')),
    { ports: [80] },
  )
  for (const [index, [redirect, sent, status, location]] of rows.entries()) {
    const path = `/r${index}x${sent}`
    const answer = await call({ port: gw.port(80), host: 'app.test', path })
    expect([redirect, answer.status, answer.headers.location]).toEqual([
      redirect,
      status,
      location.replace('$PATH', `/r${index}x`),
    ])
    expect(answer.body).toBe('')
  }
})

describe('httpsRedirect', () => {
  const server = (hosts: string): string => `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw }
spec:
  servers:
  - { port: { number: 80, name: http, protocol: HTTP }, hosts: ${hosts}, tls: { httpsRedirect: true } }
---
`
  const app = virtualService(
    'app',
    ['app.test'],
    ['gw'],
    '  - { directResponse: { status: 200, body: { string: app } } }',
  )

  test('every request gets 301 to https without port, also where no VirtualService is bound', async () => {
    await using gw = await startGateway(server('["app.test", "bare.test"]') + app, { ports: [80] })
    const port = gw.port(80)
    const bound = await call({ port, host: 'app.test:8080', path: '/a?b=c' })
    expect([bound.status, bound.headers.location]).toEqual([301, 'https://app.test/a?b=c'])
    const bare = await call({ port, host: 'bare.test', method: 'POST', body: 'x' })
    expect([bare.status, bare.headers.location]).toEqual([301, 'https://bare.test/'])
    expect((await call({ port, host: 'other.test' })).status).toBe(404)
    const forged = await call({ port, host: 'app.test', headers: { 'x-forwarded-proto': 'https' } })
    expect(forged.status).toBe(301)
  })

  test('behind a trusted proxy x-forwarded-proto decides', async () => {
    const mesh = `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "defaultConfig: { gatewayTopology: { numTrustedProxies: 1 } }" }
---
`
    await using gw = await startGateway(mesh + server('["app.test"]') + app, { ports: [80] })
    const port = gw.port(80)
    const secure = await call({ port, host: 'app.test', headers: { 'x-forwarded-proto': 'https' } })
    expect([secure.status, secure.body]).toEqual([200, 'app'])
    const plain = await call({ port, host: 'app.test', headers: { 'x-forwarded-proto': 'http' } })
    expect(plain.status).toBe(301)
  })
})

test('direct responses carry status, body and the headers of the route', async () => {
  const bytes = Buffer.from([0, 255, 10]).toString('base64')
  const rules = [
    '  - { match: [{ uri: { exact: /text } }], directResponse: { status: 418, body: { string: "čaj" } } }',
    `  - { match: [{ uri: { exact: /bytes } }], directResponse: { status: 200, body: { bytes: ${bytes} } }, headers: { response: { set: { content-type: image/x } } } }`,
    '  - { match: [{ uri: { exact: /bare } }], directResponse: { status: 503 } }',
  ]
  await using gw = await startGateway(
    gateway('gw', ['app.test']) + virtualService('app', ['app.test'], ['gw'], rules.join('\n')),
    { ports: [80] },
  )
  const get = (path: string, method = 'GET'): ReturnType<typeof call> =>
    call({ port: gw.port(80), host: 'app.test', path, method })
  const text = await get('/text')
  expect([text.status, text.headers['content-type']]).toEqual([418, 'text/plain'])
  expect(Buffer.from(text.body, 'latin1').toString('utf8')).toBe('čaj')
  const head = await get('/text', 'HEAD')
  expect([head.status, head.headers['content-length'], head.body]).toEqual([418, '4', ''])
  const raw = await get('/bytes')
  expect([raw.headers['content-type'], raw.body]).toEqual(['image/x', '\u0000\u00ff\n'])
  const bare = await get('/bare')
  expect([bare.status, bare.body, bare.headers['content-length']]).toEqual([503, '', '0'])
})
