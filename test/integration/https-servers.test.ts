import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { connect as connectH2 } from 'node:http2'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Authority, type CertificatePair } from '../../certs/authority.ts'
import { call } from '../support/call.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { H2Client } from '../support/h2-client.ts'
import { httpsGateway, secret, tlsSecret } from '../support/secrets.ts'
import { handshake } from '../support/tls-client.ts'
import { startUpstream } from '../support/upstream.ts'
import { service, virtualService } from '../support/yaml.ts'

const run = promisify(execFile)

const authority = Authority.create('Ingress test')
const other = Authority.create('Another authority')
const ca = authority.certificate
const one = authority.issue(['one.test'])
const two = authority.issue(['two.test'])
const wild = authority.issue(['*.wild.test'])
const filed = authority.issue(['filed.test'])

function answering(name: string, hosts: readonly string[]): string {
  return virtualService(
    name,
    hosts,
    ['gw'],
    `  - { directResponse: { status: 200, body: { string: ${name} } } }`,
  )
}

const simple = (credential: string, more = ''): string =>
  `{ mode: SIMPLE, credentialName: ${credential} ${more} }`

describe('servers chosen by SNI', () => {
  let gw: TestGateway
  let port = 0

  beforeAll(async () => {
    gw = await startGateway(
      tlsSecret('one', one) +
        secret('two', { cert: two.certificate, key: two.key }) +
        tlsSecret('wild', wild) +
        secret('mismatched', { 'tls.crt': one.certificate, 'tls.key': two.key }) +
        secret('empty', { 'tls.crt': '', 'tls.key': '' }) +
        secret('keyless', { other: 'x' }) +
        tlsSecret('elsewhere', one, 'default'),
      { ports: [443] },
    )
    const certificate = join(gw.folder, 'filed.crt')
    const key = join(gw.folder, 'filed.key')
    writeFileSync(certificate, filed.certificate)
    writeFileSync(key, filed.key)
    gw.write(
      'gateway.yaml',
      httpsGateway('gw', [
        { hosts: ['one.test'], tls: simple('one') },
        { hosts: ['two.test'], tls: simple('two', ', minProtocolVersion: TLSV1_3') },
        { hosts: ['*.wild.test'], tls: simple('wild') },
        {
          hosts: ['filed.test'],
          tls: `{ mode: SIMPLE, serverCertificate: "${certificate}", privateKey: "${key}" }`,
        },
        { hosts: ['mismatched.test'], tls: simple('mismatched') },
        { hosts: ['empty.test'], tls: simple('empty') },
        { hosts: ['keyless.test'], tls: simple('keyless') },
        { hosts: ['missing.test'], tls: simple('missing') },
        { hosts: ['elsewhere.test'], tls: simple('elsewhere') },
      ]) +
        answering('first', ['one.test']) +
        answering('second', ['two.test']) +
        answering('wildcard', ['*.wild.test']) +
        answering('files', ['filed.test']),
    )
    await gw.reload()
    port = gw.port(443)
  })
  afterAll(() => gw[Symbol.asyncDispose]())

  test.each([
    ['a Secret with tls.crt and tls.key', 'one.test', 'one.test', 'first'],
    ['a Secret with cert and key', 'two.test', 'two.test', 'second'],
    ['a wildcard', 'a.wild.test', '*.wild.test', 'wildcard'],
    ['files', 'filed.test', 'filed.test', 'files'],
  ])('%s: certificate and routes of its own', async (_what, host, certificate, body) => {
    expect(await handshake(port, host, { ca })).toMatchObject({ ok: true, name: certificate })
    const answer = await call({ port, host, ca })
    expect([answer.status, answer.body]).toEqual([200, body])
  })

  test('SNI is compared without case', async () => {
    expect(
      await handshake(port, 'ONE.Test', { ca, checkServerIdentity: () => undefined }),
    ).toMatchObject({
      ok: true,
      name: 'one.test',
    })
  })

  test.each([
    ['an unknown name', 'unknown.test'],
    ['the name of a wildcard itself', 'wild.test'],
    ['no name', ''],
  ])('%s is refused with unrecognized_name', async (_what, name) => {
    expect(await handshake(port, name, { ca })).toEqual({
      ok: false,
      reason: 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME',
    })
  })

  test.each(['mismatched', 'empty', 'keyless', 'missing', 'elsewhere'])(
    'a %s Secret breaks its own host only, with an alert and a finding',
    async (name) => {
      expect(await handshake(port, `${name}.test`, { ca })).toMatchObject({
        ok: false,
        reason: expect.stringMatching(/HANDSHAKE_FAILURE/) as string,
      })
      const said = gw.gateway.problems.filter(
        (problem) => problem.severity === 'error' && problem.message.includes(name),
      )
      expect(said).toHaveLength(1)
      expect((await call({ port, host: 'one.test', ca })).status).toBe(200)
    },
  )

  test('ALPN: h2 first, http/1.1, and none for clients that do not ask', async () => {
    const offered = (ALPNProtocols?: string[]): ReturnType<typeof handshake> =>
      handshake(port, 'one.test', { ca, ...(ALPNProtocols === undefined ? {} : { ALPNProtocols }) })
    expect(await offered(['http/1.1', 'h2'])).toMatchObject({ alpn: 'h2' })
    expect(await offered(['http/1.1'])).toMatchObject({ alpn: 'http/1.1' })
    expect(await offered()).toMatchObject({ ok: true, alpn: false })
  })

  test('minProtocolVersion holds for its server alone', async () => {
    const older = { ca, maxVersion: 'TLSv1.2' } as const
    expect(await handshake(port, 'two.test', older)).toMatchObject({ ok: false })
    expect(await handshake(port, 'two.test', { ca })).toMatchObject({ protocol: 'TLSv1.3' })
    expect(await handshake(port, 'one.test', older)).toMatchObject({ protocol: 'TLSv1.2' })
    const ancient = {
      ca,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    } as const
    expect(await handshake(port, 'one.test', ancient)).toMatchObject({ ok: false })
  })

  test('HTTP/2: another server of the port is 421, an unknown host 404, on one connection', async () => {
    const session = connectH2(`https://127.0.0.1:${port}`, { ca, servername: 'one.test' })
    session.on('error', () => {})
    const ask = async (host: string): Promise<readonly unknown[]> => {
      const stream = session.request({ ':authority': host, ':path': '/' })
      const status = new Promise<unknown>((resolve) =>
        stream.once('response', (headers) => resolve(headers[':status'])),
      )
      const body = (await buffer(stream)).toString()
      return [host, await status, body]
    }
    expect(await ask('one.test')).toEqual(['one.test', 200, 'first'])
    expect(await ask('two.test')).toEqual(['two.test', 421, ''])
    expect(await ask('x.wild.test')).toEqual(['x.wild.test', 421, ''])
    expect(await ask('nowhere.test')).toEqual(['nowhere.test', 404, ''])
    expect(await ask('one.test:443')).toEqual(['one.test:443', 200, 'first'])
    session.destroy()
  })

  test('curl agrees, with HTTP/2 and HTTP/1.1', async () => {
    const file = join(gw.folder, 'ca.pem')
    writeFileSync(file, ca)
    const curl = async (...flags: string[]): Promise<string> => {
      const { stdout } = await run('curl', [
        '-sS',
        '--cacert',
        file,
        '--resolve',
        `one.test:${port}:127.0.0.1`,
        '-w',
        ' %{http_version} %{http_code}',
        ...flags,
        `https://one.test:${port}/`,
      ])
      return stdout
    }
    expect(await curl('--http2')).toBe('first 2 200')
    expect(await curl('--http1.1')).toBe('first 1.1 200')
  })
})

test('bytes that are no TLS are closed, and the listener goes on', async () => {
  await using gw = await startGateway(
    tlsSecret('one', one) +
      httpsGateway('gw', [{ hosts: ['one.test'], tls: simple('one') }]) +
      answering('first', ['one.test']),
    { ports: [443] },
  )
  await expect(call({ port: gw.port(443), host: 'one.test' })).rejects.toThrow()
  await using plain = new H2Client(gw.port(443))
  expect((await plain.fetch({ ':path': '/', ':authority': 'one.test' })).status).toBe(0)
  expect((await call({ port: gw.port(443), host: 'one.test', ca })).body).toBe('first')
})

test('a server with host * takes every name, and none', async () => {
  await using gw = await startGateway(
    tlsSecret('one', one) +
      tlsSecret('two', two) +
      httpsGateway('gw', [
        { hosts: ['two.test'], tls: simple('two') },
        { hosts: ['*'], tls: simple('one') },
      ]),
    { ports: [443] },
  )
  const port = gw.port(443)
  const loose = { ca, checkServerIdentity: () => undefined }
  expect(await handshake(port, 'two.test', loose)).toMatchObject({ name: 'two.test' })
  expect(await handshake(port, 'any.test', loose)).toMatchObject({ name: 'one.test' })
  expect(await handshake(port, '', loose)).toMatchObject({ name: 'one.test' })
})

test('the upstream learns that the client came over https', async () => {
  await using app = await startUpstream('app')
  await using gw = await startGateway(
    tlsSecret('one', one) +
      service('app', app.port) +
      httpsGateway('gw', [{ hosts: ['one.test'], tls: simple('one') }]) +
      virtualService('app', ['one.test'], ['gw'], '  - route: [{ destination: { host: app } }]'),
    { ports: [443] },
  )
  await call({ port: gw.port(443), host: 'one.test', ca, method: 'POST', body: 'secret' })
  expect(app.seen[0]).toMatchObject({ body: 'secret', headers: { 'x-forwarded-proto': 'https' } })
})

test('a pair of a foreign authority is served as given', async () => {
  const foreign: CertificatePair = other.issue(['one.test'])
  await using gw = await startGateway(
    tlsSecret('foreign', foreign) +
      httpsGateway('gw', [{ hosts: ['one.test'], tls: simple('foreign') }]),
    { ports: [443] },
  )
  expect(await handshake(gw.port(443), 'one.test', { ca })).toMatchObject({ ok: false })
  const trusted = await handshake(gw.port(443), 'one.test', { ca: other.certificate })
  expect(trusted).toMatchObject({ ok: true, name: 'one.test' })
})
