import { constants } from 'node:http2'
import { describe, expect, it } from 'vitest'
import { H2Client } from '../../test/support/h2-client.ts'
import { H2EngineFixture } from '../../test/support/h2-engine.ts'
import {
  ACK,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  FrameClient,
  GET_FIELDS,
  GOAWAY,
  headerBlock,
  HEADERS,
  PING,
  resetStreams,
  RST_STREAM,
  SETTINGS,
  uint32,
  WINDOW_UPDATE,
} from '../../test/support/h2-frames.ts'
import type { RecordingHandler } from '../../test/support/recording-handler.ts'
import { waitFor } from '../../test/support/wait.ts'
import { Headers } from './headers.ts'
import { UNKNOWN_LENGTH } from './request.ts'

const CANCEL = uint32(8)
const INITIAL_WINDOW_SIZE = 4
const ENHANCE_YOUR_CALM = 0xb

type Fields = readonly (readonly [string, string])[]

function request(stream: number, fields: Fields, flags: number): Buffer {
  return frame(HEADERS, flags | END_HEADERS, stream, headerBlock(fields))
}

function answerOk(handler: RecordingHandler): void {
  handler.onEnd = () => handler.exchange.sendWhole(200, new Headers(), 'ok')
}

/** What the client saw last of a stream or of the whole connection. */
function outcome(client: FrameClient, stream: number): string | undefined {
  const reset = client.find(RST_STREAM, stream)
  if (reset !== undefined) return `reset ${reset.payload.readUInt32BE(0)}`
  const goaway = client.find(GOAWAY)
  if (goaway !== undefined) return `goaway ${goaway.payload.readUInt32BE(4)}`
  if (client.closed) return 'closed'
  const head = client.find(HEADERS, stream)
  return head === undefined ? undefined : 'answered'
}

describe('malformed heads', () => {
  const authority: Fields = GET_FIELDS.filter(([name]) => name === ':authority')
  const without = (name: string): Fields => GET_FIELDS.filter(([field]) => field !== name)
  const withPath = (path: string): Fields => [...without(':path'), [':path', path]]
  const more = (...fields: Fields): Fields => [...GET_FIELDS, ...fields]

  const cases: readonly (readonly [string, Fields])[] = [
    ['CRLF in :path', withPath('/ HTTP/1.1\r\nx: y')],
    ['space in :path', withPath('/a b')],
    ['control in :path', withPath('/\x01')],
    ['fragment in :path', withPath('/a#b')],
    ['relative :path', withPath('a')],
    ['empty :path', withPath('')],
    ['escaped NUL in :path', withPath('/%00')],
    ['two :path fields', [...GET_FIELDS, [':path', '/b']]],
    ['pseudo field after a field', [['x', '1'], ...GET_FIELDS]],
    ['unknown pseudo field', [...GET_FIELDS, [':secret', '1']]],
    ['missing :scheme', without(':scheme')],
    ['foreign :scheme', [...without(':scheme'), [':scheme', 'gopher']]],
    ['no authority and no host', without(':authority')],
    ['userinfo in :authority', [...without(':authority'), [':authority', 'a@shop.test']]],
    ['CRLF in :authority', [...without(':authority'), [':authority', 'a\r\nb']]],
    ['host that differs', more(['host', 'locked.test'])],
    ['two hosts', [...without(':authority'), ['host', 'shop.test'], ['host', 'shop.test']]],
    ['connection', more(['connection', 'close'])],
    ['transfer-encoding', more(['transfer-encoding', 'chunked'])],
    ['upgrade', more(['upgrade', 'websocket'])],
    ['te: gzip', more(['te', 'gzip'])],
    ['upper-case name', more(['X-A', '1'])],
    ['__proto__ as a name', more(['__proto__', '1'])],
    ['two content-lengths', more(['content-length', '0'], ['content-length', '0'])],
    ['signed content-length', more(['content-length', '+0'])],
    ['content-length without body', more(['content-length', '5'])],
    ['two authorizations', more(['authorization', 'a'], ['authorization', 'b'])],
    ['unknown expectation', more(['expect', 'y 100-continue'])],
    [
      'extended CONNECT',
      [
        [':method', 'CONNECT'],
        [':protocol', 'websocket'],
        [':scheme', 'http'],
        [':path', '/'],
        ...authority,
      ],
    ],
  ]

  it.each(cases)('are refused: %s', async (_name, fields) => {
    await using server = await H2EngineFixture.start(answerOk)
    const client = await FrameClient.open(server.port)
    client.send(request(1, fields, END_STREAM))
    await waitFor('an outcome', () => outcome(client, 1))
    client.socket.destroy()
    expect(server.handlers).toHaveLength(0)
  })

  // nghttp2 leaves such a field out and goes on with the request; it must never reach the proxy.
  it.each([
    ['CRLF in the value', 'x', 'a\r\ny: b'],
    ['NUL in the value', 'x', 'a\0b'],
    ['space around the value', 'x', ' a'],
    ['colon in the name', 'x:y', '1'],
    ['space in the name', 'x y', '1'],
    ['empty name', '', '1'],
  ])('never become a field: %s', async (_name, name, value) => {
    await using server = await H2EngineFixture.start(answerOk)
    const client = await FrameClient.open(server.port)
    client.send(request(1, [...GET_FIELDS, [name, value]], END_STREAM))
    await waitFor('an outcome', () => outcome(client, 1))
    client.socket.destroy()
    expect(server.handlers.flatMap((handler) => handler.exchange.request.headers.fields)).toEqual(
      [],
    )
  })

  it('101 fields are answered 431, cookie crumbs counted one by one', async () => {
    await using server = await H2EngineFixture.start(answerOk)
    const client = await FrameClient.open(server.port)
    const crumbs: Fields = Array.from(
      { length: 101 },
      (_value, i) => ['cookie', `a${i}=1`] as const,
    )
    client.send(request(1, [...GET_FIELDS, ...crumbs], END_STREAM))
    client.send(request(3, [...GET_FIELDS, ...crumbs.slice(1)], END_STREAM))
    await waitFor('both', () => outcome(client, 1) && outcome(client, 3))
    client.socket.destroy()
    expect(server.handlers.map((handler) => handler.exchange.request.headers.size)).toEqual([1])
  })

  it.each([
    ['that acknowledged our SETTINGS', frame(SETTINGS, ACK, 0, Buffer.alloc(0))],
    ['that did not', Buffer.alloc(0)],
  ])('a header list beyond the limit is refused, from a client %s', async (_name, ack) => {
    await using server = await H2EngineFixture.start(answerOk, { maxHeadBytes: 2000 })
    const client = await FrameClient.open(server.port)
    await waitFor('settings', () => client.find(SETTINGS))
    client.send(ack, request(1, [...GET_FIELDS, ['x', 'a'.repeat(3000)]], END_STREAM))
    await waitFor('an outcome', () => outcome(client, 1))
    client.socket.destroy()
    expect(server.handlers).toHaveLength(0)
  })
})

describe('bodies that lie', () => {
  it.each([
    ['shorter than content-length', '50'],
    ['longer than content-length', '2'],
  ])('%s never look complete', async (_name, length) => {
    await using server = await H2EngineFixture.start(answerOk)
    const client = await FrameClient.open(server.port)
    client.send(
      request(1, [...GET_FIELDS, ['content-length', length]], 0),
      frame(DATA, END_STREAM, 1, Buffer.from('abc')),
    )
    await waitFor('an outcome', () => outcome(client, 1))
    await waitFor('no exchange', () => server.engine.activeExchanges === 0)
    client.socket.destroy()
    for (const handler of server.handlers) {
      expect(handler.ended).toBe(false)
      expect(handler.abortReason).toBe('protocol-error')
    }
  })
})

describe('floods', () => {
  it('a request reset in the turn it came in never reaches the proxy; the flood ends the session', async () => {
    await using server = await H2EngineFixture.start()
    const client = await FrameClient.open(server.port)
    client.send(resetStreams(5000))
    await waitFor('the session to go', () => server.engine.sessionCount === 0)
    expect(server.engine.activeExchanges).toBe(0)
    // A read may end between the two frames of a pair.
    expect(server.handlers.length).toBeLessThan(100)
  })

  it('a few resets are what browsers do', async () => {
    await using server = await H2EngineFixture.start(answerOk)
    const client = await FrameClient.open(server.port)
    for (let i = 0; i < 200; i++) {
      client.send(
        request(2 * i + 1, GET_FIELDS, END_STREAM),
        frame(RST_STREAM, 0, 2 * i + 1, CANCEL),
      )
    }
    client.send(request(1001, GET_FIELDS, END_STREAM))
    expect(await waitFor('the answer', () => outcome(client, 1001))).toBe('answered')
    client.socket.destroy()
  })

  it.each([
    ['an empty WINDOW_UPDATE', (stream: number) => frame(WINDOW_UPDATE, 0, stream, uint32(0))],
    [
      'an overflowing window',
      (stream: number) => frame(WINDOW_UPDATE, 0, stream, uint32(2 ** 31 - 1)),
    ],
    [
      'a body longer than its length',
      (stream: number) => frame(DATA, 0, stream, Buffer.from('abc')),
    ],
  ])('frames that force a reset on us soon end the session: %s', async (_name, provoke) => {
    await using server = await H2EngineFixture.start()
    const client = await FrameClient.open(server.port)
    let most = 0
    let streams = 0
    for (; streams < 300 && client.find(GOAWAY) === undefined; streams++) {
      const stream = 2 * streams + 1
      client.send(request(stream, [...GET_FIELDS, ['content-length', '2']], 0), provoke(stream))
      await waitFor('an outcome', () => outcome(client, stream))
      most = Math.max(most, server.engine.activeExchanges)
    }
    await waitFor('the session to go', () => server.engine.sessionCount === 0)
    expect(streams).toBeLessThanOrEqual(101)
    expect(most).toBeLessThanOrEqual(1)
  })

  it('answers never taken count as resets the client forced on us', async () => {
    await using server = await H2EngineFixture.start(
      (handler) => handler.exchange.sendWhole(200, new Headers(), 'never taken'),
      { writeStallTimeoutMs: 40, serverResetLimit: 3 },
    )
    const client = await FrameClient.open(server.port, [[INITIAL_WINDOW_SIZE, 0]])
    for (let i = 0; i < 5; i++) client.send(request(2 * i + 1, GET_FIELDS, END_STREAM))
    const goaway = await waitFor('GOAWAY', () => client.find(GOAWAY))
    expect(goaway.payload.readUInt32BE(4)).toBe(ENHANCE_YOUR_CALM)
    await waitFor('the session to go', () => server.engine.sessionCount === 0)
    expect(server.handlers.every((handler) => handler.abortReason !== null)).toBe(true)
  })

  it('no more than 100 streams run at once', async () => {
    await using server = await H2EngineFixture.start()
    const client = await FrameClient.open(server.port)
    for (let i = 0; i < 150; i++) client.send(request(2 * i + 1, GET_FIELDS, END_STREAM))
    await waitFor('the first to be refused', () => outcome(client, 201) ?? outcome(client, 299))
    await server.exchange(99)
    expect(server.engine.activeExchanges).toBe(100)
    client.socket.destroy()
  })

  it('unread PING answers do not pile up', async () => {
    await using server = await H2EngineFixture.start()
    const client = await FrameClient.open(server.port)
    client.socket.pause()
    const pings = Buffer.concat(
      Array.from({ length: 1000 }, () => frame(PING, 0, 0, Buffer.alloc(8))),
    )
    for (let i = 0; i < 60 && server.engine.sessionCount > 0; i++) {
      client.send(pings)
      await new Promise((resolve) => setImmediate(resolve))
    }
    client.socket.destroy()
    await waitFor('the session to go', () => server.engine.sessionCount === 0)
  })
})

describe('timers', () => {
  it('a head that is never finished ends the connection', async () => {
    await using server = await H2EngineFixture.start(answerOk, { headTimeoutMs: 60 })
    const client = await FrameClient.open(server.port)
    const started = performance.now()
    client.send(frame(HEADERS, END_STREAM, 1, headerBlock(GET_FIELDS)))
    await waitFor('close', () => client.closed)
    expect(performance.now() - started).toBeGreaterThan(55)
    expect(server.handlers).toHaveLength(0)
  })

  it('a connection that never speaks HTTP/2 to the end of the handshake is closed', async () => {
    await using server = await H2EngineFixture.start(answerOk, { headTimeoutMs: 60 })
    const client = await FrameClient.open(server.port)
    client.socket.destroy()
    const { connect } = await import('node:net')
    const socket = connect(server.port, '127.0.0.1', () => socket.write('PRI * HTTP/2.0\r\n'))
    const closed = new Promise((resolve) => socket.on('close', resolve))
    socket.on('error', () => {})
    socket.resume()
    await closed
  })

  it('an idle connection gets GOAWAY and is closed although the client stays', async () => {
    await using server = await H2EngineFixture.start(answerOk, {
      idleTimeoutMs: 60,
      lingerTimeoutMs: 40,
    })
    const client = await FrameClient.open(server.port)
    client.send(request(1, GET_FIELDS, END_STREAM))
    await waitFor('the answer', () => outcome(client, 1))
    await waitFor('goaway', () => client.find(GOAWAY))
    await waitFor('no session', () => server.engine.sessionCount === 0)
    client.socket.destroy()
  })

  it('a request body that stops coming is answered 408', async () => {
    await using server = await H2EngineFixture.start(undefined, { streamIdleTimeoutMs: 60 })
    const client = await FrameClient.open(server.port)
    client.send(request(1, GET_FIELDS, 0), frame(DATA, 0, 1, Buffer.from('a')))
    const handler = await server.exchange()
    await waitFor('abort', () => handler.abortReason === 'timeout')
    await waitFor('408', () => client.find(HEADERS, 1) && client.find(RST_STREAM, 1))
    client.socket.destroy()
  })

  it('a dribbled request body ends with the request timer', async () => {
    await using server = await H2EngineFixture.start(undefined, { requestTimeoutMs: 100 })
    const client = await FrameClient.open(server.port)
    client.send(request(1, GET_FIELDS, 0))
    const handler = await server.exchange()
    await waitFor('abort', () => {
      if (!client.find(RST_STREAM, 1)) client.send(frame(DATA, 0, 1, Buffer.from('a')))
      return handler.abortReason === 'timeout'
    })
    client.socket.destroy()
  })

  it('the request timer does not run while the proxy holds the body back', async () => {
    await using server = await H2EngineFixture.start(
      (handler) => handler.exchange.pauseRequestBody(),
      { requestTimeoutMs: 30, pingIntervalMs: 20 },
    )
    const client = await FrameClient.open(server.port)
    client.send(request(1, GET_FIELDS, 0))
    const paused = await server.exchange()
    // Five PING intervals are more than the timer.
    let pings = 0
    await waitFor('pings', () => {
      const seen = client.frames.filter((each) => each.type === PING && each.flags === 0)
      for (; pings < seen.length; pings++) client.send(frame(PING, 1, 0, seen[pings]!.payload))
      return pings >= 5
    })
    expect(paused.abortReason).toBeNull()
    client.socket.destroy()
  })

  it('an answer that does not come ends the stream with 504', async () => {
    await using server = await H2EngineFixture.start(undefined, { streamIdleTimeoutMs: 60 })
    await using client = new H2Client(server.port)
    const { status } = await client.fetch({ ':path': '/', ':authority': 'shop.test' })
    expect(status).toBe(504)
    expect((await server.exchange()).abortReason).toBe('timeout')
  })

  it('an exchange ends with its longest time although bytes move', async () => {
    await using server = await H2EngineFixture.start(
      (handler) => handler.exchange.sendHead(200, new Headers(), UNKNOWN_LENGTH, false),
      { maxStreamDurationMs: 200, streamIdleTimeoutMs: 100 },
    )
    await using client = new H2Client(server.port)
    const answer = client.fetch({ ':path': '/', ':authority': 'shop.test' })
    const handler = await server.exchange()
    await waitFor('the end', () => {
      handler.exchange.sendBody(Buffer.from('.'))
      return handler.abortReason
    })
    expect(handler.abortReason).toBe('too-long')
    expect((await answer).rstCode).toBe(constants.NGHTTP2_CANCEL)
  })

  it('a connection that is too old gets GOAWAY and finishes what it has', async () => {
    await using server = await H2EngineFixture.start(undefined, { maxAgeMs: 100 })
    await using client = new H2Client(server.port)
    const answer = client.fetch({ ':path': '/', ':authority': 'shop.test' })
    const handler = await server.exchange()
    await waitFor('goaway', () => client.goawayCode === constants.NGHTTP2_NO_ERROR)
    handler.exchange.sendWhole(200, new Headers(), 'done')
    expect((await answer).body).toBe('done')
    await waitFor('no session', () => server.engine.sessionCount === 0)
  })

  it('a client on a slow line keeps its answer', async () => {
    const stallMs = 250
    const body = Buffer.alloc(20 * 1024 * 1024)
    await using server = await H2EngineFixture.start(
      (handler) => {
        handler.exchange.sendHead(200, new Headers(), body.length, false)
        handler.exchange.sendBody(body)
        handler.exchange.sendEnd(null)
      },
      { writeStallTimeoutMs: stallMs },
    )
    const client = await FrameClient.open(server.port, [[INITIAL_WINDOW_SIZE, 2 ** 30]])
    const began = performance.now()
    client.socket.on('data', (chunk: Buffer) => {
      client.socket.pause()
      setTimeout(() => client.socket.resume(), (chunk.length * 5) / 65_536)
    })
    client.send(frame(WINDOW_UPDATE, 0, 0, uint32(2 ** 30)), request(1, GET_FIELDS, END_STREAM))
    const handler = await server.exchange()
    await waitFor('the whole answer', () => handler.over)
    expect(handler.sent).toBe(true)
    expect(performance.now() - began).toBeGreaterThan(2 * stallMs)
    client.socket.destroy()
  }, 15_000)

  it('an answer the client does not take is reset', async () => {
    await using server = await H2EngineFixture.start(
      (handler) => {
        handler.exchange.sendHead(200, new Headers(), UNKNOWN_LENGTH, false)
        expect(handler.exchange.sendBody(Buffer.alloc(40_000))).toBe(false)
      },
      { writeStallTimeoutMs: 60 },
    )
    const client = await FrameClient.open(server.port, [[INITIAL_WINDOW_SIZE, 0]])
    client.send(request(1, GET_FIELDS, END_STREAM))
    const handler = await server.exchange()
    await waitFor('abort', () => handler.abortReason === 'timeout')
    await waitFor('reset', () => client.find(RST_STREAM, 1))
    expect(client.find(DATA, 1)).toBeUndefined()
    client.socket.destroy()
  })

  it('a client that no longer answers PING is given up', async () => {
    await using server = await H2EngineFixture.start(undefined, {
      pingIntervalMs: 40,
      pingTimeoutMs: 40,
    })
    const client = await FrameClient.open(server.port)
    client.send(request(1, GET_FIELDS, END_STREAM))
    const handler = await server.exchange()
    await waitFor('abort', () => handler.abortReason)
    await waitFor('close', () => client.closed)
    expect(client.find(PING)).toBeDefined()
  })
})

describe('frames of an abort', () => {
  it('carry no END_STREAM', async () => {
    await using server = await H2EngineFixture.start((handler) => {
      handler.exchange.sendHead(200, new Headers(), UNKNOWN_LENGTH, false)
      handler.exchange.sendBody(Buffer.from('part'))
      setImmediate(() => handler.exchange.abort())
    })
    const client = await FrameClient.open(server.port)
    client.send(request(1, GET_FIELDS, END_STREAM))
    await waitFor('reset', () => client.find(RST_STREAM, 1))
    const flags = client.frames.filter((seen) => seen.stream === 1 && seen.type !== RST_STREAM)
    expect(flags.every((seen) => (seen.flags & END_STREAM) === 0)).toBe(true)
    client.socket.destroy()
  })
})
