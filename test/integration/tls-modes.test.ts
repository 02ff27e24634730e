import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { call } from '../support/call.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { httpsGateway, secret, tlsSecret } from '../support/secrets.ts'
import { handshake, readTls } from '../support/tls-client.ts'
import { virtualService } from '../support/yaml.ts'

const authority = Authority.create('Modes')
const mesh = Authority.create('Mesh')
const ca = authority.certificate
const rsa = authority.issue(['*.test'])
const ecdsa = authority.issueEcdsa(['*.test'])
const identity = mesh.issue(['spiffe://cluster.local/ns/istio-system/sa/gateway'])
const sidecar = mesh.issue(['spiffe://cluster.local/ns/shop/sa/web'])
const stranger = authority.issue(['spiffe://cluster.local/ns/shop/sa/web'])

const loose = { ca, checkServerIdentity: () => undefined }

let gw: TestGateway
let port = 0

beforeAll(async () => {
  gw = await startGateway('', { ports: [443] })
  const file = (name: string, text: string): string => {
    const path = join(gw.folder, name)
    writeFileSync(path, text)
    return path
  }
  const pairs = [rsa, ecdsa].map(
    ({ certificate, key }, index) =>
      `{ serverCertificate: "${file(`${index}.crt`, certificate)}", privateKey: "${file(`${index}.key`, key)}" }`,
  )
  gw.write(
    'config.yaml',
    tlsSecret('rsa', rsa) +
      secret('ecdsa', { cert: ecdsa.certificate, key: ecdsa.key }) +
      httpsGateway('gw', [
        { hosts: ['both.test'], tls: '{ mode: SIMPLE, credentialNames: [rsa, ecdsa] }' },
        { hosts: ['files.test'], tls: `{ mode: SIMPLE, tlsCertificates: [${pairs.join()}] }` },
        {
          hosts: ['new.test'],
          tls: '{ mode: SIMPLE, credentialName: rsa, minProtocolVersion: TLSV1_3 }',
        },
        {
          hosts: ['old.test'],
          tls: '{ mode: SIMPLE, credentialName: rsa, minProtocolVersion: TLSV1_1, maxProtocolVersion: TLSV1_2, cipherSuites: [ECDHE-RSA-AES128-SHA, ECDHE-RSA-AES256-GCM-SHA384] }',
        },
        {
          hosts: ['picky.test'],
          tls: '{ mode: SIMPLE, credentialName: rsa, cipherSuites: [ECDHE-RSA-AES256-GCM-SHA384, NO-SUCH], ecdhCurves: [P-384, NO-SUCH-CURVE] }',
        },
      ]) +
      virtualService(
        'all',
        ['*.test'],
        ['gw'],
        '  - { directResponse: { status: 200, body: { string: served } } }',
      ),
  )
  await gw.reload()
  port = gw.port(443)
})
afterAll(() => gw[Symbol.asyncDispose]())

/** What a client with these options got: protocol, cipher and key exchange, or `refused`. */
async function agreed(host: string, options: ConnectionOptions): Promise<string> {
  const socket = connectTls({ port, host: '127.0.0.1', servername: host, ...loose, ...options })
  return new Promise((resolve) => {
    socket.once('error', () => resolve('refused'))
    socket.once('secureConnect', () => {
      const { name = '' } = socket.getEphemeralKeyInfo() as { name?: string }
      const { asn1Curve } = socket.getPeerCertificate()
      const kind = asn1Curve === undefined ? 'RSA' : 'ECDSA'
      resolve(`${socket.getProtocol()} ${socket.getCipher().name} ${name} ${kind}`)
      socket.destroy()
    })
  })
}

const twelve = { maxVersion: 'TLSv1.2' } as const
const rows: [what: string, host: string, options: ConnectionOptions, got: RegExp][] = [
  [
    'RSA and ECDSA: a client of ECDSA',
    'both.test',
    { ...twelve, ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' },
    /ECDSA$/,
  ],
  [
    'RSA and ECDSA: a client of RSA',
    'both.test',
    { ...twelve, ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' },
    / RSA$/,
  ],
  [
    'RSA and ECDSA: TLS 1.3 by signature algorithm',
    'both.test',
    { sigalgs: 'rsa_pss_rsae_sha256' },
    /^TLSv1.3 .* RSA$/,
  ],
  [
    'tlsCertificates: ECDSA',
    'files.test',
    { sigalgs: 'ecdsa_secp256r1_sha256:RSA+SHA256' },
    / ECDSA$/,
  ],
  ['tlsCertificates: RSA', 'files.test', { sigalgs: 'rsa_pss_rsae_sha256' }, / RSA$/],
  ['minProtocolVersion: a client below', 'new.test', twelve, /^refused$/],
  ['minProtocolVersion: a client above', 'new.test', {}, /^TLSv1\.3 /],
  ['maxProtocolVersion', 'old.test', {}, /^TLSv1\.2 /],
  [
    'TLS 1.1 where it is asked for',
    'old.test',
    { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' },
    /^TLSv1\.1 /,
  ],
  ['cipherSuites: the one that is left', 'picky.test', twelve, /ECDHE-RSA-AES256-GCM-SHA384/],
  [
    'cipherSuites: a client of another one',
    'picky.test',
    { ...twelve, ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' },
    /^refused$/,
  ],
  ['cipherSuites leave TLS 1.3 alone', 'picky.test', {}, /^TLSv1\.3 TLS_/],
  ['ecdhCurves: a client of it', 'picky.test', { ecdhCurve: 'P-384' }, / (P-384|secp384r1) /],
  ['ecdhCurves: a client of another one', 'picky.test', { ecdhCurve: 'X25519' }, /^refused$/],
]

describe('servers on one port, each with its own settings', () => {
  test.each(rows)('%s', async (_what, host, options, got) => {
    expect(await agreed(host, options)).toMatch(got)
  })

  test('unknown cipher suites and curves are reported', () => {
    const said = gw.gateway.problems.map(({ message }) => message)
    expect(said.some((message) => message.includes('NO-SUCH"'))).toBe(true)
    expect(said.some((message) => message.includes('NO-SUCH-CURVE"'))).toBe(true)
  })
})

describe('ISTIO_MUTUAL', () => {
  const write = (folder: string): string => {
    const files = join(folder, 'mesh')
    mkdirSync(files)
    writeFileSync(join(files, 'cert-chain.pem'), identity.certificate)
    writeFileSync(join(files, 'key.pem'), identity.key)
    writeFileSync(join(files, 'root-cert.pem'), mesh.certificate)
    return files
  }
  const yaml =
    httpsGateway('gw', [{ hosts: ['east.test'], tls: '{ mode: ISTIO_MUTUAL }' }]) +
    virtualService(
      'east',
      ['east.test'],
      ['gw'],
      '  - { directResponse: { status: 200, body: { string: meshed } } }',
    )
  const trusting = { ca: mesh.certificate, checkServerIdentity: () => undefined }
  const head = 'GET / HTTP/1.1\r\nhost: east.test\r\nconnection: close\r\n\r\n'

  test('shows the identity of the workload and admits workloads of the mesh alone', async () => {
    const folder = write(gw.folder)
    await using east = await startGateway(yaml, { ports: [443], meshCertificates: folder })
    const at = east.port(443)
    const own = { ...trusting, cert: sidecar.certificate, key: sidecar.key }
    expect(await readTls(at, 'east.test', own, head)).toMatch(/ 200 [^]*meshed$/)
    expect(
      await handshake(at, 'east.test', { ...own, ALPNProtocols: ['istio-http/1.1', 'h2'] }),
    ).toMatchObject({
      ok: true,
      alpn: 'h2',
    })
    const others = [trusting, { ...trusting, cert: stranger.certificate, key: stranger.key }]
    for (const options of others) {
      expect(await readTls(at, 'east.test', options, head)).not.toContain('200')
    }
  })

  test('without the files handshakes are refused, with a finding', async () => {
    await using east = await startGateway(yaml, {
      ports: [443],
      meshCertificates: join(gw.folder, 'no-such-folder'),
    })
    await expect(call({ port: east.port(443), host: 'east.test', ca })).rejects.toThrow()
    const codes = east.gateway.problems.map(({ code }) => code)
    expect(codes).toContain('certificate-unusable')
  })
})
