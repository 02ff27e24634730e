import { createHash } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { ClientHttp2Stream } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { collect, H2Client } from '../support/h2-client.ts'
import { waitFor } from '../support/wait.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

let server: Server
let sockets: Socket[]
let seen: { url: string; method: string; headers: IncomingHttpHeaders }[]
let gw: TestGateway
let client: H2Client

beforeEach(async () => {
  sockets = []
  seen = []
  // Takes WebSockets below /chat and echoes their bytes; answers everything else.
  server = createServer((_request, response) => response.writeHead(200).end('plain'))
  server.on('upgrade', (request, socket: Socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    const { url = '', method = '', headers } = request
    seen.push({ url, method, headers })
    if (!url.startsWith('/chat')) {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno')
      return
    }
    const accept = createHash('sha1').update(`${headers['sec-websocket-key']}${GUID}`)
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept.digest('base64')}\r\nSec-WebSocket-Protocol: chat\r\n\r\n`,
    )
    socket.pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  gw = await startGateway(
    service('web', port) +
      gateway('gw', ['shop.test']) +
      virtualService('v', ['shop.test'], ['gw'], '  - route: [{ destination: { host: web } }]'),
    { ports: [80] },
  )
  client = new H2Client(gw.port(80))
  await new Promise((resolve) => client.session.once('remoteSettings', resolve))
})
afterEach(async () => {
  await client[Symbol.asyncDispose]()
  await gw[Symbol.asyncDispose]()
  for (const socket of sockets) socket.destroy()
  server.closeAllConnections()
  await new Promise<void>((resolve) => server.close(() => resolve()))
})

function begin(path: string, fields: Record<string, string> = {}): ClientHttp2Stream {
  return client.open({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': 'http',
    ':path': path,
    ':authority': 'shop.test',
    'sec-websocket-version': '13',
    'sec-websocket-protocol': 'chat',
    ...fields,
  })
}

const head = (stream: ClientHttp2Stream): Promise<Record<string, unknown>> =>
  new Promise((resolve) => stream.once('response', resolve))

/** Remembers what a stream sent. */
function listen(stream: ClientHttp2Stream): { text: string; ended: boolean } {
  const heard = { text: '', ended: false }
  stream.on('data', (chunk: Buffer) => (heard.text += chunk.toString('latin1')))
  stream.on('end', () => (heard.ended = true))
  return heard
}

describe('a WebSocket on a stream of HTTP/2 (RFC 8441)', () => {
  test('is an upgrade of HTTP/1.1 upstream, and bytes pass both ways', async () => {
    expect(client.session.remoteSettings.enableConnectProtocol).toBe(true)
    const stream = begin('/chat?room=1')
    const heard = listen(stream)
    const response = await head(stream)
    expect(response).toMatchObject({ ':status': 200, 'sec-websocket-protocol': 'chat' })
    expect(response).not.toHaveProperty('sec-websocket-accept')
    stream.write('hello ')
    await waitFor('the echo', () => heard.text === 'hello ')
    stream.write(Buffer.alloc(300_000, 'x'))
    await waitFor('the rest', () => heard.text.length === 300_006)
    expect(seen).toMatchObject([
      {
        method: 'GET',
        url: '/chat?room=1',
        headers: { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
      },
    ])
    expect(Buffer.from(seen[0]!.headers['sec-websocket-key']!, 'base64')).toHaveLength(16)
    stream.end()
    await waitFor('the end', () => heard.ended)
  })

  test('bytes sent before the answer wait for it', async () => {
    const stream = begin('/chat')
    const heard = listen(stream)
    stream.write('early')
    await head(stream)
    await waitFor('the echo', () => heard.text === 'early')
    stream.close()
  })

  test('a key the client brings is replaced: HTTP/2 has none', async () => {
    const stream = begin('/chat', { 'sec-websocket-key': 'mine' })
    await head(stream)
    expect(seen[0]!.headers['sec-websocket-key']).not.toContain('mine')
    stream.close()
  })

  test('many share one connection with ordinary requests', async () => {
    const streams = Array.from({ length: 5 }, () => begin('/chat'))
    const statuses = await Promise.all(streams.map(head))
    expect(statuses.map((response) => response[':status'])).toEqual(Array(5).fill(200))
    const plain = await client.fetch({ ':path': '/', ':authority': 'shop.test' })
    expect(plain).toMatchObject({ status: 200, body: 'plain' })
    for (const stream of streams) stream.close()
    await waitFor('the upstream to be told', () => sockets.every(({ destroyed }) => destroyed))
  })

  test('that the upstream refuses gets its answer; the connection goes on', async () => {
    const answer = await collect(begin('/other'))
    expect(answer).toMatchObject({ status: 403, body: 'no' })
    const plain = await client.fetch({ ':path': '/', ':authority': 'shop.test' })
    expect(plain.status).toBe(200)
  })

  test('whose upstream goes away ends with it', async () => {
    const stream = begin('/chat')
    await head(stream)
    const closed = new Promise((resolve) => stream.once('close', resolve))
    sockets[0]!.destroy()
    await closed
  })

  test.each([
    ['another protocol', { ':protocol': 'connect-udp' }, 501],
    ['an unknown host', { ':authority': 'other.test' }, 404],
    ['a path that is none', { ':path': 'chat' }, 400],
  ])('%s is refused', async (_what, fields, status) => {
    const stream = begin('/chat', fields)
    const answer = await Promise.race([
      head(stream).then((response) => response[':status']),
      new Promise((resolve) => stream.once('close', () => resolve('reset'))),
    ])
    expect([status, 'reset']).toContain(answer)
    expect(seen).toEqual([])
    stream.close()
  })
})
