import { request as httpRequest } from 'node:http'
import { text as readText } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { ACCESS_LOG_MESH, loggedExchanges } from '../support/access-log.ts'
import { FrameBackend, type FramePeer, head } from '../support/frame-backend.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import {
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  GOAWAY,
  headerBlock,
  headFrames,
  HEADERS,
  PING,
  RST_STREAM,
  SETTINGS,
  uint32,
  WINDOW_UPDATE,
} from '../support/h2-frames.ts'
import { routedTo } from '../support/routed.ts'
import { waitFor } from '../support/wait.ts'

/**
 * An HTTP/2 backend that breaks the rules, seen through the whole gateway: what the client is told,
 * what the log says, whether the connection lives on, and whether a stream beside it is harmed.
 */
interface FrameCase {
  readonly name: string
  readonly strike: (peer: FramePeer, stream: number) => void
  /** What the client is told, or null when its answer is cut off. */
  readonly status: number | null
  readonly flags: string
  readonly body?: string
  /** The connection to the backend survives, and with it the stream beside. */
  readonly kept: boolean
  /** A request body of which only the beginning is ever sent. */
  readonly uploads?: boolean
}

const PUSH_PROMISE = 5
const EMPTY = Buffer.alloc(0)
const OK: readonly (readonly [string, string])[] = [[':status', '200']]
const length = (bytes: number): readonly (readonly [string, string])[] => [
  ...OK,
  ['content-length', String(bytes)],
]
const reset = (stream: number, code: number): Buffer => frame(RST_STREAM, 0, stream, uint32(code))
const body = (stream: number, text: string, flags = 0): Buffer =>
  frame(DATA, flags, stream, Buffer.from(text))
const many = (times: number, one: Buffer): Buffer =>
  Buffer.concat(Array.from({ length: times }, () => one))
const goaway = (last: number, code: number): Buffer =>
  frame(GOAWAY, 0, 0, Buffer.concat([uint32(last), uint32(code)]))

function fieldsOf(count: number, bytes: number): readonly (readonly [string, string])[] {
  return Array.from({ length: count }, (_, i) => [`x${i}`, 'y'.repeat(bytes)] as const)
}

/** RFC 9113 7, those a backend may send for one stream. */
const CODES: readonly (readonly [string, number])[] = [
  ['NO_ERROR', 0],
  ['PROTOCOL_ERROR', 1],
  ['INTERNAL_ERROR', 2],
  ['FLOW_CONTROL_ERROR', 3],
  ['REFUSED_STREAM', 7],
  ['CANCEL', 8],
  ['ENHANCE_YOUR_CALM', 11],
  ['HTTP_1_1_REQUIRED', 13],
  ['an unknown code', 0xabcd],
]

const FLAG_OF: Readonly<Record<string, readonly [number, string]>> = {
  PROTOCOL_ERROR: [502, 'UPE'],
}

const resets: readonly FrameCase[] = CODES.flatMap(([name, code]) => {
  const [status, flags] = FLAG_OF[name] ?? [503, 'UR']
  return [
    {
      name: `RST_STREAM ${name} before the head`,
      strike: (peer, stream) => peer.send(reset(stream, code)),
      status,
      flags,
      kept: true,
    },
    {
      name: `RST_STREAM ${name} after the head`,
      strike: (peer, stream) => peer.send(head(stream, OK), reset(stream, code)),
      status: null,
      flags: 'UR',
      kept: true,
    },
    {
      name: `RST_STREAM ${name} within the body`,
      strike: (peer, stream) =>
        peer.send(head(stream, length(100)), body(stream, 'half'), reset(stream, code)),
      status: null,
      flags: 'UR',
      kept: true,
    },
  ] satisfies FrameCase[]
})

const bad = (
  name: string,
  strike: FrameCase['strike'],
  more: Partial<FrameCase> = {},
): FrameCase => ({ name, strike, status: 502, flags: 'UPE', kept: true, ...more })

const CASES: readonly FrameCase[] = [
  ...resets,
  {
    name: 'an answer, then RST_STREAM NO_ERROR while the request body is still coming',
    strike: (peer, stream) => peer.answer(stream, 'early').send(reset(stream, 0)),
    status: 200,
    body: 'early',
    flags: '-',
    kept: true,
    uploads: true,
  },
  {
    name: 'GOAWAY that covers the stream, then its answer',
    strike: (peer, stream) => peer.send(goaway(stream, 0)).answer(stream, 'last'),
    status: 200,
    body: 'last',
    flags: '-',
    // Drained: the stream beside it ends, then the connection is closed.
    kept: true,
  },
  bad(
    'content-length larger than the body',
    (peer, stream) => peer.send(head(stream, length(10)), body(stream, 'short', END_STREAM)),
    {
      status: null,
      flags: 'UR',
    },
  ),
  bad(
    'content-length smaller than the body',
    (peer, stream) => peer.send(head(stream, length(2)), body(stream, 'longer', END_STREAM)),
    { status: null, flags: 'UC', kept: false },
  ),
  bad('content-length twice', (peer, stream) =>
    peer.send(
      head(stream, [...OK, ['content-length', '2'], ['content-length', '3']]),
      body(stream, 'ok', END_STREAM),
    ),
  ),
  bad('a connection field in the head', (peer, stream) =>
    peer.send(head(stream, [...OK, ['connection', 'close']]), body(stream, 'ok', END_STREAM)),
  ),
  bad('transfer-encoding in the head', (peer, stream) =>
    peer.send(
      head(stream, [...OK, ['transfer-encoding', 'chunked']]),
      body(stream, 'ok', END_STREAM),
    ),
  ),
  bad('no :status', (peer, stream) => peer.send(head(stream, [['x', 'y']], END_STREAM))),
  bad(':status twice', (peer, stream) =>
    peer.send(head(stream, [...OK, [':status', '404']], END_STREAM)),
  ),
  bad(':status that is no number', (peer, stream) =>
    peer.send(head(stream, [[':status', 'abc']], END_STREAM)),
  ),
  bad('a request pseudo field', (peer, stream) =>
    peer.send(head(stream, [...OK, [':path', '/']], END_STREAM)),
  ),
  bad('a field name in upper case', (peer, stream) =>
    peer.send(head(stream, [...OK, ['X-Upper', 'y']], END_STREAM)),
  ),
  // nghttp2 leaves the field out: nothing of it reaches the client.
  bad(
    'a field value with a line break',
    (peer, stream) => peer.send(head(stream, [...OK, ['x', 'a\r\nset-cookie: b']], END_STREAM)),
    { status: 200, body: '', flags: '-' },
  ),
  bad(
    'trailers with a pseudo field',
    (peer, stream) =>
      peer.send(
        head(stream, OK),
        body(stream, 'ok'),
        head(stream, [[':status', '200']], END_STREAM),
      ),
    { status: null, flags: 'UR' },
  ),
  bad(
    'trailers without END_STREAM',
    (peer, stream) => peer.send(head(stream, OK), body(stream, 'ok'), head(stream, [['x', 'y']])),
    {
      status: null,
      flags: 'UR',
    },
  ),
  bad('a body ahead of the head', (peer, stream) => peer.send(body(stream, 'ok', END_STREAM)), {
    kept: false,
  }),
  bad('a flood of 1xx', (peer, stream) => peer.send(many(40, head(stream, [[':status', '103']])))),
  bad('1xx that ends the stream', (peer, stream) =>
    peer.send(head(stream, [[':status', '103']], END_STREAM)),
  ),
  bad('101', (peer, stream) => peer.send(head(stream, [[':status', '101']], END_STREAM))),
  bad(
    'too many fields',
    (peer, stream) => peer.send(head(stream, [...OK, ...fieldsOf(200, 1)], END_STREAM)),
    { status: 503, flags: 'UR' },
  ),
  bad(
    'a list of fields beyond the limit',
    (peer, stream) => peer.send(...headFrames(stream, [...OK, ...fieldsOf(40, 2_000)], END_STREAM)),
    { status: 503, flags: 'UR' },
  ),
  bad(
    'a flood of CONTINUATION',
    (peer, stream) =>
      peer.send(
        frame(HEADERS, 0, stream, headerBlock(OK)),
        many(2_000, frame(CONTINUATION, 0, stream, headerBlock([['x', 'y']]))),
      ),
    { kept: false },
  ),
  bad(
    'a flood of empty CONTINUATION',
    (peer, stream) =>
      peer.send(
        frame(HEADERS, 0, stream, headerBlock(OK)),
        many(20_000, frame(CONTINUATION, 0, stream, EMPTY)),
      ),
    { kept: false },
  ),
  bad(
    'a header block that cannot be read',
    (peer, stream) => peer.send(frame(HEADERS, END_HEADERS, stream, Buffer.alloc(20, 0xff))),
    { kept: false },
  ),
  bad(
    'PUSH_PROMISE, which was switched off',
    (peer, stream) =>
      peer.send(
        frame(
          PUSH_PROMISE,
          END_HEADERS,
          stream,
          Buffer.concat([uint32(2), headerBlock([[':method', 'GET']])]),
        ),
      ),
    { kept: false },
  ),
  bad('a stream the backend opens itself', (peer) => peer.send(head(2, OK, END_STREAM)), {
    kept: false,
  }),
  bad(
    'a frame longer than allowed',
    (peer, stream) => peer.send(head(stream, OK), frame(DATA, 0, stream, Buffer.alloc(20_000))),
    {
      status: null,
      flags: 'UC',
      kept: false,
    },
  ),
  bad(
    'DATA beyond the window of the stream',
    // Whether the window is full by then depends on how fast it is emptied: the end comes anyway.
    (peer, stream) =>
      peer
        .send(
          head(stream, length(2 ** 24)),
          many(130, frame(DATA, 0, stream, Buffer.alloc(16_384))),
        )
        .end(),
    {
      status: null,
      flags: 'UC',
      kept: false,
    },
  ),
  bad(
    'WINDOW_UPDATE of nothing for the connection',
    (peer) => peer.send(frame(WINDOW_UPDATE, 0, 0, uint32(0))),
    { kept: false },
  ),
  bad(
    'SETTINGS with a value that is not allowed',
    (peer) => peer.send(frame(SETTINGS, 0, 0, Buffer.from([0, 4, 0xff, 0xff, 0xff, 0xff]))),
    { kept: false },
  ),
  {
    name: 'a flood of SETTINGS, then the answer',
    strike: (peer, stream) =>
      peer.send(many(500, frame(SETTINGS, 0, 0, EMPTY))).answer(stream, 'ok'),
    status: 200,
    body: 'ok',
    flags: '-',
    kept: true,
  },
  {
    name: 'a flood of PING, then the answer',
    strike: (peer, stream) =>
      peer.send(many(500, frame(PING, 0, 0, Buffer.alloc(8)))).answer(stream, 'ok'),
    status: 200,
    body: 'ok',
    flags: '-',
    kept: true,
  },
  {
    name: 'frames of an unknown type, then the answer',
    strike: (peer, stream) =>
      peer.send(many(500, frame(0xfa, 0, stream, Buffer.alloc(16)))).answer(stream, 'ok'),
    status: 200,
    body: 'ok',
    flags: '-',
    kept: true,
  },
  {
    name: 'END_STREAM in an empty frame of its own',
    strike: (peer, stream) =>
      peer.send(head(stream, OK), body(stream, 'ok'), body(stream, '', END_STREAM)),
    status: 200,
    body: 'ok',
    flags: '-',
    kept: true,
  },
  {
    name: 'the connection reset within the body',
    strike: (peer, stream) => {
      peer.send(head(stream, length(100)), body(stream, 'half'))
      peer.socket.resetAndDestroy()
    },
    status: null,
    flags: 'UC',
    kept: false,
  },
  {
    name: 'the connection closed before the head: asked again elsewhere',
    strike: (peer) => void peer.socket.end(),
    status: 200,
    body: 'fine',
    flags: '-',
    kept: false,
  },
  {
    name: 'the connection closed within an upload: never asked twice',
    strike: (peer) => void peer.socket.end(),
    status: 503,
    flags: 'UC',
    kept: false,
    uploads: true,
  },
  {
    name: 'the connection closed behind a whole answer',
    strike: (peer, stream) => void peer.answer(stream, 'whole').socket.end(),
    status: 200,
    body: 'whole',
    flags: '-',
    kept: false,
  },
]

interface Told {
  /** 0 when nothing came. */
  readonly status: number
  readonly body: string
  readonly cut: boolean
}

let backend: FrameBackend
let gateway: TestGateway

beforeAll(async () => {
  backend = await FrameBackend.start()
  const rule = 'retries: { attempts: 0 }'
  const routes = routedTo(backend.port, { portName: 'http2', rule })
  gateway = await startGateway(ACCESS_LOG_MESH + routes, { ports: [80] })
})

afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
})

afterEach(async () => {
  await waitFor('no exchange', () => gateway.gateway.activeExchanges === 0)
})

function ask(path: string, uploads = false): Promise<Told> {
  return new Promise((resolve) => {
    const sent = httpRequest({
      host: '127.0.0.1',
      port: gateway.port(80),
      path,
      method: uploads ? 'POST' : 'GET',
      headers: { host: 'app.test', ...(uploads ? { 'content-length': '100000' } : {}) },
      agent: false,
    })
    sent.on('error', () => resolve({ status: 0, body: '', cut: true }))
    sent.on('response', (response) => {
      const status = response.statusCode ?? 0
      readText(response).then(
        (text) => resolve({ status, body: text, cut: false }),
        () => resolve({ status, body: '', cut: true }),
      )
    })
    if (uploads) sent.write('begun')
    else sent.end()
  })
}

/** One request that the backend holds: its connection, its stream and what its client gets. */
async function holdOne(
  path: string,
  uploads = false,
): Promise<{ peer: FramePeer; stream: number; told: Promise<Told> }> {
  const { promise, resolve } = Promise.withResolvers<{ peer: FramePeer; stream: number }>()
  backend.script = (peer, stream) => resolve({ peer, stream })
  const told = ask(path, uploads)
  return { ...(await promise), told }
}

const numbered = CASES.map((each, i) => ({ ...each, path: `/evil/${i}` }))

test.each(numbered)('$name', async (each) => {
  const beside = await holdOne(`/beside${each.path}`)
  const victim = await holdOne(each.path, each.uploads)
  expect(victim.peer).toBe(beside.peer)
  backend.script = (peer, stream) => void peer.answer(stream, 'fine')
  each.strike(victim.peer, victim.stream)
  const told = await victim.told
  if (each.status === null) expect(told.cut, 'a cut answer looks complete').toBe(true)
  else expect(told).toMatchObject({ status: each.status, cut: false })
  if (each.body !== undefined) expect(told.body).toBe(each.body)

  if (each.kept) {
    beside.peer.answer(beside.stream, 'beside')
    expect(await beside.told).toMatchObject({ status: 200, body: 'beside' })
  } else {
    // A connection that ends without a word costs a GET nothing: it is asked again.
    const { status, body: text } = await beside.told
    if (status < 500) expect(text).toBe('fine')
    await waitFor('the connection to go', () => beside.peer.closed)
  }
  expect(await ask('/after')).toMatchObject({ status: 200, body: 'fine' })
})

test('the access log tells what each of them did', async () => {
  const logged = await loggedExchanges(
    gateway,
    numbered.map(({ path }) => path),
  )
  expect(numbered.map(({ name, path }) => [name, logged.get(path)!.flags])).toEqual(
    numbered.map(({ name, flags }) => [name, flags]),
  )
})

test('nothing is left of any of them', async () => {
  const clusters = gateway.gateway.describeClusters().flatMap(({ endpoints }) => endpoints)
  expect(clusters.map(({ activeRequests }) => activeRequests)).toEqual(clusters.map(() => 0))
  await waitFor('one idle connection at most', () => backend.open <= 1)
})
