import { describe, expect, test } from 'vitest'
import { call } from '../support/call.ts'
import { startGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const MESH = `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "defaultConfig: { gatewayTopology: { numTrustedProxies: 1 } }" }
---
`

describe('the Host that the upstream sees', () => {
  test.each([
    ['set by headers', '{ headers: { request: { set: { Host: set.test } } }, ROUTE }', 'set.test'],
    [
      'set as :authority',
      '{ headers: { request: { set: { ":authority": "set.test:81" } } }, ROUTE }',
      'set.test:81',
    ],
    [
      'added by headers',
      '{ headers: { request: { add: { host: add.test } } }, ROUTE }',
      'add.test',
    ],
    [
      'set by its only destination',
      '{ route: [{ destination: { host: app }, headers: { request: { set: { Host: dest.test } } } }] }',
      'dest.test',
    ],
    [
      'set by route and destination: the route wins',
      '{ headers: { request: { set: { Host: route.test } } }, route: [{ destination: { host: app }, headers: { request: { set: { Host: dest.test } } } }] }',
      'route.test',
    ],
    [
      'rewritten, whatever destinations set',
      '{ rewrite: { authority: rewrite.test }, route: [{ destination: { host: app }, headers: { request: { set: { Host: dest.test } } } }] }',
      'rewrite.test',
    ],
    ['left alone', '{ ROUTE }', 'app.test'],
  ])('%s', async (_name, rule, host) => {
    await using app = await startUpstream('app')
    const text = rule.replace('ROUTE', 'route: [{ destination: { host: app } }]')
    await using gw = await startGateway(
      service('app', app.port) +
        gateway('gw', ['app.test']) +
        virtualService('app', ['app.test'], ['gw'], `  - ${text}\n`),
      { ports: [80] },
    )
    await call({ port: gw.port(80), host: 'app.test' })
    expect(app.seen.at(-1)?.headers.host).toBe(host)
  })

  test('of several destinations each has its own, behind the one without it the client’s', async () => {
    await using one = await startUpstream('one')
    await using two = await startUpstream('two')
    const rule = `  - route:
    - { destination: { host: one }, weight: 1, headers: { request: { set: { Host: own.test } } } }
    - { destination: { host: two }, weight: 1 }
`
    await using gw = await startGateway(
      service('one', one.port) +
        service('two', two.port) +
        gateway('gw', ['app.test']) +
        virtualService('app', ['app.test'], ['gw'], rule),
      { ports: [80] },
    )
    // 2^-63 is the chance that one of them is never picked.
    for (let sent = 0; sent < 64; sent++) await call({ port: gw.port(80), host: 'app.test' })
    expect(new Set(one.seen.map(({ headers }) => headers.host))).toEqual(new Set(['own.test']))
    expect(new Set(two.seen.map(({ headers }) => headers.host))).toEqual(new Set(['app.test']))
  })
})

test('match.scheme is the one that trusted hops forwarded, not the socket’s', async () => {
  const rules = `  - { match: [{ scheme: { exact: https } }], directResponse: { status: 200, body: { string: secure } } }
  - { match: [{ scheme: { exact: http } }], directResponse: { status: 200, body: { string: plain } } }
`
  const yaml = gateway('gw', ['app.test']) + virtualService('app', ['app.test'], ['gw'], rules)
  const ask = async (config: string, proto: string): Promise<string> => {
    await using gw = await startGateway(config, { ports: [80] })
    const headers = { 'x-forwarded-proto': proto }
    return (await call({ port: gw.port(80), host: 'app.test', headers })).body
  }
  expect(await ask(MESH + yaml, 'https')).toBe('secure')
  expect(await ask(MESH + yaml, 'http')).toBe('plain')
  expect(await ask(yaml, 'https')).toBe('plain')
})

test('a delegated rule serves traffic, and a change of the delegate alone is applied', async () => {
  const delegate = (text: string): string => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: api, namespace: team }
spec: { http: [{ match: [{ uri: { prefix: /api/v1 } }], directResponse: { status: 200, body: { string: ${text} } } }] }
`
  const rules = `  - { match: [{ uri: { prefix: /api } }], delegate: { name: api, namespace: team } }
  - { directResponse: { status: 200, body: { string: rest } } }
`
  await using gw = await startGateway(
    {
      'root.yaml': gateway('gw', ['app.test']) + virtualService('app', ['app.test'], ['gw'], rules),
      'team.yaml': delegate('one'),
    },
    { ports: [80] },
  )
  const get = async (path: string): Promise<string> =>
    (await call({ port: gw.port(80), host: 'app.test', path })).body
  expect([await get('/api/v1/x'), await get('/api/v2'), await get('/')]).toEqual([
    'one',
    'rest',
    'rest',
  ])
  gw.write('team.yaml', delegate('two'))
  await gw.reload()
  expect(await get('/api/v1/x')).toBe('two')
  gw.remove('team.yaml')
  await gw.reload()
  expect(await get('/api/v1/x')).toBe('rest')
})
