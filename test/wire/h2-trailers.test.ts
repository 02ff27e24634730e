import {
  type ClientHttp2Session,
  connect,
  createServer,
  type Http2Server,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FrameBackend, head } from '../support/frame-backend.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import {
  DATA,
  END_STREAM,
  frame,
  FrameClient,
  GOAWAY,
  headFrames,
  HEADERS,
  RST_STREAM,
} from '../support/h2-frames.ts'
import { okAnswer, RecordingBackend } from '../support/recording-backend.ts'
import { routedTo } from '../support/routed.ts'
import { waitFor } from '../support/wait.ts'

/**
 * HTTP/2 trailers obey header-fields and head-bytes (upstream-header-fields, upstream-head-bytes),
 * as those of HTTP/1.1 do: peers in raw frames on one side, node:http2 on the other.
 */
type Fields = readonly (readonly [string, string])[]

function fieldsOf(count: number, bytes: number): Fields {
  return Array.from({ length: count }, (_, i) => [`x${i}`, 'y'.repeat(bytes)] as const)
}

/** Defaults: 100 fields, 61,440 bytes. */
const CASES: readonly { name: string; fields: Fields; passes: boolean }[] = [
  { name: 'one field', fields: fieldsOf(1, 1), passes: true },
  { name: 'as many fields as allowed', fields: fieldsOf(100, 1), passes: true },
  { name: 'one field more', fields: fieldsOf(101, 1), passes: false },
  { name: 'seven fields more', fields: fieldsOf(107, 1), passes: false },
  { name: 'thousands of fields', fields: fieldsOf(5_000, 1), passes: false },
  { name: 'nearly as many bytes as allowed', fields: fieldsOf(30, 2_000), passes: true },
  { name: 'more bytes than allowed', fields: fieldsOf(31, 2_000), passes: false },
  { name: 'one field of too many bytes', fields: fieldsOf(1, 62_000), passes: false },
  { name: 'many times the bytes', fields: fieldsOf(90, 10_000), passes: false },
]

const POST: Fields = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':authority', 'app.test'],
  [':path', '/'],
]

const ROOMY = { maxHeaderListPairs: 1_000, settings: { maxHeaderListSize: 1 << 20 } }

describe('of requests', () => {
  /** Field names of the trailers of each request that ended, or how it broke. */
  const seen: (number | 'aborted')[] = []
  let server: Http2Server
  let gw: TestGateway

  beforeAll(async () => {
    server = createServer(ROOMY)
    server.on('stream', (stream: ServerHttp2Stream) => {
      let trailers = 0
      stream.on('error', () => undefined)
      stream.on('trailers', (_headers, _flags, raw: string[]) => (trailers = raw.length / 2))
      stream.on('aborted', () => seen.push('aborted'))
      stream.on('end', () => {
        if (stream.aborted) return
        seen.push(trailers)
        stream.respond({ ':status': 200 })
        stream.end('thanks')
      })
      stream.resume()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    gw = await startGateway(routedTo(port, { portName: 'http2' }), { ports: [80] })
  })
  afterAll(async () => {
    await gw[Symbol.asyncDispose]()
    await new Promise((resolve) => server.close(resolve))
  })

  test.each(CASES)('$name', async ({ fields, passes }) => {
    seen.length = 0
    const client = await FrameClient.open(gw.port(80))
    client.send(head(1, POST), frame(DATA, 0, 1, Buffer.from('body')))
    await waitFor('the request to be under way', () => gw.gateway.activeExchanges === 1)
    client.send(...headFrames(1, fields, END_STREAM))
    await waitFor('the upstream to see its end', () => seen.length === 1)
    expect(seen).toEqual([passes ? fields.length : 'aborted'])
    await client.until(
      'the answer, or what stands for one',
      () => client.closed || client.find(passes ? HEADERS : RST_STREAM, 1) !== undefined,
    )
    if (passes) expect(client.closed).toBe(false)
    client.socket.destroy()
    await waitFor('nothing to be left', () => gw.gateway.activeExchanges === 0)
  })
})

/** What HTTP/1.1 backends see of the trailers of HTTP/2 requests, which are always passed on. */
describe('of requests, towards HTTP/1.1', () => {
  let backend: RecordingBackend
  let gw: TestGateway

  beforeAll(async () => {
    backend = await RecordingBackend.start(() => okAnswer('thanks'))
    gw = await startGateway(routedTo(backend.port), { ports: [80] })
  })
  afterAll(async () => {
    await gw[Symbol.asyncDispose]()
    await backend[Symbol.asyncDispose]()
  })

  test.each<[name: string, odd: Fields, passes: boolean]>([
    ['only what is ordinary', [], true],
    ['no Authorization', [['authorization', 'Basic eA==']], true],
    ['no Content-Type', [['content-type', 'text/html']], true],
    ['no Cookie', [['cookie', 'a=b']], true],
    ['no Expect', [['expect', '100-continue']], true],
    ['no Forwarded', [['forwarded', 'for=1.1.1.1']], true],
    ['no Host', [['host', 'locked.test']], true],
    ['no Via', [['via', '1.1 me']], true],
    ['no X-Envoy-External-Address', [['x-envoy-external-address', '1.1.1.1']], true],
    ['no X-Forwarded-For', [['x-forwarded-for', '1.1.1.1']], true],
    ['no X-Request-Id', [['x-request-id', 'mine']], true],
    ['nothing with a Content-Length that is not its own', [['content-length', '100']], false],
    ['nothing with an underscore twin', [['x_forwarded_for', '1.1.1.1']], false],
    ['nothing with __proto__', [['__proto__', 'a']], false],
    ['nothing with Transfer-Encoding', [['transfer-encoding', 'chunked']], false],
    ['nothing with Connection', [['connection', 'close']], false],
    ['nothing with a pseudo field', [[':path', '/admin']], false],
  ])('%s', async (_name, odd, passes) => {
    backend.mark()
    const client = await FrameClient.open(gw.port(80))
    client.send(
      head(1, POST),
      frame(DATA, 0, 1, Buffer.from('body')),
      ...headFrames(1, [['x-sum', '7'], ...odd], END_STREAM),
    )
    await client.until(
      'the answer, or what stands for one',
      () => client.closed || [HEADERS, RST_STREAM, GOAWAY].some((type) => client.find(type)),
    )
    client.socket.destroy()
    await waitFor('nothing to be left', () => gw.gateway.activeExchanges === 0)
    const complete = backend.taken().filter((request) => request.complete)
    expect(backend.findings).toEqual([])
    expect(complete.map(({ body, trailers }) => ({ body, trailers }))).toEqual(
      passes ? [{ body: 'body', trailers: ['x-sum: 7'] }] : [],
    )
  })
})

describe('of responses', () => {
  let backend: FrameBackend
  let gw: TestGateway
  let session: ClientHttp2Session

  beforeAll(async () => {
    backend = await FrameBackend.start()
    gw = await startGateway(routedTo(backend.port, { portName: 'http2' }), { ports: [80] })
    session = connect(`http://127.0.0.1:${gw.port(80)}`, ROOMY)
  })
  afterAll(async () => {
    session.destroy()
    await gw[Symbol.asyncDispose]()
    await backend[Symbol.asyncDispose]()
  })

  test.each(CASES)('$name', async ({ fields, passes }) => {
    backend.script = (peer, stream) => {
      peer.send(
        head(stream, [[':status', '200']]),
        frame(DATA, 0, stream, Buffer.from('body')),
        ...headFrames(stream, fields, END_STREAM),
      )
    }
    const stream = session.request({ ':authority': 'app.test', ':path': '/' })
    let trailers = 0
    stream.on('trailers', (_headers, _flags, raw: string[]) => (trailers = raw.length / 2))
    stream.on('error', () => undefined)
    stream.resume()
    await new Promise<void>((resolve) => stream.once('close', () => resolve()))
    expect([stream.rstCode === 0, trailers]).toEqual(passes ? [true, fields.length] : [false, 0])
    await waitFor('nothing to be left', () => gw.gateway.activeExchanges === 0)
  })

  test.each([
    ['as many fields as allowed', 100, 200],
    ['one field more', 101, 502],
  ])('the head: %s', async (_name, count, status) => {
    backend.script = (peer, stream) =>
      void peer.send(
        ...headFrames(stream, [[':status', '200'], ...fieldsOf(count, 1)], 0),
        frame(DATA, END_STREAM, stream, Buffer.from('body')),
      )
    const stream = session.request({ ':authority': 'app.test', ':path': '/' })
    const answered = new Promise<number>((resolve) =>
      stream.once('response', (headers) => resolve(headers[':status'] ?? 0)),
    )
    stream.resume()
    expect(await answered).toBe(status)
  })
})
