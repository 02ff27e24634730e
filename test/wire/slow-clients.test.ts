import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  GET_FIELDS,
  headerBlock,
  HEADERS,
  PREFACE,
  SETTINGS,
} from '../support/h2-frames.ts'
import { waitFor } from '../support/wait.ts'
import { readAnswers } from '../support/wire-client.ts'
import { meshConfig, Sentinel, WireBench } from '../support/wire-gateway.ts'
import { lines } from './corpus/case.ts'

const TIMERS = [
  'httpRequestHeadersTimeout: 300ms',
  'httpRequestTimeout: 600ms',
  'httpStreamIdleTimeout: 600ms',
  'httpIdleTimeout: 600ms',
].join(', ')

let bench: WireBench

beforeAll(async () => {
  bench = await WireBench.start(meshConfig(`defaultConfig: { connectionSettings: { ${TIMERS} } }`))
})

afterAll(async () => {
  await bench[Symbol.asyncDispose]()
})

const GET = lines('GET /a HTTP/1.1', 'Host: shop.test', '')
const POST = lines('POST /a HTTP/1.1', 'Host: shop.test', 'Content-Length: 1000000', '')
const CHUNKED = lines('POST /a HTTP/1.1', 'Host: shop.test', 'Transfer-Encoding: chunked', '')
const START = Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, Buffer.alloc(0))]).toString('latin1')
const BLOCK = headerBlock(GET_FIELDS)

function h2(...frames: readonly Buffer[]): string {
  return START + Buffer.concat(frames).toString('latin1')
}

interface SlowClient {
  readonly name: string
  /** Sent at once. */
  readonly first: string
  /** Sent again and again, one at a time, until the gateway has had enough. */
  readonly drip: string
  /** Statuses of the answers on HTTP/1.1; null where the connection speaks HTTP/2. */
  readonly statuses: readonly number[] | null
}

const CLIENTS: readonly SlowClient[] = [
  { name: 'says nothing', first: '', drip: '', statuses: [] },
  { name: 'begins a head and stops', first: 'GET /a HTTP/1.1\r\nX: ', drip: '', statuses: [408] },
  { name: 'drips its start line', first: 'GET /', drip: 'a', statuses: [408] },
  { name: 'drips field lines', first: 'GET /a HTTP/1.1\r\n', drip: 'X: y\r\n', statuses: [408] },
  { name: 'begins a body and stops', first: `${POST}x`, drip: '', statuses: [408] },
  { name: 'drips its body', first: POST, drip: 'x', statuses: [408] },
  { name: 'drips chunks', first: CHUNKED, drip: '1\r\nx\r\n', statuses: [408] },
  { name: 'drips a chunk extension', first: `${CHUNKED}1;`, drip: 'x', statuses: [408] },
  { name: 'drips trailers', first: `${CHUNKED}0\r\n`, drip: 'X: y\r\n', statuses: [408] },
  { name: 'is silent behind an answer', first: GET, drip: '', statuses: [200] },
  { name: 'drips its second head', first: `${GET}GET /`, drip: 'a', statuses: [200, 408] },
  { name: 'drips the preface of HTTP/2', first: 'PRI * HT', drip: '', statuses: [] },
  { name: 'is silent behind the preface', first: START, drip: '', statuses: null },
  {
    name: 'never ends a header block',
    first: h2(frame(HEADERS, END_STREAM, 1, BLOCK)),
    drip: '',
    statuses: null,
  },
  {
    name: 'drips CONTINUATION',
    first: h2(frame(HEADERS, END_STREAM, 1, BLOCK)),
    drip: frame(CONTINUATION, 0, 1, headerBlock([['x', 'y']])).toString('latin1'),
    statuses: null,
  },
  {
    name: 'begins an HTTP/2 body and stops',
    first: h2(frame(HEADERS, END_HEADERS, 1, BLOCK)),
    drip: '',
    statuses: null,
  },
  {
    name: 'drips an HTTP/2 body',
    first: h2(frame(HEADERS, END_HEADERS, 1, BLOCK)),
    drip: frame(DATA, 0, 1, Buffer.from('x')).toString('latin1'),
    statuses: null,
  },
]

const DRIP_MS = 25

/** Resolves with what it read when the gateway has closed the connection. */
function beSlow({ first, drip }: SlowClient, port: number): Promise<string> {
  const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true })
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
  socket.on('error', () => {})
  socket.write(first, 'latin1')
  const dripping =
    drip === '' ? undefined : setInterval(() => void socket.write(drip, 'latin1'), DRIP_MS)
  return new Promise((resolve) => {
    socket.on('close', () => {
      clearInterval(dripping)
      resolve(text)
    })
  })
}

const AT_ONCE = 20
/** Generous: both cores may be busy with other things. */
const MAX_P99_MS = 1_000

test.concurrent.each(CLIENTS)('a client that $name is let go', async (client) => {
  const texts = await Promise.all(
    Array.from({ length: AT_ONCE }, () => beSlow(client, bench.gateway.port(80))),
  )
  const { statuses } = client
  if (statuses === null) return
  const answered = texts.map((text) => readAnswers(text).map(({ status }) => status))
  expect(answered).toEqual(Array.from({ length: AT_ONCE }, () => [...statuses]))
})

test('while they are slow others are not', async () => {
  const port = bench.gateway.port(80)
  const slow = CLIENTS.map((client) => beSlow(client, port))
  const sentinel = new Sentinel(port)
  let over = false
  const all = Promise.all(slow).then(() => (over = true))
  const waits: number[] = []
  while (!over) {
    const began = performance.now()
    await sentinel.check()
    waits.push(performance.now() - began)
  }
  await all
  sentinel.close()
  waits.sort((a, b) => a - b)
  expect(waits[Math.floor(waits.length * 0.99)]).toBeLessThan(MAX_P99_MS)
})

test('nothing is left of any of them', async () => {
  await waitFor('no exchange', () => bench.gateway.gateway.activeExchanges === 0)
  bench.backend.rereadAll()
  expect(bench.backend.findings).toEqual([])
  expect(bench.backend.openConnections).toBeLessThanOrEqual(AT_ONCE)
})
