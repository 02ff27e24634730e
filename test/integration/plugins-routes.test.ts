import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { digests } from '../fixtures/plugins/own-routes.ts'
import { MAX_KEPT_BODY_BYTES } from '../../src/http/fastify-body.ts'
import { WIRES } from '../support/both-wires.ts'
import { call } from '../support/call.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { RawSocket } from '../support/raw-socket.ts'
import { routedTo } from '../support/routed.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'

const OWN_ROUTES = join(import.meta.dirname, '../fixtures/plugins/own-routes.ts')
const JSON_TYPE = { 'content-type': 'application/json' }
const BYTES_TYPE = { 'content-type': 'application/octet-stream' }

const edge = (upstream: Upstream, ...plugins: string[]): Promise<TestGateway> =>
  startGateway(routedTo(upstream.port), { plugins: [...plugins, OWN_ROUTES], ports: [80] })

describe.each(WIRES)("$name: a plugin's own routes", ({ ask, start }) => {
  test('are served beside proxied traffic', async () => {
    await using upstream = await startUpstream('hello')
    await using gw = await edge(upstream)
    const port = gw.port(80)
    const item = await ask({ port, path: '/items/7?q=a%20b' })
    expect(item.body.toString()).toBe('{"id":"7","q":"a b"}')
    const created = { port, path: '/items', method: 'POST', headers: JSON_TYPE }
    const answer = await ask({ ...created, body: '{"name":"lamp"}' })
    expect([answer.status, answer.body.toString()]).toEqual([201, '{"created":"lamp"}'])
    for (const [method, path] of [
      ['GET', '/other'],
      ['DELETE', '/items/7'],
      ['GET', '/items/J%C3%BC'],
      ['PUT', '/items'],
    ] as const) {
      expect((await ask({ port, path, method })).body.toString()).toBe('hello')
    }
    expect(upstream.seen.map(({ url }) => url)).toEqual([
      '/other',
      '/items/7',
      '/items/J%C3%BC',
      '/items',
    ])
  })

  test.each([
    ['no JSON', JSON_TYPE, '{"name"', 400],
    ['not what the schema says', JSON_TYPE, '{"name":{}}', 400],
    ['of a type nobody reads', { 'content-type': 'application/cbor' }, 'x', 415],
    ['larger than the limit', JSON_TYPE, `"${'x'.repeat(1_200_000)}"`, 413],
  ])('refuse a body that is %s', async (_what, headers, body, status) => {
    await using upstream = await startUpstream('hello')
    await using gw = await edge(upstream)
    const port = gw.port(80)
    const answer = await ask({ port, path: '/items', method: 'POST', headers, body })
    // Over HTTP/1.1 a client that is still sending may lose the answer to the reset behind it.
    if (!(answer.isCut && status === 413)) expect(answer.status).toBe(status)
    expect((await ask({ port, path: '/items', method: 'POST', body: '' })).status).toBe(400)
    expect(upstream.seen).toEqual([])
  })

  test('read bodies of any size as a stream, and send them back as they come', async () => {
    await using upstream = await startUpstream('hello')
    await using gw = await edge(upstream)
    const body = randomBytes(3 * MAX_KEPT_BODY_BYTES)
    const question = { port: gw.port(80), method: 'POST', headers: BYTES_TYPE, body }
    const digest = await ask({ ...question, path: '/digest' })
    expect(digest.body.toString()).toBe(createHash('sha256').update(body).digest('hex'))
    const echo = await ask({ ...question, path: '/echo' })
    expect(echo.body.equals(body)).toBe(true)
  })

  test('get a body unpacked by @fastify/compress', async () => {
    await using upstream = await startUpstream('hello')
    await using gw = await edge(upstream, '@fastify/compress')
    const question = {
      port: gw.port(80),
      path: '/items',
      method: 'POST',
      headers: { ...JSON_TYPE, 'content-encoding': 'gzip' },
    }
    const answer = await ask({ ...question, body: gzipSync('{"name":"lamp"}') })
    expect(answer.body.toString()).toBe('{"created":"lamp"}')
    expect((await ask({ ...question, body: 'not gzip at all' })).status).toBe(400)
  })

  test('learn that a client has left within its body', async () => {
    digests.begun = 0
    digests.broken = 0
    await using upstream = await startUpstream('hello')
    await using gw = await edge(upstream)
    const question = { port: gw.port(80), path: '/digest', method: 'POST', headers: BYTES_TYPE }
    const { reset } = start({ ...question, body: 'the beginning', isOpen: true })
    await waitFor('it to arrive', () => digests.begun === 1)
    reset()
    await waitFor('the route to learn it', () => digests.broken === 1)
    expect((await ask({ ...question, body: '' })).status).toBe(200)
  })

  test('a hook may read the body of a proxied request, which still goes upstream whole', async () => {
    await using upstream = await startUpstream('hello')
    await using gw = await edge(upstream)
    const question = { port: gw.port(80), method: 'POST', headers: { 'x-inspect': 'yes' } }
    for (const body of ['', 'small', 'x'.repeat(400_000)]) {
      expect((await ask({ ...question, body })).status).toBe(200)
      const seen = upstream.seen.at(-1)!
      expect(seen.body).toBe(body)
      expect(seen.headers['x-inspected']).toBe(`${body.length} ${body.slice(0, 5)}`.trim())
    }
    const tooLarge = await ask({ ...question, body: 'x'.repeat(MAX_KEPT_BODY_BYTES + 1) })
    if (!tooLarge.isCut) expect(tooLarge.status).toBe(413)
    expect(upstream.seen).toHaveLength(3)
  })
})

describe.each(WIRES)('$name: what a plugin answers', ({ ask, open }) => {
  test('is in the access log', async () => {
    await using upstream = await startUpstream('hello')
    await using gw = await edge(upstream)
    const port = gw.port(80)
    await ask({ port, path: '/items/7' })
    await ask({ port, path: '/items', method: 'POST', headers: JSON_TYPE, body: '{"name":7}' })
    await ask({ port, path: '/items', method: 'POST', headers: JSON_TYPE, body: '{' })
    await waitFor('the exchanges to be over', () => gw.gateway.activeExchanges === 0)
    await gw.gateway.close()
    expect(
      gw.accessLog().match(/"(GET|POST) [^ ]+ HTTP\/[12.]+" \d+ . \w+ . "-" \d+ \d+/g),
    ).toEqual([
      expect.stringMatching(/GET \/items\/7 .* 200 - set_by_plugin - "-" 0 19$/),
      expect.stringMatching(/POST \/items .* 201 - set_by_plugin - "-" 10 15$/),
      expect.stringMatching(/POST \/items .* 400 - set_by_plugin - "-" 1 \d+$/),
    ])
  })

  test('is waited for when the gateway drains', async () => {
    await using upstream = await startUpstream('hello')
    await using gw = await edge(upstream)
    const question = { port: gw.port(80), path: '/echo', method: 'POST', headers: BYTES_TYPE }
    const { body, reset } = await open({ ...question, body: 'first', isOpen: true })
    body.on('error', () => {})
    expect(gw.gateway.activeExchanges).toBe(1)
    reset()
    await waitFor('the exchange to be over', () => gw.gateway.activeExchanges === 0)
    await gw.gateway.close()
    expect(gw.accessLog()).toMatch(/" 200 DC downstream_remote_disconnect /)
  })
})

describe('HTTP/1.1', () => {
  test('a route that reads its body asks for it when the client waits to be asked', async () => {
    await using upstream = await startUpstream('hello')
    await using gw = await edge(upstream)
    const socket = await RawSocket.connect(gw.port(80))
    socket.write(
      'POST /items HTTP/1.1\r\nhost: app.test\r\ncontent-type: application/json\r\n' +
        'content-length: 15\r\nexpect: 100-continue\r\n\r\n',
    )
    await socket.until('HTTP/1.1 100 Continue\r\n\r\n')
    socket.write('{"name":"lamp"}')
    await socket.until('{"created":"lamp"}')
    // The connection goes on behind it.
    socket.write('GET /next HTTP/1.1\r\nhost: app.test\r\n\r\n')
    await socket.until('hello')
    socket.destroy()
  })

  test('requests on one connection are told apart whoever answers them', async () => {
    await using upstream = await startUpstream('proxied')
    await using gw = await edge(upstream)
    const post = (path: string, body: string): string =>
      `POST ${path} HTTP/1.1\r\nhost: app.test\r\ncontent-type: application/octet-stream\r\n` +
      `content-length: ${body.length}\r\n\r\n${body}`
    const socket = await RawSocket.connect(gw.port(80))
    socket.write(post('/echo', 'one') + post('/other', 'two') + post('/echo', 'three'))
    await socket.until(/one.*proxied.*three/s)
    expect(upstream.seen.map(({ body }) => body)).toEqual(['two'])
    socket.destroy()
  })
})

describe('a start with plugins', () => {
  test.each([
    ['is not there', './no-such-plugin.ts', /^the plugin cannot be loaded/],
    ['exports nothing to call', 'mime-db', /^the module exports no Fastify plugin/],
    ['lacks what it needs', '@fastify/basic-auth', /^a plugin does not start: .*validate/],
  ])('fails when one %s, and says which', async (_what, spec, message) => {
    await expect(startGateway('', { plugins: [spec] })).rejects.toMatchObject({
      message: expect.stringMatching(message) as string,
      where: expect.stringContaining(spec) as string,
    })
  })
})

describe('the egress proxy', () => {
  test('has no plugins', async () => {
    await using upstream = await startUpstream('hello')
    await using gw = await startGateway(routedTo(upstream.port), {
      plugins: [OWN_ROUTES, '@fastify/helmet'],
      ports: [80],
      egressProxy: true,
    })
    const answer = await call({ port: gw.egressPort, path: '/items/7', host: 'app:8080' })
    expect(answer.headers['x-frame-options']).toBeUndefined()
    expect(answer.body).not.toContain('"id"')
  })
})
