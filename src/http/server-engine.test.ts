import { afterEach, describe, expect, test } from 'vitest'
import { freePages } from '../../test/support/free-pages.ts'
import { RawServer, RawSocket } from '../../test/support/raw-socket.ts'
import { waitFor } from '../../test/support/wait.ts'
import type { AbortReason, DownstreamExchange, ExchangeHandler } from './exchange.ts'
import { Headers } from './headers.ts'
import { HttpSettings } from './http-settings.ts'
import { invariants } from './message-writer.ts'
import { UNKNOWN_LENGTH } from './request.ts'
import { HttpServerEngine, type HttpServerOptions } from './server-engine.ts'
import { isVolatile } from './socket-reads.ts'
import { tickQueue } from './tick-queue.ts'
import { TimerWheel } from './timer-wheel.ts'
import { MAX_PAGES } from './write-page.ts'

/** Remembers every callback of one exchange; `act` decides what is sent. */
class Recorder implements ExchangeHandler {
  readonly exchange: DownstreamExchange
  readonly events: string[] = []
  body = ''
  trailers: readonly string[] | null = null
  onBody: ((chunk: Buffer) => void) | null = null
  onEnd: (() => void) | null = null
  onDrain: (() => void) | null = null

  constructor(exchange: DownstreamExchange) {
    this.exchange = exchange
  }

  onRequestBody(chunk: Buffer): void {
    this.events.push('body')
    this.body += chunk.toString('latin1')
    this.onBody?.(chunk)
  }

  onRequestEnd(trailers: Headers | null): void {
    this.events.push('end')
    this.trailers = trailers?.fields ?? null
    this.onEnd?.()
  }

  onDownstreamDrain(): void {
    this.events.push('drain')
    this.onDrain?.()
  }

  onDownstreamAbort(reason: AbortReason): void {
    this.events.push(`abort:${reason}`)
  }

  onResponseSent(): void {
    this.events.push('sent')
  }
}

interface Bench {
  readonly engine: HttpServerEngine
  readonly server: RawServer
  readonly seen: Recorder[]
  client(): Promise<RawSocket>
}

const open: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

const RESOLUTION_MS = 10

async function startBench(
  act: (recorder: Recorder) => void,
  settings: Partial<HttpSettings> = {},
  options: Partial<HttpServerOptions> = {},
): Promise<Bench> {
  const seen: Recorder[] = []
  const wheel = new TimerWheel(RESOLUTION_MS)
  const engine = new HttpServerEngine({
    scheme: 'http',
    settings: new HttpSettings(settings),
    wheel,
    onExchange(exchange) {
      const recorder = new Recorder(exchange)
      exchange.handler = recorder
      seen.push(recorder)
      act(recorder)
    },
    ...options,
  })
  const server = await new RawServer((socket) => engine.accept(socket, null)).listen()
  open.push(() => server[Symbol.asyncDispose]())
  open.push(() => {
    engine.destroyAll()
    wheel.close()
  })
  return {
    engine,
    server,
    seen,
    async client() {
      const client = await RawSocket.connect(server.port)
      open.push(() => client.destroy())
      return client
    },
  }
}

function echo(recorder: Recorder): void {
  recorder.onEnd = () => {
    const { method, path } = recorder.exchange.request
    recorder.exchange.sendWhole(200, new Headers(), `${method} ${path} ${recorder.body}`)
  }
}

/** Requests that are read now begin at the end of the iteration. */
async function makeBusy(): Promise<void> {
  for (let i = 0; i < 2 * 64; i++) {
    tickQueue.beginTurn()
    tickQueue.endTurn()
  }
  await new Promise((resolve) => setImmediate(resolve))
  expect(tickQueue.isBusy).toBe(true)
}

const GET = 'GET /a HTTP/1.1\r\nHost: shop.test\r\n\r\n'

describe('keep-alive and pipelining', () => {
  test('serves several requests on one connection, head and body in one write', async () => {
    const bench = await startBench(echo)
    const client = await bench.client()
    await client.write(GET).until('GET /a ')
    expect(client.text).toBe('HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nGET /a ')
    await client.write(GET.replace('/a', '/b')).until('GET /b ')
    expect(bench.seen.map((it) => it.events)).toEqual([
      ['end', 'sent'],
      ['end', 'sent'],
    ])
    expect(bench.engine.connectionCount).toBe(1)
    expect(bench.engine.activeExchanges).toBe(0)
  })

  test('a head that came again and again is read by the settings of its connection', async () => {
    const bench = await startBench(
      (recorder) => {
        recorder.onEnd = () => {
          const { fields } = recorder.exchange.request.headers
          recorder.exchange.sendWhole(200, new Headers(), `<${bench.seen.length} ${fields.join()}>`)
        }
      },
      { underscoreNames: 'allow' },
    )
    const ask = async (client: RawSocket): Promise<string> => {
      const number = bench.seen.length + 1
      const text = await client.write(GET.replace('Host', 'x_a: 1\r\nHost')).until(`<${number} `)
      return text.slice(text.lastIndexOf('<'))
    }
    const first = await bench.client()
    for (let i = 1; i <= 5; i++) expect(await ask(first)).toBe(`<${i} x_a,1>`)
    bench.engine.configure(new HttpSettings({ underscoreNames: 'drop' }))
    const second = await bench.client()
    for (let i = 6; i <= 10; i++) expect(await ask(second)).toBe(`<${i} >`)
    expect(await ask(first)).toBe('<11 x_a,1>')
  })

  test('answers pipelined requests one at a time and in order', async () => {
    let most = 0
    const bench = await startBench((recorder) => {
      most = Math.max(most, bench.engine.activeExchanges)
      recorder.onEnd = () => {
        setImmediate(() =>
          recorder.exchange.sendWhole(200, new Headers(), `<${recorder.exchange.request.path}>`),
        )
      }
    })
    const client = await bench.client()
    const paths = Array.from({ length: 100 }, (_, i) => `/${i}`)
    client.write(paths.map((path) => GET.replace('/a', path)).join(''))
    await client.until('</99>')
    expect(client.text.match(/<[^>]+>/g)).toEqual(paths.map((path) => `<${path}>`))
    expect(most).toBe(1)
  })

  test('answers what came before a FIN, then closes', async () => {
    const bench = await startBench((recorder) => {
      recorder.onEnd = () => {
        setTimeout(() => recorder.exchange.sendWhole(200, new Headers(), 'late'), 30)
      }
    })
    const client = await bench.client()
    client.write(GET + GET).end()
    const text = await client.untilEnd()
    expect(text.match(/late/g)).toHaveLength(2)
    expect(bench.seen.map((it) => it.events)).toEqual([
      ['end', 'sent'],
      ['end', 'sent'],
    ])
  })

  test('closes after `Connection: close` and says so', async () => {
    const bench = await startBench(echo)
    const client = await bench.client()
    client.write(GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
    expect(await client.untilEnd()).toContain('connection: close\r\n')
  })

  test('closes after the last request a connection may carry', async () => {
    const bench = await startBench(echo, { maxRequestsPerConnection: 2 })
    const client = await bench.client()
    await client.write(GET).until('GET /a ')
    expect(client.text).not.toContain('close')
    client.write(GET)
    expect(await client.untilEnd()).toContain('connection: close')
  })

  test('an empty line left over after a body is tolerated once', async () => {
    const bench = await startBench(echo)
    const client = await bench.client()
    await client.write(`${GET}\r\n${GET}`).until(/GET \/a .*GET \/a /s)
    expect(bench.seen).toHaveLength(2)
  })
})

describe('request bodies', () => {
  test.each([true, false])('uploads arrive intact, shared reads %s', async (sharedReads) => {
    const bench = await startBench(echo, { sharedReads })
    const bodies = Array.from({ length: 4 }, (_, i) => String(i).repeat(500_000))
    const clients = await Promise.all(bodies.map(() => bench.client()))
    // The first answer comes first: from then on reads are shared.
    for (const client of clients) await client.write(GET).until('GET /a ')
    for (const [i, client] of clients.entries()) {
      client.write(`POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n${bodies[i]}`)
    }
    for (const [i, client] of clients.entries()) {
      await waitFor('the echo', () => client.text.length > 500_000)
      expect(client.text.endsWith(`POST /p ${bodies[i]}`)).toBe(true)
    }
  })

  test('content-length in pieces', async () => {
    const bench = await startBench(echo)
    const client = await bench.client()
    client.write('POST /p HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 6\r\n\r\nab')
    await waitFor('the first piece', () => bench.seen[0]?.body === 'ab')
    await client.write('cdef').until('POST /p abcdef')
    expect(bench.seen[0]!.exchange.bytesReceived).toBe(6)
  })

  test('chunks of one read arrive as one piece', async () => {
    const bench = await startBench(echo)
    const client = await bench.client()
    const chunks = '1\r\nx\r\n'.repeat(50)
    client.write(
      `POST /p HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`,
    )
    await client.until('x'.repeat(50))
    expect(bench.seen[0]!.events.filter((it) => it === 'body').length).toBeLessThan(3)
  })

  test('trailers are dropped unless the settings forward them, and then filtered', async () => {
    const message =
      'POST /p HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n' +
      '2\r\nhi\r\n0\r\nX-Sum: 1\r\nX-Forwarded-For: 1.1.1.1\r\nContent-Length: 9\r\n\r\n'
    const dropping = await startBench(echo)
    await (await dropping.client()).write(message).until('POST /p hi')
    expect(dropping.seen[0]!.trailers).toBeNull()
    const forwarding = await startBench(echo, { forwardRequestTrailers: true })
    await (await forwarding.client()).write(message).until('POST /p hi')
    expect(forwarding.seen[0]!.trailers).toEqual(['x-sum', '1'])
  })

  test.each([
    ['reject', []],
    ['drop', [['x-sum', '1']]],
    ['allow', [['x-sum', '1', 'x_forwarded_for', '1.1.1.1']]],
  ] as const)('trailers with underscores: %s', async (underscoreNames, trailers) => {
    const bench = await startBench(echo, { underscoreNames, forwardRequestTrailers: true })
    const client = await bench.client()
    client.write(
      'POST /p HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n' +
        '2\r\nhi\r\n0\r\nX-Sum: 1\r\nx_forwarded_for: 1.1.1.1\r\n\r\n',
    )
    await client.until(trailers.length > 0 ? 'POST /p hi' : 'HTTP/1.1 400 ')
    const ended = bench.seen.filter((recorder) => recorder.events.includes('end'))
    expect(ended.map((recorder) => recorder.trailers)).toEqual(trailers)
  })

  test('trailers that Connection names end here, of a head that comes again too', async () => {
    const bench = await startBench(echo, { forwardRequestTrailers: true })
    const client = await bench.client()
    const message =
      'POST /p HTTP/1.1\r\nHost: shop.test\r\nConnection: keep-alive, X-Hop,x-sign\r\n' +
      'Transfer-Encoding: chunked\r\n\r\n0\r\nX-Hop: 1\r\nX-Sum: 2\r\nX-Sign: 3\r\nx-hop: 4\r\n\r\n'
    for (let i = 0; i < 5; i++) {
      client.write(message)
      await waitFor('the request', () => bench.seen[i]?.events.includes('sent'))
    }
    expect(bench.seen.map((recorder) => recorder.trailers)).toEqual(Array(5).fill(['x-sum', '2']))
    client.write(message.replace('X-Sum: 2\r\n', ''))
    await waitFor('the last request', () => bench.seen[5]?.events.includes('sent'))
    expect(bench.seen[5]!.trailers).toBeNull()
  })

  test('a malformed chunk before the answer: 400, and the handler hears of it', async () => {
    const bench = await startBench(() => {})
    const client = await bench.client()
    client.write(
      'POST /p HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n2;\nhi\r\n',
    )
    expect(await client.untilEnd()).toMatch(/^HTTP\/1\.1 400 /)
    expect(bench.seen[0]!.events).toEqual(['abort:protocol-error'])
  })

  test('a malformed chunk within the answer: no second status line, the connection is cut', async () => {
    const bench = await startBench((recorder) => {
      recorder.exchange.sendHead(200, new Headers(), UNKNOWN_LENGTH, false)
      recorder.exchange.sendBody(Buffer.from('part'))
    })
    const client = await bench.client()
    client.write('POST /p HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n')
    await client.until('part')
    client.write('zz\r\n')
    const text = await client.untilEnd()
    expect(text.match(/HTTP\/1\.1/g)).toHaveLength(1)
    expect(text).not.toContain('0\r\n\r\n')
    await waitFor('the abort', () => bench.seen[0]!.events.includes('abort:protocol-error'))
  })

  test('an early answer with a small rest keeps the connection, which reads the rest', async () => {
    const bench = await startBench((recorder) => {
      recorder.exchange.sendWhole(404, new Headers(), 'no')
    })
    const client = await bench.client()
    const smuggled = GET.replace('/a', '/smuggled')
    client.write(
      `POST /p HTTP/1.1\r\nHost: shop.test\r\nContent-Length: ${smuggled.length}\r\n\r\n`,
    )
    await client.until('no')
    await client.write(smuggled + GET).until(/no.*no/s)
    expect(bench.seen.map((it) => it.exchange.request.path)).toEqual(['/p', '/a'])
  })

  test('an early answer with a large rest closes the connection', async () => {
    const bench = await startBench((recorder) => {
      recorder.exchange.sendWhole(413, new Headers(), 'big')
    })
    const client = await bench.client()
    client.write('POST /p HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 999999\r\n\r\nxxx')
    const text = await client.untilEnd()
    expect(text).toContain('connection: close')
    expect(text).toContain('big')
    expect(bench.seen[0]!.events).toEqual(['sent'])
  })

  test('an early answer reaches a client that goes on uploading, which is stopped and cut', async () => {
    const bench = await startBench((recorder) => {
      recorder.exchange.sendWhole(413, new Headers(), 'too big')
    })
    const client = await bench.client()
    const size = 64 * 1024 * 1024
    client.write(`POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`)
    let sent = 0
    const pump = (): void => {
      while (sent < size && !client.closed && client.socket.writable) {
        sent += 65_536
        if (!client.socket.write(Buffer.alloc(65_536))) return
      }
    }
    client.socket.on('drain', pump)
    pump()
    await client.until('too big')
    await waitFor('the end', () => bench.engine.connectionCount === 0)
    expect(sent).toBeLessThan(size)
  })

  test('a handler that pauses at once gets no byte, not even of the same read, until it resumes', async () => {
    const bench = await startBench((recorder) => {
      recorder.exchange.pauseRequestBody()
      echo(recorder)
    })
    const client = await bench.client()
    client.write('POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody').end()
    await waitFor('the exchange', () => bench.seen.length === 1)
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(bench.seen[0]!.events).toEqual([])
    bench.seen[0]!.exchange.resumeRequestBody()
    expect(bench.seen[0]!.events).toEqual([])
    expect(await client.untilEnd()).toContain('POST /p body')
    expect(bench.seen[0]!.events).toEqual(['body', 'end', 'sent'])
  })

  test.each([1, 2])('pauseRequestBody of request %i stops reading until resumed', async (nth) => {
    const bench = await startBench((recorder) => {
      recorder.onBody = () => recorder.exchange.pauseRequestBody()
      echo(recorder)
    })
    const client = await bench.client()
    if (nth === 2) await client.write(GET).until('GET /a ')
    const size = 4_000_000
    client.write(`POST /p HTTP/1.1\r\nHost: shop.test\r\nContent-Length: ${size}\r\n\r\n`)
    client.write('x'.repeat(size))
    await waitFor('the first piece', () => (bench.seen[nth - 1]?.body.length ?? 0) > 0)
    const recorder = bench.seen[nth - 1]!
    const held = recorder.body.length
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(recorder.body.length).toBe(held)
    expect(held).toBeLessThan(size)
    recorder.onBody = null
    recorder.exchange.resumeRequestBody()
    await client.until('POST /p x')
    expect(recorder.body.length).toBe(size)
  })
})

describe('answers', () => {
  const cases: [string, string, (exchange: DownstreamExchange) => void, RegExp][] = [
    [
      'unknown length is chunked for HTTP/1.1',
      GET,
      (it) => {
        it.sendHead(200, new Headers(['x-a', '1']), UNKNOWN_LENGTH, false)
        it.sendBody(Buffer.from('abc'))
        it.sendEnd(null)
      },
      /^HTTP\/1\.1 200 OK\r\nx-a: 1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n$/,
    ],
    [
      'HEAD keeps the length and has no body',
      GET.replace('GET', 'HEAD'),
      (it) => it.sendWhole(200, new Headers(), 'hello'),
      /^HTTP\/1\.1 200 OK\r\ncontent-length: 5\r\n\r\n$/,
    ],
    [
      '204 has neither length nor body',
      GET,
      (it) => it.sendHead(204, new Headers(), 0, true),
      /^HTTP\/1\.1 204 No Content\r\n\r\n$/,
    ],
    [
      '304 has no body',
      GET,
      (it) => it.sendWhole(304, new Headers(['etag', '"x"']), 'ignored'),
      /^HTTP\/1\.1 304 Not Modified\r\netag: "x"\r\ncontent-length: 7\r\n\r\n$/,
    ],
    [
      'informational responses come first',
      GET,
      (it) => {
        it.sendInformational(103, new Headers(['link', '</x>']))
        it.sendWhole(200, new Headers(), 'ok')
      },
      /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/x>\r\n\r\nHTTP\/1\.1 200 OK\r\n/,
    ],
    [
      'trailers go to a client that asked for them',
      GET.replace('\r\n\r\n', '\r\nTE: trailers\r\n\r\n'),
      (it) => {
        it.sendHead(200, new Headers(), UNKNOWN_LENGTH, false)
        it.sendEnd(new Headers(['grpc-status', '0']))
      },
      /\r\n\r\n0\r\ngrpc-status: 0\r\n\r\n$/,
    ],
    [
      'trailers are left out for others',
      GET,
      (it) => {
        it.sendHead(200, new Headers(), UNKNOWN_LENGTH, false)
        it.sendEnd(new Headers(['grpc-status', '0']))
      },
      /\r\n\r\n0\r\n\r\n$/,
    ],
    [
      'a value with a line break never reaches the wire',
      GET,
      (it) => it.sendWhole(200, new Headers(['x-a', 'b\r\nset-cookie: c']), 'ok'),
      /^HTTP\/1\.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n$/,
    ],
    [
      'a character whose low byte is a line feed never reaches the wire',
      GET,
      (it) => it.sendWhole(200, new Headers(['x-a', 'b\u010ac']), 'ok'),
      /^HTTP\/1\.1 500 /,
    ],
  ]
  test.each(cases)('%s', async (_name, message, act, expected) => {
    const bench = await startBench((recorder) => {
      recorder.onEnd = () => act(recorder.exchange)
    })
    const client = await bench.client()
    await client.write(message).until(expected)
    expect(client.text).toMatch(expected)
    await waitFor('the end', () => bench.seen[0]!.events.includes('sent'))
  })

  test('trailers with a line break cut the answer, which has no end', async () => {
    const bench = await startBench((recorder) => {
      const { exchange } = recorder
      exchange.sendHead(200, new Headers(['trailer', 'x']), UNKNOWN_LENGTH, false)
      recorder.onBody = () => exchange.sendEnd(new Headers(['x', 'a\r\nb: c']))
      exchange.sendBody(Buffer.from('abc'))
    })
    const client = await bench.client()
    const before = invariants.violations
    const post = 'POST /p HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 2\r\n\r\n'
    await client.write(post).until('3\r\nabc\r\n')
    await client.write('x').untilEnd()
    expect(client.text).toMatch(/\r\n\r\n3\r\nabc\r\n$/)
    expect(invariants.violations).toBe(before + 1)
    expect(bench.seen[0]!.events.at(-1)).toBe('abort:protocol-error')
  })

  test('HTTP/1.0, when accepted, gets a body that ends with the connection', async () => {
    const bench = await startBench(
      (recorder) => {
        recorder.exchange.sendHead(200, new Headers(), UNKNOWN_LENGTH, false)
        recorder.exchange.sendBody(Buffer.from('abc'))
        recorder.exchange.sendEnd(null)
      },
      { acceptHttp10: true },
    )
    const client = await bench.client()
    client.write('GET / HTTP/1.0\r\n\r\n')
    const text = await client.untilEnd()
    expect(text).toBe('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc')
  })

  test('large bodies wait for a client that does not read, and arrive whole', async () => {
    const size = 8 * 1024 * 1024
    const chunk = Buffer.alloc(65_536, 'y')
    let left = size
    const bench = await startBench((recorder) => {
      const pump = (): void => {
        while (left > 0) {
          left -= chunk.length
          if (!recorder.exchange.sendBody(chunk)) return
        }
        recorder.exchange.sendEnd(null)
      }
      recorder.exchange.sendHead(200, new Headers(), size, false)
      recorder.onDrain = pump
      pump()
    })
    const client = await bench.client()
    client.socket.pause()
    client.write(GET)
    await waitFor('backpressure', () => left < size && left > 0)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(left).toBeGreaterThan(0)
    client.socket.resume()
    await waitFor('the body', () => client.text.length > size, 10_000)
    const head = client.text.indexOf('\r\n\r\n') + 4
    expect(client.text.length - head).toBe(size)
    expect(bench.seen[0]!.events.at(-1)).toBe('sent')
  })

  test('chunks given to sendBody may be reused by the caller at once', async () => {
    const size = 200_000
    const bench = await startBench((recorder) => {
      recorder.exchange.sendHead(200, new Headers(), size, false)
      const chunk = Buffer.alloc(size / 2, 'a')
      recorder.exchange.sendBody(chunk)
      chunk.fill('b')
      recorder.exchange.sendBody(chunk)
      chunk.fill('c')
      recorder.exchange.sendEnd(null)
    })
    const client = await bench.client()
    client.write(GET)
    await waitFor('the body', () => client.text.length > size)
    const body = client.text.slice(client.text.indexOf('\r\n\r\n') + 4)
    expect(body).toBe('a'.repeat(size / 2) + 'b'.repeat(size / 2))
  })

  test('an answer that breaks its own length cuts the connection', async () => {
    const bench = await startBench((recorder) => {
      recorder.exchange.sendHead(200, new Headers(), 5, false)
      recorder.exchange.sendBody(Buffer.from('abc'))
      recorder.exchange.sendEnd(null)
    })
    const client = await bench.client()
    client.write(GET)
    await waitFor('the reset', () => client.closed || client.ended)
    await waitFor('the abort', () => bench.seen[0]!.events.includes('abort:protocol-error'))
    expect(bench.seen[0]!.events).not.toContain('sent')
    expect(bench.engine.activeExchanges).toBe(0)
  })
})

describe('expect: 100-continue', () => {
  const message =
    'POST /p HTTP/1.1\r\nHost: shop.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n'

  test('the handler decides: 100, then the body', async () => {
    const bench = await startBench((recorder) => {
      expect(recorder.exchange.request.expectsContinue).toBe(true)
      expect(recorder.exchange.request.headers.has('expect')).toBe(false)
      recorder.exchange.sendInformational(100, new Headers())
      echo(recorder)
    })
    const client = await bench.client()
    await client.write(message).until('HTTP/1.1 100 Continue\r\n\r\n')
    await client.write('hi').until('POST /p hi')
    expect(client.text).not.toContain('close')
  })

  test('a final answer instead of 100 closes: the body may or may not come', async () => {
    const bench = await startBench((recorder) => {
      recorder.exchange.sendWhole(403, new Headers(), '')
    })
    const client = await bench.client()
    client.write(message)
    expect(await client.untilEnd()).toContain('connection: close')
  })
})

describe('upgrade and CONNECT', () => {
  const upgrade =
    'GET /ws HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n'

  test('early bytes wait for the 101 and then flow both ways, half-closes included', async () => {
    const bench = await startBench(() => {})
    const client = await bench.client()
    client.write(`${upgrade}early`)
    await waitFor('the exchange', () => bench.seen.length === 1)
    const recorder = bench.seen[0]!
    expect(recorder.exchange.request.upgrade).toBe('websocket')
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(recorder.events).toEqual([])
    recorder.exchange.sendTunnelHead(101, new Headers(['sec-websocket-accept', 'x']))
    await client.until('connection: Upgrade\r\nupgrade: websocket\r\n\r\n')
    await waitFor('the early bytes', () => recorder.body === 'early')
    client.write('more')
    await waitFor('more bytes', () => recorder.body === 'earlymore')
    recorder.exchange.sendBody(Buffer.from('down'))
    await client.until('\r\n\r\ndown')
    client.end()
    await waitFor('the half-close', () => recorder.events.includes('end'))
    recorder.exchange.sendBody(Buffer.from('still'))
    recorder.exchange.sendEnd(null)
    expect(await client.untilEnd()).toContain('downstill')
    await waitFor('the end', () => recorder.events.includes('sent'))
    expect(bench.engine.activeExchanges).toBe(0)
  })

  test('bytes and FIN before the tunnel arrive in order once it stands', async () => {
    const bench = await startBench(() => {})
    const client = await bench.client()
    client.write(`${upgrade}all`).end()
    await waitFor('the exchange', () => bench.seen.length === 1)
    await new Promise((resolve) => setTimeout(resolve, 30))
    const recorder = bench.seen[0]!
    recorder.exchange.pauseRequestBody()
    recorder.exchange.sendTunnelHead(101, new Headers())
    await client.until('101 Switching')
    expect(recorder.events).toEqual([])
    recorder.exchange.sendEnd(null)
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(recorder.events).toEqual([])
    recorder.exchange.resumeRequestBody()
    await client.untilEnd()
    await waitFor('the end', () => recorder.events.at(-1) === 'sent')
    expect(recorder.events).toEqual(['body', 'end', 'sent'])
    expect(recorder.body).toBe('all')
  })

  test('refused: the tail is never read as a request', async () => {
    const bench = await startBench((recorder) => {
      recorder.exchange.sendWhole(200, new Headers(), 'no')
    })
    const client = await bench.client()
    client.write(upgrade + GET)
    const text = await client.untilEnd()
    expect(text).toContain('connection: close')
    expect(bench.seen).toHaveLength(1)
  })

  test('h2c is no upgrade', async () => {
    const bench = await startBench(echo)
    const client = await bench.client()
    client.write(
      'GET /a HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade, HTTP2-Settings\r\n' +
        'Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n',
    )
    await client.until('GET /a ')
    expect(bench.seen[0]!.exchange.request.upgrade).toBeNull()
    expect(bench.seen[0]!.exchange.request.headers.fields).toEqual([])
  })

  test('CONNECT becomes a tunnel', async () => {
    const bench = await startBench((recorder) => {
      recorder.onBody = (chunk) => recorder.exchange.sendBody(chunk)
      recorder.exchange.sendTunnelHead(200, new Headers())
    })
    const client = await bench.client()
    client.write('CONNECT db.test:5432 HTTP/1.1\r\nHost: db.test:5432\r\n\r\nping')
    await client.until('ping')
    expect(client.text).toBe('HTTP/1.1 200 OK\r\n\r\nping')
    expect(bench.seen[0]!.exchange.request.authority).toBe('db.test:5432')
  })
})

describe('ends', () => {
  test('a reset by the client aborts the exchange', async () => {
    const bench = await startBench(() => {})
    const client = await bench.client()
    client.write(GET)
    await waitFor('the exchange', () => bench.seen.length === 1)
    client.socket.resetAndDestroy()
    await waitFor('the abort', () => bench.seen[0]!.events.includes('abort:client-closed'))
    expect(bench.engine.activeExchanges).toBe(0)
    expect(bench.engine.connectionCount).toBe(0)
  })

  test('a FIN within the body aborts the exchange', async () => {
    const bench = await startBench(() => {})
    const client = await bench.client()
    client.write('POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 9\r\n\r\nabc').end()
    await waitFor('the abort', () => bench.seen[0]?.events.includes('abort:client-closed'))
  })

  test('abort() calls nothing back and cuts the connection', async () => {
    const bench = await startBench((recorder) => recorder.exchange.abort())
    const client = await bench.client()
    client.write(GET)
    await client.untilEnd()
    await waitFor('the close', () => bench.engine.connectionCount === 0)
    expect(bench.seen[0]!.events).toEqual([])
    expect(bench.engine.activeExchanges).toBe(0)
  })

  test('abort() gives up what waits to be written, and its memory', async () => {
    const bench = await startBench(({ exchange }) => {
      exchange.sendHead(200, new Headers(), 2_000, false)
      exchange.sendBody(Buffer.alloc(1_000))
      expect(freePages()).toBeLessThan(MAX_PAGES)
      exchange.abort()
    })
    const client = await bench.client()
    client.write(GET)
    await client.untilEnd()
    await waitFor('the close', () => bench.engine.connectionCount === 0)
    expect(freePages()).toBe(MAX_PAGES)
  })

  test('drain closes idle connections, marks answers, and close() resolves', async () => {
    const bench = await startBench(() => {})
    const idle = await bench.client()
    idle.write(GET)
    await waitFor('the exchange', () => bench.seen.length === 1)
    bench.seen[0]!.exchange.sendWhole(200, new Headers(), 'one')
    await idle.until('one')
    const busy = await bench.client()
    busy.write(GET)
    await waitFor('the exchange', () => bench.seen.length === 2)
    const closed = bench.engine.close()
    await idle.untilEnd()
    idle.end()
    bench.seen[1]!.exchange.sendWhole(200, new Headers(), 'two')
    expect(await busy.untilEnd()).toContain('connection: close')
    busy.end()
    await closed
    expect(bench.engine.connectionCount).toBe(0)
  })

  test('destroyAll stops the wheel of the engine, which nobody else has', async () => {
    const engine = new HttpServerEngine({
      scheme: 'http',
      settings: new HttpSettings(),
      onExchange: () => {},
    })
    engine.destroyAll()
    const { tick } = engine.wheel
    const witness = new TimerWheel()
    open.push(() => witness.close())
    await waitFor('two ticks', () => witness.tick >= 2)
    expect(engine.wheel.tick).toBe(tick)
  })

  test('destroyAll ends exchanges with `shutdown`', async () => {
    const bench = await startBench(() => {})
    const client = await bench.client()
    client.write(GET)
    await waitFor('the exchange', () => bench.seen.length === 1)
    bench.engine.destroyAll()
    await waitFor('the abort', () => bench.seen[0]!.events.includes('abort:shutdown'))
  })
})

describe('timers', () => {
  test('a slow head gets 408', async () => {
    const bench = await startBench(echo, { headTimeoutMs: 50 })
    const client = await bench.client()
    client.write('GET / HT')
    expect(await client.untilEnd()).toMatch(/^HTTP\/1\.1 408 /)
  })

  test('an idle connection is closed without a word', async () => {
    const bench = await startBench(echo, { idleTimeoutMs: 50 })
    const client = await bench.client()
    await client.write(GET).until('GET /a ')
    const before = client.text.length
    await client.untilEnd()
    expect(client.text.length).toBe(before)
  })

  test('a slow body gets 408 and aborts the exchange', async () => {
    const bench = await startBench(() => {}, { requestTimeoutMs: 50 })
    const client = await bench.client()
    client.write('POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 9\r\n\r\nabc')
    expect(await client.untilEnd()).toMatch(/^HTTP\/1\.1 408 /)
    expect(bench.seen[0]!.events).toEqual(['body', 'abort:timeout'])
  })

  test('a handler may take longer than every wire timer', async () => {
    const bench = await startBench(
      (recorder) => {
        setTimeout(() => recorder.exchange.sendWhole(200, new Headers(), 'late'), 200)
      },
      { headTimeoutMs: 40, idleTimeoutMs: 40, requestTimeoutMs: 40, writeStallTimeoutMs: 40 },
    )
    await (await bench.client()).write(GET).until('late')
  })

  test('a client that does not read its answer is cut', async () => {
    const bench = await startBench(
      (recorder) => {
        const chunk = Buffer.alloc(65_536)
        recorder.onDrain = () => {
          while (recorder.exchange.sendBody(chunk)) continue
        }
        recorder.exchange.sendHead(200, new Headers(), UNKNOWN_LENGTH, false)
        recorder.onDrain()
      },
      { writeStallTimeoutMs: 100 },
    )
    const client = await bench.client()
    client.socket.pause()
    client.write(GET)
    await waitFor('the abort', () => bench.seen[0]?.events.includes('abort:timeout'))
  })
})

describe('HTTP/2 prior knowledge', () => {
  const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

  test.each([
    ['whole', [`${preface}rest`]],
    ['byte by byte', [...preface, 'rest']],
  ])('a preface sent %s is handed over with all bytes read', async (_name, pieces) => {
    let handed = ''
    const bench = await startBench(
      echo,
      {},
      {
        onHttp2Preface(socket, firstBytes) {
          // Not a buffer of 64 KiB for every connection that comes.
          if (pieces.length === 1) expect(isVolatile(firstBytes)).toBe(true)
          handed += firstBytes.toString('latin1')
          socket.on('data', (chunk: Buffer) => (handed += chunk.toString('latin1')))
          socket.on('error', () => {})
          socket.resume()
        },
      },
    )
    const client = await bench.client()
    await client.drip(pieces)
    await waitFor('the bytes', () => handed === `${preface}rest`)
    expect(bench.engine.connectionCount).toBe(0)
  })

  test('a method that begins alike is an ordinary request', async () => {
    const bench = await startBench(echo, {}, { onHttp2Preface: () => expect.unreachable() })
    const client = await bench.client()
    await client.drip(['P', 'R', GET.replace('GET', 'OPFIND')])
    await client.until('PROPFIND /a ')
  })
})

describe('accepting', () => {
  test('bytes read by a sniffer and addresses of a PROXY header are taken over', async () => {
    const seen: DownstreamExchange[] = []
    const wheel = new TimerWheel(RESOLUTION_MS)
    const engine = new HttpServerEngine({
      scheme: 'https',
      settings: new HttpSettings(),
      wheel,
      onExchange(exchange) {
        seen.push(exchange)
        exchange.sendWhole(200, new Headers(), 'ok')
      },
    })
    const context = { chain: 'a' }
    const server = await new RawServer((socket) => {
      socket.once('data', (firstBytes: Buffer) => {
        engine.accept(socket, context, {
          firstBytes,
          peer: {
            remoteAddress: '203.0.113.9',
            remotePort: 4711,
            localAddress: '198.51.100.1',
            localPort: 443,
          },
        })
      })
    }).listen()
    open.push(
      () => server[Symbol.asyncDispose](),
      () => wheel.close(),
    )
    const client = await RawSocket.connect(server.port)
    open.push(() => client.destroy())
    await client.write(GET).until('ok')
    expect(seen[0]!.connection).toMatchObject({ remoteAddress: '203.0.113.9', remotePort: 4711 })
    expect(seen[0]!.connection.context).toBe(context)
    expect(seen[0]!.request.scheme).toBe('https')
  })
})

describe('in a busy event loop', () => {
  const POST = 'POST /p HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 4\r\n\r\nbody'
  const LAST = GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')

  test.each<{ what: string; writes: readonly [bytes: string, answers: number][] }>([
    {
      what: 'one by one',
      writes: [
        [GET, 1],
        [LAST, 2],
      ],
    },
    { what: 'pipelined', writes: [[GET + GET + POST + GET + LAST, 5]] },
    {
      what: 'with the next one begun',
      writes: [
        [`${GET}GET /b HTTP/1.1\r\nHo`, 1],
        [`st: shop.test\r\n\r\n${LAST}`, 3],
      ],
    },
    {
      what: 'with a body',
      writes: [
        [POST, 1],
        [POST.slice(0, -1), 1],
        [`y${LAST}`, 3],
      ],
    },
  ])('requests are answered as in a calm one: $what', async ({ writes }) => {
    const answers: string[] = []
    for (const busy of [false, true]) {
      const bench = await startBench(echo)
      const client = await bench.client()
      for (const [bytes, count] of writes) {
        if (busy) await makeBusy()
        client.write(bytes)
        await waitFor('the answers', () => client.text.split('HTTP/1.1 200').length > count)
      }
      answers.push(await client.untilEnd())
      expect(bench.seen.every((it) => it.events.at(-1) === 'sent')).toBe(true)
      expect(bench.engine.activeExchanges).toBe(0)
    }
    expect(answers[1]).toBe(answers[0])
  })

  test('a client that ends its side behind its request has its answer', async () => {
    const bench = await startBench(echo)
    const client = await bench.client()
    await makeBusy()
    client.write(GET).end()
    expect(await client.untilEnd()).toContain('GET /a ')
  })

  test('a client that left before its request began is told of, and gone', async () => {
    const bench = await startBench(() => {}, { sharedReads: false })
    const server = await new RawServer((socket) => {
      bench.engine.accept(socket, null)
      socket.on('data', () => socket.destroy())
    }).listen()
    open.push(() => server[Symbol.asyncDispose]())
    const client = await RawSocket.connect(server.port)
    open.push(() => client.destroy())
    await makeBusy()
    client.write(GET)
    await waitFor('its end', () => bench.seen.length === 1 && bench.engine.connectionCount === 0)
    expect(bench.seen[0]!.events).toEqual(['end', 'abort:client-closed'])
    expect(bench.engine.activeExchanges).toBe(0)
  })
})
