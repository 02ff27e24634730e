import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { call } from '../support/call.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { httpsGateway, tlsSecret } from '../support/secrets.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const AES_128 = 'ECDHE-RSA-AES128-GCM-SHA256'
const AES_256 = 'ECDHE-RSA-AES256-GCM-SHA384'
const UPSTREAM = 'api.default.svc.cluster.local'

const authority = Authority.create('Defaults')
const mesh = Authority.create('Mesh')
const leaf = authority.issue(['*.test', UPSTREAM])
const identity = mesh.issue(['spiffe://cluster.local/ns/istio-system/sa/gateway'])
const sidecar = mesh.issue(['spiffe://cluster.local/ns/shop/sa/web'])
const folder = mkdtempSync(join(tmpdir(), 'tidegate-tls-defaults-'))

let gw: TestGateway
const upstreams: Server[] = []
const agreedUpstream: string[] = []

/** An upstream of TLS 1.2 that prefers AES-128 and knows one curve. */
async function startUpstream(ecdhCurve: string): Promise<number> {
  const server = createServer(
    {
      cert: leaf.certificate,
      key: leaf.key,
      maxVersion: 'TLSv1.2',
      ciphers: `${AES_128}:${AES_256}`,
      honorCipherOrder: true,
      ecdhCurve,
    },
    (request, response) => {
      const socket = request.socket as TLSSocket
      agreedUpstream.push(`${socket.getProtocol()} ${socket.getCipher().name}`)
      response.end('secret')
    },
  )
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  upstreams.push(server)
  return (server.address() as AddressInfo).port
}

const originating = (host: string): string => `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${host} }
spec:
  host: ${host}
  trafficPolicy: { tls: { mode: SIMPLE, sni: ${UPSTREAM}, subjectAltNames: [${UPSTREAM}], caCertificates: ${join(folder, 'ca.pem')} } }
---
`

const routed = (host: string): string =>
  virtualService(
    host,
    [`${host}.test`],
    ['plain'],
    `  - route: [{ destination: { host: ${host} } }]`,
  )

beforeAll(async () => {
  for (const [name, text] of [
    ['cert-chain.pem', identity.certificate],
    ['key.pem', identity.key],
    ['root-cert.pem', mesh.certificate],
    ['ca.pem', authority.certificate],
  ] as const) {
    writeFileSync(join(folder, name), text)
  }
  const same = await startUpstream('P-384')
  const other = await startUpstream('P-256')
  gw = await startGateway(
    {
      'mesh.yaml': `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    tlsDefaults:
      minProtocolVersion: TLSV1_3
      cipherSuites: [${AES_256}, NO-SUCH]
      ecdhCurves: [P-384, P-512]
    meshMTLS:
      minProtocolVersion: TLSV1_3
      ecdhCurves: [P-384]
`,
      'gateway.yaml':
        tlsSecret('leaf', leaf) +
        httpsGateway('gw', [
          { hosts: ['open.test'], tls: '{ mode: SIMPLE, credentialName: leaf }' },
          {
            hosts: ['own.test'],
            tls: `{ mode: SIMPLE, credentialName: leaf, minProtocolVersion: TLSV1_2, cipherSuites: [${AES_128}], ecdhCurves: [P-256] }`,
          },
          {
            hosts: ['version.test'],
            tls: '{ mode: SIMPLE, credentialName: leaf, minProtocolVersion: TLSV1_2 }',
          },
          {
            hosts: ['capped.test'],
            tls: '{ mode: SIMPLE, credentialName: leaf, maxProtocolVersion: TLSV1_2 }',
          },
          { hosts: ['mesh.test'], tls: '{ mode: ISTIO_MUTUAL }' },
        ]) +
        virtualService(
          'all',
          ['*.test'],
          ['gw'],
          '  - { directResponse: { status: 200, body: { string: served } } }',
        ),
      'upstreams.yaml':
        gateway('plain', ['*.test']) +
        service('same', same) +
        service('other', other) +
        originating('same') +
        originating('other') +
        routed('same') +
        routed('other'),
    },
    { ports: [80, 443], meshCertificates: folder },
  )
})
afterAll(async () => {
  await gw[Symbol.asyncDispose]()
  for (const server of upstreams) await new Promise((resolve) => server.close(resolve))
  rmSync(folder, { recursive: true, force: true })
})

/** Protocol, cipher and key exchange that were agreed on, or `refused`. */
async function agreed(host: string, options: ConnectionOptions): Promise<string> {
  const socket = connect({
    port: gw.port(443),
    host: '127.0.0.1',
    servername: host,
    ca: [authority.certificate, mesh.certificate],
    checkServerIdentity: () => undefined,
    ...options,
  })
  return new Promise((resolve) => {
    socket.once('error', () => resolve('refused'))
    socket.once('secureConnect', () => {
      const { name = '' } = socket.getEphemeralKeyInfo() as { name?: string }
      resolve(`${socket.getProtocol()} ${socket.getCipher().name} ${name}`)
      socket.destroy()
    })
  })
}

const twelve = { maxVersion: 'TLSv1.2' } as const
const own = { cert: sidecar.certificate, key: sidecar.key }

describe('MeshConfig.tlsDefaults and servers', () => {
  const rows: [what: string, host: string, options: ConnectionOptions, got: RegExp][] = [
    ['the minimum version counts', 'open.test', twelve, /^refused$/],
    ['the curves count', 'open.test', {}, /^TLSv1\.3 TLS_\S+ (P-384|secp384r1)$/],
    ['a client of another curve', 'open.test', { ecdhCurve: 'X25519' }, /^refused$/],
    ['a server with all of its own', 'own.test', twelve, new RegExp(`${AES_128} (P-256|prime)`)],
    ['a version of its own alone: the other ciphers', 'version.test', twelve, new RegExp(AES_256)],
    [
      'a version of its own alone: a client of another cipher',
      'version.test',
      { ...twelve, ciphers: AES_128 },
      /^refused$/,
    ],
    ['a maximum of its own below the default minimum', 'capped.test', {}, /^TLSv1\.2 /],
    ['ISTIO_MUTUAL has the version of meshMTLS', 'mesh.test', { ...own, ...twelve }, /^refused$/],
    [
      'ISTIO_MUTUAL has no curves of either',
      'mesh.test',
      { ...own, ecdhCurve: 'X25519' },
      /^TLSv1\.3 \S+ X25519$/,
    ],
  ]
  test.each(rows)('%s', async (_what, host, options, got) => {
    expect(await agreed(host, options)).toMatch(got)
  })
})

describe('MeshConfig.tlsDefaults and DestinationRule tls', () => {
  test('ciphers and curves count, the minimum version does not', async () => {
    const answer = await call({ port: gw.port(80), host: 'same.test' })
    expect([answer.status, answer.body]).toEqual([200, 'secret'])
    expect(agreedUpstream).toEqual([`TLSv1.2 ${AES_256}`])
  })

  test('an upstream without a curve in common cannot be reached', async () => {
    expect((await call({ port: gw.port(80), host: 'other.test' })).status).toBe(503)
  })
})

test('names nobody knows, and curves of meshMTLS, are findings', () => {
  const said = gw.gateway.problems.map(({ code, message }) => `${code}: ${message}`).join('\n')
  expect(said).toContain('cipher-suite-unknown: MeshConfig tlsDefaults.cipherSuites: NO-SUCH')
  expect(said).toContain('unknown-tls-name: MeshConfig tlsDefaults.ecdhCurves')
  expect(said).toContain('meshMTLS.ecdhCurves')
})
