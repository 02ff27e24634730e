import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { call } from '../support/call.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { secret, tlsSecret } from '../support/secrets.ts'
import { startTlsBackend, type TlsBackend } from '../support/tls-backend.ts'
import { handshake, readTls } from '../support/tls-client.ts'
import { RawServer } from '../support/raw-socket.ts'
import { service, virtualService } from '../support/yaml.ts'

const authority = Authority.create('Passthrough test')
const clients = Authority.create('Passthrough clients')
const ca = authority.certificate
const ended = authority.issue(['ended.test', 'opaque.test', 'guarded.test'])
const inner = authority.issue([
  '*.test',
  '*.wild.test',
  'outbound_.8443_._.east.default.svc.cluster.local',
])
const alice = clients.issue(['alice.test'])

let gw: TestGateway
let one: TlsBackend
let two: TlsBackend
let port = 0

const gateway = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw }
spec:
  servers:
  - { port: { number: 443, name: https, protocol: HTTPS }, hosts: [ended.test], tls: { mode: SIMPLE, credentialName: ended } }
  - { port: { number: 443, name: pass, protocol: TLS }, hosts: [passed.test, weighted.test, unrouted.test, lost.test, "*.wild.test"], tls: { mode: PASSTHROUGH } }
  - { port: { number: 443, name: opaque, protocol: TLS }, hosts: [opaque.test], tls: { mode: SIMPLE, credentialName: ended } }
  - { port: { number: 443, name: guarded, protocol: TLS }, hosts: [guarded.test], tls: { mode: MUTUAL, credentialName: guarded } }
  - { port: { number: 443, name: auto, protocol: TLS }, hosts: ["*.default.svc.cluster.local"], tls: { mode: AUTO_PASSTHROUGH } }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: passing }
spec:
  hosts: [passed.test, weighted.test, lost.test, "*.wild.test"]
  gateways: [gw]
  tls:
  - match: [{ port: 443, sniHosts: [passed.test] }]
    route: [{ destination: { host: one } }]
  - match: [{ sniHosts: [weighted.test] }]
    route: [{ destination: { host: one }, weight: 50 }, { destination: { host: two }, weight: 50 }]
  - match: [{ sniHosts: [lost.test] }]
    route: [{ destination: { host: nowhere.default.svc.cluster.local } }]
  - match: [{ sniHosts: [exact.wild.test] }]
    route: [{ destination: { host: two } }]
  - match: [{ sniHosts: ["*.wild.test"] }]
    route: [{ destination: { host: one } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: opaque }
spec:
  hosts: [opaque.test, guarded.test]
  gateways: [gw]
  tcp: [{ match: [{ port: 443 }], route: [{ destination: { host: plain } }] }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: east }
spec: { host: east, trafficPolicy: { tls: { mode: SIMPLE } } }
---
`

let plain: RawServer

beforeAll(async () => {
  one = await startTlsBackend('one', inner)
  two = await startTlsBackend('two', inner)
  plain = await new RawServer((socket) => {
    socket.end('plain says hello')
  }).listen()
  gw = await startGateway(
    {
      'gateway.yaml': gateway,
      'secrets.yaml':
        tlsSecret('ended', ended) +
        secret('guarded', {
          'tls.crt': ended.certificate,
          'tls.key': ended.key,
          'ca.crt': clients.certificate,
        }),
      'services.yaml':
        service('one', one.port, { port: 8443, portName: 'tls' }) +
        service('two', two.port, { port: 8443, portName: 'tls' }) +
        service('east', two.port, { port: 8443, portName: 'tls' }) +
        service('plain', plain.port, { port: 9000, portName: 'tcp' }) +
        virtualService(
          'ended',
          ['ended.test'],
          ['gw'],
          '  - { directResponse: { status: 200, body: { string: terminated } } }',
        ),
    },
    { ports: [443] },
  )
  port = gw.port(443)
})
afterAll(async () => {
  await gw[Symbol.asyncDispose]()
  await one[Symbol.asyncDispose]()
  await two[Symbol.asyncDispose]()
  await plain[Symbol.asyncDispose]()
})

const loose = { ca, checkServerIdentity: () => undefined }
const MESH = { ...loose, ALPNProtocols: ['istio', 'h2'] }

describe('one port that ends TLS for one host and passes another through', () => {
  test('the terminated host gets the certificate and routes of the gateway', async () => {
    expect((await call({ port, host: 'ended.test', ca })).body).toBe('terminated')
  })

  const passed: [sni: string, said: RegExp][] = [
    ['passed.test', /^one for passed\.test$/],
    ['PASSED.test', /^one for PASSED\.test$/],
    ['exact.wild.test', /^two for exact\.wild\.test$/],
    ['any.wild.test', /^one for any\.wild\.test$/],
    ['deep.any.wild.test', /^one for deep\.any\.wild\.test$/],
  ]
  test.each(passed)('%s reaches the backend with its own TLS', async (sni, said) => {
    expect(await readTls(port, sni, loose)).toMatch(said)
  })

  test('the backend agrees on versions and protocols with the client itself', async () => {
    expect(await handshake(port, 'passed.test', { ...loose, maxVersion: 'TLSv1.2' })).toMatchObject(
      { ok: true, protocol: 'TLSv1.2', name: '*.test' },
    )
  })

  test('weights hold per connection', async () => {
    const said = new Set<string>()
    for (let count = 0; count < 100 && said.size < 2; count++) {
      said.add((await readTls(port, 'weighted.test', loose)).slice(0, 3))
    }
    expect([...said].toSorted()).toEqual(['one', 'two'])
  })

  const closed: [what: string, sni: string][] = [
    ['an admitted name without a tls rule', 'unrouted.test'],
    ['a rule whose destination does not exist', 'lost.test'],
  ]
  test.each(closed)('%s is closed', async (_what, sni) => {
    expect(await readTls(port, sni, loose)).toMatch(/^(ECONNRESET|)$/)
  })
})

describe('protocol TLS: opaque bytes inside TLS that ends here', () => {
  test('the backend that speaks first is heard, in clear text', async () => {
    expect(await readTls(port, 'opaque.test', { ca })).toBe('plain says hello')
  })

  test('no protocol is forced on a client that offers some', async () => {
    expect(
      await handshake(port, 'opaque.test', { ca, ALPNProtocols: ['postgresql'] }),
    ).toMatchObject({ ok: true, alpn: false })
  })

  test('MUTUAL: only clients with a certificate are connected', async () => {
    const own = { cert: alice.certificate, key: alice.key }
    expect(await readTls(port, 'guarded.test', { ca, ...own })).toBe('plain says hello')
    expect(await readTls(port, 'guarded.test', { ca })).toMatch(/CERTIFICATE_REQUIRED|ECONNRESET/)
  })
})

describe('AUTO_PASSTHROUGH', () => {
  const east = 'outbound_.8443_._.east.default.svc.cluster.local'

  test('the server name says the cluster, whose own TLS settings are left out', async () => {
    expect(await readTls(port, east, MESH)).toBe(`two for ${east}`)
  })

  test.each([
    ['a client outside the mesh', east, loose],
    ['a service that does not exist', 'outbound_.8443_._.no.default.svc.cluster.local', MESH],
    ['a port it does not have', 'outbound_.1_._.east.default.svc.cluster.local', MESH],
    ['a subset it does not have', 'outbound_.8443_.v9_.east.default.svc.cluster.local', MESH],
    ['the plain host', 'east.default.svc.cluster.local', MESH],
  ])('%s is closed', async (_what, sni, options) => {
    expect(await readTls(port, sni, options)).toMatch(/^(ECONNRESET|)$/)
  })
})
