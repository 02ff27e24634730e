import { createServer, type IncomingMessage, request } from 'node:http'
import {
  createServer as createH2Server,
  type Http2Server,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseLimits } from '../../src/cli/limit-flags.ts'
import { FrameBackend } from '../support/frame-backend.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { collect, H2Client } from '../support/h2-client.ts'
import { DATA, END_STREAM, FrameClient, headFrames, type SeenFrame } from '../support/h2-frames.ts'
import { RawServer, RawSocket } from '../support/raw-socket.ts'
import { routedTo } from '../support/routed.ts'
import { waitFor } from '../support/wait.ts'

type Version = 'HTTP/1.1' | 'HTTP/2'

/** A message of five bytes and its trailers, as the other end saw them. */
interface Seen {
  readonly body: string
  /** Content-Length, or null. */
  readonly length: string | null
  readonly trailers: readonly string[]
}

const BODY = 'hello'
const REQUEST_TRAILERS = { 'x-sum': '7' }
const ANSWER_TRAILERS = { 'grpc-status': '13' }

/** Asks for an answer with Content-Length. */
const COUNTED = '/counted'

interface Upstream {
  readonly server: Server | Http2Server
  readonly seen: Seen[]
}

function h1Upstream(): Upstream {
  const seen: Seen[] = []
  const server = createServer((message, response) => {
    void buffer(message).then((body) => {
      seen.push(seenByH1(message, body))
      if (message.url === COUNTED) response.setHeader('content-length', BODY.length)
      else response.addTrailers(ANSWER_TRAILERS)
      response.write(BODY)
      response.end()
    })
  })
  return { server, seen }
}

function seenByH1(message: IncomingMessage, body: Buffer): Seen {
  const length = message.headers['content-length'] ?? null
  return { body: body.toString(), length, trailers: message.rawTrailers }
}

function h2Upstream(): Upstream {
  const seen: Seen[] = []
  const server = createH2Server()
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    let trailers: readonly string[] = []
    stream.on('trailers', (_headers, _flags, raw: string[]) => (trailers = raw))
    void buffer(stream).then((body) => {
      seen.push({ body: body.toString(), length: headers['content-length'] ?? null, trailers })
      const counted = headers[':path'] === COUNTED
      const length = counted ? { 'content-length': String(BODY.length) } : {}
      stream.respond({ ':status': 200, ...length }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers(ANSWER_TRAILERS))
      stream.end(BODY)
    })
  })
  return { server, seen }
}

/** HTTP/1.1 has trailers behind chunks only. */
async function askByH1(port: number, path: string): Promise<Seen> {
  const counted = path === COUNTED
  const framing = counted ? { 'content-length': BODY.length } : { 'transfer-encoding': 'chunked' }
  const headers = { host: 'app.test', te: 'trailers', connection: 'te', ...framing }
  const sent = request({ host: '127.0.0.1', port, path, method: 'POST', headers, agent: false })
  if (!counted) sent.addTrailers(REQUEST_TRAILERS)
  sent.write(BODY)
  sent.end()
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve)
    sent.once('error', reject)
  })
  return seenByH1(answer, await buffer(answer))
}

async function askByH2(port: number, path: string): Promise<Seen> {
  await using client = new H2Client(port)
  const stream = client.open(
    {
      ':method': 'POST',
      ':path': path,
      ':authority': 'app.test',
      ...(path === COUNTED ? { 'content-length': String(BODY.length) } : {}),
    },
    { endStream: false, waitForTrailers: true },
  )
  stream.on('wantTrailers', () => stream.sendTrailers(REQUEST_TRAILERS))
  stream.end(BODY)
  const { rawHeaders, body, rawTrailers, rstCode } = await collect(stream)
  expect(rstCode).toBe(0)
  const at = rawHeaders.indexOf('content-length')
  return { body, length: at === -1 ? null : rawHeaders[at + 1]!, trailers: rawTrailers }
}

const ASK = { 'HTTP/1.1': askByH1, 'HTTP/2': askByH2 }
const LIMITS = parseLimits(['request-trailers=forward'])

describe.each<Version>(['HTTP/1.1', 'HTTP/2'])('an upstream of %s', (version) => {
  let upstream: Upstream
  let gw: TestGateway

  beforeAll(async () => {
    upstream = version === 'HTTP/2' ? h2Upstream() : h1Upstream()
    await new Promise<void>((resolve) => upstream.server.listen(0, '127.0.0.1', resolve))
    const { port } = upstream.server.address() as AddressInfo
    const portName = version === 'HTTP/2' ? 'http2' : 'http'
    gw = await startGateway(routedTo(port, { portName }), { ports: [80], limits: LIMITS })
  })
  afterAll(async () => {
    await gw[Symbol.asyncDispose]()
    await new Promise((resolve) => upstream.server.close(resolve))
  })

  test.each<Version>(['HTTP/1.1', 'HTTP/2'])(
    'gets the trailers of a client of %s, and it those of the answer',
    async (client) => {
      const answer = await ASK[client](gw.port(80), '/')
      expect(upstream.seen.pop()).toEqual({ body: BODY, length: null, trailers: ['x-sum', '7'] })
      expect(answer).toEqual({ body: BODY, length: null, trailers: ['grpc-status', '13'] })
    },
  )

  /** Both ends must be able to have trailers behind a Content-Length: HTTP/1.1 is not. */
  test.each<Version>(['HTTP/1.1', 'HTTP/2'])(
    'and a client of %s, behind a Content-Length',
    async (client) => {
      const passes = client === 'HTTP/2' && version === 'HTTP/2'
      const answer = await ASK[client](gw.port(80), COUNTED)
      expect(upstream.seen.pop()).toEqual({
        body: BODY,
        length: '5',
        trailers: passes ? ['x-sum', '7'] : [],
      })
      expect(answer).toEqual({
        body: BODY,
        length: '5',
        trailers: passes ? ['grpc-status', '13'] : [],
      })
    },
  )
})

const HEAD = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'app.test'],
  [':path', '/'],
] as const

type DataFrames = readonly (readonly [flags: number, payload: string])[]

function dataOf(frames: readonly SeenFrame[]): DataFrames {
  return frames
    .filter(({ type }) => type === DATA)
    .map(({ flags, payload }) => [flags, payload.toString()])
}

/** Where none can come the last frame of the body ends the stream: no empty one behind it. */
describe('what HTTP/1.1 sent with a Content-Length waits for no trailers', () => {
  test('towards an HTTP/2 upstream', async () => {
    await using backend = await FrameBackend.start()
    const options = { ports: [80], limits: LIMITS }
    await using gw = await startGateway(routedTo(backend.port, { portName: 'http2' }), options)
    backend.script = () => {}
    const client = await RawSocket.connect(gw.port(80))
    client.write('POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5\r\n\r\nhello')
    const body = (): DataFrames => dataOf(backend.peers.flatMap(({ frames }) => frames))
    await waitFor('the end of the request', () => body().some(([flags]) => flags === END_STREAM))
    expect(body()).toEqual([[END_STREAM, BODY]])
    backend.peers[0]!.answer(1, 'ok')
    await client.until('ok')
    client.socket.destroy()
  })

  test('towards an HTTP/2 client', async () => {
    await using backend = await new RawServer((socket) => {
      socket.on('error', () => {})
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'))
    }).listen()
    await using gw = await startGateway(routedTo(backend.port), { ports: [80] })
    const client = await FrameClient.open(gw.port(80))
    client.send(...headFrames(1, HEAD, END_STREAM))
    const body = (): DataFrames => dataOf(client.frames)
    await client.until('the end of the answer', () =>
      body().some(([flags]) => flags === END_STREAM),
    )
    expect(body()).toEqual([[END_STREAM, BODY]])
    client.socket.destroy()
  })
})
