import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { connect as connectSecure, type TLSSocket } from 'node:tls'
import { expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { call } from '../support/call.ts'
import { openTunnel } from '../support/egress.ts'
import { startGateway } from '../support/gateway.ts'
import { RawServer, RawSocket } from '../support/raw-socket.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { service } from '../support/yaml.ts'

const EGRESS = { ports: [], egressProxy: true } as const
const MEBIBYTE = 1024 * 1024

function tcp(port: number): string {
  return service('raw', port, { port: 9000, portName: 'tcp' })
}

/** All that comes until the other side's end; our half stays open. */
function textOf(socket: Socket): Promise<string> {
  let text = ''
  return new Promise((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    socket.on('end', () => resolve(text))
    socket.on('error', reject)
    socket.resume()
  })
}

test('TLS runs through a tunnel from end to end', async () => {
  const authority = Authority.create('test')
  const leaf = authority.issue(['bank.test'])
  const server = createSecureServer(
    { cert: leaf.certificate, key: leaf.key },
    (_request, response) => response.end('secret answer'),
  ).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const entry = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: bank }
spec:
  hosts: [bank.test]
  resolution: STATIC
  ports: [{ number: 443, name: https, protocol: HTTPS, targetPort: ${port} }]
  endpoints: [{ address: 127.0.0.1 }]
`
  await using gw = await startGateway(entry, EGRESS)
  const tunnel = await openTunnel(gw.egressPort, 'bank.test:443')
  expect(tunnel.status).toBe(200)
  const socket: TLSSocket = connectSecure({
    socket: tunnel.socket,
    servername: 'bank.test',
    ca: authority.certificate,
  })
  await once(socket, 'secureConnect')
  expect(socket.authorized).toBe(true)
  socket.write('GET / HTTP/1.1\r\nhost: bank.test\r\nconnection: close\r\n\r\n')
  expect(await textOf(socket)).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*secret answer$/)
  server.close()
})

test('the answer to CONNECT has neither a length nor a body', async () => {
  await using server = await new RawServer(() => undefined).listen()
  await using gw = await startGateway(tcp(server.port), EGRESS)
  const { head, socket } = await openTunnel(gw.egressPort, 'raw:9000')
  expect(head).toMatch(/^HTTP\/1\.1 200 /)
  expect(head.toLowerCase()).not.toMatch(/content-length|transfer-encoding/)
  socket.destroy()
})

test('bytes sent together with CONNECT reach the other side first', async () => {
  await using server = await new RawServer((socket) => socket.pipe(socket)).listen()
  await using gw = await startGateway(tcp(server.port), EGRESS)
  const { socket } = await openTunnel(gw.egressPort, 'raw:9000', 'early ')
  socket.end('late')
  expect(await textOf(socket)).toBe('early late')
})

test('a server that speaks first is heard', async () => {
  await using server = await new RawServer((socket) => socket.end('220 hello\r\n')).listen()
  await using gw = await startGateway(tcp(server.port), EGRESS)
  const { socket } = await openTunnel(gw.egressPort, 'raw:9000')
  expect(await textOf(socket)).toBe('220 hello\r\n')
  socket.end()
  await waitFor('the tunnel to end', () => gw.gateway.activeExchanges === 0)
})

test('either side may end its half and still receive', async () => {
  await using server = await new RawServer((socket) => {
    let heard = ''
    socket.on('data', (chunk: Buffer) => (heard += chunk.toString('latin1')))
    // Answers only after the client's end: a proxy that closes both halves at once loses it.
    socket.on('end', () => socket.end(`heard ${heard}`))
  }).listen()
  await using gw = await startGateway(tcp(server.port), EGRESS)
  const first = await openTunnel(gw.egressPort, 'raw:9000')
  first.socket.end('all of it')
  expect(await textOf(first.socket)).toBe('heard all of it')

  let uploaded = ''
  await using ender = await new RawServer((socket) => {
    socket.end('no more from me')
    socket.on('data', (chunk: Buffer) => (uploaded += chunk.toString('latin1')))
  }).listen()
  gw.write('config.yaml', tcp(ender.port))
  await gw.reload()
  const second = await openTunnel(gw.egressPort, 'raw:9000')
  expect(await textOf(second.socket)).toBe('no more from me')
  second.socket.end('but much from me')
  await waitFor('the upload', () => uploaded === 'but much from me')
  await waitFor('the tunnels to end', () => gw.gateway.activeExchanges === 0)
})

test('large transfers pass unharmed in both directions at once', async () => {
  await using server = await new RawServer((socket) => socket.pipe(socket)).listen()
  await using gw = await startGateway(tcp(server.port), EGRESS)
  const { socket } = await openTunnel(gw.egressPort, 'raw:9000')
  const block = randomBytes(MEBIBYTE)
  const blocks = 24
  const sending = (async (): Promise<void> => {
    for (let i = 0; i < blocks; i++) if (!socket.write(block)) await once(socket, 'drain')
    socket.end()
  })()
  let received = 0
  let equal = true
  for await (const chunk of socket) {
    const piece = chunk as Buffer
    for (let at = 0; at < piece.length;) {
      const offset = (received + at) % MEBIBYTE
      const length = Math.min(piece.length - at, MEBIBYTE - offset)
      if (!piece.subarray(at, at + length).equals(block.subarray(offset, offset + length)))
        equal = false
      at += length
    }
    received += piece.length
  }
  await sending
  expect([received, equal]).toEqual([blocks * MEBIBYTE, true])
}, 40_000)

test('a receiver that stops reading stops the sender instead of filling our memory', async () => {
  await using server = await new RawServer((socket) => socket.pause()).listen()
  await using gw = await startGateway(tcp(server.port), EGRESS)
  const { socket } = await openTunnel(gw.egressPort, 'raw:9000')
  const block = Buffer.alloc(MEBIBYTE)
  const limit = 64
  let taken = 0
  let blocked = false
  while (taken < limit && !blocked) {
    const written = new Promise<boolean>((resolve) => socket.write(block, () => resolve(true)))
    const stuck = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 1500))
    if (await Promise.race([written, stuck])) taken++
    else blocked = true
  }
  expect(blocked).toBe(true)
  for (const held of server.sockets) held.destroy()
  socket.on('error', () => undefined)
  await waitFor('the tunnel to end', () => gw.gateway.activeExchanges === 0)
})

test('a client that goes away takes its upstream connection along', async () => {
  let closed = false
  await using server = await new RawServer((socket) => {
    socket.resume()
    socket.on('error', () => undefined)
    socket.on('end', () => (closed = true))
    socket.on('close', () => (closed = true))
  }).listen()
  await using gw = await startGateway(tcp(server.port), EGRESS)
  const { socket } = await openTunnel(gw.egressPort, 'raw:9000')
  socket.resetAndDestroy()
  await waitFor('the upstream connection to close', () => closed)
  await waitFor('the exchange to end', () => gw.gateway.activeExchanges === 0)
})

test('an upstream that resets takes the client along', async () => {
  await using server = await new RawServer((socket) => {
    socket.once('data', () => socket.resetAndDestroy())
    socket.on('error', () => undefined)
  }).listen()
  await using gw = await startGateway(tcp(server.port), EGRESS)
  const { socket } = await openTunnel(gw.egressPort, 'raw:9000')
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('error', () => undefined)
  socket.resume()
  socket.write('now')
  await closed
  await waitFor('the exchange to end', () => gw.gateway.activeExchanges === 0)
})

test('an endpoint that refuses connections answers 503', async () => {
  const server = await new RawServer(() => undefined).listen()
  const { port } = server
  await server[Symbol.asyncDispose]()
  await using gw = await startGateway(tcp(port), EGRESS)
  const { status, socket } = await openTunnel(gw.egressPort, 'raw:9000')
  expect(status).toBe(503)
  socket.destroy()
})

test('a WebSocket opens through the proxy and echoes', async () => {
  const upstream = await startUpstream(() => undefined)
  const open: Socket[] = []
  upstream.server.on('upgrade', (request, socket: Socket, head) => {
    open.push(socket)
    socket.on('error', () => undefined)
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n' +
        `x-path: ${request.url}\r\n\r\n`,
    )
    if (head.length > 0) socket.write(head)
    socket.pipe(socket)
  })
  await using gw = await startGateway(service('ws', upstream.port), EGRESS)
  const client = new RawSocket(
    connect({ port: gw.egressPort, host: '127.0.0.1', allowHalfOpen: true }),
  )
  client.write(
    'GET http://ws:8080/chat HTTP/1.1\r\nhost: ws:8080\r\nconnection: upgrade\r\n' +
      'upgrade: websocket\r\nsec-websocket-version: 13\r\n' +
      `sec-websocket-key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
  )
  await client.until('\r\n\r\n')
  expect(client.text).toMatch(/^HTTP\/1\.1 101 /)
  expect(client.text).toContain('x-path: /chat')
  client.write('ping through the tunnel')
  await client.until('ping through the tunnel')
  client.end()
  await client.untilEnd()
  for (const socket of open) socket.destroy()
  await upstream[Symbol.asyncDispose]()
})

test.each(['raw', 'raw:', 'raw:99999', 'raw:9000/x', '/raw:9000', 'user@raw:9000'])(
  'CONNECT %s is not an authority with a port',
  async (authority) => {
    await using server = await new RawServer(() => undefined).listen()
    await using gw = await startGateway(tcp(server.port), EGRESS)
    const { status, socket } = await openTunnel(gw.egressPort, authority)
    expect(status).toBe(400)
    socket.destroy()
  },
)

test('CONNECT has no place on a Gateway listener', async () => {
  await using web = await startUpstream('web')
  const gateway = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw }
spec: { servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }] }
---
`
  await using gw = await startGateway(gateway + service('web', web.port), { ports: [80] })
  const { status, socket } = await openTunnel(gw.port(80), 'web:8080')
  expect(status).toBe(405)
  socket.destroy()
  expect((await call({ port: gw.port(80), path: 'http://web:8080/' })).status).toBe(404)
})
