import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server as TcpServer,
  type Socket,
} from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer, type TlsOptions, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Authority, type CertificatePair } from '../../certs/authority.ts'
import { waitFor } from '../../test/support/wait.ts'
import { FileReserve } from '../base/file-reserve.ts'
import { SecretText } from '../base/secret-text.ts'
import type { UpstreamTlsPlan } from '../tls/plan.ts'
import { UpstreamContext } from '../tls/upstream-context.ts'
import { Dial, type DialListener, DialTarget } from './dial.ts'
import type { UpstreamFailure } from './failure.ts'

const authority = Authority.create('Test CA')
const stranger = Authority.create('Another CA')
const leaf = authority.issue(['web.test', '*.wild.test', '127.0.0.1'])
const folder = mkdtempSync(join(tmpdir(), 'tidegate-dial-'))

interface Server {
  readonly port: number
  /** SNI of each finished handshake. */
  readonly serverNames: (string | false | null)[]
  readonly bytes: string[]
  close(): Promise<void>
}

async function startTls(pair: CertificatePair, options: TlsOptions = {}): Promise<Server> {
  const serverNames: (string | false | null)[] = []
  const bytes: string[] = []
  const sockets = new Set<Socket>()
  const server = createTlsServer({ cert: pair.certificate, key: pair.key, ...options })
  server.on('connection', (socket: Socket) => sockets.add(socket))
  server.on('tlsClientError', () => {})
  server.on('secureConnection', (socket: TLSSocket) => {
    serverNames.push(socket.servername)
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => bytes.push(chunk.toString()))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    serverNames,
    bytes,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

function tlsPlan(init: Partial<UpstreamTlsPlan> = {}): UpstreamTlsPlan {
  return {
    serverName: null,
    subjectAltNames: [],
    ca: authority.certificate,
    caFile: null,
    client: null,
    insecureSkipVerify: false,
    ...init,
  }
}

type Result =
  | { readonly socket: Socket; readonly failure: null }
  | { readonly socket: null; readonly failure: UpstreamFailure }

const BUFFER_BYTES = 20_000

interface DialInit {
  readonly host?: string
  readonly alpn?: string
  readonly address?: string
  readonly connectTimeoutMs?: number
  readonly preface?: Buffer
  readonly candidates?: readonly string[]
  readonly reserve?: FileReserve
}

function dial(port: number, plan: UpstreamTlsPlan | null, init: DialInit = {}): Promise<Result> {
  const target = new DialTarget({
    address: init.address ?? '127.0.0.1',
    port,
    tls: plan === null ? null : new UpstreamContext(plan),
    host: plan === null ? null : (init.host ?? 'web.test'),
    alpn: init.alpn ?? null,
    preface: init.preface ?? null,
    source: init.candidates === undefined ? null : { candidates: init.candidates },
  })
  const limits = {
    connectTimeoutMs: init.connectTimeoutMs ?? 5_000,
    tcpKeepaliveMs: 0,
    bufferBytes: BUFFER_BYTES,
  }
  return new Promise((resolve) => {
    const listener: DialListener = {
      onDialConnected: (socket) => {
        // A clean end: the peer sees the whole handshake.
        socket.on('error', () => {})
        socket.end()
        resolve({ socket, failure: null })
      },
      onDialFailed: (failure) => resolve({ socket: null, failure }),
    }
    new Dial(target, limits, listener, init.reserve)
  })
}

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('TLS', () => {
  let server: Server
  beforeAll(async () => {
    server = await startTls(leaf)
  })
  afterAll(() => server.close())

  const UNTRUSTED =
    'TLS_error: CERTIFICATE_VERIFY_FAILED: the root of the chain is not trusted (SELF_SIGNED_CERT_IN_CHAIN)'
  const MISMATCH = 'TLS_error: CERTIFICATE_VERIFY_FAILED: the certificate is for '

  test.each<[string, Partial<UpstreamTlsPlan>, string, string | false]>([
    ['the automatic SNI is the host', {}, 'web.test', 'web.test'],
    ['a wildcard certificate', {}, 'a.wild.test', 'a.wild.test'],
    ['an IP host sends no SNI', {}, '127.0.0.1', false],
    [
      'an explicit sni checks the chain alone',
      { serverName: 'other.test' },
      'x.test',
      'other.test',
    ],
    [
      'explicit sni and SANs',
      { serverName: 'o.test', subjectAltNames: ['web.test'] },
      'x.test',
      'o.test',
    ],
    ['any of the SANs', { subjectAltNames: ['no.test', 'web.test'] }, 'x.test', 'x.test'],
    [
      'insecureSkipVerify checks nothing',
      { insecureSkipVerify: true, ca: null },
      'x.test',
      'x.test',
    ],
  ])('%s', async (_what, plan, host, serverName) => {
    const seen = server.serverNames.length
    const { failure } = await dial(server.port, tlsPlan(plan), { host })
    expect(failure).toBeNull()
    await waitFor('the handshake', () => server.serverNames.length > seen)
    expect(server.serverNames.at(-1)).toBe(serverName)
  })

  test.each<[string, Partial<UpstreamTlsPlan>, string, string]>([
    ['another host', {}, 'x.test', MISMATCH],
    ['a host two labels below the wildcard', {}, 'a.b.wild.test', MISMATCH],
    ['another IP host', {}, '127.0.0.2', MISMATCH],
    [
      'none of the SANs, although the host fits',
      { subjectAltNames: ['no.test'] },
      'web.test',
      MISMATCH,
    ],
    [
      'explicit sni that fits, SANs that do not',
      { serverName: 'web.test', subjectAltNames: ['no.test'] },
      'web.test',
      MISMATCH,
    ],
    [
      'a SPIFFE id that the certificate lacks',
      { subjectAltNames: ['spiffe://td/ns/a/sa/b'] },
      'web.test',
      MISMATCH,
    ],
    ['another CA', { ca: stranger.certificate }, 'web.test', UNTRUSTED],
    [
      'another CA under an explicit sni',
      { ca: stranger.certificate, serverName: 'web.test' },
      'web.test',
      UNTRUSTED,
    ],
    ['the system roots', { ca: null }, 'web.test', UNTRUSTED],
    [
      'a CA bundle without a certificate',
      { ca: '' },
      'web.test',
      'TLS_error: the CA bundle holds no PEM certificate',
    ],
    [
      'a CA file that is not there',
      { ca: null, caFile: '/nowhere/ca.pem' },
      'web.test',
      'TLS_error: ENOENT',
    ],
  ])('is refused for %s', async (_what, plan, host, reason) => {
    const { failure } = await dial(server.port, tlsPlan(plan), { host })
    expect(failure).toMatchObject({ type: 'tls-error', flag: 'UF', status: 503 })
    expect(failure!.transportReason).toContain(reason)
    expect(server.bytes).toEqual([])
  })

  test('writers wait at the configured mark', async () => {
    const { socket } = await dial(server.port, tlsPlan({}))
    expect(socket?.writableHighWaterMark).toBe(BUFFER_BYTES)
    const plain = await dial(server.port, null)
    expect(plain.socket?.writableHighWaterMark).toBe(BUFFER_BYTES)
    plain.socket?.destroy()
  })

  test('an expired certificate is refused', async () => {
    const expired = await startTls(authority.issue(['web.test'], -1))
    const { failure } = await dial(expired.port, tlsPlan())
    await expired.close()
    expect(failure!.transportReason).toContain('CERT_HAS_EXPIRED')
  })

  test('the client certificate is shown', async () => {
    const mutual = await startTls(leaf, {
      requestCert: true,
      rejectUnauthorized: true,
      ca: authority.certificate,
      maxVersion: 'TLSv1.2',
    })
    const pair = authority.issue(['client.test'])
    const client = {
      kind: 'pem',
      name: 'client',
      certificate: pair.certificate,
      key: new SecretText(pair.key),
    } as const
    expect((await dial(mutual.port, tlsPlan({ client }))).failure).toBeNull()
    expect((await dial(mutual.port, tlsPlan())).failure).toMatchObject({ type: 'tls-error' })
    await mutual.close()
  })

  test('ALPN must be agreed to where a protocol depends on it', async () => {
    const h2 = await startTls(leaf, { ALPNProtocols: ['h2'] })
    expect((await dial(h2.port, tlsPlan(), { alpn: 'h2' })).failure).toBeNull()
    await h2.close()
    expect((await dial(server.port, tlsPlan(), { alpn: 'h2' })).failure).toMatchObject({
      type: 'tls-error',
      transportReason: 'TLS_error: the peer did not agree to h2 (ALPN)',
    })
  })

  test('a CA file is read again when it changes, and a broken one leaves the last good', async () => {
    const caFile = join(folder, 'ca.pem')
    let nowMs = 0
    writeFileSync(caFile, stranger.certificate)
    const context = new UpstreamContext(tlsPlan({ ca: null, caFile }), () => nowMs)
    const before = context.current()
    writeFileSync(caFile, authority.certificate)
    expect(context.current()).toBe(before)
    await context.refresh()
    const after = context.current()
    expect(after).not.toBe(before)
    writeFileSync(caFile, 'not a certificate')
    nowMs = 10_000
    await context.refresh()
    expect(context.current()).toBe(after)
    expect(context.problem).toBe('the CA bundle holds no PEM certificate')
  })
})

describe('the connect timeout', () => {
  test('spans the handshake: a peer that says nothing fails', async () => {
    const sockets: Socket[] = []
    const server = createTcpServer((socket) => sockets.push(socket))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const { failure } = await dial(port, tlsPlan(), { connectTimeoutMs: 100 })
    expect(failure).toMatchObject({
      type: 'connect-timeout',
      transportReason: 'TLS handshake timed out',
    })
    for (const socket of sockets) socket.destroy()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })
})

test('a peer that does not speak TLS is a TLS error', async () => {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.resume()
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { failure } = await dial((server.address() as AddressInfo).port, tlsPlan())
  expect(failure).toMatchObject({ type: 'tls-error', flag: 'UF' })
  await new Promise<void>((resolve) => server.close(() => resolve()))
})

test('a unix socket is dialled by its path', async () => {
  const path = join(folder, 'upstream.sock')
  const server = createTcpServer((socket) => socket.end())
  await new Promise<void>((resolve) => server.listen(path, resolve))
  expect((await dial(0, null, { address: path })).failure).toBeNull()
  await new Promise<void>((resolve) => server.close(() => resolve()))
})

test('a name is never looked up here', async () => {
  expect((await dial(80, null, { address: 'localhost' })).failure).toMatchObject({
    type: 'dns-failure',
    transportReason: 'localhost is not an IP address',
  })
})

describe('a reserve of open files', () => {
  // The process holds more files than that by far: every new one is of the reserve.
  const FULL = new FileReserve(4, () => 1)
  const ROOM = new FileReserve(1_000_000, () => 64)
  let server: Server
  let unix: TcpServer
  const path = join(folder, 'reserve.sock')
  beforeAll(async () => {
    server = await startTls(leaf)
    unix = createTcpServer((socket) => socket.end())
    await new Promise<void>((resolve) => unix.listen(path, resolve))
  })
  afterAll(async () => {
    await server.close()
    await new Promise<void>((resolve) => unix.close(() => resolve()))
  })

  test.each<[string, boolean, DialInit]>([
    ['an address', false, {}],
    ['TLS', true, {}],
    ['TLS behind a PROXY header', true, { preface: Buffer.from('PROXY UNKNOWN\r\n') }],
    ['a name with one address', false, { address: 'web.test', candidates: ['127.0.0.1'] }],
    [
      'a name with several',
      false,
      { address: 'web.test', candidates: ['127.0.0.1', '127.0.0.2', '::1'] },
    ],
    ['a unix socket', false, { address: path }],
  ])('is left alone by a dial to %s', async (_what, isTls, init) => {
    const plan = isTls ? tlsPlan() : null
    const { failure } = await dial(server.port, plan, { ...init, reserve: FULL })
    expect(failure).toMatchObject({
      type: 'overflow',
      flag: 'UO',
      status: 503,
      resetReason: 'overflow',
      transportReason: 'no open file left for connections',
    })
    if (init.preface !== undefined) return
    expect((await dial(server.port, plan, { ...init, reserve: ROOM })).failure).toBeNull()
  })

  test('and a dial that was given up says nothing of it', async () => {
    const heard: string[] = []
    const target = new DialTarget({
      address: '127.0.0.1',
      port: server.port,
      tls: null,
      host: null,
      alpn: null,
    })
    const limits = { connectTimeoutMs: 5_000, tcpKeepaliveMs: 0, bufferBytes: BUFFER_BYTES }
    const listener: DialListener = {
      onDialConnected: () => heard.push('connected'),
      onDialFailed: ({ type }) => heard.push(type),
    }
    new Dial(target, limits, listener, FULL).abort()
    expect((await dial(server.port, null, { reserve: FULL })).failure).not.toBeNull()
    expect(heard).toEqual([])
  })
})
