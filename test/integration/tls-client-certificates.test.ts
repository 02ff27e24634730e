import { connect as connectH2 } from 'node:http2'
import { hash, X509Certificate } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Authority, type CertificatePair } from '../../certs/authority.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { collect } from '../support/h2-client.ts'
import { httpsGateway, secret, tlsSecret } from '../support/secrets.ts'
import { readTls } from '../support/tls-client.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { service, virtualService } from '../support/yaml.ts'

const authority = Authority.create('Servers')
const clients = Authority.create('Clients')
const strangers = Authority.create('Strangers')
const ca = authority.certificate
const HOSTS = [
  'mutual',
  'optional',
  'named',
  'spki',
  'hashed',
  'either',
  'revoking',
  'split',
  'listed',
  'caless',
  'trusting',
  'mesh',
  'filed',
].map((name) => `${name}.test`)
const server = authority.issue(HOSTS)
const alice = clients.issue(['alice.test', 'spiffe://cluster.local/ns/a/sa/alice'])
const bob = clients.issue(['bob.test'])
const mallory = strangers.issue(['alice.test', 'spiffe://cluster.local/ns/a/sa/alice'])
const expired = clients.issue(['late.test'], -1 / 48)
const x509 = new X509Certificate(alice.certificate)
const fingerprint = x509.fingerprint256
const publicKey = hash('sha256', x509.publicKey.export({ type: 'spki', format: 'der' }), 'base64')

const showing = ({ certificate, key }: CertificatePair): ConnectionOptions => ({
  cert: certificate,
  key,
})

let gw: TestGateway
let app: Upstream
let port = 0

beforeAll(async () => {
  app = await startUpstream('app')
  const both = { 'tls.crt': server.certificate, 'tls.key': server.key }
  gw = await startGateway(
    {
      'secrets.yaml':
        secret('both', { ...both, 'ca.crt': clients.certificate }) +
        secret('generic', {
          cert: server.certificate,
          key: server.key,
          cacert: clients.certificate,
          crl: clients.revoke([bob]),
        }) +
        tlsSecret('server', server) +
        tlsSecret('split', server) +
        secret('split-cacert', { cacert: clients.certificate }) +
        secret('only-ca', { 'ca.crt': clients.certificate, 'ca.crl': clients.revoke([bob]) }),
      'app.yaml':
        service('app', app.port) +
        virtualService('app', HOSTS, ['gw'], '  - route: [{ destination: { host: app } }]'),
    },
    { ports: [443] },
  )
  const file = (name: string, text: string): string => {
    writeFileSync(join(gw.folder, name), text)
    return join(gw.folder, name)
  }
  const mesh = join(gw.folder, 'mesh')
  mkdirSync(mesh)
  const files = `serverCertificate: "${file('s.crt', server.certificate)}", privateKey: "${file('s.key', server.key)}", caCertificates: "${file('ca.crt', clients.certificate)}", caCrl: "${file('ca.crl', clients.revoke([bob]))}"`
  const tls = (mode: string, more: string): string => `{ mode: ${mode}, ${more} }`
  gw.write(
    'gateway.yaml',
    httpsGateway('gw', [
      { hosts: ['mutual.test'], tls: tls('MUTUAL', 'credentialName: both') },
      { hosts: ['optional.test'], tls: tls('OPTIONAL_MUTUAL', 'credentialName: both') },
      {
        hosts: ['named.test'],
        tls: tls(
          'MUTUAL',
          'credentialName: both, subjectAltNames: [nobody.test, "spiffe://cluster.local/ns/a/sa/alice"]',
        ),
      },
      {
        hosts: ['spki.test'],
        tls: tls('MUTUAL', `credentialName: both, verifyCertificateSpki: ["${publicKey}"]`),
      },
      {
        hosts: ['hashed.test'],
        tls: tls('MUTUAL', `credentialName: both, verifyCertificateHash: ["${fingerprint}"]`),
      },
      {
        hosts: ['either.test'],
        tls: tls(
          'MUTUAL',
          `credentialName: both, verifyCertificateSpki: ["${publicKey}"], verifyCertificateHash: ["${'0'.repeat(64)}"]`,
        ),
      },
      { hosts: ['revoking.test'], tls: tls('MUTUAL', 'credentialName: generic') },
      { hosts: ['split.test'], tls: tls('MUTUAL', 'credentialName: split') },
      {
        hosts: ['listed.test'],
        tls: tls('MUTUAL', 'credentialName: server, caCertCredentialName: only-ca'),
      },
      { hosts: ['caless.test'], tls: tls('MUTUAL', 'credentialName: server') },
      {
        hosts: ['trusting.test'],
        tls: tls('MUTUAL', 'credentialName: both, insecureSkipVerify: true'),
      },
      { hosts: ['filed.test'], tls: tls('MUTUAL', files) },
    ]),
  )
  await gw.reload()
  port = gw.port(443)
})
afterAll(async () => {
  await gw[Symbol.asyncDispose]()
  await app[Symbol.asyncDispose]()
})

/** Status of a request, or `refused`. */
async function ask(host: string, client: ConnectionOptions): Promise<string> {
  const head = `GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`
  const text = await readTls(port, host, { ca, ...client }, head)
  return text.startsWith('HTTP/1.1 ') ? text.slice(9, 12) : 'refused'
}

const none: ConnectionOptions = {}
const cases: [what: string, host: string, client: ConnectionOptions, outcome: string][] = [
  ['MUTUAL: a certificate of the CA', 'mutual.test', showing(alice), '200'],
  ['MUTUAL: no certificate', 'mutual.test', none, 'refused'],
  ['MUTUAL: a certificate of another CA', 'mutual.test', showing(mallory), 'refused'],
  ['MUTUAL: an expired certificate', 'mutual.test', showing(expired), 'refused'],
  ['MUTUAL over TLS 1.2', 'mutual.test', { ...showing(alice), maxVersion: 'TLSv1.2' }, '200'],
  ['MUTUAL over TLS 1.2: none', 'mutual.test', { maxVersion: 'TLSv1.2' }, 'refused'],
  ['OPTIONAL_MUTUAL: a certificate of the CA', 'optional.test', showing(alice), '200'],
  ['OPTIONAL_MUTUAL: no certificate', 'optional.test', none, '200'],
  ['OPTIONAL_MUTUAL: one of another CA', 'optional.test', showing(mallory), 'refused'],
  ['subjectAltNames: one of them', 'named.test', showing(alice), '200'],
  ['subjectAltNames: none of them', 'named.test', showing(bob), 'refused'],
  ['subjectAltNames do not replace the CA', 'named.test', showing(mallory), 'refused'],
  ['verifyCertificateSpki: its key', 'spki.test', showing(alice), '200'],
  ['verifyCertificateSpki: another key', 'spki.test', showing(bob), 'refused'],
  ['verifyCertificateHash, with colons', 'hashed.test', showing(alice), '200'],
  ['verifyCertificateHash: another one', 'hashed.test', showing(bob), 'refused'],
  ['either of hash and SPKI is enough', 'either.test', showing(alice), '200'],
  ['cert, key, cacert and crl of a generic Secret', 'revoking.test', showing(alice), '200'],
  ['a certificate that crl revokes', 'revoking.test', showing(bob), 'refused'],
  ['a CA in the Secret NAME-cacert', 'split.test', showing(alice), '200'],
  ['caCertCredentialName', 'listed.test', showing(alice), '200'],
  ['ca.crl beside the ca.crt that it names', 'listed.test', showing(bob), 'refused'],
  ['MUTUAL without any CA never becomes SIMPLE', 'caless.test', showing(alice), 'refused'],
  ['insecureSkipVerify: a certificate of anybody', 'trusting.test', showing(mallory), '200'],
  ['insecureSkipVerify with MUTUAL: none', 'trusting.test', none, 'refused'],
  ['caCertificates and caCrl as files', 'filed.test', showing(alice), '200'],
  ['a certificate that the file caCrl revokes', 'filed.test', showing(bob), 'refused'],
]

describe('client certificates', () => {
  test.each(cases)('%s', async (_what, host, client, outcome) => {
    expect(await ask(host, client)).toBe(outcome)
  })

  test('a refused client is counted, with the reason', async () => {
    await ask('mutual.test', showing(mallory))
    const answer = await fetch(`${gw.admin}/stats/prometheus`)
    expect(await answer.text()).toMatch(/reason="client-certificate"/)
  })

  test('the missing CA is a finding on the Gateway', () => {
    const said = gw.gateway.problems.filter(({ code }) => code === 'client-ca-missing')
    expect(said).toHaveLength(1)
    expect(said[0]?.message).toContain('server-cacert')
  })

  test('XFCC: the upstream learns who the client is, and not what it says of itself', async () => {
    const before = app.seen.length
    const head = [
      'GET / HTTP/1.1',
      'host: mutual.test',
      'x-forwarded-client-cert: Hash=forged',
      'connection: close\r\n\r\n',
    ].join('\r\n')
    await readTls(port, 'mutual.test', { ca, ...showing(alice) }, head)
    await waitFor('the request', () => app.seen.length > before)
    const header = String(app.seen.at(-1)?.headers['x-forwarded-client-cert'])
    expect(header).toContain(`Hash=${fingerprint.replaceAll(':', '').toLowerCase()}`)
    expect(header).toContain('Subject="CN=alice.test,O=Tidegate development"')
    expect(header).toContain('URI=spiffe://cluster.local/ns/a/sa/alice')
    expect(header).not.toContain('forged')
  })

  test('XFCC: an untrusted certificate is none', async () => {
    const before = app.seen.length
    expect(await ask('trusting.test', showing(mallory))).toBe('200')
    await waitFor('the request', () => app.seen.length > before)
    expect(app.seen.at(-1)?.headers['x-forwarded-client-cert']).toBeUndefined()
  })

  test('HTTP/2 clients are asked as well', async () => {
    const session = connectH2(`https://127.0.0.1:${port}`, {
      ca,
      servername: 'mutual.test',
      ...showing(alice),
    })
    const stream = session.request({ ':authority': 'mutual.test', ':path': '/' })
    expect((await collect(stream)).status).toBe(200)
    session.destroy()
  })
})
