import { describe, expect, test } from 'vitest'
import { WIRES } from '../support/both-wires.ts'
import { startGateway } from '../support/gateway.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const HOST = 'app.test'

function meshConfig(lines: string): string {
  return `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: ${JSON.stringify(lines)} }
---
`
}

function yaml(app: Upstream, mesh = '{}', rule = ''): string {
  return (
    meshConfig(mesh) +
    service('app', app.port) +
    gateway('gw', [HOST]) +
    virtualService('app', [HOST], ['gw'], `  - { route: [{ destination: { host: app } }] ${rule} }`)
  )
}

describe.each(WIRES)('headers the edge owns over $name', (wire) => {
  test('--trusted-proxy: a listed peer is believed', async () => {
    await using app = await startUpstream('ok')
    await using gw = await startGateway(yaml(app), {
      ports: [80],
      trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'],
    })
    await wire.ask({
      port: gw.port(80),
      headers: {
        'x-forwarded-for': '1.1.1.1, 198.51.100.7, 10.0.0.9',
        'x-forwarded-proto': 'https',
        'x-forwarded-host': 'www.test',
        'x-forwarded-port': '443',
        'x-request-id': 'from-the-balancer',
      },
    })
    expect(app.seen[0]!.headers).toMatchObject({
      'x-forwarded-for': '1.1.1.1, 198.51.100.7, 10.0.0.9,127.0.0.1',
      'x-envoy-external-address': '198.51.100.7',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'www.test',
      'x-forwarded-port': '443',
      'x-request-id': 'from-the-balancer',
    })
  })

  test('--trusted-proxy: nobody else is, whatever numTrustedProxies says', async () => {
    await using app = await startUpstream('ok')
    const mesh = 'defaultConfig: { gatewayTopology: { numTrustedProxies: 2 } }'
    await using gw = await startGateway(yaml(app, mesh), {
      ports: [80],
      trustedProxies: ['10.0.0.0/8'],
    })
    await wire.ask({
      port: gw.port(80),
      headers: {
        'x-forwarded-for': '1.1.1.1, 2.2.2.2',
        'x-forwarded-proto': 'https',
        'x-forwarded-host': 'evil.test',
        'x-request-id': 'mine',
      },
    })
    const { headers } = app.seen[0]!
    expect(headers).toMatchObject({
      'x-forwarded-for': '127.0.0.1',
      'x-envoy-external-address': '127.0.0.1',
      'x-forwarded-proto': 'http',
    })
    expect(headers['x-forwarded-host']).toBeUndefined()
    expect(headers['x-request-id']).not.toBe('mine')
  })

  test('the scheme of a trusted proxy decides about routes and the https redirect', async () => {
    const rules = `  - { match: [{ scheme: { exact: https } }], directResponse: { status: 202 } }
  - { directResponse: { status: 201 } }`
    const plain = gateway('gw', [HOST])
    const redirecting = plain.replace(
      'protocol: HTTP }',
      'protocol: HTTP }\n    tls: { httpsRedirect: true }',
    )
    const serve = async (gatewayYaml: string, hops: number): Promise<number> => {
      await using gw = await startGateway(
        meshConfig(`defaultConfig: { gatewayTopology: { numTrustedProxies: ${hops} } }`) +
          gatewayYaml +
          virtualService('app', [HOST], ['gw'], rules),
        { ports: [80] },
      )
      const headers = { 'x-forwarded-proto': 'https' }
      return (await wire.ask({ port: gw.port(80), headers })).status
    }
    expect(await serve(plain, 0)).toBe(201)
    expect(await serve(plain, 1)).toBe(202)
    expect(await serve(redirecting, 0)).toBe(301)
    expect(await serve(redirecting, 1)).toBe(202)
  })

  test('xForwardedHost tells the Host that was rewritten, xForwardedPort the port asked for', async () => {
    await using app = await startUpstream('ok')
    const mesh =
      'defaultConfig: { proxyHeaders: { xForwardedHost: { enabled: true }, xForwardedPort: { enabled: true } } }'
    await using gw = await startGateway(yaml(app, mesh, ', rewrite: { authority: inner.test }'), {
      ports: [80],
    })
    await wire.ask({ port: gw.port(80), headers: { 'x-forwarded-port': '1' } })
    expect(app.seen[0]!.headers).toMatchObject({
      host: 'inner.test',
      'x-forwarded-host': HOST,
      'x-forwarded-port': String(gw.port(80)),
    })
  })

  test('forwardClientCertDetails: without a certificate only ALWAYS_FORWARD_ONLY lets it pass', async () => {
    await using app = await startUpstream('ok')
    await using gw = await startGateway(yaml(app), { ports: [80] })
    const sent = { 'x-forwarded-client-cert': 'Hash=forged' }
    for (const mode of [
      'SANITIZE',
      'FORWARD_ONLY',
      'APPEND_FORWARD',
      'SANITIZE_SET',
      'ALWAYS_FORWARD_ONLY',
    ]) {
      const mesh = `defaultConfig: { gatewayTopology: { forwardClientCertDetails: ${mode} } }`
      gw.write('config.yaml', yaml(app, mesh))
      await gw.reload()
      await wire.ask({ port: gw.port(80), headers: sent })
      const passed = app.seen.at(-1)!.headers['x-forwarded-client-cert']
      expect([mode, passed]).toEqual([
        mode,
        mode === 'ALWAYS_FORWARD_ONLY' ? 'Hash=forged' : undefined,
      ])
    }
  })

  test('what proxies of the mesh say in answers stays inside', async () => {
    await using app = await startUpstream((_request, response) => {
      response.writeHead(200, {
        'x-envoy-decorator-operation': 'app.default.svc.cluster.local:8080/*',
        'x-envoy-peer-metadata': 'ChQK',
        'x-envoy-peer-metadata-id': 'sidecar~10.1.2.3~app',
        'x-envoy-upstream-service-time': '999999',
        server: 'istio-proxy',
        'x-own': '1',
      })
      response.end('ok')
    })
    await using gw = await startGateway(yaml(app), { ports: [80] })
    const { headers } = await wire.ask({ port: gw.port(80) })
    expect(
      Object.keys(headers)
        .filter((name) => name.startsWith('x-'))
        .toSorted(),
    ).toEqual(['x-envoy-upstream-service-time', 'x-own'])
    expect(headers['x-envoy-upstream-service-time']).not.toBe('999999')
    expect(headers['server']).toBe('istio-envoy')
  })

  test('proxyHeaders switched off: nothing of the sort is added', async () => {
    await using app = await startUpstream('ok')
    const mesh =
      'defaultConfig: { proxyHeaders: { server: { disabled: true }, requestId: { disabled: true }, attemptCount: { disabled: true }, envoyDebugHeaders: { disabled: true } } }'
    await using gw = await startGateway(
      yaml(app, mesh, ', timeout: 5s, match: [{ uri: { prefix: /a } }], rewrite: { uri: /b }'),
      { ports: [80] },
    )
    const answer = await wire.ask({ port: gw.port(80), path: '/a' })
    expect(answer.headers['server']).toBeUndefined()
    expect(answer.headers['x-envoy-upstream-service-time']).toBeUndefined()
    const names = Object.keys(app.seen[0]!.headers).filter((name) => name.startsWith('x-'))
    expect(names.toSorted()).toEqual([
      'x-envoy-external-address',
      'x-forwarded-for',
      'x-forwarded-proto',
    ])
  })
})

describe.each(WIRES)('MeshConfig pathNormalization over $name', (wire) => {
  type Row = readonly [path: string, base: string, merged: string, decoded: string]
  const rows: readonly Row[] = [
    ['/a/../b', '/b', '/b', '/b'],
    ['/a/./b', '/a/b', '/a/b', '/a/b'],
    ['/%7euser/%41', '/~user/A', '/~user/A', '/~user/A'],
    ['/a%c3%a9', '/a%c3%a9', '/a%c3%a9', '/a%c3%a9'],
    ['/../../x', '/x', '/x', '/x'],
    ['/a%zz', '/a%zz', '/a%zz', '/a%zz'],
    ['/a//b', '/a//b', '/a/b', '/a/b'],
    ['/a\\b', '/a/b', '/a/b', '/a/b'],
    ['/a%2Fb', '/a%2Fb', '/a%2Fb', '/a/b'],
    ['/a%5cb', '/a%5cb', '/a%5cb', '/a/b'],
    ['/a%2e%2e/b?x=/../y', '/a../b?x=/../y', '/a../b?x=/../y', '/a../b?x=/../y'],
    ['/a/%2e%2e/b', '/b', '/b', '/b'],
  ]
  test.each([
    ['NONE', 0],
    ['BASE', 1],
    ['MERGE_SLASHES', 2],
    ['DECODE_AND_MERGE_SLASHES', 3],
  ] as const)('%s', async (level, column) => {
    await using app = await startUpstream('ok')
    const mesh = `pathNormalization: { normalization: ${level} }`
    await using gw = await startGateway(yaml(app, mesh), { ports: [80] })
    for (const row of rows) {
      const answer = await wire.ask({ port: gw.port(80), path: row[0] })
      const got = answer.status === 200 ? app.seen.at(-1)!.url : String(answer.status)
      expect([row[0], got]).toEqual([row[0], row[column]])
    }
  })

  test.each(['BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'])(
    '%s: what cannot be normalised is refused',
    async (level) => {
      await using app = await startUpstream('ok')
      const mesh = `pathNormalization: { normalization: ${level} }`
      await using gw = await startGateway(yaml(app, mesh), { ports: [80] })
      for (const path of ['/admin%00', '/..;/admin', '/.;/x', '/%2e%2e;x/y']) {
        const answer = await wire.ask({ port: gw.port(80), path })
        expect([path, answer.status]).toEqual([path, 400])
      }
      expect(app.seen).toEqual([])
    },
  )
})

test('fields that Connection names go no further, but never those of the edge', async () => {
  const [h1] = WIRES
  await using app = await startUpstream('ok')
  await using gw = await startGateway(yaml(app), { ports: [80] })
  const { status } = await h1!.ask({
    port: gw.port(80),
    headers: {
      connection: 'close, X-Secret, X-Forwarded-For, X-Request-Id, Host, Content-Length',
      'x-secret': '1',
      'x-forwarded-for': '198.51.100.1',
      'keep-alive': 'timeout=5',
      'proxy-connection': 'keep-alive',
      'x-kept': '1',
    },
  })
  expect(status).toBe(200)
  const { headers } = app.seen[0]!
  expect(headers['x-secret']).toBeUndefined()
  expect(headers['keep-alive']).toBeUndefined()
  expect(headers['proxy-connection']).toBeUndefined()
  expect(headers).toMatchObject({ host: HOST, 'x-forwarded-for': '127.0.0.1', 'x-kept': '1' })
  expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
})
