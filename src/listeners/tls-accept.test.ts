import { once } from 'node:events'
import {
  type AddressInfo,
  connect as connectTcp,
  createServer,
  type Server,
  type Socket,
} from 'node:net'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { waitFor } from '../../test/support/wait.ts'
import { SecretText } from '../base/secret-text.ts'
import { HostTable } from '../routing/host-table.ts'
import { TlsChainPlan } from '../snapshot/listener-plan.ts'
import type { ServerTlsPlan } from '../tls/plan.ts'
import { ServerContexts } from '../tls/server-context.ts'
import { acceptTls } from './tls-accept.ts'

const authority = Authority.create('test authority')
const pair = authority.issue(['shop.test', '*.wild.test'])

function chainOf(name: string, changes: Partial<ServerTlsPlan> = {}): TlsChainPlan {
  const { certificate, key } = pair
  return new TlsChainPlan({
    name,
    gateway: 'ns/gw',
    hosts: [name],
    tls: {
      certificates: [{ kind: 'pem', name, certificate, key: new SecretText(key) }],
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      ciphers: null,
      alpn: ['h2', 'http/1.1'],
      ...changes,
    },
    http: { name, hosts: new HostTable([]), gateways: [], authenticator: null },
  })
}

const chains = [
  chainOf('shop.test'),
  chainOf('*.wild.test', { minVersion: 'TLSv1.3' }),
  chainOf('broken.test', { certificates: [] }),
]
const table = {
  bySni: new HostTable(chains.map((chain) => [chain.name, chain] as const)),
  all: chains,
}

let server: Server
let refused: string[]
let accepted: { socket: TLSSocket; chain: string }[]
const opened: Socket[] = []

beforeEach(async () => {
  refused = []
  accepted = []
  const contexts = new ServerContexts({ onProblem: () => undefined })
  server = createServer({ allowHalfOpen: true }, (socket) => {
    opened.push(socket)
    acceptTls(socket, {
      contexts,
      settings: () => ({ tlsHandshakeTimeoutMs: 10_000, bufferBytes: 32_768 }),
      chains: () => table,
      challenges: () => null,
      onSecure: (secure, chain) => {
        secure.on('error', () => undefined)
        secure.end('hello')
        accepted.push({ socket: secure, chain: chain.name })
      },
      onPassThrough: (passed) => passed.destroy(),
      onRefused: ({ reason, serverName }) => {
        refused.push(`${reason} ${serverName}`)
      },
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(async () => {
  for (const socket of opened.splice(0)) socket.destroy()
  server.close()
  await once(server, 'close')
})

function port(): number {
  return (server.address() as AddressInfo).port
}

/** What the client got, or the code of its error. */
async function handshake(options: ConnectionOptions): Promise<string> {
  const client = connect({ port: port(), host: '127.0.0.1', ca: authority.certificate, ...options })
  return new Promise((resolve) => {
    client.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    client.on('data', (chunk: Buffer) => {
      resolve(`${chunk.toString()} ${client.getProtocol()} ${client.alpnProtocol}`)
      client.destroy()
    })
  })
}

/** The ClientHello of a client that asks for `servername`. */
async function helloOf(servername: string): Promise<Buffer> {
  const sink = createServer()
  sink.listen(0, '127.0.0.1')
  await once(sink, 'listening')
  const connection = once(sink, 'connection')
  const client = connect({
    port: (sink.address() as AddressInfo).port,
    host: '127.0.0.1',
    servername,
  })
  client.on('error', () => undefined)
  const [socket] = (await connection) as [Socket]
  const [hello] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  client.destroy()
  sink.close()
  return hello
}

describe('a TLS connection', () => {
  test('is served by the chain of its name', async () => {
    const alpn = { ALPNProtocols: ['http/1.1'] }
    expect(await handshake({ servername: 'shop.test', ...alpn })).toBe('hello TLSv1.3 http/1.1')
    expect(await handshake({ servername: 'SHOP.test', ...alpn, maxVersion: 'TLSv1.2' })).toBe(
      'hello TLSv1.2 http/1.1',
    )
    expect(await handshake({ servername: 'a.wild.test', ALPNProtocols: ['h2'] })).toBe(
      'hello TLSv1.3 h2',
    )
    expect(accepted.map(({ chain }) => chain)).toEqual(['shop.test', 'shop.test', '*.wild.test'])
    expect(refused).toEqual([])
  })

  test('byte by byte works as well', async () => {
    const proxy = createServer((socket) => {
      const onward = connectTcp(port(), '127.0.0.1')
      onward.setNoDelay(true)
      socket.on('data', (chunk: Buffer) => {
        for (const byte of chunk) onward.write(Buffer.from([byte]))
      })
      onward.pipe(socket)
      onward.on('error', () => socket.destroy())
      socket.on('error', () => onward.destroy())
      socket.on('close', () => onward.destroy())
    })
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    const through = (proxy.address() as AddressInfo).port
    expect(await handshake({ servername: 'shop.test', port: through })).toMatch(/^hello/)
    proxy.close()
  })

  const cases: [name: string, options: ConnectionOptions, code: RegExp, reason: string][] = [
    [
      'an unknown name gets the alert unrecognized_name',
      { servername: 'other.test' },
      /UNRECOGNIZED_NAME/,
      'no-server-name-match other.test',
    ],
    [
      'so does no name, where no server takes every name',
      { servername: '' },
      /UNRECOGNIZED_NAME/,
      'no-server-name-match null',
    ],
    [
      'a wildcard does not cover its own suffix',
      { servername: 'wild.test' },
      /UNRECOGNIZED_NAME/,
      'no-server-name-match wild.test',
    ],
    [
      'a server without usable certificate fails the handshake',
      { servername: 'broken.test' },
      /HANDSHAKE_FAILURE/,
      'no-certificate broken.test',
    ],
    [
      'too old a version is refused',
      { servername: 'a.wild.test', maxVersion: 'TLSv1.2' },
      /PROTOCOL_VERSION/,
      'handshake-failed a.wild.test',
    ],
    [
      'so is a protocol that is not offered',
      { servername: 'shop.test', ALPNProtocols: ['spdy/3'] },
      /NO_APPLICATION_PROTOCOL/,
      'handshake-failed shop.test',
    ],
  ]
  test.each(cases)('%s', async (_name, options, code, reason) => {
    expect(await handshake(options)).toMatch(code)
    await waitFor('the report', () => refused.length > 0)
    expect(refused).toEqual([reason])
    expect(accepted).toEqual([])
  })
})

describe('what is no handshake', () => {
  test('clear text is closed', async () => {
    const client = connectTcp(port(), '127.0.0.1')
    client.write('GET / HTTP/1.1\r\n\r\n')
    client.resume()
    client.on('error', () => undefined)
    await once(client, 'close')
    expect(refused).toEqual(['not-tls null'])
  })

  test('a client that leaves without a word is no finding', async () => {
    const client = connectTcp(port(), '127.0.0.1')
    await once(client, 'connect')
    await waitFor('the connection', () => opened.length === 1)
    client.resetAndDestroy()
    await waitFor('its end', () => opened[0]!.destroyed)
    expect(refused).toEqual([])
  })

  test('a client that ends within its first message is closed', async () => {
    const client = connectTcp({ port: port(), host: '127.0.0.1', allowHalfOpen: true })
    client.on('error', () => undefined)
    client.resume()
    client.end((await helloOf('shop.test')).subarray(0, 20))
    await waitFor('the close', () => client.readableEnded || client.destroyed)
    client.destroy()
    expect(refused).toEqual([])
  })

  test('a client that leaves within the handshake is reported once', async () => {
    const timers = (): number =>
      process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const before = timers()
    const client = connectTcp(port(), '127.0.0.1')
    client.write(await helloOf('shop.test'))
    await once(client, 'data')
    client.destroy()
    await waitFor('the report', () => refused.length > 0)
    await waitFor('no timer left', () => timers() <= before)
    expect(refused).toEqual(['handshake-failed shop.test'])
    expect(accepted).toEqual([])
  })
})
