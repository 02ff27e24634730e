import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { RawServer } from '../../test/support/raw-socket.ts'
import { waitFor } from '../../test/support/wait.ts'
import { Headers } from '../http/headers.ts'
import { invariants } from '../http/message-writer.ts'
import { RepeatedHeads } from '../http/repeated-head.ts'
import { UNKNOWN_LENGTH } from '../http/request.ts'
import { tickQueue } from '../http/tick-queue.ts'
import type { UpstreamFailure } from './failure.ts'
import { H1Connection } from './h1-connection.ts'
import type { ConnectionOwner } from './h1-owner.ts'
import { H1Settings } from './h1-settings.ts'
import type {
  AttemptObserver,
  UpstreamHandler,
  UpstreamRequest,
  UpstreamStream,
} from './transport.ts'

/** Remembers every callback of one attempt, as handler and as observer. */
class Attempt implements UpstreamHandler, AttemptObserver {
  readonly events: string[] = []
  readonly counts: string[] = []
  stream: UpstreamStream | null = null
  status = 0
  length: number | null = null
  fields: readonly string[] = []
  body = ''
  trailers: readonly string[] | null = null
  failure: UpstreamFailure | null = null
  onReady: ((stream: UpstreamStream) => void) | null = null
  onDrain: (() => void) | null = null

  onUpstreamReady(stream: UpstreamStream): void {
    this.stream = stream
    this.events.push('ready')
    this.onReady?.(stream)
  }
  onUpstreamInformational(status: number): void {
    this.events.push(`info:${status}`)
  }
  onUpstreamHead(status: number, headers: Headers, bodyLength: number): void {
    this.events.push('head')
    this.status = status
    this.fields = headers.fields
    this.length = bodyLength
  }
  onUpstreamBody(chunk: Buffer): void {
    this.body += chunk.toString('latin1')
  }
  onUpstreamEnd(trailers: Headers | null): void {
    this.events.push('end')
    this.trailers = trailers?.fields ?? null
  }
  onUpstreamDrain(): void {
    this.onDrain?.()
  }
  onUpstreamFailure(failure: UpstreamFailure): void {
    this.events.push('failure')
    this.failure = failure
  }
  onAttemptStart(): void {
    this.counts.push('start')
  }
  onAttemptStatus(status: number): void {
    this.counts.push(`status:${status}`)
  }
  onAttemptFailure(failure: UpstreamFailure): void {
    this.counts.push(`failure:${failure.type}`)
  }
  onAttemptEnd(): void {
    this.counts.push('end')
  }
  get over(): boolean {
    return this.counts.includes('end')
  }
}

class Owner implements ConnectionOwner {
  readonly heads = new RepeatedHeads()
  idle = 0
  closed = 0
  onConnectionIdle(): void {
    this.idle++
  }
  onConnectionClosed(): void {
    this.closed++
  }
}

interface Bench {
  readonly backend: RawServer
  readonly connection: H1Connection
  readonly socket: Socket
  readonly owner: Owner
  /** What the backend read. */
  received(): string
  start(request?: Partial<UpstreamRequest>, prepare?: (attempt: Attempt) => void): Attempt
}

const open: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

function request(overrides: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return {
    method: 'GET',
    scheme: 'http',
    authority: 'shop.test',
    target: '/a?b',
    headers: new Headers(['x-a', '1']),
    bodyLength: 0,
    upgrade: null,
    expectsContinue: false,
    clientHttp2: false,
    ...overrides,
  }
}

/** A backend that calls `script` with each socket once its first bytes arrived. */
async function startBench(
  script: (socket: Socket, request: number) => void,
  settings: Partial<H1Settings> = {},
): Promise<Bench> {
  let received = ''
  const backend = await new RawServer((socket) => {
    let requests = 0
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1')
      while (received.split('\r\n\r\n').length - 1 > requests) script(socket, requests++)
    })
  }).listen()
  open.push(() => backend[Symbol.asyncDispose]())
  const socket = connect(backend.port, '127.0.0.1')
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  const owner = new Owner()
  const connection = new H1Connection(socket, new H1Settings(settings), owner)
  open.push(() => connection.close())
  return {
    backend,
    connection,
    socket,
    owner,
    received: () => received,
    start(overrides = {}, prepare = () => {}) {
      const attempt = new Attempt()
      prepare(attempt)
      connection.start(request(overrides), attempt, attempt)
      return attempt
    },
  }
}

function answering(...texts: string[]): (socket: Socket, request: number) => void {
  return (socket, index) => socket.write(texts[index] ?? texts.at(-1)!, 'latin1')
}

/** Writes the texts one after the other, each in pieces that are read apart. */
function inPieces(texts: readonly string[], bytes: number): (socket: Socket) => void {
  const pieces = texts.flatMap((text) => {
    const count = Math.ceil(text.length / bytes)
    return Array.from({ length: count }, (_, i) => text.slice(i * bytes, (i + 1) * bytes))
  })
  return (socket) => {
    const next = (at: number): void => {
      const piece = pieces[at]
      if (piece !== undefined) socket.write(piece, 'latin1', () => setImmediate(next, at + 1))
    }
    next(0)
  }
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

async function finished(attempt: Attempt): Promise<Attempt> {
  await waitFor('the attempt to end', () => attempt.over)
  return attempt
}

describe('requests', () => {
  test('a request without body is one head, and the connection is used again', async () => {
    const bench = await startBench(answering(OK))
    const first = await finished(bench.start())
    expect(bench.received()).toBe('GET /a?b HTTP/1.1\r\nhost: shop.test\r\nx-a: 1\r\n\r\n')
    expect(first).toMatchObject({ status: 200, length: 2, body: 'ok', trailers: null })
    expect(first.events).toEqual(['ready', 'head', 'end'])
    expect(first.counts).toEqual(['start', 'status:200', 'end'])
    expect(first.stream!.reused).toBe(false)
    expect(bench.owner).toMatchObject({ idle: 1, closed: 0 })
    expect(bench.connection.idle).toBe(true)
    const second = await finished(bench.start())
    expect(second.stream!.reused).toBe(true)
    expect(second.body).toBe('ok')
    expect(second.stream!.remote).toBe(`127.0.0.1:${bench.backend.port}`)
  })

  test('an attempt that is given up before its head was written sends nothing', async () => {
    const bench = await startBench(answering(OK))
    const attempt = bench.start()
    attempt.stream!.abort()
    await waitFor('the end', () => bench.owner.closed === 1)
    expect(attempt.counts).toEqual(['start', 'end'])
    expect(bench.received()).toBe('')
  })

  test('a connection that is being served already takes a request', async () => {
    const bench = await startBench(answering(OK))
    const attempts: Attempt[] = []
    tickQueue.schedule(bench.connection)
    tickQueue.schedule({
      queued: false,
      begin: () => attempts.push(bench.start()),
      flush: () => {},
      onTick: () => {},
    })
    await waitFor('the request to begin', () => attempts.length === 1)
    expect((await finished(attempts[0]!)).body).toBe('ok')
  })

  test.each<[string, Partial<UpstreamRequest>, string]>([
    ['POST without body', { method: 'POST' }, 'x-a: 1\r\ncontent-length: 0\r\n\r\n'],
    [
      'te: trailers',
      { headers: new Headers(['te', 'trailers']) },
      'te: trailers\r\nconnection: te\r\n\r\n',
    ],
    [
      'upgrade',
      { upgrade: 'websocket' },
      'x-a: 1\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n',
    ],
    [
      'CONNECT',
      { method: 'CONNECT', authority: 'db.test:1' },
      'CONNECT db.test:1 HTTP/1.1\r\nhost: db.test:1\r\n',
    ],
  ])('%s', async (_name, overrides, expected) => {
    const bench = await startBench(answering(OK))
    bench.start(overrides)
    await waitFor('the head', () => bench.received().includes(expected))
  })

  test('a body of known length follows its head', async () => {
    const bench = await startBench(() => {})
    bench.start({ method: 'POST', bodyLength: 5 }, (attempt) => {
      attempt.onReady = (stream) => {
        stream.sendBody(Buffer.from('he'))
        stream.sendBody(Buffer.from('llo'))
        stream.sendEnd(null)
      }
    })
    await waitFor('the body', () => bench.received().endsWith('content-length: 5\r\n\r\nhello'))
  })

  test('a body of unknown length is chunked, with trailers', async () => {
    const bench = await startBench(() => {})
    bench.start(
      { method: 'POST', bodyLength: UNKNOWN_LENGTH, expectsContinue: true },
      (attempt) => {
        attempt.onReady = (stream) => {
          stream.sendBody(Buffer.from('hello'))
          stream.sendEnd(new Headers(['x-sum', '1']))
        }
      },
    )
    await waitFor('the body', () =>
      bench
        .received()
        .endsWith(
          'expect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n',
        ),
    )
  })

  test.each<[string, (stream: UpstreamStream) => void]>([
    ['longer', (stream) => stream.sendBody(Buffer.from('abcdef'))],
    ['shorter', (stream) => stream.sendEnd(null)],
  ])('a body %s than announced cuts the connection', async (_name, send) => {
    const bench = await startBench(() => {})
    const attempt = bench.start({ method: 'POST', bodyLength: 3 }, (it) => {
      it.onReady = send
    })
    await finished(attempt)
    expect(attempt.failure?.type).toBe('reset-before-headers')
    expect(bench.received()).not.toContain('abc')
    expect(bench.owner.closed).toBe(1)
  })

  test.each<[string, Partial<UpstreamRequest>]>([
    ['a line break in a value', { headers: new Headers(['x', 'a\r\nb: c']) }],
    ['a NUL in a value', { headers: new Headers(['x', 'a\0']) }],
    ['a low byte that becomes LF', { headers: new Headers(['x', '\u010a']) }],
    ['a colon in a name', { headers: new Headers(['x:y', 'a']) }],
    ['a second Host', { headers: new Headers(['host', 'a']) }],
    ['a second framing', { headers: new Headers(['content-length', '1']) }],
    ['a foreign framing', { headers: new Headers(['Transfer-Encoding', 'chunked']) }],
    ['a space in the target', { target: '/a HTTP/1.1' }],
    ['a line break in the target', { target: '/a\r\nx' }],
    ['a line break in the host', { authority: 'a\r\nx: y' }],
    ['a space in the method', { method: 'GET /' }],
  ])('the last check refuses %s', async (_name, overrides) => {
    const bench = await startBench(answering(OK))
    const before = invariants.violations
    const attempt = await finished(bench.start(overrides))
    expect(attempt.failure).toMatchObject({ status: 500, retryable: 'no' })
    expect(attempt.counts).toEqual(['start', 'failure:protocol-error', 'end'])
    expect(invariants.violations).toBe(before + 1)
    expect(bench.received()).toBe('')
    expect(bench.owner).toMatchObject({ idle: 0, closed: 1 })
  })

  test.each<[string, Headers]>([
    ['a line break in a value', new Headers(['x', 'a\r\nb: c'])],
    ['a low byte that becomes LF', new Headers(['x', '\u010a'])],
    ['a framing field', new Headers(['x', '1', 'transfer-encoding', 'chunked'])],
  ])('the last check refuses trailers with %s, and the request has no end', async (_name, bad) => {
    const bench = await startBench(() => {})
    const before = invariants.violations
    const attempt = bench.start({ method: 'POST', bodyLength: UNKNOWN_LENGTH }, (it) => {
      it.onReady = (stream) => void stream.sendBody(Buffer.from('hello'))
    })
    await waitFor('the body', () => bench.received().endsWith('hello\r\n'))
    attempt.stream!.sendEnd(bad)
    expect(attempt.events).toEqual(['ready'])
    await finished(attempt)
    expect(attempt.failure).toMatchObject({ status: 500, retryable: 'no' })
    expect(attempt.counts).toEqual(['start', 'failure:protocol-error', 'end'])
    expect(invariants.violations).toBe(before + 1)
    expect(bench.received()).toMatch(/hello\r\n$/)
    expect(bench.owner).toMatchObject({ idle: 0, closed: 1 })
  })
})

describe('answers', () => {
  test.each<[string, Partial<UpstreamRequest>, string, Partial<Attempt>, boolean]>([
    [
      'chunked',
      {},
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n',
      { body: 'abc', length: UNKNOWN_LENGTH },
      true,
    ],
    [
      'trailers',
      {},
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\ngrpc-status: 0\r\nHost: x\r\n\r\n',
      { trailers: ['grpc-status', '0'] },
      true,
    ],
    [
      'trailers that Connection names',
      {},
      'HTTP/1.1 200 OK\r\nConnection: x-hop\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Hop: 1\r\nX-Sum: 2\r\n\r\n',
      { trailers: ['x-sum', '2'] },
      true,
    ],
    [
      'trailers with underscores, which pass as in heads',
      {},
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx_sum: 0\r\n\r\n',
      { trailers: ['x_sum', '0'] },
      true,
    ],
    ['empty', {}, 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', { body: '', length: 0 }, true],
    [
      'HEAD with a length',
      { method: 'HEAD' },
      'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n',
      { length: 99 },
      true,
    ],
    [
      'HEAD without a length',
      { method: 'HEAD' },
      'HTTP/1.1 200 OK\r\n\r\n',
      { length: UNKNOWN_LENGTH },
      true,
    ],
    ['204', {}, 'HTTP/1.1 204 No Content\r\n\r\n', { length: 0 }, true],
    [
      '304 with a length',
      {},
      'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n',
      { length: 9 },
      true,
    ],
    [
      'close',
      {},
      'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx',
      { body: 'x' },
      false,
    ],
    [
      'keep-alive hint of zero',
      {},
      'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=0\r\nContent-Length: 1\r\n\r\nx',
      { body: 'x' },
      false,
    ],
    ['HTTP/1.0', {}, 'HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx', { body: 'x' }, false],
    [
      'surplus bytes',
      {},
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n',
      { body: 'x' },
      false,
    ],
    [
      'a body behind 204',
      {},
      'HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc',
      { body: '' },
      false,
    ],
    [
      'a body behind HEAD',
      { method: 'HEAD' },
      'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc',
      { body: '' },
      false,
    ],
  ])('%s', async (_name, overrides, answer, expected, reusable) => {
    const bench = await startBench(answering(answer))
    const attempt = await finished(bench.start(overrides))
    expect(attempt).toMatchObject(expected)
    expect(attempt.events).toEqual(['ready', 'head', 'end'])
    expect(bench.owner.idle).toBe(reusable ? 1 : 0)
    await waitFor('the verdict', () => bench.owner.closed === (reusable ? 0 : 1))
  })

  test('not used again while bytes of the request before wait for the backend', async () => {
    const bench = await startBench((socket) => {
      socket.pause()
      socket.write(OK)
    })
    const bytes = 16_000_000
    const attempt = bench.start({ method: 'POST', bodyLength: bytes })
    attempt.stream!.sendBody(Buffer.alloc(bytes))
    attempt.stream!.sendEnd(null)
    await finished(attempt)
    expect(attempt.body).toBe('ok')
    expect(bench.owner).toMatchObject({ idle: 0, closed: 1 })
  })

  test('a body that ends with the connection', async () => {
    const bench = await startBench((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nall of it'))
    const attempt = await finished(bench.start())
    expect(attempt.body).toBe('all of it')
    expect(attempt.events).toEqual(['ready', 'head', 'end'])
    expect(bench.owner).toMatchObject({ idle: 0, closed: 1 })
  })

  test('any answer byte by byte', async () => {
    const answer =
      'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' +
      '3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n'
    const bench = await startBench((socket) => {
      let at = 0
      const next = (): void => {
        if (at === answer.length) return
        socket.write(answer[at++]!, () => setImmediate(next))
      }
      next()
    })
    const attempt = await finished(bench.start())
    expect(attempt).toMatchObject({ status: 200, body: 'abc', trailers: ['x-t', '1'] })
    expect(attempt.events).toEqual(['ready', 'info:103', 'head', 'end'])
  })

  test('100 is passed on only to a client that waits for it', async () => {
    const bench = await startBench(answering(`HTTP/1.1 100 Continue\r\n\r\n${OK}`))
    const plain = await finished(bench.start())
    expect(plain.events).toEqual(['ready', 'head', 'end'])
    const waiting = bench.start({ method: 'POST', bodyLength: 2, expectsContinue: true })
    await finished(waiting)
    expect(waiting.events).toEqual(['ready', 'info:100', 'head', 'end'])
  })

  test('an answer before the end of the request is finished, the connection is not used again', async () => {
    const bench = await startBench(answering('HTTP/1.1 413 Large\r\nContent-Length: 3\r\n\r\nbig'))
    const attempt = bench.start({ method: 'POST', bodyLength: 1000 }, (it) => {
      it.onReady = (stream) => stream.sendBody(Buffer.from('x'))
    })
    await finished(attempt)
    expect(attempt).toMatchObject({ status: 413, body: 'big', failure: null })
    expect(bench.owner).toMatchObject({ idle: 0, closed: 1 })
    expect(attempt.stream!.sendBody(Buffer.from('more'))).toBe(true)
  })

  test('a body on GET costs the connection', async () => {
    const bench = await startBench(answering(OK))
    const attempt = bench.start({ bodyLength: 1 }, (it) => {
      it.onReady = (stream) => {
        stream.sendBody(Buffer.from('x'))
        stream.sendEnd(null)
      }
    })
    await finished(attempt)
    expect(bench.owner).toMatchObject({ idle: 0, closed: 1 })
  })
})

describe('hostile and broken backends', () => {
  const BAD_GATEWAY = { type: 'protocol-error', flag: 'UPE', status: 502, retryable: 'no' }

  test.each<[string, string]>([
    ['garbage', 'hello world\r\n\r\n'],
    ['a TLS alert', '\x15\x03\x01\x00\x02\x02\x46'],
    [
      'CL and TE',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    ['a bad length', 'HTTP/1.1 200 OK\r\nContent-Length: 1e3\r\n\r\n'],
    ['an unknown coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n'],
    ['a head of more than 60 KiB', `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(70_000)}\r\n\r\n`],
    ['too many fields', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(101)}\r\n`],
    ['bare LF', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
    ['an empty line first', '\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
    [
      '101 not asked for',
      'HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    ],
    ['33 informational answers', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(33)],
  ])('%s: 502', async (_name, answer) => {
    const bench = await startBench(answering(answer))
    const attempt = await finished(bench.start())
    expect(attempt.failure).toMatchObject(BAD_GATEWAY)
    expect(attempt.events.at(-1)).toBe('failure')
    expect(attempt.events).not.toContain('head')
    expect(bench.owner).toMatchObject({ idle: 0, closed: 1 })
  })

  const HINT = `HTTP/1.1 103 Early Hints\r\nLink: ${'x'.repeat(970)}\r\n\r\n`
  test.each<[string, number, number, boolean]>([
    ['as many bytes as may be, each head in one piece', 1, 3 * HINT.length, true],
    ['one byte more, each head in one piece', 1, 3 * HINT.length - 1, false],
    ['as many bytes as may be, each head in pieces', 3, 3 * HINT.length, true],
    ['one byte more, each head in pieces', 3, 3 * HINT.length - 1, false],
  ])('informational answers, %s', async (_name, pieces, maxInformationalBytes, passes) => {
    const bench = await startBench(
      inPieces([HINT, HINT, HINT, OK], Math.ceil(HINT.length / pieces)),
      { maxInformationalBytes },
    )
    for (let request = 0; request < 2 && bench.connection.idle; request++) {
      const attempt = await finished(bench.start())
      expect(attempt.events.at(-1)).toBe(passes ? 'end' : 'failure')
      if (!passes) expect(attempt.failure).toMatchObject(BAD_GATEWAY)
    }
  })

  test('101 to another protocol: 502', async () => {
    const bench = await startBench(
      answering('HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n'),
    )
    const attempt = await finished(bench.start({ upgrade: 'websocket' }))
    expect(attempt.failure).toMatchObject(BAD_GATEWAY)
  })

  test('a malformed chunk within the body fails it', async () => {
    const bench = await startBench(
      answering('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n'),
    )
    const attempt = await finished(bench.start())
    expect(attempt.events).toEqual(['ready', 'head', 'failure'])
    expect(attempt.failure).toMatchObject(BAD_GATEWAY)
    expect(attempt.counts).toEqual(['start', 'status:200', 'failure:protocol-error', 'end'])
  })

  test.each<[string, (socket: Socket) => void, object]>([
    [
      'FIN without a byte',
      (it) => it.end(),
      { type: 'reset-before-headers', flag: 'UC', status: 503, retryable: 'if-reused' },
    ],
    [
      'reset without a byte',
      (it) => it.resetAndDestroy(),
      { type: 'reset-before-headers', retryable: 'if-reused' },
    ],
    [
      'FIN within the head',
      (it) => it.end('HTTP/1.1 20'),
      { type: 'reset-before-headers', retryable: 'no' },
    ],
    [
      'FIN within the body',
      (it) => it.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc'),
      { type: 'reset-after-headers', flag: 'UC', retryable: 'no' },
    ],
    [
      'FIN within a chunked body',
      (it) => it.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n'),
      { type: 'reset-after-headers' },
    ],
  ])('%s', async (_name, script, expected) => {
    const bench = await startBench(script)
    const attempt = await finished(bench.start())
    expect(attempt.failure).toMatchObject(expected)
    expect(attempt.events.filter((it) => it === 'failure' || it === 'end')).toEqual(['failure'])
    await waitFor('the close', () => bench.owner.closed === 1)
  })

  test('bytes on an idle connection end it', async () => {
    const bench = await startBench((socket) => {
      socket.write(OK)
      setTimeout(() => socket.write('HTTP/1.1 200 OK\r\n\r\n'), 20)
    })
    await finished(bench.start())
    expect(bench.owner).toMatchObject({ idle: 1, closed: 0 })
    await waitFor('the close', () => bench.owner.closed === 1)
    expect(bench.connection.idle).toBe(false)
  })

  test('bytes that come before a request is sent are no answer to it', async () => {
    const bench = await startBench(answering(OK))
    await finished(bench.start())
    const sent = bench.received()
    const attempt = bench.start()
    bench.socket.emit('data', Buffer.from(OK))
    expect(attempt.failure).toMatchObject({
      type: 'reset-before-headers',
      retryable: 'if-reused',
      flag: 'UC',
    })
    expect(attempt.counts).toEqual(['start', 'failure:reset-before-headers', 'end'])
    await waitFor('the close', () => bench.backend.sockets[0]!.readableEnded)
    expect(bench.received()).toBe(sent)
    expect(bench.owner).toMatchObject({ idle: 1, closed: 1 })
  })

  test('a backend that closes an idle connection is noticed', async () => {
    const bench = await startBench((socket) => {
      socket.write(OK)
      setTimeout(() => socket.end(), 20)
    })
    await finished(bench.start())
    await waitFor('the close', () => bench.owner.closed === 1)
    expect(bench.connection.idle).toBe(false)
  })
})

describe('flow and abort', () => {
  test('abort() calls nothing back, ends the attempt once and cuts the connection', async () => {
    const bench = await startBench(() => {})
    const attempt = bench.start()
    attempt.stream!.abort()
    attempt.stream!.abort()
    expect(attempt.counts).toEqual(['start', 'end'])
    expect(bench.owner.closed).toBe(1)
    await waitFor('the backend to notice', () => bench.backend.sockets[0]?.readableEnded)
    expect(attempt.events).toEqual(['ready'])
  })

  test('a response can be paused', async () => {
    const size = 8_000_000
    const bench = await startBench((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
      socket.write('x'.repeat(size))
    })
    const attempt = bench.start()
    await waitFor('the first bytes', () => attempt.body.length > 0)
    attempt.stream!.pauseResponse()
    const held = attempt.body.length
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(attempt.body.length).toBe(held)
    attempt.stream!.resumeResponse()
    await finished(attempt)
    expect(attempt.body.length).toBe(size)
    expect(bench.owner.idle).toBe(1)
  })

  test('a large upload waits for the backend', async () => {
    const size = 16 * 1024 * 1024
    let got = 0
    const backend = await new RawServer((socket) => {
      socket.pause()
      setTimeout(() => socket.resume(), 50)
      socket.on('data', (chunk: Buffer) => {
        got += chunk.length
        if (got > size) socket.write(OK)
      })
    }).listen()
    open.push(() => backend[Symbol.asyncDispose]())
    const socket = connect(backend.port, '127.0.0.1')
    await new Promise<void>((resolve) => socket.once('connect', resolve))
    const owner = new Owner()
    const connection = new H1Connection(socket, new H1Settings(), owner)
    open.push(() => connection.close())
    const attempt = new Attempt()
    const chunk = Buffer.alloc(65_536)
    let left = size
    let waits = 0
    const pump = (): void => {
      while (left > 0) {
        left -= chunk.length
        if (attempt.stream!.sendBody(chunk)) continue
        waits++
        return
      }
      attempt.stream!.sendEnd(null)
    }
    attempt.onReady = pump
    attempt.onDrain = pump
    connection.start(request({ method: 'POST', bodyLength: size }), attempt, attempt)
    await finished(attempt)
    expect(waits).toBeGreaterThan(0)
    expect(attempt.status).toBe(200)
    expect(owner.idle).toBe(1)
  })
})

describe('tunnels', () => {
  test('101: bytes both ways, half-closes on both sides', async () => {
    const bench = await startBench((socket) => {
      socket.write(
        'HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-B: 1\r\n\r\nhello',
      )
      socket.on('end', () => socket.end('bye'))
    })
    const attempt = bench.start({ upgrade: 'websocket' })
    await waitFor('the tunnel', () => attempt.body === 'hello')
    expect(attempt.fields).toEqual(['x-b', '1'])
    attempt.stream!.sendBody(Buffer.from('ping'))
    await waitFor('the bytes', () => bench.received().endsWith('ping'))
    attempt.stream!.sendEnd(null)
    await finished(attempt)
    expect(attempt.body).toBe('hellobye')
    expect(attempt.events).toEqual(['ready', 'head', 'end'])
    expect(attempt.counts).toEqual(['start', 'status:101', 'end'])
    await waitFor('the close', () => bench.owner.closed === 1)
    expect(bench.owner.idle).toBe(0)
  })

  test('CONNECT 2xx opens a tunnel, even with a length', async () => {
    const bench = await startBench(
      answering('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nraw bytes'),
    )
    const attempt = bench.start({ method: 'CONNECT', authority: 'db.test:1' })
    await waitFor('the tunnel', () => attempt.body === 'raw bytes')
    expect(attempt.status).toBe(200)
  })

  test('a refused upgrade is an ordinary answer', async () => {
    const bench = await startBench(answering(OK))
    const attempt = await finished(bench.start({ upgrade: 'websocket' }))
    expect(attempt).toMatchObject({ status: 200, body: 'ok' })
  })

  test.each(['client', 'backend'] as const)(
    'a tunnel that the %s alone uses stays',
    async (who) => {
      const bytes = 12
      const bench = await startBench(
        (socket) => {
          socket.write('HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
          if (who === 'backend') send(() => void socket.write('b'))
        },
        { tunnelIdleTimeoutMs: 300 },
      )
      const attempt = bench.start({ upgrade: 'websocket' })
      await waitFor('the tunnel', () => attempt.status === 101)
      if (who === 'client') send(() => void attempt.stream!.sendBody(Buffer.from('c')))
      const sent = (): string => (who === 'client' ? bench.received() : attempt.body)
      await waitFor('all bytes', () => sent().endsWith(who[0]!.repeat(bytes)))
      expect(attempt.over).toBe(false)
      await waitFor('the end of an idle tunnel', () => attempt.over)

      function send(one: () => void): void {
        let left = bytes
        const timer = setInterval(() => {
          one()
          if (--left === 0) clearInterval(timer)
        }, 50)
      }
    },
  )

  test('an idle tunnel is closed', async () => {
    const bench = await startBench(
      answering('HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
      { tunnelIdleTimeoutMs: 40 },
    )
    const attempt = await finished(bench.start({ upgrade: 'websocket' }))
    expect(attempt.failure?.type).toBe('reset-after-headers')
  })
})
