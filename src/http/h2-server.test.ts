import { describe, expect, it } from 'vitest'
import { collect, H2Client } from '../../test/support/h2-client.ts'
import { H2EngineFixture } from '../../test/support/h2-engine.ts'
import type { RecordingHandler } from '../../test/support/recording-handler.ts'
import { waitFor } from '../../test/support/wait.ts'
import { Headers } from './headers.ts'
import { UNKNOWN_LENGTH } from './request.ts'

const NONE = new Headers()

function answerOk(handler: RecordingHandler): void {
  handler.onEnd = () =>
    handler.exchange.sendWhole(200, new Headers(['x-a', '1']), `got ${handler.body}`)
}

const GET = { ':method': 'GET', ':path': '/', ':authority': 'shop.test' }
const POST = { ':method': 'POST', ':path': '/up', ':authority': 'shop.test' }

describe('requests', () => {
  it('becomes the canonical request', async () => {
    await using server = await H2EngineFixture.start(answerOk)
    await using client = new H2Client(server.port)
    const answer = await client.fetch(
      {
        ':method': 'POST',
        ':path': '/a/../b?q=%zz',
        ':authority': 'Shop.test:8443',
        te: 'trailers',
        'content-length': '5',
      },
      'hello',
    )
    expect(answer).toMatchObject({ status: 200, body: 'got hello', rstCode: 0 })
    const { request, connection } = (await server.exchange()).exchange
    expect(request).toMatchObject({
      protocol: 'HTTP/2',
      method: 'POST',
      scheme: 'http',
      authority: 'Shop.test:8443',
      path: '/b',
      query: '?q=%zz',
      bodyLength: 5,
      upgrade: null,
      expectsContinue: false,
    })
    expect(request.headers.fields).toEqual(['te', 'trailers'])
    expect(connection).toMatchObject({ remoteAddress: '127.0.0.1', tls: null, context: 'context' })
    expect(connection.localPort).toBe(server.port)
  })

  it('has unknown length without content-length, and zero with END_STREAM', async () => {
    await using server = await H2EngineFixture.start(answerOk)
    await using client = new H2Client(server.port)
    await client.fetch(POST, 'x')
    await client.fetch(GET)
    expect(server.handlers.map((handler) => handler.exchange.request.bodyLength)).toEqual([
      UNKNOWN_LENGTH,
      0,
    ])
  })

  it('joins cookie crumbs and keeps repeated fields', async () => {
    await using server = await H2EngineFixture.start(answerOk)
    await using client = new H2Client(server.port)
    await client.fetch([
      ':method',
      'GET',
      ':path',
      '/',
      ':authority',
      'shop.test',
      'cookie',
      'a=1',
      'x-a',
      '1',
      'cookie',
      'b=2',
      'x-a',
      '2',
    ])
    const { request } = (await server.exchange()).exchange
    expect(request.headers.fields).toEqual(['cookie', 'a=1; b=2', 'x-a', '1', 'x-a', '2'])
  })

  it('delivers request trailers without those that could smuggle', async () => {
    await using server = await H2EngineFixture.start(answerOk)
    await using client = new H2Client(server.port)
    const stream = client.open(POST, { waitForTrailers: true })
    stream.on('wantTrailers', () =>
      stream.sendTrailers({ 'x-sum': '9', 'x-forwarded-for': '1.1.1.1' }),
    )
    stream.end('abc')
    await collect(stream)
    const handler = await server.exchange()
    expect(handler.body).toBe('abc')
    expect(handler.trailers?.fields).toEqual(['x-sum', '9'])
  })

  it.each([
    ['reject', { ended: false, trailers: null, abortReason: 'protocol-error' }],
    ['drop', { ended: true, trailers: { fields: ['x-sum', '9'] } }],
    ['allow', { ended: true, trailers: { fields: ['x-sum', '9', 'x_forwarded_for', '1.1.1.1'] } }],
  ] as const)(
    'treats trailers with underscores as heads: %s',
    async (underscoreNames, expected) => {
      await using server = await H2EngineFixture.start(answerOk, { underscoreNames })
      await using client = new H2Client(server.port)
      const stream = client.open(POST, { waitForTrailers: true })
      stream.on('wantTrailers', () =>
        stream.sendTrailers({ 'x-sum': '9', x_forwarded_for: '1.1.1.1' }),
      )
      stream.write('abc')
      const handler = await server.exchange()
      stream.end()
      await collect(stream)
      expect(handler).toMatchObject(expected)
    },
  )

  it('announces an expectation and passes 100 and 103 on', async () => {
    await using server = await H2EngineFixture.start((handler) => {
      handler.exchange.sendInformational(100, NONE)
      handler.exchange.sendInformational(103, new Headers(['link', '</a>', 'link', '</b>']))
      answerOk(handler)
    })
    await using client = new H2Client(server.port)
    const answer = await client.fetch({ ...POST, expect: '100-continue' }, 'x')
    expect((await server.exchange()).exchange.request.expectsContinue).toBe(true)
    expect(answer.informational).toEqual([
      [':status', '100'],
      [':status', '103', 'link', '</a>', 'link', '</b>'],
    ])
  })

  it('holds the body back while paused and counts every byte', async () => {
    const size = 600_000
    await using server = await H2EngineFixture.start((handler) => {
      handler.exchange.pauseRequestBody()
      answerOk(handler)
    })
    await using client = new H2Client(server.port)
    const stream = client.open(POST)
    stream.end(Buffer.alloc(size))
    const answer = collect(stream)
    const handler = await server.exchange()
    // A round trip later the client still waits for a window that only reading opens.
    await new Promise((resolve) => client.session.ping(resolve))
    expect(handler.bodyBytes).toBe(0)
    expect(stream.writableLength).toBeGreaterThan(0)
    handler.exchange.resumeRequestBody()
    await answer
    expect(handler.exchange.bytesReceived).toBe(size)
  })
})

describe('responses', () => {
  it('sends repeated fields in order, with no field of its own but content-length', async () => {
    await using server = await H2EngineFixture.start((handler) => {
      handler.exchange.sendHead(
        200,
        new Headers(['set-cookie', 'a', 'x', '1', 'set-cookie', 'b', 'etag', 'e', 'etag', 'f']),
        3,
        false,
      )
      handler.exchange.sendBody(Buffer.from('abc'))
      handler.exchange.sendEnd(null)
    })
    await using client = new H2Client(server.port)
    const answer = await client.fetch(GET)
    expect(answer.rawHeaders).toEqual([
      ':status',
      '200',
      'set-cookie',
      'a',
      'x',
      '1',
      'set-cookie',
      'b',
      'etag',
      'e',
      'etag',
      'f',
      'content-length',
      '3',
    ])
    expect(answer.body).toBe('abc')
    await waitFor('sent', () => server.handlers[0]?.sent)
    expect(server.handlers[0]?.exchange.bytesSent).toBe(3)
  })

  it('never puts fields of an HTTP/1 hop, or unclean ones, on the wire', async () => {
    await using server = await H2EngineFixture.start((handler) => {
      handler.exchange.sendWhole(
        200,
        new Headers([
          'connection',
          'close',
          'transfer-encoding',
          'chunked',
          'x\0y',
          '1',
          'x-b',
          'a\0b',
          'x-ok',
          '1',
        ]),
        'hi',
      )
    })
    await using client = new H2Client(server.port)
    const answer = await client.fetch(GET)
    expect(answer.rawHeaders).toEqual([':status', '200', 'x-ok', '1', 'content-length', '2'])
  })

  it.each([
    ['HEAD with a length', 'HEAD', 200, 10, ['content-length', '10']],
    ['204', 'GET', 204, 0, []],
    ['304', 'GET', 304, 0, []],
    ['an empty 200', 'GET', 200, 0, ['content-length', '0']],
  ] as const)('ends with the head: %s', async (_name, method, status, length, extra) => {
    await using server = await H2EngineFixture.start((handler) => {
      handler.exchange.sendHead(status, NONE, length, true)
    })
    await using client = new H2Client(server.port)
    const answer = await client.fetch({ ...GET, ':method': method })
    expect(answer.rawHeaders).toEqual([':status', String(status), ...extra])
    expect(answer).toMatchObject({ body: '', rstCode: 0 })
    await waitFor('sent', () => server.handlers[0]?.sent)
  })

  it('sends trailers after a body, and after none', async () => {
    await using server = await H2EngineFixture.start((handler) => {
      handler.exchange.sendHead(200, NONE, UNKNOWN_LENGTH, false)
      if (handler.exchange.request.path === '/up') handler.exchange.sendBody(Buffer.from('m'))
      handler.exchange.sendEnd(new Headers(['grpc-status', '0', 'x', '1', 'x', '2']))
    })
    await using client = new H2Client(server.port)
    for (const headers of [{ ...GET, ':path': '/up' }, GET]) {
      const answer = await client.fetch(headers)
      expect(answer.rawTrailers).toEqual(['grpc-status', '0', 'x', '1', 'x', '2'])
      expect(answer.rstCode).toBe(0)
    }
    await waitFor('both sent', () => server.handlers.every((handler) => handler.sent))
  })

  it.each([
    ['of a message that came over HTTP/2', true, NONE, ['x-sum', '7']],
    ['announced by Trailer', false, new Headers(['trailer', 'x-sum']), ['x-sum', '7']],
    ['of another message, which has none', false, NONE, []],
  ])('sends trailers behind a known length: %s', async (_name, mayFollow, headers, expected) => {
    await using server = await H2EngineFixture.start((handler) => {
      handler.trailersMayFollow = mayFollow
      handler.exchange.sendHead(200, headers.clone(), 1, false)
      handler.exchange.sendBody(Buffer.from('m'))
      handler.exchange.sendEnd(new Headers(['x-sum', '7']))
    })
    await using client = new H2Client(server.port)
    const answer = await client.fetch(GET)
    expect(answer).toMatchObject({ body: 'm', rawTrailers: expected, rstCode: 0 })
    expect(answer.rawHeaders.slice(-2)).toEqual(['content-length', '1'])
    await waitFor('sent', () => server.handlers[0]?.sent)
  })

  it('ends without trailers although it waited for them', async () => {
    await using server = await H2EngineFixture.start((handler) => {
      handler.exchange.sendHead(200, NONE, UNKNOWN_LENGTH, false)
      handler.exchange.sendBody(Buffer.from('m'))
      handler.exchange.sendEnd(null)
    })
    await using client = new H2Client(server.port)
    expect(await client.fetch(GET)).toMatchObject({ body: 'm', rawTrailers: [], rstCode: 0 })
  })

  it.each([
    ['with a plain end', null, 200_000],
    ['with trailers', new Headers(['grpc-status', '8']), 200_000],
    ['with a small body', null, 10],
  ] as const)('answers before the request is complete %s', async (_name, trailers, size) => {
    await using server = await H2EngineFixture.start((handler) => {
      handler.exchange.sendHead(200, NONE, UNKNOWN_LENGTH, false)
      handler.exchange.sendBody(Buffer.alloc(size, 'x'))
      handler.exchange.sendEnd(trailers)
    })
    await using client = new H2Client(server.port)
    const stream = client.open(POST)
    stream.write('begun but never ended')
    const answer = await collect(stream)
    expect(answer.body).toHaveLength(size)
    expect(answer).toMatchObject({ status: 200, rstCode: 0 })
    expect(answer.rawTrailers).toEqual(trailers?.fields ?? [])
    await waitFor('sent', () => server.handlers[0]?.sent)
  })

  it('stops at 32 KiB for a slow reader and goes on when it reads', async () => {
    const chunk = Buffer.alloc(16_384, 'x')
    const total = 64 * chunk.length
    await using server = await H2EngineFixture.start((handler) => {
      const { exchange } = handler
      exchange.sendHead(200, NONE, total, false)
      handler.onDrain = () => {
        while (exchange.bytesSent < total) if (!exchange.sendBody(chunk)) return
        exchange.sendEnd(null)
      }
      handler.onDrain()
    })
    await using client = new H2Client(server.port)
    const stream = client.open(GET)
    stream.pause()
    const handler = await server.exchange()
    await waitFor('the client window to fill', () => handler.exchange.bytesSent >= 65_535)
    const held = handler.exchange.bytesSent
    // One stream window of 64 KiB, the high-water mark and one chunk over it.
    expect(held).toBeLessThanOrEqual(65_536 + 32_768 + 16_384)
    const answer = await collect(stream.resume())
    expect(answer.body).toHaveLength(total)
    expect(handler.drains).toBeGreaterThan(0)
    await waitFor('sent', () => handler.sent)
  })

  it('replaces a status that HTTP/2 cannot carry by 502', async () => {
    await using server = await H2EngineFixture.start((handler) =>
      handler.exchange.sendWhole(999, NONE, ''),
    )
    await using client = new H2Client(server.port)
    expect((await client.fetch(GET)).status).toBe(502)
  })
})

describe('the end of an exchange', () => {
  it.each([
    ['while it waits for an answer', false],
    ['in the middle of the answer', true],
  ])('tells the handler that the client reset its stream %s', async (_name, begun) => {
    await using server = await H2EngineFixture.start((handler) => {
      if (begun) {
        handler.exchange.sendHead(200, NONE, UNKNOWN_LENGTH, false)
        handler.exchange.sendBody(Buffer.alloc(500_000))
      }
    })
    await using client = new H2Client(server.port)
    const stream = client.open(POST)
    stream.write('x')
    const response = new Promise((resolve) => stream.once('response', resolve))
    const handler = await server.exchange()
    if (begun) await response
    stream.close(8)
    await waitFor('abort', () => handler.abortReason)
    expect(handler.abortReason).toBe('client-closed')
    expect(server.engine.activeExchanges).toBe(0)
    handler.exchange.sendHead(200, NONE, 0, true)
    expect(handler.exchange.sendBody(Buffer.from('late'))).toBe(true)
    handler.exchange.sendEnd(null)
  })

  it('tells every handler that the client closed its connection', async () => {
    await using server = await H2EngineFixture.start()
    const client = new H2Client(server.port)
    for (let i = 0; i < 3; i++) client.open(POST)
    await server.exchange(2)
    client.session.destroy()
    await waitFor('aborts', () =>
      server.handlers.every((handler) => handler.abortReason === 'client-closed'),
    )
    await waitFor('no session', () => server.engine.sessionCount === 0)
  })

  it('resets the stream on abort and keeps the connection', async () => {
    await using server = await H2EngineFixture.start((handler) => {
      if (handler.exchange.request.path === '/') answerOk(handler)
      else handler.exchange.abort()
    })
    await using client = new H2Client(server.port)
    expect((await client.fetch({ ...GET, ':path': '/x' })).rstCode).toBe(2)
    expect((await client.fetch(GET)).status).toBe(200)
    expect(server.handlers[0]?.over).toBe(false)
  })

  it('an aborted answer never looks complete', async () => {
    await using server = await H2EngineFixture.start((handler) => {
      handler.exchange.sendHead(200, NONE, UNKNOWN_LENGTH, false)
      handler.exchange.sendBody(Buffer.from('part'))
      setImmediate(() => handler.exchange.abort())
    })
    await using client = new H2Client(server.port)
    const answer = await client.fetch(GET)
    expect(answer.rstCode).toBe(2)
  })
})

describe('drain', () => {
  it('sends GOAWAY, finishes what runs and closes', async () => {
    await using server = await H2EngineFixture.start()
    await using client = new H2Client(server.port)
    const running = client.fetch(GET)
    const handler = await server.exchange()
    const closed = server.engine.close()
    await waitFor('goaway', () => client.goawayCode === 0)
    handler.exchange.sendWhole(200, NONE, 'done')
    expect((await running).body).toBe('done')
    await closed
    expect(server.engine.sessionCount).toBe(0)
  })

  it('closeAfter ends the connection with the current answer', async () => {
    await using server = await H2EngineFixture.start((handler) => {
      handler.exchange.closeAfter()
      answerOk(handler)
    })
    await using client = new H2Client(server.port)
    expect((await client.fetch(GET)).status).toBe(200)
    await waitFor('goaway', () => client.goawayCode === 0)
    await waitFor('no session', () => server.engine.sessionCount === 0)
  })

  it('a connection accepted while draining serves one request', async () => {
    await using server = await H2EngineFixture.start(answerOk)
    server.engine.drain()
    await using client = new H2Client(server.port)
    expect((await client.fetch(GET)).status).toBe(200)
    await waitFor('goaway', () => client.goawayCode === 0)
  })

  it('destroyAll aborts with shutdown', async () => {
    await using server = await H2EngineFixture.start()
    await using client = new H2Client(server.port)
    void client.fetch(GET)
    const handler = await server.exchange()
    server.engine.destroyAll()
    expect(handler.abortReason).toBe('shutdown')
  })
})

describe('CONNECT', () => {
  const connectTo = { ':method': 'CONNECT', ':authority': 'db.test:5432' }

  it('is refused with 405 by default', async () => {
    await using server = await H2EngineFixture.start(answerOk)
    await using client = new H2Client(server.port)
    const stream = client.open(connectTo)
    expect((await collect(stream)).status).toBe(405)
    expect(server.handlers).toHaveLength(0)
  })

  it('becomes a tunnel where it is allowed', async () => {
    await using server = await H2EngineFixture.start(
      (handler) => {
        handler.exchange.sendTunnelHead(200, NONE)
        handler.onEnd = () => {
          handler.exchange.sendBody(Buffer.from(handler.body.toUpperCase()))
          handler.exchange.sendEnd(null)
        }
      },
      { allowConnect: true },
    )
    await using client = new H2Client(server.port)
    const stream = client.open(connectTo)
    stream.end('ping')
    expect(await collect(stream)).toMatchObject({ status: 200, body: 'PING', rstCode: 0 })
    expect((await server.exchange()).exchange.request).toMatchObject({
      path: '',
      authority: 'db.test:5432',
    })
  })
})
