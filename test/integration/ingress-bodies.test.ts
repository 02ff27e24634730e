import { describe, expect, test } from 'vitest'
import { call } from '../support/call.ts'
import { startGateway } from '../support/gateway.ts'
import { RawServer, RawSocket } from '../support/raw-socket.ts'
import { routedTo } from '../support/routed.ts'
import { startUpstream } from '../support/upstream.ts'

const HEAD = 'host: app.test\r\n'

/** An upstream that keeps each connection's bytes and answers what `answer` says to each of them. */
async function startRaw(answer: (text: string, reply: (text: string) => void) => void): Promise<{
  readonly server: RawServer
  text: string
}> {
  // The server's handler writes to the result that holds the server: one of them comes first.
  const raw = { server: null as unknown as RawServer, text: '' }
  raw.server = await new RawServer((socket) => {
    let text = ''
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      raw.text = text
      answer(text, (reply) => socket.write(reply, 'latin1'))
    })
    socket.on('end', () => socket.end())
  }).listen()
  return raw
}

describe('request bodies', () => {
  test.each([
    ['content-length', 'content-length: 5\r\n\r\nhello', 'content-length'],
    [
      'chunked',
      'transfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n',
      'transfer-encoding',
    ],
  ])(
    'a %s body in the segment of its head arrives on a fresh connection',
    async (_what, rest, framing) => {
      await using app = await startUpstream('ok')
      await using gw = await startGateway(routedTo(app.port), { ports: [80] })
      const client = await RawSocket.connect(gw.port(80))
      client.write(`POST / HTTP/1.1\r\n${HEAD}${rest}`)
      await client.until(/\r\n\r\nok$/)
      expect(app.seen[0]!.body).toBe('hello')
      expect(app.seen[0]!.headers[framing]).toBeDefined()
      client.destroy()
    },
  )

  test('a body byte by byte arrives whole', async () => {
    await using app = await startUpstream('ok')
    await using gw = await startGateway(routedTo(app.port), { ports: [80] })
    const client = await RawSocket.connect(gw.port(80))
    await client.drip(
      `PUT / HTTP/1.1\r\n${HEAD}transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n`,
    )
    await client.until(/\r\n\r\nok$/)
    expect(app.seen[0]!.body).toBe('body')
    client.destroy()
  })

  test('a body of a method without body semantics is framed anew, not dropped', async () => {
    await using app = await startUpstream('ok')
    await using gw = await startGateway(routedTo(app.port), { ports: [80] })
    const port = gw.port(80)
    await call({
      port,
      host: 'app.test',
      method: 'DELETE',
      body: 'why',
      headers: { 'content-length': '3' },
    })
    expect(app.seen[0]!.body).toBe('why')
  })

  test('empty bodies stay empty', async () => {
    await using app = await startUpstream('ok')
    await using gw = await startGateway(routedTo(app.port), { ports: [80] })
    const client = await RawSocket.connect(gw.port(80))
    client.write(`POST /none HTTP/1.1\r\n${HEAD}\r\n`)
    client.write(`POST /zero HTTP/1.1\r\n${HEAD}content-length: 0\r\n\r\n`)
    client.write(`POST /chunked HTTP/1.1\r\n${HEAD}transfer-encoding: chunked\r\n\r\n0\r\n\r\n`)
    await client.until(/(?:ok[^]*){3}/)
    expect(app.seen.map(({ url, body }) => [url, body])).toEqual([
      ['/none', ''],
      ['/zero', ''],
      ['/chunked', ''],
    ])
    client.destroy()
  })
})

describe('response bodies', () => {
  test.each([
    ['content-length', 'content-length: 5\r\n\r\nhello'],
    ['chunked', 'transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
    ['until close', 'connection: close\r\n\r\nhello'],
  ])('%s', async (what, rest) => {
    await using server = await new RawServer((socket) => {
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\n${rest}`)
        if (what === 'until close') socket.end()
      })
    }).listen()
    await using gw = await startGateway(routedTo(server.port), { ports: [80] })
    const answer = await call({ port: gw.port(80), host: 'app.test' })
    expect([answer.status, answer.body]).toEqual([200, 'hello'])
  })

  test('HEAD, 204 and 304 have no body, and the connection goes on', async () => {
    await using app = await startUpstream((request, response) => {
      response.statusCode = Number((request.url ?? '').slice(1))
      if (response.statusCode === 200) response.setHeader('content-length', '1234')
      response.setHeader('etag', '"x"')
      response.end()
    })
    await using gw = await startGateway(routedTo(app.port), { ports: [80] })
    const client = await RawSocket.connect(gw.port(80))
    client.write(`HEAD /200 HTTP/1.1\r\n${HEAD}\r\nGET /204 HTTP/1.1\r\n${HEAD}\r\n`)
    client.write(`GET /304 HTTP/1.1\r\n${HEAD}\r\nGET /404 HTTP/1.1\r\n${HEAD}\r\n`)
    const text = await client.until(/404 [^]*\r\n\r\n/)
    const heads = text.split('\r\n\r\n').filter((head) => head !== '')
    expect(heads.map((head) => head.slice(9, 12))).toEqual(['200', '204', '304', '404'])
    expect(heads[0]).toContain('content-length: 1234')
    expect(heads[1]).not.toMatch(/content-length|transfer-encoding/i)
    client.destroy()
  })

  test('a truncated answer never looks complete', async () => {
    await using server = await new RawServer((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort'))
    }).listen()
    await using gw = await startGateway(routedTo(server.port), { ports: [80] })
    await expect(call({ port: gw.port(80), host: 'app.test' })).rejects.toThrow()
  })

  test('trailers reach a client that asked for them', async () => {
    await using app = await startUpstream((_request, response) => {
      response.setHeader('trailer', 'x-sum')
      response.write('part')
      response.addTrailers({ 'x-sum': '42' })
      response.end()
    })
    await using gw = await startGateway(routedTo(app.port), { ports: [80] })
    const headers = { te: 'trailers', connection: 'te' }
    const answer = await call({ port: gw.port(80), host: 'app.test', headers })
    expect([answer.body, answer.trailers]).toEqual(['part', { 'x-sum': '42' }])
  })
})

describe('informational answers', () => {
  test('100 Continue comes from the upstream, and the body only then', async () => {
    const raw = await startRaw((text, reply) => {
      if (text.endsWith('\r\n\r\n') && !text.includes('hello'))
        reply('HTTP/1.1 100 Continue\r\n\r\n')
      if (text.endsWith('hello')) reply('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
    })
    await using server = raw.server
    await using gw = await startGateway(routedTo(server.port), { ports: [80] })
    const client = await RawSocket.connect(gw.port(80))
    client.write(`POST / HTTP/1.1\r\n${HEAD}expect: 100-continue\r\ncontent-length: 5\r\n\r\n`)
    await client.until(/^HTTP\/1\.1 100 Continue\r\n/)
    expect(raw.text).toMatch(/expect: 100-continue/)
    client.write('hello')
    await client.until(/HTTP\/1\.1 200 OK[^]*ok$/)
    client.destroy()
  })

  test('a final answer instead of 100 Continue is relayed without the body', async () => {
    const raw = await startRaw((_text, reply) => {
      reply('HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n')
    })
    await using server = raw.server
    await using gw = await startGateway(routedTo(server.port), { ports: [80] })
    const client = await RawSocket.connect(gw.port(80))
    client.write(`POST / HTTP/1.1\r\n${HEAD}expect: 100-continue\r\ncontent-length: 5\r\n\r\n`)
    expect(await client.until(/\r\n\r\n$/)).toMatch(/^HTTP\/1\.1 413 /)
    await client.untilEnd()
    client.destroy()
  })

  test('103 Early Hints are relayed before the answer', async () => {
    const raw = await startRaw((_text, reply) => {
      reply(
        'HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
      )
    })
    await using server = raw.server
    await using gw = await startGateway(routedTo(server.port), { ports: [80] })
    const client = await RawSocket.connect(gw.port(80))
    client.write(`GET / HTTP/1.1\r\n${HEAD}\r\n`)
    const text = await client.until(/ok$/)
    expect(text).toMatch(/^HTTP\/1\.1 103 Early Hints\r\nlink: <\/a\.css>\r\n\r\nHTTP\/1\.1 200 OK/)
    client.destroy()
  })
})

const UPLOAD_BYTES = 64 * 1024 * 1024

describe('an early 413 to a large upload', () => {
  test.each([
    ['the upstream closes its side and reads no more', true],
    ['the upstream keeps its connection and stops reading', false],
  ])('%s: the client gets the answer, the upload ends', async (_what, closes) => {
    await using server = await new RawServer((socket) => {
      socket.on('error', () => socket.destroy())
      socket.once('data', () => {
        socket.pause()
        socket.write('HTTP/1.1 413 Content Too Large\r\ncontent-length: 9\r\n\r\ntoo large')
        if (closes) socket.end()
      })
    }).listen()
    await using gw = await startGateway(routedTo(server.port), { ports: [80] })
    const client = await RawSocket.connect(gw.port(80))
    client.write(`POST / HTTP/1.1\r\n${HEAD}content-length: ${UPLOAD_BYTES}\r\n\r\n`)
    const block = Buffer.alloc(64 * 1024, 97)
    let sent = 0
    const pump = (): void => {
      while (!client.closed && !client.socket.destroyed && sent < UPLOAD_BYTES) {
        sent += block.length
        if (!client.socket.write(block)) return
      }
    }
    client.socket.on('drain', pump)
    pump()
    expect(await client.until(/too large$/)).toMatch(/^HTTP\/1\.1 413 [^]*connection: close/)
    await client.untilEnd()
    expect(sent).toBeLessThan(UPLOAD_BYTES)
    expect(gw.gateway.activeExchanges).toBe(0)
    client.destroy()
  })
})

test('pipelined requests are answered in order, each by its own answer', async () => {
  const release: (() => void)[] = []
  await using app = await startUpstream((request, response) => {
    request.resume()
    const answer = (): void => void response.end(`<${request.url}>`)
    // The first answer comes last where requests were sent on in parallel.
    if (request.url === '/0') release.push(answer)
    else answer()
  })
  let seen = 0
  app.server.on('request', () => seen++)
  await using gw = await startGateway(routedTo(app.port), { ports: [80] })
  const client = await RawSocket.connect(gw.port(80))
  let requests = ''
  for (let i = 0; i < 20; i++) {
    requests +=
      i % 2 === 0
        ? `GET /${i} HTTP/1.1\r\n${HEAD}\r\n`
        : `POST /${i} HTTP/1.1\r\n${HEAD}content-length: 4\r\n\r\nbody`
  }
  client.write(requests)
  await expect.poll(() => release.length).toBe(1)
  expect(seen).toBe(1)
  release[0]!()
  const text = await client.until('</19>')
  expect([...text.matchAll(/<\/(\d+)>/g)].map((found) => Number(found[1]))).toEqual(
    Array.from({ length: 20 }, (_, i) => i),
  )
  client.destroy()
})
