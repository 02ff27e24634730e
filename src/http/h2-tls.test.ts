import { connect as connectH2 } from 'node:http2'
import { connect as connectTcp, type AddressInfo, type Socket } from 'node:net'
import { connect as connectTls, createServer, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { collect } from '../../test/support/h2-client.ts'
import { H2EngineFixture } from '../../test/support/h2-engine.ts'
import {
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  FrameClient,
  GET_FIELDS,
  headerBlock,
  HEADERS,
  PREFACE,
  SETTINGS,
} from '../../test/support/h2-frames.ts'
import { RecordingHandler } from '../../test/support/recording-handler.ts'
import { UpstreamCall, upstreamRequest } from '../../test/support/upstream-call.ts'
import { waitFor } from '../../test/support/wait.ts'
import { H2ConnectionSettings } from '../upstream/h2-connection-settings.ts'
import { H2Connection } from '../upstream/h2-connection.ts'
import { H2ServerEngine } from './h2-server.ts'
import { Headers } from './headers.ts'

describe('HTTP/2 over TLS', () => {
  const handlers: RecordingHandler[] = []
  const authority = Authority.create('test authority')
  const { certificate, key } = authority.issue(['shop.test'])
  const engine = new H2ServerEngine({
    onExchange: (exchange) => {
      const handler = new RecordingHandler(exchange)
      handlers.push(handler)
      handler.onEnd = () => exchange.sendWhole(200, new Headers(), `echo ${handler.body}`)
    },
  })
  const server = createServer(
    { cert: certificate, key, ALPNProtocols: ['h2', 'http/1.1'] },
    (socket) => {
      socket.on('error', () => {})
      engine.accept(socket, 'tls', null, {
        remoteAddress: '192.0.2.7',
        remotePort: 7,
        localAddress: '192.0.2.1',
        localPort: 443,
      })
    },
  )

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })

  afterAll(async () => {
    engine.destroyAll()
    await new Promise<void>((resolve) => server.close(() => resolve()))
    await waitFor('no session', () => engine.sessionCount === 0)
  })

  function dial(): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const { port } = server.address() as AddressInfo
      const socket = connectTls(
        {
          port,
          host: '127.0.0.1',
          ca: authority.certificate,
          servername: 'shop.test',
          ALPNProtocols: ['h2'],
        },
        () => resolve(socket),
      )
      socket.on('error', reject)
    })
  }

  it('reports scheme, SNI, protocol and the addresses of a PROXY header', async () => {
    const socket = await dial()
    const session = connectH2('https://shop.test', { createConnection: () => socket })
    const stream = session.request({ ':method': 'POST', ':path': '/' })
    stream.end(Buffer.alloc(100_000, 'x'))
    const answer = await collect(stream)
    expect(answer.body.startsWith('echo xxx')).toBe(true)
    const { connection, request, bytesReceived } = handlers.at(-1)!.exchange
    expect(bytesReceived).toBe(100_000)
    expect(request.scheme).toBe('https')
    expect(connection).toMatchObject({
      remoteAddress: '192.0.2.7',
      remotePort: 7,
      localPort: 443,
      context: 'tls',
    })
    expect(connection.tls).toMatchObject({ serverName: 'shop.test', protocol: 'TLSv1.3' })
    expect(connection.tls?.cipher).toMatch(/^TLS_/)
    session.destroy()
  })

  it('serves our own client side', async () => {
    const log: string[] = []
    const connection = new H2Connection(await dial(), new H2ConnectionSettings(), {
      onConnectionStreamFreed: () => {},
      onConnectionDraining: () => {},
      onConnectionClosed: () => log.push('closed'),
    })
    const call = new UpstreamCall((handler) =>
      connection.start(
        upstreamRequest({ method: 'POST', scheme: 'https', authority: 'shop.test', bodyLength: 2 }),
        handler,
        { onAttemptStart() {}, onAttemptStatus() {}, onAttemptFailure() {}, onAttemptEnd() {} },
      ),
    )
    call.stream?.sendBody(Buffer.from('hi'))
    call.stream?.sendEnd(null)
    expect(await call.done).toMatchObject({ status: 200, body: 'echo hi', failure: null })
    connection.close()
    await waitFor('closed', () => log.length === 1)
  })
})

describe('first bytes that hold whole requests', () => {
  it('are served, trailers included', async () => {
    await using server = await H2EngineFixture.start((handler) => {
      handler.onEnd = () => handler.exchange.sendWhole(200, new Headers(), '')
    })
    const socket: Socket = connectTcp(server.port, '127.0.0.1')
    socket.on('error', () => {})
    const post = [...GET_FIELDS.slice(1), [':method', 'POST']] as const
    socket.write(
      Buffer.concat([
        PREFACE,
        frame(SETTINGS, 0, 0, Buffer.alloc(0)),
        frame(HEADERS, END_HEADERS, 1, headerBlock(post)),
        frame(DATA, 0, 1, Buffer.from('body')),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, headerBlock([['x-sum', '9']])),
        frame(HEADERS, END_HEADERS | END_STREAM, 3, headerBlock(GET_FIELDS)),
      ]),
    )
    const [first, second] = [await server.exchange(0), await server.exchange(1)]
    await waitFor('both answered', () => first.sent && second.sent)
    expect(first.body).toBe('body')
    expect(first.trailers?.fields).toEqual(['x-sum', '9'])
    expect(second.exchange.request.method).toBe('GET')
    socket.destroy()
  })

  it('may end anywhere', async () => {
    await using server = await H2EngineFixture.start((handler) => {
      handler.onEnd = () => handler.exchange.sendWhole(200, new Headers(), '')
    })
    const client = await FrameClient.open(server.port)
    const bytes = frame(HEADERS, END_HEADERS | END_STREAM, 1, headerBlock(GET_FIELDS))
    for (let i = 0; i < bytes.length; i++) {
      client.socket.write(bytes.subarray(i, i + 1))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await waitFor('the answer', () => client.find(HEADERS, 1))
    client.socket.destroy()
  })
})
