import { once } from 'node:events'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { finished } from '../fixtures/plugins/every-hook.ts'
import { hanging } from '../fixtures/plugins/failing.ts'
import { WIRES } from '../support/both-wires.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { heldBufferBytes, untilHeldBelow } from '../support/held-memory.ts'
import { drainedBytes, Pump } from '../support/pump.ts'
import { RawSocket } from '../support/raw-socket.ts'
import { routedTo } from '../support/routed.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'

const fixture = (name: string): string =>
  join(import.meta.dirname, '../fixtures/plugins', `${name}.ts`)

const withPlugin = (upstream: Upstream, name: string): Promise<TestGateway> =>
  startGateway(routedTo(upstream.port), { plugins: [fixture(name)], ports: [80] })

describe.each(WIRES)('$name: a plugin with every hook', ({ ask, open }) => {
  beforeEach(() => {
    finished.length = 0
  })

  const BEFORE = ['onRequest', 'preParsing', 'preValidation', 'preHandler', 'onSend']

  test.each([
    ['GET', undefined],
    ['POST', 'a body'],
    ['PUT', 'x'.repeat(200_000)],
    ['PROPFIND', undefined],
  ])('they run in order for a proxied %s, and its body is whole', async (method, body) => {
    await using upstream = await startUpstream('hello')
    await using gw = await withPlugin(upstream, 'every-hook')
    const answer = await ask({
      port: gw.port(80),
      path: '/shop?a=1',
      method,
      headers: { 'content-type': 'not a type' },
      ...(body === undefined ? {} : { body }),
    })
    expect(answer).toMatchObject({ status: 200, isCut: false })
    expect(answer.body.toString()).toBe('HELLO')
    expect(answer.headers).toMatchObject({ 'x-hooks': BEFORE.join(' '), 'x-early': 'hook' })
    expect(upstream.seen).toMatchObject([
      { method, body: body ?? '', headers: { 'x-from-hook': `${method} /shop?a=1` } },
    ])
    await waitFor('onResponse', () => finished.length === 1)
    expect(finished).toEqual([[...BEFORE, 'onResponse 200']])
  })

  test('they see local answers, answers without body, and their statuses', async () => {
    await using upstream = await startUpstream((request, response) => {
      response.statusCode = Number(request.url!.slice(1))
      response.setHeader('x-upstream', 'yes')
      response.end()
    })
    await using gw = await withPlugin(upstream, 'every-hook')
    const port = gw.port(80)
    for (const status of [200, 204, 304, 404, 500]) {
      const answer = await ask({ port, path: `/${status}` })
      expect(answer).toMatchObject({ status, isCut: false })
      expect(answer.headers).toMatchObject({
        'x-hooks': BEFORE.join(' '),
        'x-early': 'hook',
        'x-upstream': 'yes',
      })
      expect(answer.body.length).toBe(0)
    }
    expect((await ask({ port, host: 'unknown.test' })).status).toBe(404)
    await waitFor('all', () => finished.length === 6)
    const statuses = finished.map((hooks) => hooks.at(-1))
    expect(statuses).toEqual(
      ['200', '204', '304', '404', '500', '404'].map((s) => `onResponse ${s}`),
    )
  })

  test('the head of a stream does not wait for its first byte, trailers come behind its last', async () => {
    const more = Promise.withResolvers<void>()
    await using upstream = await startUpstream((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', trailer: 'x-sum' })
      response.flushHeaders()
      void more.promise.then(() => {
        response.addTrailers({ 'x-sum': '3' })
        response.end('one')
      })
    })
    await using gw = await withPlugin(upstream, 'every-hook')
    const { status, body } = await open({ port: gw.port(80) })
    expect(status).toBe(200)
    more.resolve()
    expect(await drainedBytes(body)).toBe(3)
    const { trailers } = await ask({ port: gw.port(80) })
    expect(trailers).toMatchObject({ 'x-sum': '3' })
  })

  test('a client that does not read stops the upstream, and gets everything once it does', async () => {
    const total = 48 * 1024 * 1024
    const begun = Promise.withResolvers<Pump>()
    await using upstream = await startUpstream((_request, response) => {
      begun.resolve(new Pump(response, total))
    })
    await using gw = await withPlugin(upstream, 'every-hook')
    const before = heldBufferBytes()
    const { body } = await open({ port: gw.port(80) })
    const pump = await begun.promise
    await pump.untilStalled()
    expect(pump.taken).toBeLessThan(total - 4 * 1024 * 1024)
    await untilHeldBelow(before + 2 * 1024 * 1024)
    expect(await drainedBytes(body)).toBe(total)
  })

  test('a client that leaves within a stream frees the upstream', async () => {
    const left = Promise.withResolvers<void>()
    await using upstream = await startUpstream((_request, response) => {
      response.on('close', left.resolve)
      response.write('first')
    })
    await using gw = await withPlugin(upstream, 'every-hook')
    const { body, reset } = await open({ port: gw.port(80) })
    await once(body, 'data')
    body.on('error', () => {})
    reset()
    await left.promise
    await waitFor('the exchange to be over', () => gw.gateway.activeExchanges === 0)
  })

  test('an upstream that breaks off within a stream resets the client', async () => {
    await using upstream = await startUpstream((_request, response) => {
      response.write('first')
      setImmediate(() => response.socket?.resetAndDestroy())
    })
    await using gw = await withPlugin(upstream, 'every-hook')
    expect((await ask({ port: gw.port(80) })).isCut).toBe(true)
    await waitFor('the exchange to be over', () => gw.gateway.activeExchanges === 0)
  })
})

test('a WebSocket passes by onSend hooks', async () => {
  await using upstream = await startUpstream('hello')
  upstream.server.on('upgrade', (_request, socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n',
    )
    socket.pipe(socket)
  })
  await using gw = await withPlugin(upstream, 'every-hook')
  const socket = await RawSocket.connect(gw.port(80))
  socket.write(
    'GET / HTTP/1.1\r\nhost: app.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n' +
      'sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  )
  await socket.until('HTTP/1.1 101')
  socket.write('frames')
  await socket.until('\r\n\r\nframes')
  socket.end()
  await socket.untilEnd()
})

describe.each(WIRES)('$name: a hook that fails', ({ ask, start }) => {
  const HOOKS = ['onRequest', 'preParsing', 'preValidation', 'preHandler', 'onSend']

  test.each(['throws', 'rejects', 'calls-back'])(
    'and %s costs its own request a 500, and no other anything',
    async (way) => {
      await using upstream = await startUpstream((request, response) => {
        request.resume()
        response.statusCode = 404
        response.setHeader('etag', '"of the upstream"')
        response.end('not here')
      })
      await using gw = await withPlugin(upstream, 'failing')
      const port = gw.port(80)
      const [others, ...answers] = await Promise.all([
        Promise.all(Array.from({ length: 5 }, () => ask({ port }))),
        ...HOOKS.flatMap((hook) => [
          ask({ port, path: `/${hook}/${way}` }),
          ask({ port, path: `/${hook}/${way}`, method: 'POST', body: 'x'.repeat(100_000) }),
        ]),
      ])
      for (const answer of answers) {
        expect(answer).toMatchObject({ status: 500, isCut: false })
        expect(answer.body.toString()).toContain('failed')
        expect(answer.headers.etag).toBeUndefined()
      }
      for (const { status, body } of others) {
        expect([status, body.toString()]).toEqual([404, 'not here'])
      }
      // Behind the answer there is nothing left to spoil.
      expect((await ask({ port, path: `/onResponse/${way}` })).status).toBe(404)
      await waitFor('the exchanges to be over', () => gw.gateway.activeExchanges === 0)
    },
  )

  test('may choose the status, which the access log tells', async () => {
    await using upstream = await startUpstream('hello')
    await using gw = await withPlugin(upstream, 'failing')
    const answer = await ask({ port: gw.port(80), path: '/onSend/teapot' })
    expect(answer.status).toBe(418)
    await gw.gateway.close()
    expect(gw.accessLog()).toMatch(/"GET \/onSend\/teapot HTTP\/[12.]+" 418 /)
  })

  test.each([
    ['while others are to come', 'onRequest', 500],
    ['when it was the last', 'preHandler', 200],
    ['when the answer is out', 'onSend', 200],
  ])('after it has let the request pass, %s', async (_when, hook, status) => {
    await using upstream = await startUpstream('hello')
    await using gw = await withPlugin(upstream, 'failing')
    const answer = await ask({ port: gw.port(80), path: `/${hook}/throws-late` })
    expect(answer).toMatchObject({ status, isCut: false })
    expect(upstream.seen).toHaveLength(status === 200 ? 1 : 0)
    await waitFor('the exchange to be over', () => gw.gateway.activeExchanges === 0)
  })

  test.each(['onRequest', 'preParsing', 'preHandler', 'onSend'])(
    'that hangs in %s holds nothing once the client has left',
    async (hook) => {
      hanging.count = 0
      hanging.aborted = 0
      await using upstream = await startUpstream('hello')
      await using gw = await withPlugin(upstream, 'failing')
      const port = gw.port(80)
      const { reset } = start({ port, path: `/${hook}/hangs` })
      await waitFor('the hook to hang', () => hanging.count === 1)
      expect((await ask({ port })).body.toString()).toBe('hello')
      reset()
      await waitFor('onRequestAbort', () => hanging.aborted === 1)
      await waitFor('the exchanges to be over', () => gw.gateway.activeExchanges === 0)
      hanging.release()
      expect((await ask({ port })).body.toString()).toBe('hello')
      expect(upstream.seen).toHaveLength(hook === 'onSend' ? 3 : 2)
    },
  )
})
