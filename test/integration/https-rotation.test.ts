import { randomBytes } from 'node:crypto'
import { renameSync, writeFileSync } from 'node:fs'
import { connect as connectH2 } from 'node:http2'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import type { TLSSocket } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { Authority, type CertificatePair } from '../../certs/authority.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { httpsGateway, secret, tlsSecret } from '../support/secrets.ts'
import { handshake, openTls } from '../support/tls-client.ts'
import { waitFor } from '../support/wait.ts'
import { virtualService } from '../support/yaml.ts'

const authority = Authority.create('Rotation test')
const ca = authority.certificate
const old = authority.issue(['app.test'])
const renewed = authority.issue(['app.test'])

const routes = virtualService(
  'app',
  ['app.test'],
  ['gw'],
  '  - { directResponse: { status: 200, body: { string: served } } }',
)

async function serialOf(port: number): Promise<string> {
  const seen = await handshake(port, 'app.test', { ca })
  return seen.ok ? seen.serial : seen.reason
}

/** One request on an open HTTP/1.1 connection. */
async function ask(socket: TLSSocket): Promise<string> {
  let text = ''
  const take = (chunk: Buffer): void => {
    text += chunk.toString('latin1')
  }
  socket.on('data', take)
  socket.write(`GET /${randomBytes(4).toString('hex')} HTTP/1.1\r\nhost: app.test\r\n\r\n`)
  await waitFor('an answer on the old connection', () => {
    if (socket.destroyed) throw new Error('the connection was closed')
    return text.endsWith('served')
  })
  socket.off('data', take)
  return text.slice(9, 12)
}

/** Two connections from before a rotation, of either protocol. */
class OldConnections implements AsyncDisposable {
  readonly #socket: TLSSocket
  readonly #session: ReturnType<typeof connectH2>
  closed = 0

  private constructor(socket: TLSSocket, session: ReturnType<typeof connectH2>) {
    this.#socket = socket
    this.#session = session
    session.on('error', () => {})
    session.on('goaway', () => this.closed++)
    for (const one of [socket, session]) one.once('close', () => this.closed++)
  }

  static async open(port: number): Promise<OldConnections> {
    const socket = await openTls(port, 'app.test', { ca })
    return new OldConnections(
      socket,
      connectH2(`https://127.0.0.1:${port}`, { ca, servername: 'app.test' }),
    )
  }

  async ask(): Promise<readonly string[]> {
    const stream = this.#session.request({ ':authority': 'app.test', ':path': '/' })
    const [status, body] = await Promise.all([ask(this.#socket), buffer(stream)])
    return [status, body.toString()]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy()
    this.#session.destroy()
  }
}

describe('a renewed Secret', () => {
  const start = (pair: CertificatePair): Promise<TestGateway> =>
    startGateway(
      {
        'gateway.yaml':
          httpsGateway('gw', [
            { hosts: ['app.test'], tls: '{ mode: SIMPLE, credentialName: app }' },
          ]) + routes,
        'secret.yaml': tlsSecret('app', pair),
      },
      { ports: [443] },
    )

  test('serves new handshakes; open connections of both protocols go on', async () => {
    await using gw = await start(old)
    const port = gw.port(443)
    const before = await serialOf(port)
    await using kept = await OldConnections.open(port)
    expect(await kept.ask()).toEqual(['200', 'served'])
    gw.write('secret.yaml', tlsSecret('app', renewed))
    await gw.reload()
    const after = await serialOf(port)
    expect(after).toMatch(/^[0-9A-F]+$/)
    expect(after).not.toBe(before)
    expect(await kept.ask()).toEqual(['200', 'served'])
    expect(kept.closed).toBe(0)
  })

  test('a broken update is a finding that costs no open connection, and a good one heals it', async () => {
    await using gw = await start(old)
    const port = gw.port(443)
    const before = await serialOf(port)
    await using kept = await OldConnections.open(port)
    expect(await kept.ask()).toEqual(['200', 'served'])
    gw.write('secret.yaml', secret('app', { 'tls.crt': old.certificate, 'tls.key': renewed.key }))
    await gw.reload()
    expect(gw.gateway.problems.some((problem) => problem.severity === 'error')).toBe(true)
    expect(await kept.ask()).toEqual(['200', 'served'])
    gw.write('secret.yaml', tlsSecret('app', renewed))
    await gw.reload()
    const healed = await serialOf(port)
    expect(healed).toMatch(/^[0-9A-F]+$/)
    expect(healed).not.toBe(before)
    expect(kept.closed).toBe(0)
  })

  test('a broken update keeps the last good pair serving', async () => {
    await using gw = await start(old)
    const before = await serialOf(gw.port(443))
    gw.write('secret.yaml', secret('app', { 'tls.crt': old.certificate, 'tls.key': renewed.key }))
    await gw.reload()
    expect(await serialOf(gw.port(443))).toBe(before)
  })
})

describe('renewed files', () => {
  test('serve new handshakes without a reload; a torn pair keeps the last good one', async () => {
    await using gw = await startGateway('', { ports: [443] })
    const certificate = join(gw.folder, 'app.crt')
    const key = join(gw.folder, 'app.key')
    const replace = (path: string, text: string): void => {
      writeFileSync(`${path}.new`, text)
      renameSync(`${path}.new`, path)
    }
    replace(certificate, old.certificate)
    replace(key, old.key)
    gw.write(
      'config.yaml',
      httpsGateway('gw', [
        {
          hosts: ['app.test'],
          tls: `{ mode: SIMPLE, serverCertificate: "${certificate}", privateKey: "${key}" }`,
        },
      ]) + routes,
    )
    await gw.reload()
    const port = gw.port(443)
    const before = await serialOf(port)
    expect(before).toMatch(/^[0-9A-F]+$/)
    await using kept = await OldConnections.open(port)
    expect(await kept.ask()).toEqual(['200', 'served'])
    replace(certificate, renewed.certificate)
    expect(await serialOf(port)).toBe(before)
    replace(key, renewed.key)
    await waitFor('the new certificate', async () => {
      const now = await serialOf(port)
      expect(now).toMatch(/^[0-9A-F]+$/)
      return now !== before
    })
    expect(await kept.ask()).toEqual(['200', 'served'])
    expect(kept.closed).toBe(0)
  })
})
