import { createServer, connect as connectTcp, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { connect as connectTls, createSecureContext, TLSSocket } from 'node:tls'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { RawSocket } from '../../test/support/raw-socket.ts'
import { RecordingHandler } from '../../test/support/recording-handler.ts'
import { waitFor } from '../../test/support/wait.ts'
import { Headers } from './headers.ts'
import { HttpSettings } from './http-settings.ts'
import { UNKNOWN_LENGTH } from './request.ts'
import { HttpServerEngine } from './server-engine.ts'
import { deliveredBytes, waitingBytes } from './socket-progress.ts'
import { TimerWheel } from './timer-wheel.ts'

const RESOLUTION_MS = 10
const authority = Authority.create('timers')
const { certificate, key } = authority.issue(['shop.test'])
const secureContext = createSecureContext({ cert: certificate, key })

const open: (() => void)[] = []
afterEach(() => {
  for (const close of open.splice(0).reverse()) close()
})

interface Bench {
  readonly engine: HttpServerEngine
  readonly handlers: RecordingHandler[]
  /** What the engine was given. */
  readonly sockets: Socket[]
  /** The TCP sockets of those. */
  readonly carriers: Socket[]
  client(): Promise<RawSocket>
}

type Kind = 'plain' | 'tls'

/** An engine behind a listener that secures its sockets the way the gateway does. */
async function startBench(
  kind: Kind,
  settings: Partial<HttpSettings>,
  act: (handler: RecordingHandler) => void = () => {},
): Promise<Bench> {
  const handlers: RecordingHandler[] = []
  const sockets: Socket[] = []
  const carriers: Socket[] = []
  const wheel = new TimerWheel(RESOLUTION_MS)
  const engine = new HttpServerEngine({
    scheme: kind === 'tls' ? 'https' : 'http',
    settings: new HttpSettings(settings),
    wheel,
    onExchange: (exchange) => {
      const handler = new RecordingHandler(exchange)
      handlers.push(handler)
      act(handler)
    },
  })
  const accept = (socket: Socket): void => {
    sockets.push(socket)
    engine.accept(socket, null)
  }
  const server = createServer({ allowHalfOpen: true }, (raw) => {
    carriers.push(raw)
    if (kind === 'plain') return accept(raw)
    const secure = new TLSSocket(raw, { isServer: true, secureContext })
    secure.on('error', () => {})
    secure.once('secure', () => accept(secure))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  open.push(() => {
    engine.destroyAll()
    wheel.close()
    server.close()
  })
  return {
    engine,
    handlers,
    sockets,
    carriers,
    async client() {
      const tcp = connectTcp({ port, host: '127.0.0.1' })
      const socket =
        kind === 'plain'
          ? tcp
          : connectTls({ socket: tcp, servername: 'shop.test', ca: authority.certificate })
      open.push(() => socket.destroy())
      await new Promise<void>((resolve, reject) => {
        socket.once(kind === 'plain' ? 'connect' : 'secureConnect', () => resolve())
        socket.once('error', reject)
      })
      return new RawSocket(socket)
    },
  }
}

const GET = 'GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n'
const REQUEST_MS = 80
const REQUEST_TICKS = REQUEST_MS / RESOLUTION_MS
const POST = 'POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 10\r\n\r\nabc'

function answer(handler: RecordingHandler): void {
  handler.onEnd = () => handler.exchange.sendWhole(200, new Headers(), 'ok')
}

function beginAnswer(handler: RecordingHandler): void {
  handler.exchange.sendHead(200, new Headers(), UNKNOWN_LENGTH, false)
}

/** Of the wheel, which a busy machine turns late. */
async function pass(bench: Bench, ms: number): Promise<void> {
  const { wheel } = bench.engine
  const until = wheel.tickAfter(ms)
  await waitFor(`${ms} ms`, () => wheel.tick >= until)
}

describe.each(['plain', 'tls'] as const)('%s connections', (kind) => {
  test('an answer that does not come ends the exchange with 504', async () => {
    const bench = await startBench(kind, { streamIdleTimeoutMs: 80 })
    const client = await bench.client()
    await client.write(GET).untilEnd()
    expect(client.text).toMatch(/^HTTP\/1\.1 504 /)
    expect(bench.handlers.map((handler) => handler.abortReason)).toEqual(['timeout'])
  })

  test('a request body that stops coming ends the exchange with 408', async () => {
    const bench = await startBench(kind, { streamIdleTimeoutMs: 80 })
    const client = await bench.client()
    await client.write(POST).untilEnd()
    expect(client.text).toMatch(/^HTTP\/1\.1 408 /)
    expect(bench.handlers.map((handler) => handler.abortReason)).toEqual(['timeout'])
  })

  test('an answer that falls silent is cut off: it must not look complete', async () => {
    const bench = await startBench(kind, { streamIdleTimeoutMs: 80 }, beginAnswer)
    const client = await bench.client()
    await client.write(GET).until('200')
    await waitFor('the end', () => client.closed || client.ended)
    expect(client.text).not.toContain('0\r\n\r\n')
    expect(bench.handlers[0]!.abortReason).toBe('timeout')
  })

  test('an exchange lives as long as bytes move, but no longer than it may', async () => {
    const limits = { streamIdleTimeoutMs: 120, maxStreamDurationMs: 500 }
    const bench = await startBench(kind, limits, beginAnswer)
    const client = await bench.client()
    const began = performance.now()
    await client.write(GET).until('200')
    const { exchange } = bench.handlers[0]!
    await waitFor('the end', () => {
      exchange.sendBody(Buffer.from('.'))
      return bench.handlers[0]!.abortReason
    })
    expect(bench.handlers[0]!.abortReason).toBe('too-long')
    expect(performance.now() - began).toBeGreaterThan(450)
  })

  test('the time of a request stands still while the handler holds its body back', async () => {
    const bench = await startBench(kind, { requestTimeoutMs: REQUEST_MS }, (handler) => {
      handler.exchange.pauseRequestBody()
      answer(handler)
    })
    const client = await bench.client()
    client.write(POST)
    const held = await waitFor('the exchange', () => bench.handlers[0])
    await pass(bench, 4 * REQUEST_MS)
    expect(held.abortReason).toBeNull()
    held.exchange.resumeRequestBody()
    await client.write('defghij').until('ok')
    expect(client.text).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('behind each pause it goes on with what is left of it', async () => {
    const bench = await startBench(kind, { requestTimeoutMs: REQUEST_MS }, (handler) =>
      handler.exchange.pauseRequestBody(),
    )
    const client = await bench.client()
    client.write(POST)
    const held = await waitFor('the exchange', () => bench.handlers[0])
    const { wheel } = bench.engine
    let readTicks = 0
    while (held.abortReason === null && readTicks < 10 * REQUEST_TICKS) {
      held.exchange.pauseRequestBody()
      await pass(bench, REQUEST_MS / 2)
      expect(held.abortReason).toBeNull()
      held.exchange.resumeRequestBody()
      const resumed = wheel.tick
      await waitFor('some ticks', () => held.abortReason ?? wheel.tick > resumed + 2)
      readTicks += wheel.tick - resumed
    }
    await client.untilEnd()
    expect(client.text).toMatch(/^HTTP\/1\.1 408 /)
    expect(readTicks).toBeGreaterThanOrEqual(REQUEST_TICKS)
  })

  test('an answer that has begun is not cut off for a slow request', async () => {
    const limits = { requestTimeoutMs: REQUEST_MS }
    const bench = await startBench(kind, limits, (handler) => {
      beginAnswer(handler)
      handler.onEnd = () => handler.exchange.sendEnd(null)
    })
    const client = await bench.client()
    await client.write(POST).until('200')
    await pass(bench, 4 * REQUEST_MS)
    expect(bench.handlers[0]!.abortReason).toBeNull()
    await client.write('defghij').until('0\r\n\r\n')
  })

  test('no time runs for a connection that broke while its body was held back', async () => {
    const bench = await startBench(kind, {}, (handler) => handler.exchange.pauseRequestBody())
    const client = await bench.client()
    client.write(`POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 99\r\n\r\n${GET}`)
    const held = await waitFor('the exchange', () => bench.handlers[0])
    bench.carriers[0]!.destroy()
    held.exchange.sendWhole(200, new Headers(), 'ok')
    await waitFor('the end', () => bench.engine.connectionCount === 0)
    expect(bench.engine.runningDeadlines).toBe(0)
    expect(bench.engine.activeExchanges).toBe(0)
    // What was held of the body is not a request of its own.
    expect(bench.handlers.length).toBe(1)
  })

  test('an exchange that is not answered in its time gets 504', async () => {
    const bench = await startBench(kind, { maxStreamDurationMs: 80 })
    const client = await bench.client()
    await client.write(POST).untilEnd()
    expect(client.text).toMatch(/^HTTP\/1\.1 504 /)
    expect(bench.handlers[0]!.abortReason).toBe('too-long')
  })

  test('a connection that is too old says so with its next answer', async () => {
    const bench = await startBench(kind, { maxAgeMs: 200 }, answer)
    const client = await bench.client()
    await client.write(GET).until('ok')
    expect(client.text).not.toContain('connection: close')
    await waitFor('its age', () => {
      if (client.text.endsWith('ok') && !client.closed) client.write(GET)
      return client.ended
    })
    expect(client.text).toMatch(/connection: close\r\n\r\nok$/)
  })

  test('a connection that is too old and idle is closed, a moment later', async () => {
    const limits = { maxAgeMs: 100, drainTimeoutMs: 60 }
    const bench = await startBench(kind, limits, answer)
    const client = await bench.client()
    const began = performance.now()
    await client.write(GET).until('ok')
    await client.untilEnd()
    expect(performance.now() - began).toBeGreaterThan(140)
  })

  test('a client on a slow line keeps its answer, one that stops reading loses it', async () => {
    const body = Buffer.alloc(20 * 1024 * 1024, 'x')
    const stallMs = 250
    const bench = await startBench(kind, { writeStallTimeoutMs: stallMs }, (handler) => {
      handler.onEnd = () => {
        handler.exchange.sendHead(200, new Headers(), body.length, false)
        handler.exchange.sendBody(body)
        handler.exchange.sendEnd(null)
      }
    })
    const [slow, stopped] = [await bench.client(), await bench.client()]
    stopped.socket.pause()
    const began = performance.now()
    let received = 0
    slow.socket.removeAllListeners('data').on('data', (chunk: Buffer) => {
      received += chunk.length
      slow.socket.pause()
      setTimeout(() => slow.socket.resume(), (chunk.length * 5) / 65_536)
    })
    slow.write(GET)
    stopped.write(GET)
    const kept = await waitFor('the first socket', () => bench.sockets[0])
    await waitFor('the whole body', () => received > body.length)
    expect(performance.now() - began).toBeGreaterThan(2 * stallMs)
    expect(kept.destroyed).toBe(false)
    await waitFor('the stall', () => bench.engine.connectionCount === 1)
  }, 15_000)

  test('the transport tells what the kernel took and what waits', async () => {
    const bench = await startBench(kind, {}, (handler) => {
      handler.exchange.sendHead(200, new Headers(), UNKNOWN_LENGTH, false)
      handler.exchange.sendBody(Buffer.alloc(16 * 1024 * 1024))
    })
    const client = await bench.client()
    client.socket.pause()
    client.write(GET)
    const socket = await waitFor('the socket', () => bench.sockets[0])
    await waitFor('a full kernel', () => waitingBytes(socket) > 0)
    await pause(RESOLUTION_MS)
    const before = deliveredBytes(socket)
    expect(before).toBeGreaterThan(0)
    client.socket.resume()
    await waitFor('progress', () => deliveredBytes(socket) > before)
  })
})
