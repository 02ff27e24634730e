import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { ACCESS_LOG_MESH } from '../support/access-log.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { Pump } from '../support/pump.ts'
import { RawServer } from '../support/raw-socket.ts'
import { httpsGateway, tlsSecret } from '../support/secrets.ts'
import { waitFor } from '../support/wait.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const BIG = 1024 ** 3
const TCP = 9000
/** Far below every timer that would find it: the idle timeouts are minutes and hours. */
const NOTICED_MS = 10_000

const authority = Authority.create('Paused')
const HEAD = `POST / HTTP/1.1\r\nhost: app.test\r\ncontent-length: ${BIG}\r\n\r\n`
const CHUNKED =
  'POST / HTTP/1.1\r\nhost: app.test\r\ntransfer-encoding: chunked\r\n\r\n40000000\r\n'

let deaf: RawServer
let upstreamSockets: Socket[]
let gw: TestGateway

beforeAll(async () => {
  upstreamSockets = []
  deaf = await new RawServer((socket) => {
    // Reads the head, then nothing.
    socket.once('readable', () => socket.read(1))
    upstreamSockets.push(socket)
  }).listen()
  gw = await startGateway(
    ACCESS_LOG_MESH +
      tlsSecret('app', authority.issue(['app.test'])) +
      service('app', deaf.port) +
      service('db', deaf.port, { port: TCP, portName: 'tcp' }) +
      gateway('gw', ['app.test']) +
      httpsGateway('tls', [{ hosts: ['app.test'], tls: '{ mode: SIMPLE, credentialName: app }' }]) +
      virtualService(
        'app',
        ['app.test'],
        ['gw', 'tls'],
        '  - route: [{ destination: { host: app } }]',
      ) +
      `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: tcp }
spec: { servers: [{ port: { number: ${TCP}, name: tcp, protocol: TCP }, hosts: ["*"] }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: db }
spec:
  hosts: ["*"]
  gateways: [tcp]
  tcp: [{ route: [{ destination: { host: db } }] }]
---
`,
    { ports: [80, 443, TCP] },
  )
})
afterAll(async () => {
  await gw[Symbol.asyncDispose]()
  await deaf[Symbol.asyncDispose]()
})

/** A client's socket, and what it writes its upload to. */
async function plain(port: number): Promise<[Socket, Socket]> {
  const socket = connect({ port: gw.port(port), host: '127.0.0.1' })
  await new Promise((resolve) => socket.once('connect', resolve))
  return [socket, socket]
}

async function encrypted(): Promise<[Socket, Socket]> {
  const [socket] = await plain(443)
  const secure = connectTls({ socket, servername: 'app.test', ca: authority.certificate })
  await new Promise((resolve) => secure.once('secureConnect', resolve))
  return [socket, secure]
}

const CASES: readonly [what: string, open: () => Promise<[Socket, Socket]>, first: string][] = [
  ['an upload of known length', () => plain(80), HEAD],
  ['a chunked upload', () => plain(80), CHUNKED],
  ['an upload inside TLS', encrypted, HEAD],
  ['a TCP connection', () => plain(TCP), 'hello'],
]

test.each(CASES)(
  '%s that is held back: a reset of the client is noticed',
  async (_w, open, first) => {
    upstreamSockets.length = 0
    const [raw, socket] = await open()
    raw.on('error', () => undefined)
    socket.on('error', () => undefined)
    socket.write(first)
    const pump = new Pump(socket, BIG)
    await pump.untilStalled()
    expect(gw.gateway.activeExchanges).toBe(1)
    raw.resetAndDestroy()
    await waitFor('the reset to be noticed', () => gw.gateway.activeExchanges === 0, NOTICED_MS)
    // It no longer holds the upstream either.
    for (const upstream of upstreamSockets) upstream.resume()
    await waitFor('the upstream to be let go', () =>
      upstreamSockets.every((one) => one.destroyed || one.readableEnded),
    )
  },
  40_000,
)

test('a client that goes on after a pause loses nothing and gets no byte too many', async () => {
  let received = 0
  await using slow = await new RawServer((socket) => {
    socket.pause()
    setTimeout(() => socket.resume(), 2_500)
    socket.on('data', (chunk: Buffer) => (received += chunk.length))
    socket.on('end', () => socket.end('thanks'))
  }).listen()
  await using other = await startGateway(
    service('db', slow.port, { port: TCP, portName: 'tcp' }) +
      `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: tcp }
spec: { servers: [{ port: { number: ${TCP}, name: tcp, protocol: TCP }, hosts: ["*"] }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: db }
spec:
  hosts: ["*"]
  gateways: [tcp]
  tcp: [{ route: [{ destination: { host: db } }] }]
---
`,
    { ports: [TCP] },
  )
  const socket = connect({ port: other.port(TCP), host: '127.0.0.1', allowHalfOpen: true })
  let answer = ''
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')))
  const size = 32 * 1024 * 1024
  socket.end(Buffer.alloc(size, 'x'))
  await waitFor('the answer', () => answer !== '')
  expect([received, answer]).toEqual([size, 'thanks'])
  socket.destroy()
}, 30_000)
