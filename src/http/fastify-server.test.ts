import { setImmediate as nextTurn } from 'node:timers/promises'
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyPluginCallback, FastifyReply } from 'fastify'
import { describe, expect, it } from 'vitest'
import { FastifyFixture } from '../../test/support/fastify-fixture.ts'
import { collect } from '../../test/support/h2-client.ts'
import { waitFor } from '../../test/support/wait.ts'
import { createGatewayFastify } from './fastify-server.ts'
import { Headers } from './headers.ts'

const GET = { ':method': 'GET', ':path': '/shop?a=1', ':authority': 'shop.test' }
const POST = { ':method': 'POST', ':path': '/shop', ':authority': 'shop.test' }

function fieldsOf(rawHeaders: readonly string[]): Record<string, string> {
  const map: Record<string, string> = {}
  for (let i = 0; i < rawHeaders.length; i += 2) map[rawHeaders[i]!] = rawHeaders[i + 1]!
  return map
}

describe('without plugins every exchange reaches the proxy', () => {
  it.each([
    ['an ordinary one', 'GET', '/shop?a=1'],
    ['broken escapes', 'GET', '/%zz?%zz'],
    ['an escaped slash', 'GET', '/a%2Fb;c=d'],
    ['a long path', 'GET', `/${'long'.repeat(2000)}`],
    ['two slashes', 'GET', '//x'],
    ['the path of the catch-all', 'GET', '/.tidegate'],
    ['a body of odd type', 'POST', '/shop'],
    ['a WebDAV method', 'PROPFIND', '/dav'],
    ['QUERY', 'QUERY', '/q'],
    ['asterisk-form', 'OPTIONS', '*'],
    ['an unknown method', 'X-OWN', '/'],
  ])('%s', async (_name, method, path) => {
    await using fixture = await FastifyFixture.start()
    const body = method === 'POST' ? 'payload' : undefined
    const headers = {
      ':method': method,
      ':path': path,
      ':authority': 'shop.test',
      'content-type': 'garbage',
      'accept-version': '9',
    }
    const answer = await fixture.client.fetch(headers, body)
    expect(answer.status).toBe(200)
    expect(answer.body).toBe(`${method} ${path} ${body ?? ''}`)
  })

  it('also while the instance closes', async () => {
    await using fixture = await FastifyFixture.start()
    await fixture.gateway.close()
    expect((await fixture.client.fetch(GET)).status).toBe(200)
  })
})

describe('hooks', () => {
  it('run for every exchange and see the request as it is routed', async () => {
    const seen: unknown[] = []
    await using fixture = await FastifyFixture.start([
      (instance, _options, done) => {
        instance.addHook('onRequest', (request, _reply, next) => {
          seen.push([
            request.method,
            request.url,
            request.headers['x-a'],
            request.host,
            request.ip,
            request.query,
          ])
          next()
        })
        instance.addHook('preHandler', async (request) => {
          seen.push(request.raw.httpVersion)
        })
        done()
      },
    ])
    const answer = await fixture.client.fetch(
      [
        ':method',
        'POST',
        ':path',
        '/a/../b?q=1',
        ':authority',
        'shop.test',
        'x-a',
        '1',
        'x-a',
        '2',
        'content-type',
        'garbage',
      ],
      'body',
    )
    expect(answer.body).toBe('POST /b?q=1 body')
    expect(seen).toEqual([['POST', '/b?q=1', '1, 2', 'shop.test', '127.0.0.1', { q: '1' }], '2.0'])
  })

  it('hold the exchange while they wait, and lose none of its body', async () => {
    const gate = Promise.withResolvers<void>()
    await using fixture = await FastifyFixture.start([
      async (instance: FastifyInstance) => {
        instance.addHook('onRequest', async () => gate.promise)
      },
    ])
    const size = 300_000
    const answer = fixture.client.fetch(POST, Buffer.alloc(size, 'x'))
    const empty = fixture.client.fetch(GET)
    await waitFor('both to arrive', () => fixture.engine.activeExchanges === 2)
    expect(fixture.proxied).toHaveLength(0)
    gate.resolve()
    expect((await answer).status).toBe(200)
    expect((await empty).body).toBe('GET /shop?a=1 ')
    expect(fixture.proxied.map((handler) => handler.bodyBytes).toSorted()).toEqual([0, size])
  })

  it('a client that leaves meanwhile is not forwarded, and onRequestAbort runs', async () => {
    const gate = Promise.withResolvers<void>()
    let aborted = 0
    await using fixture = await FastifyFixture.start([
      async (instance: FastifyInstance) => {
        instance.addHook('onRequest', async () => gate.promise)
        instance.addHook('onRequestAbort', async (_request) => {
          aborted++
        })
      },
    ])
    const stream = fixture.client.open(GET)
    await waitFor('it to arrive', () => fixture.engine.activeExchanges === 1)
    stream.close(8)
    await waitFor('it to leave', () => fixture.engine.activeExchanges === 0)
    gate.resolve()
    await nextTurn()
    expect(fixture.proxied).toHaveLength(0)
    expect(aborted).toBe(1)
  })

  it.each<[string, FastifyPluginCallback]>([
    [
      'onRequest, at once',
      hook(
        'onRequest',
        (_request, reply) => void reply.code(401).header('x-why', 'no').send('go away'),
      ),
    ],
    [
      'onRequest, later',
      asyncHook('onRequest', async (reply) =>
        nextTurn().then(() => reply.code(401).header('x-why', 'no').send('go away')),
      ),
    ],
    [
      'preHandler',
      hook(
        'preHandler',
        (_request, reply) => void reply.code(401).header('x-why', 'no').send('go away'),
      ),
    ],
  ])('answer themselves: %s', async (_name, plugin) => {
    await using fixture = await FastifyFixture.start([plugin])
    for (const answer of [
      await fixture.client.fetch(GET),
      await fixture.client.fetch(POST, 'unread body'),
    ]) {
      expect(answer).toMatchObject({ status: 401, body: 'go away', rstCode: 0 })
      expect(fieldsOf(answer.rawHeaders)).toEqual({
        ':status': '401',
        'x-why': 'no',
        'content-type': 'text/plain; charset=utf-8',
        'content-length': '7',
      })
    }
    expect(fixture.proxied).toHaveLength(0)
  })

  it.each([
    ['JSON', { hello: 1 }, '{"hello":1}'],
    ['nothing', undefined, ''],
    ['a Buffer', Buffer.from('bytes'), 'bytes'],
    ['a stream', () => Readable.from(['a', 'b', 'c']), 'abc'],
  ])('answer with %s', async (_name, payload, body) => {
    await using fixture = await FastifyFixture.start([
      hook(
        'onRequest',
        (_request, reply) => void reply.send(typeof payload === 'function' ? payload() : payload),
      ),
    ])
    expect(await fixture.client.fetch(GET)).toMatchObject({ status: 200, body, rstCode: 0 })
  })

  it('answer with a stream larger than any buffer to a slow reader, and with trailers', async () => {
    const chunk = Buffer.alloc(16_384, 'x')
    await using fixture = await FastifyFixture.start([
      hook('onRequest', (_request, reply) => {
        void reply
          .trailer('x-sum', async () => '9')
          .send(Readable.from(Array.from({ length: 40 }, () => chunk)))
      }),
    ])
    const answer = await fixture.client.fetch(GET)
    expect(answer.body).toHaveLength(40 * chunk.length)
    expect(answer.rawTrailers).toEqual(['x-sum', '9'])
  })

  it('a stream sent without stopping the chain never mixes with the answer of the proxy', async () => {
    const source = new Readable({ read: () => {} })
    await using fixture = await FastifyFixture.start(
      [
        asyncHook('onRequest', async (reply) => {
          void reply.send(source)
        }),
      ],
      () => {},
    )
    const answer = fixture.client.fetch(GET)
    await waitFor('the proxy to get it', () => fixture.proxied[0])
    source.push('mixed')
    await nextTurn()
    const { exchange } = fixture.proxied[0]!
    exchange.sendWhole(200, new Headers(), 'pure')
    expect((await answer).body).toBe('pure')
    await waitFor('the stream to be given up', () => source.destroyed)
  })

  it('a stream that fails halfway resets the exchange', async () => {
    await using fixture = await FastifyFixture.start([
      hook('onRequest', (_request, reply) => {
        void reply.send(Readable.from(failing()))
      }),
    ])
    expect((await fixture.client.fetch(GET)).rstCode).not.toBe(0)
  })

  it('a client that leaves destroys the stream a plugin sends', async () => {
    const source = new Readable({ read: () => {} })
    await using fixture = await FastifyFixture.start([
      hook('onRequest', (_request, reply) => void reply.send(source)),
    ])
    const stream = fixture.client.open(GET)
    source.push('first')
    await new Promise((resolve) => stream.once('response', resolve))
    stream.close(8)
    await waitFor('destroyed', () => source.destroyed)
  })

  it('HEAD answers carry no body', async () => {
    await using fixture = await FastifyFixture.start([
      hook('onRequest', (_request, reply) => void reply.send('text')),
    ])
    const answer = await fixture.client.fetch({ ...GET, ':method': 'HEAD' })
    expect(fieldsOf(answer.rawHeaders)['content-length']).toBe('4')
    expect(answer.body).toBe('')
  })

  const fails: [string, FastifyPluginCallback][] = [
    [
      'throws at once',
      hook('onRequest', () => {
        throw new Error('boom')
      }),
    ],
    ['rejects', asyncHook('onRequest', async () => Promise.reject(new Error('boom')))],
    [
      'throws after an asynchronous one',
      (instance, _options, done) => {
        instance.addHook('onRequest', async () => nextTurn())
        instance.addHook('onRequest', () => {
          throw new Error('boom')
        })
        done()
      },
    ],
    [
      'throws in preHandler',
      hook('preHandler', () => {
        throw new Error('boom')
      }),
    ],
    [
      'sets a header that would split the response',
      hook('onRequest', (_request, reply, next) => {
        void reply.header('x-split', 'a\r\nb: c')
        next()
      }),
    ],
    [
      'answers with a header that would split the response',
      hook('onRequest', (_request, reply) => void reply.header('x-split', 'a\r\nb: c').send('x')),
    ],
  ]
  it.each(fails)('costs its request a 500 and no other: %s', async (_name, plugin) => {
    await using fixture = await FastifyFixture.start([onlyFor('/bad', plugin)])
    const bad = await fixture.client.fetch({ ...GET, ':path': '/bad' })
    expect(bad.status).toBe(500)
    expect(JSON.stringify(bad.rawHeaders)).not.toContain('x-split')
    expect((await fixture.client.fetch(GET)).status).toBe(200)
  })

  const unsendable: [string, (reply: FastifyReply) => void, ErrorConstructor][] = [
    ['a stream of objects', (reply) => void reply.send(Readable.from([{}])), TypeError],
    ['an object as text', (reply) => void reply.type('text/plain').send({}), TypeError],
    [
      'a status that is none',
      (reply) => {
        reply.raw.statusCode = 99
        void reply.send('text')
      },
      RangeError,
    ],
  ]
  it.each(unsendable)(
    'an answer that cannot be sent is told once: %s',
    async (_what, answer, kind) => {
      await using fixture = await FastifyFixture.start([
        hook('onRequest', (_request, reply) => void setImmediate(answer, reply)),
      ])
      expect((await fixture.client.fetch(GET)).status).toBe(500)
      expect(fixture.pluginErrors).toEqual([expect.any(kind)])
    },
  )

  it('onResponse runs with the status the proxy sent, once the answer has left', async () => {
    const statuses: number[] = []
    await using fixture = await FastifyFixture.start(
      [
        async (instance: FastifyInstance) => {
          instance.addHook('onResponse', async (_request, reply) => {
            statuses.push(reply.statusCode)
          })
        },
      ],
      (handler) => handler.exchange.sendWhole(418, new Headers(), 'tea'),
    )
    expect((await fixture.client.fetch(GET)).body).toBe('tea')
    await waitFor('onResponse', () => statuses.length === 1)
    expect(statuses).toEqual([418])
    expect(fixture.proxied[0]?.sent).toBe(true)
  })

  it('response headers they set are added, unless the upstream has them', async () => {
    await using fixture = await FastifyFixture.start([
      hook('onRequest', (_request, reply, next) => {
        void reply
          .header('x-frame-options', 'DENY')
          .header('x-from', 'plugin')
          .header('set-cookie', 'p=1')
        reply.raw.setHeader('x-raw', ['1', '2'])
        next()
      }),
    ])
    const { rawHeaders } = await fixture.client.fetch(GET)
    expect(rawHeaders).toEqual(
      expect.arrayContaining([
        'x-frame-options',
        'DENY',
        'set-cookie',
        'p=1',
        'x-raw',
        '1',
        'x-raw',
        '2',
      ]),
    )
    expect(fieldsOf(rawHeaders)['x-from']).toBe('proxy')
  })

  it('a plugin gets its options and may serve routes of its own', async () => {
    await using fixture = await FastifyFixture.start([
      {
        plugin: (instance: FastifyInstance, options: object, done: () => void) => {
          instance.get(
            '/robots.txt',
            (_request: unknown, reply: FastifyReply) =>
              void reply.send((options as { text: string }).text),
          )
          instance.get('/', (_request, reply) => void reply.send('home'))
          done()
        },
        options: { text: 'Disallow: /' },
      },
    ])
    const at = async (path: string, method = 'GET'): Promise<string> =>
      (await fixture.client.fetch({ ...GET, ':method': method, ':path': path })).body
    expect(await at('/robots.txt')).toBe('Disallow: /')
    expect(await at('/?x=1')).toBe('home')
    expect(await at('/other')).toBe('GET /other ')
    expect(await at('/robots.txt', 'DELETE')).toBe('DELETE /robots.txt ')
    expect(await at('/robots%2Ftxt%zz')).toBe('GET /robots%2Ftxt%zz ')
    expect(await at('/robots.txt', 'PROPFIND')).toBe('PROPFIND /robots.txt ')
  })

  it('ready rejects when a plugin does not load', async () => {
    const gateway = createGatewayFastify({
      onRequest: () => {},
      plugins: [{ plugin: (_instance, _options, done) => done(new Error('no database')) }],
    })
    await expect(gateway.ready()).rejects.toThrow('no database')
  })
})

describe('1xx, upgrades and the rest of the exchange', () => {
  it('a streaming answer of the proxy is untouched', async () => {
    await using fixture = await FastifyFixture.start([async () => {}], (handler) => {
      handler.exchange.sendHead(200, new Headers(), -1, false)
      handler.exchange.sendBody(Buffer.from('m'))
      handler.exchange.sendEnd(new Headers(['grpc-status', '0']))
    })
    const stream = fixture.client.open(POST)
    stream.end('x')
    expect(await collect(stream)).toMatchObject({ body: 'm', rawTrailers: ['grpc-status', '0'] })
  })
})

type SyncHook = (
  request: Parameters<Parameters<FastifyInstance['addHook']>[1]>[0] & { url: string },
  reply: FastifyReply,
  next: (error?: Error) => void,
) => void

function hook(name: 'onRequest' | 'preHandler', run: SyncHook): FastifyPluginCallback {
  return (instance, _options, done) => {
    // The overloads of addHook take one hook each, not a union of their names.
    instance.addHook(name, run as never)
    done()
  }
}

function asyncHook(
  name: 'onRequest',
  run: (reply: FastifyReply) => Promise<unknown>,
): FastifyPluginCallback {
  return (instance, _options, done) => {
    instance.addHook(name, async (_request, reply) => {
      await run(reply)
    })
    done()
  }
}

/** Loads a plugin whose hooks act on one path only. */
function onlyFor(path: string, plugin: FastifyPluginCallback): FastifyPluginCallback {
  return (instance, options, done) => {
    const scoped = Object.create(instance) as FastifyInstance
    Object.defineProperty(scoped, 'addHook', {
      value: (name: string, run: (...args: unknown[]) => unknown) => {
        const isAsync = run.constructor.name === 'AsyncFunction'
        const limited = isAsync
          ? async (request: { url: string }, reply: unknown) =>
              request.url === path ? run(request, reply) : undefined
          : (request: { url: string }, reply: unknown, next: () => void) =>
              request.url === path ? run(request, reply, next) : next()
        // As above: one hook stands for all in the types.
        instance.addHook(name as 'onRequest', limited as never)
      },
    })
    plugin(scoped, options, done)
  }
}

async function* failing(): AsyncGenerator<string> {
  yield 'part'
  await nextTurn()
  throw new Error('source failed')
}
