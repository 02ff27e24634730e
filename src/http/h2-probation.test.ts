import { connect as connectH2 } from 'node:http2'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { collect } from '../../test/support/h2-client.ts'
import {
  END_HEADERS,
  END_STREAM,
  frame,
  FrameClient,
  GET_FIELDS,
  GOAWAY,
  headerBlock,
  HEADERS,
  resetStreams,
  SETTINGS,
} from '../../test/support/h2-frames.ts'
import { waitFor } from '../../test/support/wait.ts'
import { H2ServerEngine } from './h2-server.ts'
import { Headers } from './headers.ts'
import { HttpServerEngine } from './server-engine.ts'
import { HttpSettings } from './http-settings.ts'

const BLOCK = headerBlock(GET_FIELDS)
const CALM = 11
const open: (() => void)[] = []

afterEach(() => {
  for (const close of open.splice(0).reverse()) close()
})

const REQUEST = frame(HEADERS, END_HEADERS | END_STREAM, 1, BLOCK)

function newEngine(): H2ServerEngine {
  const engine = new H2ServerEngine({
    onExchange: (exchange) => {
      exchange.sendWhole(200, new Headers(), 'hello')
    },
  })
  open.push(() => engine.destroyAll())
  return engine
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push(() => server.close())
  return (server.address() as AddressInfo).port
}

/** How sockets come to the engine, with what was read of them. */
const DOORS: [string, (engine: H2ServerEngine) => (socket: Socket) => void][] = [
  [
    'first bytes by events',
    (engine) => (socket) => {
      socket.once('data', (first: Buffer) => engine.accept(socket, null, first))
    },
  ],
  [
    'first bytes from the shared buffer',
    (engine) => {
      const sniffing = new HttpServerEngine({
        scheme: 'http',
        settings: new HttpSettings(),
        onExchange: () => expect.unreachable(),
        onHttp2Preface: (socket, first, context) => engine.accept(socket, context, first),
      })
      return (socket) => sniffing.accept(socket, null)
    },
  ],
]

/** Sends a flood and waits until it was refused. */
async function flood(port: number): Promise<void> {
  const client = await FrameClient.open(port)
  client.send(resetStreams(600))
  await client.until('GOAWAY', () => client.closed || client.find(GOAWAY) !== undefined)
  expect(client.find(GOAWAY)?.payload.readUInt32BE(4)).toBe(CALM)
  client.socket.destroy()
}

/** A session begins with SETTINGS that say something; a refusal, with empty ones. */
function hasSession(client: FrameClient): boolean {
  return (client.find(SETTINGS)?.payload.length ?? 0) > 0
}

describe.each(DOORS)('a client that flooded before, %s', (_name, door) => {
  async function flooded(): Promise<{ engine: H2ServerEngine; port: number }> {
    const engine = newEngine()
    const port = await listen(
      createServer((socket) => {
        socket.on('error', () => {})
        door(engine)(socket)
      }),
    )
    await flood(port)
    await waitFor('no session', () => engine.sessionCount === 0)
    return { engine, port }
  }

  test('has no session when it floods again, though its preface came alone', async () => {
    const { engine, port } = await flooded()
    const client = await FrameClient.open(port)
    await waitFor('the connection', () => engine.sessionCount === 1)
    expect(client.frames).toEqual([])
    client.send(resetStreams(200))
    await client.until('GOAWAY', () => client.find(GOAWAY) !== undefined)
    expect(hasSession(client)).toBe(false)
    await waitFor('no session', () => engine.sessionCount === 0)
  })

  test('is answered as soon as it asks', async () => {
    const { engine, port } = await flooded()
    const client = await FrameClient.open(port)
    await waitFor('the connection', () => engine.sessionCount === 1)
    client.send(REQUEST)
    await client.until('an answer', () => client.find(HEADERS, 1) !== undefined)
    expect(hasSession(client)).toBe(true)
    client.socket.destroy()
  })

  test('is told the settings after a moment when it waits for them', async () => {
    const { port } = await flooded()
    const client = await FrameClient.open(port)
    await client.until('SETTINGS', () => hasSession(client))
    client.send(REQUEST)
    await client.until('an answer', () => client.find(HEADERS, 1) !== undefined)
    client.socket.destroy()
  })

  test('is forgotten when it leaves, and holds up no drain', async () => {
    const { engine, port } = await flooded()
    const leaver = await FrameClient.open(port)
    await waitFor('the connection', () => engine.sessionCount === 1)
    leaver.socket.destroy()
    await waitFor('no session', () => engine.sessionCount === 0)
    const stayer = await FrameClient.open(port)
    await waitFor('the connection', () => engine.sessionCount === 1)
    const closed = engine.close()
    await stayer.until('GOAWAY', () => stayer.find(GOAWAY) !== undefined)
    expect(hasSession(stayer)).toBe(true)
    await closed
  })
})

test('a connection that was destroyed meanwhile begins no session', async () => {
  const engine = newEngine()
  const port = await listen(
    createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', (first: Buffer) => engine.accept(socket, null, first))
    }),
  )
  await flood(port)
  await waitFor('no session', () => engine.sessionCount === 0)
  const client = await FrameClient.open(port)
  await waitFor('the connection', () => engine.sessionCount === 1)
  engine.destroyAll()
  engine.drain()
  await client.until('the end', () => client.closed)
  expect(hasSession(client)).toBe(false)
  await waitFor('no session', () => engine.sessionCount === 0)
})

test('over TLS it is answered too', async () => {
  const engine = newEngine()
  const plain = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (first: Buffer) => engine.accept(socket, null, first))
  })
  await flood(await listen(plain))
  const { certificate, key } = Authority.create('test authority').issue(['shop.test'])
  const options = { cert: certificate, key, ALPNProtocols: ['h2'] }
  const secure = createTlsServer(options, (socket) => engine.accept(socket, null))
  const port = await listen(secure)
  const session = connectH2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
  open.push(() => session.destroy())
  const answer = await collect(session.request({ ':path': '/', ':authority': 'shop.test' }))
  expect(answer.body).toBe('hello')
})
