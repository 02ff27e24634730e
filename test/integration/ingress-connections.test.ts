import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect as connectH2 } from 'node:http2'
import type { Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { fetch, Agent as FetchAgent } from 'undici'
import { describe, expect, test } from 'vitest'
import { call } from '../support/call.ts'
import { startGateway } from '../support/gateway.ts'
import { RawServer, RawSocket } from '../support/raw-socket.ts'
import { routedTo } from '../support/routed.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'

const WEBSOCKET =
  'GET /ws HTTP/1.1\r\nhost: app.test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n' +
  'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
const SWITCHED =
  'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n'

/** Answers every head with `answer` and hands the socket over. */
function onHead(answer: (head: string, socket: Socket) => void): (socket: Socket) => void {
  return (socket) => {
    let text = ''
    socket.on('error', () => socket.destroy())
    const read = (chunk: Buffer): void => {
      text += chunk.toString('latin1')
      if (!text.includes('\r\n\r\n')) return
      socket.off('data', read)
      answer(text, socket)
    }
    socket.on('data', read)
  }
}

describe('a client that goes away is reported to the upstream', () => {
  test.each([
    'while the answer is awaited',
    'in the middle of the answer',
    'in the middle of its upload',
  ])('HTTP/1.1, %s', async (what) => {
    let closed = false
    let arrived = false
    await using app = await startUpstream((incoming, response) => {
      arrived = true
      incoming.socket.on('close', () => (closed = true))
      incoming.on('error', () => {})
      incoming.resume()
      if (what === 'in the middle of the answer') response.write('begun')
    })
    await using gw = await startGateway(routedTo(app.port), { ports: [80] })
    const client = await RawSocket.connect(gw.port(80))
    const upload = what === 'in the middle of its upload'
    client.write(
      upload
        ? 'POST / HTTP/1.1\r\nhost: app.test\r\ncontent-length: 10\r\n\r\nhalf'
        : 'GET / HTTP/1.1\r\nhost: app.test\r\n\r\n',
    )
    await waitFor('the request', () => arrived)
    if (what === 'in the middle of the answer') await client.until('begun')
    client.socket.resetAndDestroy()
    await waitFor('the upstream to hear of it', () => closed)
    await waitFor('the exchange to end', () => gw.gateway.activeExchanges === 0)
  })

  test.each(['RST_STREAM', 'the whole session'])('HTTP/2, %s', async (what) => {
    let closed = false
    let arrived = false
    await using app = await startUpstream((incoming) => {
      arrived = true
      incoming.socket.on('close', () => (closed = true))
    })
    await using gw = await startGateway(routedTo(app.port), { ports: [80] })
    const session = connectH2(`http://127.0.0.1:${gw.port(80)}`)
    session.on('error', () => {})
    const stream = session.request({ ':authority': 'app.test', ':path': '/' })
    stream.on('error', () => {})
    await waitFor('the request', () => arrived)
    if (what === 'RST_STREAM') stream.close(8)
    else session.destroy()
    await waitFor('the upstream to hear of it', () => closed)
    await waitFor('the exchange to end', () => gw.gateway.activeExchanges === 0)
    session.destroy()
  })
})

describe('Upgrade', () => {
  test('bytes that follow the 101 in its segment, and bytes sent early, arrive on both sides', async () => {
    let received = ''
    await using server = await new RawServer(
      onHead((_head, socket) => {
        socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')))
        socket.write(`${SWITCHED}server first`)
      }),
    ).listen()
    await using gw = await startGateway(routedTo(server.port), { ports: [80] })
    const client = await RawSocket.connect(gw.port(80))
    client.write(`${WEBSOCKET}client early`)
    const text = await client.until('server first')
    expect(text).toMatch(/^HTTP\/1\.1 101 [^]*\r\nconnection: upgrade\r\n/i)
    await waitFor('the early bytes', () => received === 'client early')
    client.destroy()
  })

  test('early bytes never reach an upstream that refuses, and its answer is relayed', async () => {
    let received = ''
    await using server = await new RawServer((socket) => {
      socket.on('error', () => socket.destroy())
      socket.on('data', (chunk: Buffer) => {
        received += chunk.toString('latin1')
        if (received.includes('\r\n\r\n')) {
          socket.write('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno')
        }
      })
    }).listen()
    await using gw = await startGateway(routedTo(server.port), { ports: [80] })
    const client = await RawSocket.connect(gw.port(80))
    client.write(`${WEBSOCKET}GET /admin HTTP/1.1\r\nhost: app.test\r\n\r\n`)
    expect(await client.until(/\r\n\r\nno/)).toMatch(/^HTTP\/1\.1 403 Forbidden/)
    await client.untilEnd()
    expect(received).not.toContain('/admin')
    client.destroy()
  })

  test('anything but websocket is refused', async () => {
    await using app = await startUpstream('app')
    await using gw = await startGateway(routedTo(app.port), { ports: [80] })
    const client = await RawSocket.connect(gw.port(80))
    client.write('GET / HTTP/1.1\r\nhost: app.test\r\nconnection: Upgrade\r\nupgrade: irc\r\n\r\n')
    expect(await client.untilEnd()).toMatch(/^HTTP\/1\.1 403 /)
    expect(app.seen).toEqual([])
    client.destroy()
  })

  test.each([
    ['client', 'upstream'],
    ['upstream', 'client'],
  ])('a half-close of the %s passes through; the %s goes on sending', async (first) => {
    let received = ''
    let ended = false
    const opened = Promise.withResolvers<Socket>()
    await using server = await new RawServer(
      onHead((_head, socket) => {
        socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')))
        socket.on('end', () => (ended = true))
        socket.write(SWITCHED)
        opened.resolve(socket)
      }),
    ).listen()
    await using gw = await startGateway(routedTo(server.port), { ports: [80] })
    const client = await RawSocket.connect(gw.port(80))
    client.write(WEBSOCKET)
    await client.until('\r\n\r\n')
    const upstream = await opened.promise
    if (first === 'client') {
      client.write('last words').end()
      await waitFor('the half-close upstream', () => ended)
      expect(received).toBe('last words')
      upstream.end('reply')
      expect(await client.untilEnd()).toMatch(/reply$/)
    } else {
      upstream.end('last words')
      expect(await client.untilEnd()).toMatch(/last words$/)
      client.write('reply').end()
      await waitFor('the half-close upstream', () => ended)
      expect(received).toBe('reply')
    }
    await waitFor('the exchange to end', () => gw.gateway.activeExchanges === 0)
  })
})

test('a client that closes its side after the request still gets the answer', async () => {
  await using app = await startUpstream('answered')
  await using gw = await startGateway(routedTo(app.port), { ports: [80] })
  const client = await RawSocket.connect(gw.port(80))
  client.write('POST / HTTP/1.1\r\nhost: app.test\r\ncontent-length: 4\r\n\r\nbody').end()
  expect(await client.untilEnd()).toMatch(/^HTTP\/1\.1 200 [^]*answered$/)
  expect(app.seen[0]!.body).toBe('body')
})

describe('keep-alive', () => {
  test('one client connection and one upstream connection carry many requests', async () => {
    await using app = await startUpstream('ok')
    let connections = 0
    app.server.on('connection', () => connections++)
    await using gw = await startGateway(routedTo(app.port), { ports: [80] })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const locals = new Set<number | undefined>()
    for (let i = 0; i < 10; i++) {
      const sent = request({ port: gw.port(80), headers: { host: 'app.test' }, agent })
      sent.end()
      const [response] = await once(sent, 'response')
      locals.add(response.socket.localPort)
      await buffer(response)
    }
    agent.destroy()
    expect([locals.size, connections, app.seen.length]).toEqual([1, 1, 10])
  })

  test('an upstream that closes idle connections causes no client error', async () => {
    await using app = await startUpstream('ok')
    await using gw = await startGateway(routedTo(app.port), { ports: [80] })
    for (let i = 0; i < 20; i++) {
      expect((await call({ port: gw.port(80), host: 'app.test' })).status).toBe(200)
      app.server.closeIdleConnections()
    }
  })

  test('an upstream that closes as the next request is written: a GET is sent again', async () => {
    let connections = 0
    await using server = await new RawServer((socket) => {
      const fresh = ++connections
      let requests = 0
      socket.on('error', () => socket.destroy())
      socket.on('data', () => {
        // The first connection dies of its second request, unanswered.
        if (fresh === 1 && ++requests === 2) socket.resetAndDestroy()
        else socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n${fresh}`)
      })
    }).listen()
    await using gw = await startGateway(routedTo(server.port), { ports: [80] })
    expect((await call({ port: gw.port(80), host: 'app.test' })).body).toBe('1')
    const again = await call({ port: gw.port(80), host: 'app.test' })
    expect([again.status, again.body]).toEqual([200, '2'])
  })

  test('a POST in the same place is not sent twice', async () => {
    let requests = 0
    await using server = await new RawServer((socket) => {
      socket.on('error', () => socket.destroy())
      socket.on('data', (chunk: Buffer) => {
        if (!chunk.toString('latin1').includes('HTTP/1.1')) return
        if (++requests === 2) socket.resetAndDestroy()
        else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
      })
    }).listen()
    await using gw = await startGateway(routedTo(server.port), { ports: [80] })
    const post = (): ReturnType<typeof call> =>
      call({ port: gw.port(80), host: 'app.test', method: 'POST', body: 'once' })
    expect((await post()).status).toBe(200)
    expect((await post()).status).toBe(503)
    expect(requests).toBe(2)
  })
})

test('undici fetch speaks to it like to any server', async () => {
  await using app = await startUpstream('hello')
  await using gw = await startGateway(routedTo(app.port), { ports: [80] })
  const dispatcher = new FetchAgent({
    connect: {
      lookup: (_host, _options, found) => found(null, [{ address: '127.0.0.1', family: 4 }]),
    },
  })
  const bodies = await Promise.all(
    Array.from({ length: 16 }, async (_, i) => {
      const url = `http://app.test:${gw.port(80)}/f${i}`
      const response = await fetch(url, { method: 'POST', body: `body ${i}`, dispatcher })
      return response.text()
    }),
  )
  await dispatcher.close()
  expect(new Set(bodies)).toEqual(new Set(['hello']))
  expect(app.seen.map((seen) => seen.body).toSorted()).toEqual(
    Array.from({ length: 16 }, (_, i) => `body ${i}`).toSorted(),
  )
})
