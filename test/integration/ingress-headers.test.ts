import { describe, expect, test } from 'vitest'
import { call } from '../support/call.ts'
import { startGateway } from '../support/gateway.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

function meshConfig(mesh: string): string {
  return `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: ${JSON.stringify(mesh)} }
---
`
}

/** One host routed to one upstream by `rule` (flow YAML of an http rule, without its route). */
function routed(app: Upstream, rule: string, destination = ''): string {
  return (
    service('app', app.port) +
    gateway('gw', ['app.test']) +
    virtualService(
      'app',
      ['app.test'],
      ['gw'],
      `  - { route: [{ destination: { host: app } ${destination} }] ${rule} }`,
    )
  )
}

test('request operations of route and destination: remove, then set, then add', async () => {
  await using app = await startUpstream('app')
  const route =
    ', headers: { request: { remove: [x-gone], set: { X-Set: route, x-both: route }, add: { x-add: route } } }'
  const destination =
    ', headers: { request: { remove: [x-gone-too], set: { x-both: destination, x-dest: "%PROTOCOL% 100%%" }, add: { x-add: destination, x-empty: "" } } }'
  await using gw = await startGateway(routed(app, route, destination), { ports: [80] })
  const headers = {
    'x-gone': '1',
    'x-gone-too': '2',
    'x-set': 'client',
    'x-add': 'client',
    'x-kept': 'kept',
  }
  await call({ port: gw.port(80), host: 'app.test', headers })
  const seen = app.seen[0]!.headers
  expect(seen['x-gone']).toBeUndefined()
  expect(seen['x-gone-too']).toBeUndefined()
  expect(seen['x-empty']).toBeUndefined()
  expect(seen['x-set']).toBe('route')
  expect(seen['x-add']).toBe('client, route, destination')
  expect(seen['x-dest']).toBe('HTTP/1.1 100%')
  expect(seen['x-kept']).toBe('kept')
})

test('with several destinations the route has the last word', async () => {
  await using app = await startUpstream('app')
  const yaml =
    service('app', app.port) +
    gateway('gw', ['app.test']) +
    virtualService(
      'app',
      ['app.test'],
      ['gw'],
      `  - headers: { request: { set: { x-who: route } }, response: { set: { x-who: route } } }
    route:
    - { destination: { host: app }, weight: 1, headers: { request: { set: { x-who: a, x-own: a } }, response: { set: { x-who: a, x-own: a } } } }
    - { destination: { host: app }, weight: 1, headers: { request: { set: { x-who: b, x-own: b } }, response: { set: { x-who: b, x-own: b } } } }`,
    )
  await using gw = await startGateway(yaml, { ports: [80] })
  const own = new Set<string>()
  for (let sent = 0; sent < 40; sent++) {
    const answer = await call({ port: gw.port(80), host: 'app.test' })
    const seen = app.seen[sent]!.headers
    expect([seen['x-who'], answer.headers['x-who']]).toEqual(['route', 'route'])
    expect(seen['x-own']).toBe(answer.headers['x-own'])
    own.add(String(seen['x-own']))
  }
  expect([...own].toSorted()).toEqual(['a', 'b'])
})

test('Host set by header operations becomes the authority, and rewrite.authority beats it', async () => {
  await using app = await startUpstream('app')
  const setHost = ', headers: { request: { set: { Host: set.test } } }'
  await using gw = await startGateway(routed(app, setHost), { ports: [80] })
  await call({ port: gw.port(80), host: 'app.test' })
  expect(app.seen[0]!.rawHeaders.filter((name) => name.toLowerCase() === 'host')).toHaveLength(1)
  expect(app.seen[0]!.headers.host).toBe('set.test')
  gw.write('config.yaml', routed(app, ', rewrite: { authority: rewritten.test }'))
  await gw.reload()
  await call({ port: gw.port(80), host: 'app.test' })
  expect(app.seen[1]!.headers.host).toBe('rewritten.test')
})

describe('response operations', () => {
  const operations =
    ', headers: { response: { remove: [x-secret, x-powered-by], set: { x-frame-options: DENY }, add: { x-via: gate } } }'

  test('change upstream answers', async () => {
    await using app = await startUpstream((_request, response) => {
      response.setHeader('x-secret', '1')
      response.setHeader('x-frame-options', 'ALLOW')
      response.setHeader('x-via', 'app')
      response.setHeader('set-cookie', ['a=1', 'b=2'])
      response.end('ok')
    })
    await using gw = await startGateway(routed(app, operations), { ports: [80] })
    const { headers } = await call({ port: gw.port(80), host: 'app.test' })
    expect(headers['x-secret']).toBeUndefined()
    expect(headers['x-frame-options']).toBe('DENY')
    expect(headers['x-via']).toBe('app, gate')
    expect(headers['set-cookie']).toEqual(['a=1', 'b=2'])
  })

  test('decorate local replies once a route is chosen, and none before', async () => {
    const decorated = ', headers: { response: { set: { x-frame-options: DENY } } }'
    const rule = (path: string, action: string): string =>
      `  - { match: [{ uri: { exact: ${path} } }], ${action} ${decorated} }\n`
    await using gw = await startGateway(
      service('empty', 1).replace(/endpoints: .*/, 'endpoints: []') +
        gateway('gw', ['app.test']) +
        virtualService(
          'app',
          ['app.test'],
          ['gw'],
          rule('/nc', 'route: [{ destination: { host: nowhere } }]') +
            rule('/uh', 'route: [{ destination: { host: empty } }]') +
            rule('/redirect', 'redirect: { uri: /x }') +
            rule('/direct', 'directResponse: { status: 200 }'),
        ),
      { ports: [80] },
    )
    const get = async (path: string): Promise<readonly unknown[]> => {
      const answer = await call({ port: gw.port(80), host: 'app.test', path })
      return [path, answer.status, answer.headers['x-frame-options']]
    }
    expect(await get('/nc')).toEqual(['/nc', 503, 'DENY'])
    expect(await get('/uh')).toEqual(['/uh', 503, 'DENY'])
    expect(await get('/redirect')).toEqual(['/redirect', 301, 'DENY'])
    expect(await get('/direct')).toEqual(['/direct', 200, 'DENY'])
    expect(await get('/missing')).toEqual(['/missing', 404, undefined])
  })
})

describe('headers the edge owns', () => {
  test('towards the upstream: forwarding headers are true, hop-by-hop and control headers gone', async () => {
    await using app = await startUpstream('app')
    await using gw = await startGateway(routed(app, ', timeout: 5s'), { ports: [80] })
    await call({
      port: gw.port(80),
      host: 'app.test',
      headers: {
        'x-forwarded-for': '203.0.113.9',
        'x-forwarded-proto': 'https',
        'x-request-id': 'forged',
        'x-envoy-retry-on': '5xx',
        'x-envoy-upstream-rq-timeout-ms': '1',
        'x-envoy-attempt-count': '7',
        'x-envoy-original-path': '/forged',
        'x-forwarded-client-cert': 'By=forged',
        connection: 'keep-alive, x-hop, x-forwarded-for',
        'x-hop': 'gone',
        'keep-alive': 'timeout=5',
        'proxy-connection': 'keep-alive',
        te: 'gzip, trailers',
      },
    })
    const seen = app.seen[0]!.headers
    expect(seen['x-forwarded-for']).toMatch(/127\.0\.0\.1$/)
    expect(seen['x-forwarded-proto']).toBe('http')
    expect(seen['x-request-id']).toMatch(UUID)
    expect(seen['x-envoy-attempt-count']).toBe('1')
    expect(seen['x-envoy-expected-rq-timeout-ms']).toBe('5000')
    for (const name of [
      'x-envoy-retry-on',
      'x-envoy-upstream-rq-timeout-ms',
      'x-envoy-original-path',
      'x-forwarded-client-cert',
      'x-hop',
      'keep-alive',
      'proxy-connection',
    ]) {
      expect(seen[name], name).toBeUndefined()
    }
  })

  test('an untrusted x-forwarded-for is appended to', async () => {
    await using app = await startUpstream('app')
    await using gw = await startGateway(routed(app, ''), { ports: [80] })
    const headers = { 'x-forwarded-for': '203.0.113.9' }
    await call({ port: gw.port(80), host: 'app.test', headers })
    expect(app.seen[0]!.headers['x-forwarded-for']).toBe('203.0.113.9,127.0.0.1')
  })

  test('towards the client: server, date and service time', async () => {
    await using app = await startUpstream((_request, response) => {
      response.setHeader('server', 'tomcat')
      response.end('ok')
    })
    await using gw = await startGateway(routed(app, ''), { ports: [80] })
    const { headers } = await call({ port: gw.port(80), host: 'app.test' })
    expect(headers.server).toBe('istio-envoy')
    expect(Math.abs(Date.parse(headers.date ?? '') - Date.now())).toBeLessThan(60_000)
    expect(headers['x-envoy-upstream-service-time']).toMatch(/^\d+$/)
    expect(headers['x-request-id']).toBeUndefined()
  })

  test('proxyHeaders switch them off one by one', async () => {
    await using app = await startUpstream((_request, response) => {
      response.setHeader('server', 'tomcat')
      response.end('ok')
    })
    const mesh = meshConfig(
      'defaultConfig: { proxyHeaders: { server: { disabled: true }, requestId: { disabled: true }, attemptCount: { disabled: true }, envoyDebugHeaders: { disabled: true } } }',
    )
    const seen: Record<string, unknown>[] = []
    app.server.on('request', (request) => seen.push(request.headers))
    await using gw = await startGateway(mesh + routed(app, ''), { ports: [80] })
    const { headers } = await call({ port: gw.port(80), host: 'app.test' })
    expect(headers.server).toBe('tomcat')
    expect(headers['x-envoy-upstream-service-time']).toBeUndefined()
    expect(seen[0]!['x-request-id']).toBeUndefined()
    expect(seen[0]!['x-envoy-attempt-count']).toBeUndefined()
  })
})

test('a gRPC request gets its local replies as trailers-only answers with the mapped status', async () => {
  const rows: readonly (readonly [
    path: string,
    grpcStatus: string,
    message: string | undefined,
  ])[] = [
    ['/missing', '12', undefined],
    ['/nc', '14', undefined],
    ['/uh', '14', 'no healthy upstream'],
    ['/forbidden', '7', 'not for you%0A100%25'],
    ['/unauthenticated', '16', undefined],
    ['/odd', '2', undefined],
  ]
  const rule = (path: string, action: string): string =>
    `  - { match: [{ uri: { exact: ${path} } }], ${action} }\n`
  await using gw = await startGateway(
    service('empty', 1).replace(/endpoints: .*/, 'endpoints: []') +
      gateway('gw', ['app.test']) +
      virtualService(
        'app',
        ['app.test'],
        ['gw'],
        rule('/nc', 'route: [{ destination: { host: nowhere } }]') +
          rule('/uh', 'route: [{ destination: { host: empty } }]') +
          rule(
            '/forbidden',
            'directResponse: { status: 403, body: { string: "not for you\\n100%" } }',
          ) +
          rule('/unauthenticated', 'directResponse: { status: 401 }') +
          rule('/odd', 'directResponse: { status: 418 }'),
      ),
    { ports: [80] },
  )
  for (const [path, grpcStatus, message] of rows) {
    const headers = { 'content-type': 'application/grpc+proto' }
    const answer = await call({
      port: gw.port(80),
      host: 'app.test',
      path,
      method: 'POST',
      headers,
    })
    expect([
      path,
      answer.status,
      answer.headers['grpc-status'],
      answer.headers['grpc-message'],
      answer.body,
    ]).toEqual([path, 200, grpcStatus, message, ''])
    expect(answer.headers['content-type']).toBe('application/grpc')
  }
})
