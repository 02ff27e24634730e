import {
  constants,
  createServer,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings,
} from 'node:http2'
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { upstreamRequest } from '../../test/support/upstream-call.ts'
import {
  END_STREAM,
  frame,
  PREFACE,
  readFrames,
  RST_STREAM,
  SETTINGS,
  type SeenFrame,
} from '../../test/support/h2-frames.ts'
import { waitFor } from '../../test/support/wait.ts'
import { Headers } from '../http/headers.ts'
import { invariants } from '../http/message-writer.ts'
import { UNKNOWN_LENGTH } from '../http/request.ts'
import type { UpstreamFailure } from './failure.ts'
import { H2ConnectionSettings } from './h2-connection-settings.ts'
import { H2Connection } from './h2-connection.ts'
import type {
  AttemptObserver,
  UpstreamHandler,
  UpstreamRequest,
  UpstreamStream,
} from './transport.ts'

/** Records one attempt. Every callback but ready has to come later than start(). */
class Call implements UpstreamHandler, AttemptObserver {
  readonly stream: UpstreamStream
  readonly events: string[] = []
  headers: readonly string[] = []
  bodyLength = -9
  body = ''
  bodyBytes = 0
  trailers: readonly string[] | null = null
  failure: UpstreamFailure | null = null
  starts = 0
  ends = 0
  statuses: number[] = []
  failures = 0
  onReady: (stream: UpstreamStream) => void = () => {}
  onDrain: () => void = () => {}
  onHead: () => void = () => {}
  #starting = true

  constructor(
    connection: H2Connection,
    request: Partial<UpstreamRequest> = {},
    onReady?: (stream: UpstreamStream) => void,
  ) {
    if (onReady) this.onReady = onReady
    this.stream = connection.start(upstreamRequest(request), this, this)
    this.#starting = false
  }

  get over(): boolean {
    return this.ends > 0
  }

  onUpstreamReady(stream: UpstreamStream): void {
    this.events.push('ready')
    this.onReady(stream)
  }

  onUpstreamInformational(status: number, headers: Headers): void {
    this.#note(`${status} ${headers.fields.join(' ')}`)
  }

  onUpstreamHead(status: number, headers: Headers, bodyLength: number): void {
    this.#note(`head ${status}`)
    this.headers = headers.fields
    this.bodyLength = bodyLength
    this.onHead()
  }

  onUpstreamBody(chunk: Buffer): void {
    if (this.bodyBytes === 0) this.#note('body')
    this.bodyBytes += chunk.length
    if (this.bodyBytes < 65_536) this.body += chunk.toString('latin1')
  }

  onUpstreamEnd(trailers: Headers | null): void {
    this.#note('end')
    this.trailers = trailers?.fields ?? null
  }

  onUpstreamDrain(): void {
    this.onDrain()
  }

  onUpstreamFailure(failure: UpstreamFailure): void {
    this.#note(`failure ${failure.type}`)
    this.failure = failure
  }

  onAttemptStart(): void {
    this.starts++
  }

  onAttemptStatus(status: number): void {
    this.statuses.push(status)
  }

  onAttemptFailure(): void {
    this.failures++
  }

  onAttemptEnd(): void {
    this.ends++
  }

  #note(event: string): void {
    this.events.push(this.#starting ? `${event} (too early)` : event)
  }
}

/** A node:http2 server, and our connection to it. */
class Fixture implements AsyncDisposable {
  readonly connection: H2Connection
  readonly sessions: ServerHttp2Session[]
  readonly log: string[] = []
  readonly calls: Call[] = []
  readonly #server: Http2Server

  private constructor(
    server: Http2Server,
    sessions: ServerHttp2Session[],
    socket: Socket,
    settings: Partial<H2ConnectionSettings>,
  ) {
    this.#server = server
    this.sessions = sessions
    this.connection = new H2Connection(socket, new H2ConnectionSettings(settings), {
      onConnectionStreamFreed: () => this.log.push('freed'),
      onConnectionDraining: () => this.log.push('draining'),
      onConnectionClosed: () => this.log.push('closed'),
    })
  }

  static async start(
    answer: (stream: ServerHttp2Stream, rawHeaders: string[]) => void,
    settings: Partial<H2ConnectionSettings> = {},
    serverSettings: Settings = {},
  ): Promise<Fixture> {
    const sessions: ServerHttp2Session[] = []
    const server = createServer({ settings: serverSettings })
    server.on('session', (session) => {
      session.on('error', () => {})
      sessions.push(session)
    })
    server.on(
      'stream',
      (stream: ServerHttp2Stream, _headers: unknown, _flags: number, raw: string[]) => {
        stream.on('error', () => {})
        answer(stream, raw)
      },
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const socket = await dial((server.address() as AddressInfo).port)
    return new Fixture(server, sessions, socket, settings)
  }

  call(request: Partial<UpstreamRequest> = {}, onReady?: (stream: UpstreamStream) => void): Call {
    const call = new Call(this.connection, request, onReady)
    this.calls.push(call)
    return call
  }

  async finished(call: Call): Promise<Call> {
    await waitFor('the attempt to end', () => call.over)
    return call
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.connection.close()
    this.connection.close()
    for (const session of this.sessions) session.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
    await waitFor('closed', () => this.log.includes('closed'))
    expect(this.connection.activeStreams).toBe(0)
    expect(this.connection.availableStreams).toBe(0)
    expect(this.log.filter((event) => event === 'closed')).toHaveLength(1)
    for (const call of this.calls) {
      expect([call.starts, call.ends]).toEqual([1, 1])
      expect(call.failures).toBe(call.failure === null ? 0 : 1)
      expect(call.events.filter((event) => event.endsWith('(too early)'))).toEqual([])
    }
  }
}

async function dial(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  return socket
}

function hint(stream: ServerHttp2Stream, times: number): void {
  for (let i = 0; i < times; i++) {
    stream.additionalHeaders({ ':status': 103, link: `</${i % 10}>` })
  }
}

function echo(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200 })
  stream.pipe(stream)
}

describe('requests and responses', () => {
  it('carries fields, repeated ones too, and a body of known length', async () => {
    let seen: string[] = []
    await using fixture = await Fixture.start((stream, raw) => {
      seen = raw
      stream.respond([
        ':status',
        '201',
        'set-cookie',
        'a',
        'x',
        '1',
        'set-cookie',
        'b',
        'content-length',
        '5',
      ])
      stream.end('hello')
    })
    const headers = new Headers([
      'x-a',
      '1',
      'cookie',
      'c',
      'x-a',
      '2',
      'te',
      'trailers',
      'keep-alive',
      'timeout=5',
      'te',
      'gzip',
    ])
    const call = await fixture.finished(
      fixture.call(
        { method: 'POST', target: '/p?q=1', authority: 'a.test', headers, bodyLength: 3 },
        (stream) => {
          stream.sendBody(Buffer.from('abc'))
          stream.sendEnd(null)
        },
      ),
    )
    expect(seen).toEqual([
      ':method',
      'POST',
      ':scheme',
      'http',
      ':authority',
      'a.test',
      ':path',
      '/p?q=1',
      'x-a',
      '1',
      'cookie',
      'c',
      'x-a',
      '2',
      'te',
      'trailers',
      'content-length',
      '3',
    ])
    expect(call.events).toEqual(['ready', 'head 201', 'body', 'end'])
    expect(call.headers.slice(0, 6)).toEqual(['set-cookie', 'a', 'x', '1', 'set-cookie', 'b'])
    expect(call).toMatchObject({ bodyLength: 5, body: 'hello', trailers: null, statuses: [201] })
    expect(call.stream.remote).toMatch(/^127\.0\.0\.1:\d+$/)
    expect(call.stream.reused).toBe(false)
    expect(fixture.call().stream.reused).toBe(true)
  })

  it('carries trailers both ways', async () => {
    const seen: unknown[] = []
    await using fixture = await Fixture.start((stream) => {
      stream.on('trailers', (_headers: unknown, _flags: number, raw: string[]) => seen.push(raw))
      stream.respond({ ':status': 200 }, { waitForTrailers: true })
      stream.on('wantTrailers', () =>
        stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': 'ok' }),
      )
      stream.pipe(stream)
    })
    const call = await fixture.finished(
      fixture.call({ method: 'POST', bodyLength: UNKNOWN_LENGTH }, (stream) => {
        stream.sendBody(Buffer.from('m'))
        stream.sendEnd(new Headers(['x-sum', '9']))
      }),
    )
    expect(call).toMatchObject({
      body: 'm',
      bodyLength: UNKNOWN_LENGTH,
      trailers: ['grpc-status', '0', 'grpc-message', 'ok'],
    })
    expect(seen).toEqual([['x-sum', '9']])
  })

  it('tells a trailers-only answer by its length', async () => {
    await using fixture = await Fixture.start((stream) => {
      stream.respond({ ':status': 200, 'grpc-status': '12' }, { endStream: true })
    })
    const call = await fixture.finished(fixture.call())
    expect(call).toMatchObject({ bodyLength: 0, body: '', trailers: null })
    expect(call.headers.slice(0, 2)).toEqual(['grpc-status', '12'])
    expect(call.events).toEqual(['ready', 'head 200', 'end'])
  })

  it('keeps the content-length of HEAD', async () => {
    await using fixture = await Fixture.start((stream) =>
      stream.respond({ ':status': 200, 'content-length': '77' }, { endStream: true }),
    )
    const call = await fixture.finished(fixture.call({ method: 'HEAD' }))
    expect(call).toMatchObject({ bodyLength: 77, body: '', failure: null })
  })

  it('passes 1xx on', async () => {
    await using fixture = await Fixture.start((stream) => {
      hint(stream, 2)
      echo(stream)
    })
    const call = await fixture.finished(fixture.call())
    expect(call.events).toEqual(['ready', '103 link </0>', '103 link </1>', 'head 200', 'end'])
  })

  // `:status` with 103 and `link` with </0>, each with 32 bytes more (RFC 9113 6.5.2).
  const HINT_BYTES = 10 + 32 + 8 + 32
  it.each<[string, Partial<H2ConnectionSettings>, number, boolean]>([
    ['as many as may be', { maxInformational: 3 }, 3, true],
    ['one more', { maxInformational: 3 }, 4, false],
    ['the default number', {}, 32, true],
    ['one more than that', {}, 33, false],
    ['as many bytes as may be', { maxInformationalBytes: 3 * HINT_BYTES }, 3, true],
    ['one byte more', { maxInformationalBytes: 3 * HINT_BYTES - 1 }, 3, false],
  ])('informational answers, %s', async (_name, settings, count, passes) => {
    await using fixture = await Fixture.start((stream) => {
      hint(stream, count)
      echo(stream)
    }, settings)
    const call = await fixture.finished(fixture.call())
    expect(call.statuses).toEqual(passes ? [200] : [])
    if (passes) expect(call.events).toHaveLength(count + 3)
    else expect(call.failure).toMatchObject({ type: 'protocol-error', status: 502 })
    // Each request may have so many.
    expect((await fixture.finished(fixture.call())).failure === null).toBe(passes)
  })

  it('passes 100 on only to a client that waits for it', async () => {
    await using fixture = await Fixture.start((stream) => {
      stream.additionalHeaders({ ':status': 100 })
      hint(stream, 1)
      echo(stream)
    })
    const plain = await fixture.finished(fixture.call())
    expect(plain.events).toEqual(['ready', '103 link </0>', 'head 200', 'end'])
    const waiting = fixture.call({ method: 'PUT', bodyLength: 0, expectsContinue: true })
    await fixture.finished(waiting)
    expect(waiting.events).toEqual(['ready', '100 ', '103 link </0>', 'head 200', 'end'])
  })

  it('counts each 100 that nobody waits for', async () => {
    await using fixture = await Fixture.start((stream) => {
      for (let i = 0; i < 33; i++) stream.additionalHeaders({ ':status': 100 })
      echo(stream)
    })
    const call = await fixture.finished(fixture.call())
    expect(call.failure).toMatchObject({ type: 'protocol-error', status: 502 })
  })

  it('asks for 100-continue when the client did', async () => {
    await using fixture = await Fixture.start((stream, raw) => {
      expect(raw).toContain('100-continue')
      stream.additionalHeaders({ ':status': 100 })
      echo(stream)
    })
    const call = fixture.call({ method: 'PUT', bodyLength: 2, expectsContinue: true })
    await waitFor('100', () => call.events.includes('100 '))
    call.stream.sendBody(Buffer.from('ok'))
    call.stream.sendEnd(null)
    expect((await fixture.finished(call)).body).toBe('ok')
  })

  it('tunnels CONNECT', async () => {
    await using fixture = await Fixture.start((stream, raw) => {
      expect(raw).toEqual([':method', 'CONNECT', ':authority', 'db.test:5432'])
      echo(stream)
    })
    const call = fixture.call({ method: 'CONNECT', authority: 'db.test:5432' })
    await waitFor('head', () => call.statuses.length > 0)
    call.stream.sendBody(Buffer.from('ping'))
    await waitFor('pong', () => call.body === 'ping')
    call.stream.sendEnd(null)
    await fixture.finished(call)
    expect(call.events.at(-1)).toBe('end')
  })

  it('refuses upgrades, which HTTP/2 does not have', async () => {
    await using fixture = await Fixture.start(echo)
    const call = await fixture.finished(fixture.call({ upgrade: 'websocket' }))
    expect(call.failure?.type).toBe('protocol-error')
  })
})

describe('the last check', () => {
  it.each<[string, Partial<UpstreamRequest>]>([
    ['a line break in a value', { headers: new Headers(['x', 'a\r\nb: c']) }],
    ['a NUL in a value', { headers: new Headers(['x', 'a\0b']) }],
    ['a low byte that becomes LF', { headers: new Headers(['x', '\u010a']) }],
    ['a colon in a name', { headers: new Headers(['x:y', 'a']) }],
    ['a NUL in a name', { headers: new Headers(['x\0y', 'a']) }],
    ['a pseudo field', { headers: new Headers([':path', '/admin']) }],
    ['a second Host', { headers: new Headers(['host', 'a']) }],
    ['a second Host, spelled otherwise', { headers: new Headers(['Host', 'a']) }],
    ['a second framing', { bodyLength: 1, headers: new Headers(['content-length', '1']) }],
    ['a foreign framing', { headers: new Headers(['Transfer-Encoding', 'chunked']) }],
    ['a connection option', { headers: new Headers(['connection', 'close']) }],
    ['a space in the target', { target: '/a HTTP/1.1' }],
    ['a NUL in the target', { target: '/a\0x' }],
    ['an empty target', { target: '' }],
    ['a line break in the host', { authority: 'a\r\nx: y' }],
    ['a host beyond latin1', { authority: 'a\u010a' }],
    ['a tunnel to nowhere', { method: 'CONNECT', authority: '' }],
    ['a space in the method', { method: 'GET /' }],
  ])('refuses %s', async (_name, overrides) => {
    let requests = 0
    await using fixture = await Fixture.start((stream) => {
      requests++
      echo(stream)
    })
    const before = invariants.violations
    const call = fixture.call(overrides)
    expect(fixture.connection.activeStreams).toBe(1)
    await fixture.finished(call)
    expect(call.failure).toMatchObject({ type: 'protocol-error', status: 500, retryable: 'no' })
    expect(call.events).toEqual(['failure protocol-error'])
    expect(invariants.violations).toBe(before + 1)
    expect(fixture.connection.activeStreams).toBe(0)
    expect(fixture.log).toContain('freed')
    // Streams beside it go on, and what they are answered comes after whatever was sent before.
    expect((await fixture.finished(fixture.call())).statuses).toEqual([200])
    expect(requests).toBe(1)
  })

  it('lets one that was given up be', async () => {
    await using fixture = await Fixture.start(echo)
    const call = fixture.call({ target: '' })
    call.stream.abort()
    await waitFor('freed', () => fixture.log.includes('freed'))
    expect(call.events).toEqual([])
  })
})

describe('flow control', () => {
  it('holds a response back while it is paused', async () => {
    const size = 1_000_000
    await using fixture = await Fixture.start((stream) => {
      stream.respond({ ':status': 200 })
      stream.end(Buffer.alloc(size))
    })
    const call = fixture.call()
    call.onHead = () => call.stream.pauseResponse()
    await waitFor('head', () => call.statuses.length > 0)
    const before = call.bodyBytes
    const second = await fixture.finished(fixture.call({ method: 'HEAD' }))
    expect(second.statuses).toEqual([200])
    expect([before, call.bodyBytes]).toEqual([0, 0])
    call.stream.resumeResponse()
    await fixture.finished(call)
    expect(call.bodyBytes).toBe(size)
  })

  it('says stop at 32 KiB to a sender whose upstream does not read, and drain when it does', async () => {
    let server: ServerHttp2Stream | null = null
    let received = 0
    await using fixture = await Fixture.start((stream) => {
      server = stream
      stream.respond({ ':status': 200 })
    })
    const chunk = Buffer.alloc(16_384)
    const total = 40 * chunk.length
    let sent = 0
    const call = fixture.call({ method: 'POST', bodyLength: total })
    const fill = (): void => {
      while (sent < total) {
        sent += chunk.length
        if (!call.stream.sendBody(chunk)) return
      }
      call.stream.sendEnd(null)
    }
    call.onDrain = fill
    fill()
    const stream = await waitFor('the stream', () => server)
    // A round trip later nothing more has gone out.
    await new Promise((resolve) => fixture.sessions[0]?.ping(resolve))
    expect(sent).toBeLessThanOrEqual(65_536 + 32_768 + 2 * chunk.length)
    stream.on('data', (data: Buffer) => {
      received += data.length
    })
    stream.on('end', () => stream.end())
    await fixture.finished(call)
    expect(received).toBe(total)
  })
})

describe('failures', () => {
  const cases: [string, (stream: ServerHttp2Stream) => void, Partial<UpstreamFailure>][] = [
    [
      'REFUSED_STREAM',
      (stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM),
      { type: 'refused-stream', retryable: 'always' },
    ],
    [
      'a reset before the head',
      (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
      { type: 'reset-before-headers', flag: 'UR' },
    ],
    [
      'a cancel before the head',
      (stream) => stream.close(constants.NGHTTP2_CANCEL),
      { type: 'reset-before-headers', flag: 'UR' },
    ],
    [
      'a reset after the head',
      (stream) => {
        stream.respond({ ':status': 200 })
        stream.write('part', () => stream.destroy(new Error('cut')))
      },
      { type: 'reset-after-headers', retryable: 'no' },
    ],
    [
      'a reset with NO_ERROR in the middle of the body',
      (stream) => {
        stream.respond({ ':status': 200 })
        stream.write('part', () => setImmediate(() => stream.destroy()))
      },
      { type: 'reset-after-headers', flag: 'UR' },
    ],
    [
      'a lost connection before the head',
      (stream) => stream.session?.socket.destroy(),
      { type: 'reset-before-headers', flag: 'UC', retryable: 'if-reused' },
    ],
    [
      'a lost connection after the head',
      (stream) => {
        stream.respond({ ':status': 200 })
        stream.write('part', () => setImmediate(() => stream.session?.destroy()))
      },
      { type: 'reset-after-headers' },
    ],
    [
      'GOAWAY with an error that covers the stream',
      (stream) => {
        stream.session?.goaway(constants.NGHTTP2_INTERNAL_ERROR, stream.id ?? 0)
      },
      { type: 'reset-before-headers' },
    ],
    [
      'GOAWAY with an error before the stream was processed',
      (stream) => {
        stream.session?.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 2 ** 31 - 1)
      },
      { type: 'reset-before-headers' },
    ],
  ]

  it.each(cases)('%s', async (_name, answer, failure) => {
    await using fixture = await Fixture.start(answer)
    const call = await fixture.finished(fixture.call())
    expect(call.failure).toMatchObject(failure)
    expect(call.stream.sendBody(Buffer.from('late'))).toBe(true)
    call.stream.sendEnd(null)
    call.stream.abort()
  })

  it('a connection without room refuses at once and is not used', async () => {
    await using fixture = await Fixture.start(() => {}, { maxConcurrentStreams: 1 })
    const first = fixture.call()
    expect(fixture.connection.availableStreams).toBe(0)
    const second = await fixture.finished(fixture.call())
    expect(second.failure).toMatchObject({ type: 'refused-stream', retryable: 'always' })
    first.stream.abort()
    await waitFor('room', () => fixture.connection.availableStreams === 1)
    expect(fixture.log).toContain('freed')
  })

  it('bytes that are no HTTP/2 fail the attempts as protocol errors', async () => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => {})
      socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const log: string[] = []
    const connection = new H2Connection(
      await dial((server.address() as AddressInfo).port),
      new H2ConnectionSettings(),
      {
        onConnectionStreamFreed: () => {},
        onConnectionDraining: () => {},
        onConnectionClosed: () => log.push('closed'),
      },
    )
    const call = new Call(connection)
    await waitFor('failure', () => call.failure)
    expect(call.failure?.type).toBe('protocol-error')
    await waitFor('closed', () => log.length === 1)
    server.close()
  })

  it('a peer that no longer answers PING is given up', async () => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => {})
      socket.write(Buffer.from('000000040000000000', 'hex'))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const log: string[] = []
    const settings = new H2ConnectionSettings({ pingIntervalMs: 30, pingTimeoutMs: 30 })
    const connection = new H2Connection(
      await dial((server.address() as AddressInfo).port),
      settings,
      {
        onConnectionStreamFreed: () => {},
        onConnectionDraining: () => {},
        onConnectionClosed: () => log.push('closed'),
      },
    )
    const call = new Call(connection)
    await waitFor('failure', () => call.failure)
    expect(call.failure).toMatchObject({ type: 'reset-before-headers', flag: 'UC' })
    await waitFor('closed', () => log.length === 1)
    server.close()
  })
})

describe('streams and connections', () => {
  it('takes the limit of the peer when its SETTINGS come', async () => {
    await using fixture = await Fixture.start(() => {}, {}, { maxConcurrentStreams: 3 })
    expect(fixture.connection.availableStreams).toBe(100)
    await waitFor('the limit', () => fixture.connection.availableStreams === 3)
    const calls = [fixture.call(), fixture.call(), fixture.call()]
    expect(fixture.connection.availableStreams).toBe(0)
    expect(fixture.connection.activeStreams).toBe(3)
    for (const call of calls) call.stream.abort()
    await waitFor('room', () => fixture.connection.availableStreams === 3)
  })

  it('GOAWAY lets running streams finish, takes no new ones and then closes', async () => {
    let running: ServerHttp2Stream | null = null
    await using fixture = await Fixture.start((stream) => {
      running = stream
      stream.session?.close()
    })
    const call = fixture.call()
    await waitFor('draining', () => fixture.log.includes('draining'))
    expect(fixture.connection.availableStreams).toBe(0)
    const refused = await fixture.finished(fixture.call())
    expect(refused.failure?.type).toBe('refused-stream')
    // Set in a callback, which the type checker does not follow: it takes `running` for null.
    const stream = running as unknown as ServerHttp2Stream
    stream.respond({ ':status': 200 })
    stream.end('done')
    expect((await fixture.finished(call)).body).toBe('done')
    await waitFor('closed', () => fixture.log.includes('closed'))
  })

  it('streams behind the last one of a GOAWAY may always be retried', async () => {
    await using fixture = await Fixture.start((stream) => {
      // The first stream is the last one processed.
      if (stream.id === 3) stream.session?.goaway(constants.NGHTTP2_INTERNAL_ERROR, 1)
    })
    const [first, second] = [fixture.call(), fixture.call()]
    await fixture.finished(first)
    await fixture.finished(second)
    expect(first.failure?.type).toBe('reset-before-headers')
    expect(second.failure).toMatchObject({ type: 'refused-stream', retryable: 'always' })
  })

  it('an idle connection says that it is gone', async () => {
    await using fixture = await Fixture.start(() => {})
    await waitFor('a session', () => fixture.sessions[0])
    fixture.sessions[0]?.close()
    await waitFor('closed', () => fixture.log.includes('closed'))
    expect(fixture.log).toContain('draining')
  })

  it('abort resets the stream without END_STREAM and frees it', async () => {
    let received: Buffer = Buffer.alloc(0)
    const server = createTcpServer((socket) => {
      socket.on('error', () => {})
      socket.write(frame(SETTINGS, 0, 0, Buffer.alloc(0)))
      socket.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk])
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const connection = new H2Connection(
      await dial((server.address() as AddressInfo).port),
      new H2ConnectionSettings(),
      {
        onConnectionStreamFreed: () => {},
        onConnectionDraining: () => {},
        onConnectionClosed: () => {},
      },
    )
    const call = new Call(connection, { method: 'POST', bodyLength: UNKNOWN_LENGTH }, (stream) =>
      stream.sendBody(Buffer.from('part')),
    )
    await waitFor('the body', () => received.includes('part'))
    call.stream.abort()
    await waitFor('freed', () => connection.activeStreams === 0)
    const frames = await waitFor('the reset', () => {
      const seen: SeenFrame[] = []
      readFrames(received.subarray(PREFACE.length), seen)
      return seen.some((each) => each.type === RST_STREAM) ? seen : null
    })
    const ofStream = frames.filter((each) => each.stream === 1 && each.type !== RST_STREAM)
    expect(ofStream.map((each) => each.flags & END_STREAM)).toEqual([0, 0])
    expect(frames.find((each) => each.type === RST_STREAM)?.payload.readUInt32BE(0)).toBe(
      constants.NGHTTP2_CANCEL,
    )
    expect(call.events).toEqual(['ready'])
    connection.close()
    server.close()
  })

  it('an answer before the end of the request ends the attempt and the request', async () => {
    let rstCode: number | undefined
    await using fixture = await Fixture.start((stream) => {
      stream.on('close', () => {
        rstCode = stream.rstCode
      })
      stream.respond({ ':status': 413 })
      stream.end('too much')
    })
    const call = fixture.call({ method: 'POST', bodyLength: UNKNOWN_LENGTH }, (stream) =>
      stream.sendBody(Buffer.from('part')),
    )
    await fixture.finished(call)
    expect(call).toMatchObject({ statuses: [413], body: 'too much', failure: null })
    await waitFor(
      'the stream to go',
      () => fixture.connection.activeStreams === 0 && rstCode !== undefined,
    )
  })

  it('abort within onUpstreamReady is heard', async () => {
    await using fixture = await Fixture.start(echo)
    const call = fixture.call({}, (stream) => stream.abort())
    await waitFor('freed', () => fixture.connection.activeStreams === 0)
    expect(call.events).toEqual(['ready'])
  })
})
