import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { Authority, type CertificatePair } from '../../certs/authority.ts'
import { call } from '../support/call.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { revocationList } from '../support/revocation-list.ts'
import { waitFor } from '../support/wait.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const HOST = 'web.default.svc.cluster.local'
const authority = Authority.create('Test CA')
const stranger = Authority.create('Another CA')
const leaf = authority.issue([HOST, 'web.test'])
const client = authority.issue(['gateway.test'])
const folder = mkdtempSync(join(tmpdir(), 'tidegate-upstream-tls-'))
const servers: Server[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const caFile = file('ca.pem', authority.certificate)

interface Secure {
  readonly port: number
  readonly peers: { sni: string | false | null; alpn: string | false | null; client: string }[]
}

async function secure(pair: CertificatePair, options: ServerOptions = {}): Promise<Secure> {
  const peers: Secure['peers'] = []
  const server = createServer({ cert: pair.certificate, key: pair.key, ...options })
  server.on('secureConnection', (socket: TLSSocket) => {
    const { subject } = socket.getPeerCertificate()
    const name = subject?.CN
    peers.push({
      sni: socket.servername,
      alpn: socket.alpnProtocol,
      client: typeof name === 'string' ? name : '',
    })
  })
  server.on('tlsClientError', () => {})
  server.on('request', (_request, response) => response.end('secret'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  servers.push(server)
  return { port: (server.address() as AddressInfo).port, peers }
}

function config(port: number, rule: string): string {
  return (
    service('web', port) +
    gateway('gw', ['shop.test']) +
    virtualService('web', ['shop.test'], ['gw'], `  - route: [{ destination: { host: web } }]`) +
    rule
  )
}

const rule = (tls: string, extra = ''): string => `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: web }
spec: { host: web, trafficPolicy: { tls: ${tls}${extra} } }
---
`

const open = (
  port: number,
  tls: string,
  options: Parameters<typeof startGateway>[1] = {},
): Promise<TestGateway> => startGateway(config(port, rule(tls)), { ports: [80], ...options })

const ask = (gw: TestGateway) => call({ port: gw.port(80), host: 'shop.test' })

describe('TLS origination', () => {
  test('SIMPLE sends the Host as SNI and checks the certificate for it', async () => {
    const named = await secure(authority.issue(['shop.test']))
    await using gw = await open(named.port, `{ mode: SIMPLE, caCertificates: ${caFile} }`)
    expect(await ask(gw)).toMatchObject({ status: 200, body: 'secret' })
    expect(named.peers[0]).toMatchObject({ sni: 'shop.test' })
  })

  test('the SNI is the Host after the rewrite, and so is the name that is checked', async () => {
    const named = await secure(authority.issue(['inner.test']))
    const yaml = config(named.port, rule(`{ mode: SIMPLE, caCertificates: ${caFile} }`))
    const rewritten = yaml.replace('- route:', '- rewrite: { authority: inner.test }\n    route:')
    await using gw = await startGateway(rewritten, { ports: [80] })
    expect((await ask(gw)).status).toBe(200)
    expect(named.peers[0]).toMatchObject({ sni: 'inner.test' })
  })

  test('an explicit sni without subjectAltNames checks the chain alone', async () => {
    const other = await secure(authority.issue(['other.test']))
    const tls = `{ mode: SIMPLE, sni: web.test, caCertificates: ${caFile} }`
    await using gw = await open(other.port, tls)
    expect((await ask(gw)).status).toBe(200)
    expect(other.peers[0]).toMatchObject({ sni: 'web.test' })
  })

  test('without a CA the system roots decide: verification is on', async () => {
    const upstream = await secure(authority.issue(['shop.test']))
    await using gw = await open(upstream.port, '{ mode: SIMPLE }')
    const answer = await ask(gw)
    expect(answer.status).toBe(503)
    expect(answer.body).toContain('CERTIFICATE_VERIFY_FAILED')
  })

  test('insecureSkipVerify takes any certificate', async () => {
    const upstream = await secure(stranger.issue(['other.test']))
    await using gw = await open(upstream.port, '{ mode: SIMPLE, insecureSkipVerify: true }')
    expect((await ask(gw)).status).toBe(200)
  })

  test('h2 is agreed on by ALPN where the port is http2, and nothing else is taken', async () => {
    const upstream = await secure(authority.issue(['shop.test']))
    const yaml = config(upstream.port, rule(`{ mode: SIMPLE, caCertificates: ${caFile} }`))
    const http2 = yaml.replaceAll('name: http,', 'name: http2,')
    await using gw = await startGateway(http2, { ports: [80] })
    const answer = await ask(gw)
    expect(answer.status).toBe(503)
    expect(answer.body).toMatch(/did not agree to h2|NO_APPLICATION_PROTOCOL/)
  })

  test('MUTUAL shows the certificate of the files', async () => {
    const cert = file('client.pem', client.certificate)
    const key = file('client-key.pem', client.key)
    const upstream = await secure(leaf, { requestCert: true, ca: authority.certificate })
    const tls = `{ mode: MUTUAL, sni: web.test, subjectAltNames: [web.test], caCertificates: ${caFile}, clientCertificate: ${cert}, privateKey: ${key} }`
    await using gw = await open(upstream.port, tls)
    expect((await ask(gw)).status).toBe(200)
    expect(upstream.peers[0]).toMatchObject({ sni: 'web.test', client: 'gateway.test' })
  })

  test('ISTIO_MUTUAL uses the workload certificate, the SNI and the protocol names of the mesh', async () => {
    file('cert-chain.pem', client.certificate)
    file('key.pem', client.key)
    file('root-cert.pem', authority.certificate)
    const upstream = await secure(leaf, {
      requestCert: true,
      ca: authority.certificate,
      ALPNProtocols: ['istio-http/1.1'],
    })
    await using gw = await open(upstream.port, '{ mode: ISTIO_MUTUAL }', {
      meshCertificates: folder,
    })
    expect((await ask(gw)).status).toBe(200)
    expect(upstream.peers[0]).toEqual({
      sni: `outbound_.8080_._.${HOST}`,
      alpn: 'istio-http/1.1',
      client: 'gateway.test',
    })
  })

  test('ISTIO_MUTUAL offers raw bytes under the name that is not HTTP', async () => {
    file('cert-chain.pem', client.certificate)
    file('key.pem', client.key)
    file('root-cert.pem', authority.certificate)
    const upstream = await secure(leaf, { ALPNProtocols: ['istio-http/1.1', 'istio'] })
    const tcp = service('web', upstream.port, { port: 9000, portName: 'tcp' })
    const yaml = `${tcp}apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw }
spec: { servers: [{ port: { number: 9000, name: tcp, protocol: TCP }, hosts: ["*"] }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: tcp }
spec: { hosts: ["*"], gateways: [gw], tcp: [{ route: [{ destination: { host: web } }] }] }
---
${rule('{ mode: ISTIO_MUTUAL }')}`
    await using gw = await startGateway(yaml, { ports: [9000], meshCertificates: folder })
    expect((await call({ port: gw.port(9000), host: 'any.test' })).body).toBe('secret')
    expect(upstream.peers[0]).toMatchObject({ alpn: 'istio' })
  })

  test('ISTIO_MUTUAL without its files sends nothing, and says which is missing', async () => {
    const upstream = await secure(leaf)
    await using gw = await open(upstream.port, '{ mode: ISTIO_MUTUAL }', {
      meshCertificates: '/nowhere',
    })
    const answer = await ask(gw)
    expect(answer.status).toBe(503)
    expect(answer.body).toContain('/nowhere/root-cert.pem')
    expect(upstream.peers).toEqual([])
  })
})

describe('a certificate that fails a check: 503 UF, and which check it was', () => {
  const SNI = `sni: web.test, subjectAltNames: [web.test], caCertificates: ${caFile}`
  const crl = file('crl.pem', revocationList(authority, [leaf.certificate]))
  const otherCrl = file('other-crl.pem', revocationList(stranger, []))
  test.each<[string, CertificatePair, string, string]>([
    ['expired', authority.issue(['web.test'], -1), SNI, 'the certificate has expired'],
    ['unknown CA', stranger.issue(['web.test']), SNI, 'the root of the chain is not trusted'],
    [
      'another name',
      authority.issue(['other.test']),
      SNI,
      'the certificate is for DNS:other.test, not for web.test',
    ],
    ['revoked', leaf, `${SNI}, caCrl: ${crl}`, 'the certificate is revoked'],
    ['no list of its issuer', leaf, `${SNI}, caCrl: ${otherCrl}`, 'no revocation list'],
    ['a list that is none', leaf, `${SNI}, caCrl: ${caFile}`, 'holds no PEM X509 CRL'],
  ])('%s', async (_what, pair, tls, reason) => {
    const upstream = await secure(pair)
    await using gw = await open(upstream.port, `{ mode: SIMPLE, ${tls} }`)
    const answer = await ask(gw)
    expect(answer.status).toBe(503)
    expect(answer.body).toContain(`TLS_error: `)
    expect(answer.body).toContain(reason)
    const clusters = await (await fetch(`${gw.admin}/clusters`)).text()
    expect(clusters).toContain(reason)
    expect(gw.gateway.describeClusters().find(({ name }) => name.includes('web'))).toMatchObject({
      counters: { rq_total: 0 },
    })
  })

  test('the access log names it too', async () => {
    const upstream = await secure(authority.issue(['other.test']))
    await using gw = await open(upstream.port, `{ mode: SIMPLE, ${SNI} }`)
    await ask(gw)
    const reason = 'TLS_error:_CERTIFICATE_VERIFY_FAILED:_the_certificate_is_for_DNS:other.test,'
    await waitFor('the access log', () => gw.accessLog().includes(reason))
    expect(gw.accessLog()).toMatch(/ 503 UF,URX /)
  })

  test('a list without the certificate lets it pass', async () => {
    const empty = file('empty-crl.pem', revocationList(authority, []))
    const upstream = await secure(leaf)
    await using gw = await open(upstream.port, `{ mode: SIMPLE, ${SNI}, caCrl: ${empty} }`)
    expect((await ask(gw)).status).toBe(200)
  })

  test('a handshake alert of the server is named', async () => {
    const upstream = await secure(leaf, {
      requestCert: true,
      ca: stranger.certificate,
      maxVersion: 'TLSv1.2',
    })
    await using gw = await open(upstream.port, `{ mode: SIMPLE, ${SNI} }`)
    const answer = await ask(gw)
    expect(answer.status).toBe(503)
    expect(answer.body).toMatch(/TLS_error: \S+/)
  })
})

describe('a rule that asks for TLS and has errors', () => {
  const BROKEN = '{ mode: SIMPLE }, connectionPool: {}, outlierDetection: { interval: soon }'

  test('keeps requests from leaving in plain text: 503 and a problem that says why', async () => {
    const upstream = await secure(leaf)
    await using gw = await startGateway(config(upstream.port, rule(BROKEN)), { ports: [80] })
    expect((await ask(gw)).status).toBe(503)
    const problems = (await (await fetch(`${gw.admin}/problems`)).json()) as object
    const text = JSON.stringify(problems)
    expect(text).toContain('destination-rule-withheld')
    expect(text).toContain(`${HOST} is not reached`)
    gw.write(
      'config.yaml',
      config(upstream.port, rule(`{ mode: SIMPLE, sni: web.test, caCertificates: ${caFile} }`)),
    )
    await gw.reload()
    expect((await ask(gw)).body).toBe('secret')
  })

  test('leaves its last good version in force where there is one', async () => {
    const upstream = await secure(leaf)
    const good = `{ mode: SIMPLE, sni: web.test, caCertificates: ${caFile} }`
    await using gw = await open(upstream.port, good)
    gw.write('config.yaml', config(upstream.port, rule(BROKEN)))
    await gw.reload()
    expect((await ask(gw)).body).toBe('secret')
  })
})
