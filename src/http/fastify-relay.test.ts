import { Readable, Transform } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { describe, expect, it } from 'vitest'
import { FastifyFixture } from '../../test/support/fastify-fixture.ts'
import type { RecordingHandler } from '../../test/support/recording-handler.ts'
import { waitFor } from '../../test/support/wait.ts'
import { Headers } from './headers.ts'
import { UNKNOWN_LENGTH } from './request.ts'

const GET = { ':method': 'GET', ':path': '/', ':authority': 'shop.test' }
const TEXT = ['content-type', 'text/plain']

type OnSend = (payload: unknown, reply: FastifyReply, request: FastifyRequest) => unknown

/** A plugin with one asynchronous onSend hook. */
function onSend(run: OnSend): (instance: FastifyInstance) => Promise<void> {
  return async (instance) => {
    instance.addHook('onSend', async (request, reply, payload) => run(payload, reply, request))
  }
}

const untouched = onSend((payload) => payload)

async function onResponse(instance: FastifyInstance): Promise<void> {
  instance.addHook('onResponse', async () => {})
}

/** Answers with a stream of two pieces, the second in a turn of its own, and trailers. */
function answerStream({ exchange }: RecordingHandler): void {
  exchange.sendHead(200, new Headers([...TEXT]), UNKNOWN_LENGTH, false)
  exchange.sendBody(Buffer.from('one '))
  void nextTurn().then(() => {
    exchange.sendBody(Buffer.from('two'))
    exchange.sendEnd(new Headers(['x-sum', '7']))
  })
}

describe('what an onSend hook gets', () => {
  it.each<[string, (handler: RecordingHandler) => void, string]>([
    [
      'a local answer',
      ({ exchange }) => exchange.sendWhole(404, new Headers([...TEXT]), 'no'),
      'Buffer',
    ],
    ['no body', ({ exchange }) => exchange.sendHead(200, new Headers(), 0, true), 'undefined'],
    [
      'a body of known length',
      ({ exchange }) => {
        exchange.sendHead(200, new Headers([...TEXT]), 4, false)
        exchange.sendBody(Buffer.from('bo'))
        exchange.sendBody(Buffer.from('dy'))
        exchange.sendEnd(null)
      },
      'Buffer',
    ],
    [
      'a long body of known length',
      ({ exchange }) => {
        exchange.sendHead(200, new Headers([...TEXT]), 20_000, false)
        exchange.sendBody(Buffer.alloc(20_000, 'x'))
        exchange.sendEnd(null)
      },
      'AnswerStream',
    ],
    ['a body of unknown length', answerStream, 'AnswerStream'],
    [
      'a body without type',
      ({ exchange }) => exchange.sendWhole(200, new Headers(), 'body'),
      'AnswerStream',
    ],
  ])('%s', async (_what, answer, kind) => {
    const kinds: string[] = []
    const look = onSend((payload) => {
      kinds.push((payload as object | undefined)?.constructor.name ?? 'undefined')
      return payload
    })
    await using looking = await FastifyFixture.start([look], answer)
    await using plain = await FastifyFixture.start([], answer)
    const answers = [await looking.client.fetch(GET), await plain.client.fetch(GET)]
    expect(kinds).toEqual([kind])
    expect(answers[0]).toEqual(answers[1])
  })

  it('every field of the answer, over those that hooks set before', async () => {
    const seen: unknown[] = []
    const plugin = async (instance: FastifyInstance): Promise<void> => {
      instance.addHook('onRequest', async (_request, reply) => {
        void reply
          .headers({ 'x-one': 'hook', 'x-two': 'hook', vary: 'a' })
          .header('set-cookie', 'h=1')
      })
      instance.addHook('onSend', async (_request, reply) => {
        seen.push({ ...reply.getHeaders() })
        void reply.removeHeader('x-three')
      })
    }
    await using fixture = await FastifyFixture.start([plugin], ({ exchange }) =>
      exchange.sendWhole(
        200,
        new Headers(
          [
            TEXT,
            ['x-one', 'proxy', 'x-three', 'a', 'x-three', 'b'],
            ['vary', 'b', 'set-cookie', 'p=1'],
          ].flat(),
        ),
        'text',
      ),
    )
    const { rawHeaders } = await fixture.client.fetch(GET)
    expect(seen).toEqual([
      {
        'x-one': 'proxy',
        'x-two': 'hook',
        'x-three': 'a, b',
        vary: 'b, a',
        'set-cookie': ['p=1', 'h=1'],
        'content-type': 'text/plain',
        'content-length': '4',
      },
    ])
    expect(rawHeaders).toEqual(expect.arrayContaining(['set-cookie', 'h=1', 'vary', 'b, a']))
    expect(rawHeaders).not.toContain('x-three')
  })
})

describe('what an onSend hook may do', () => {
  it('transform a stream; its trailers stay', async () => {
    const shout = onSend((payload) =>
      (payload as Readable).pipe(
        new Transform({
          transform: (chunk: Buffer, _encoding, done) => done(null, String(chunk).toUpperCase()),
        }),
      ),
    )
    await using fixture = await FastifyFixture.start([shout], answerStream)
    const answer = await fixture.client.fetch(GET)
    expect(answer).toMatchObject({ body: 'ONE TWO', rawTrailers: ['x-sum', '7'], rstCode: 0 })
  })

  it.each<[string, OnSend]>([
    ['and leave it alone', () => 'mine'],
    [
      'and destroy it',
      (payload) => {
        ;(payload as Readable).destroy(new Error('not wanted'))
        return 'mine'
      },
    ],
  ])('replace a stream that never ends, %s', async (_how, run) => {
    const replace = onSend((payload, reply, request) => {
      void reply.code(203)
      return run(payload, reply, request)
    })
    await using fixture = await FastifyFixture.start([replace], ({ exchange }) => {
      exchange.sendHead(200, new Headers([...TEXT]), UNKNOWN_LENGTH, false)
      exchange.sendBody(Buffer.alloc(100_000))
    })
    expect(await fixture.client.fetch(GET)).toMatchObject({ status: 203, body: 'mine' })
    await waitFor('the proxy to be told', () => fixture.proxied[0]?.sent)
    expect(fixture.proxied[0]?.statuses).toEqual([203])
  })

  it('fail, which is told once, and costs a 500 without a trace of the answer', async () => {
    const fail = onSend(() => {
      throw new Error('boom')
    })
    await using fixture = await FastifyFixture.start([fail], ({ exchange }) =>
      exchange.sendWhole(404, new Headers([...TEXT, 'content-encoding', 'br', 'etag', '"1"']), 'x'),
    )
    const { status, rawHeaders } = await fixture.client.fetch(GET)
    expect(status).toBe(500)
    expect(rawHeaders).not.toContain('etag')
    expect(rawHeaders).not.toContain('content-encoding')
    expect(fixture.proxied[0]).toMatchObject({ statuses: [500], sent: true })
    expect(fixture.pluginErrors.map(String)).toContain('Error: boom')
  })

  it.each([
    ['set a field that is not clean', (reply: FastifyReply) => reply.header('x-a', 'a\r\nb: c')],
    ['set a status that is none', (reply: FastifyReply) => reply.code(42)],
    ['return what cannot be sent', () => 42],
  ])('%s: 500', async (_what, run) => {
    const plugin = onSend((payload, reply) => {
      const result = run(reply)
      return typeof result === 'number' ? result : payload
    })
    for (const answer of [answerStream, undefined]) {
      await using fixture = await FastifyFixture.start([plugin], answer)
      expect((await fixture.client.fetch(GET)).status).toBe(500)
    }
  })

  it.each([
    ['before its first byte: 500', 0, 500, 0],
    ['later: a reset', 3, 200, 2],
  ])('send a stream that fails %s', async (_when, pieces, status, rstCode) => {
    const plugin = onSend(() => Readable.from(failingAfter(pieces)))
    await using fixture = await FastifyFixture.start([plugin], answerStream)
    expect(await fixture.client.fetch(GET)).toMatchObject({ status, rstCode })
    await waitFor('the proxy to be told', () => fixture.proxied[0]?.over)
    expect(fixture.proxied[0]?.abortReason).toBe(status === 200 ? 'plugin-failed' : null)
  })
})

describe('the proxied answer', () => {
  it('wins over one that a plugin sends when the request is under way', async () => {
    let late: FastifyReply | null = null
    await using fixture = await FastifyFixture.start(
      [
        untouched,
        async (instance: FastifyInstance) => {
          instance.addHook('preHandler', async (_request, reply) => {
            late = reply
          })
        },
      ],
      () => {},
    )
    const answer = fixture.client.fetch(GET)
    const { exchange } = await waitFor('the proxy to get it', () => fixture.proxied[0])
    ;(late as FastifyReply | null)?.send('too late')
    ;(late as FastifyReply | null)?.raw.end('too late')
    exchange.sendWhole(200, new Headers([...TEXT]), 'pure')
    expect((await answer).body).toBe('pure')
  })

  it('ends where the proxy gives it up, whatever hooks are doing', async () => {
    const gate = Promise.withResolvers<void>()
    const slow = onSend(async (payload) => {
      await gate.promise
      return payload
    })
    for (const answer of [answerStream, undefined]) {
      await using fixture = await FastifyFixture.start([slow], answer)
      const lost = fixture.client.fetch(GET)
      await waitFor('the proxy to answer', () => fixture.proxied[0]?.exchange.headSent)
      fixture.proxied[0]!.exchange.abort()
      expect((await lost).rstCode).not.toBe(0)
    }
    gate.resolve()
    await nextTurn()
  })

  it.each([
    ['onSend', [untouched]],
    ['onResponse', [onResponse]],
  ])('keeps trailers behind a known length through %s hooks', async (_hook, plugins) => {
    await using fixture = await FastifyFixture.start(plugins, (handler) => {
      handler.trailersMayFollow = true
      handler.exchange.sendHead(200, new Headers([...TEXT]), 20_000, false)
      handler.exchange.sendBody(Buffer.alloc(20_000, 'x'))
      handler.exchange.sendEnd(new Headers(['x-sum', '7']))
    })
    const answer = await fixture.client.fetch(GET)
    expect(answer).toMatchObject({ rawTrailers: ['x-sum', '7'], rstCode: 0 })
    expect(answer.body).toHaveLength(20_000)
  })

  it('of gRPC keeps its form: head, message, trailers, or trailers only', async () => {
    const grpc = ['content-type', 'application/grpc']
    await using fixture = await FastifyFixture.start([untouched], ({ exchange }) => {
      if (exchange.request.path === '/only') {
        exchange.sendHead(200, new Headers([...grpc, 'grpc-status', '5']), 0, true)
        return
      }
      exchange.sendHead(200, new Headers([...grpc]), UNKNOWN_LENGTH, false)
      exchange.sendEnd(new Headers(['grpc-status', '0']))
    })
    const only = await fixture.client.fetch({ ...GET, ':path': '/only' })
    expect(only).toMatchObject({ status: 200, rawTrailers: [], rstCode: 0 })
    expect(only.rawHeaders).toContain('grpc-status')
    const both = await fixture.client.fetch(GET)
    expect(both).toMatchObject({ status: 200, rawTrailers: ['grpc-status', '0'], rstCode: 0 })
  })
})

async function* failingAfter(pieces: number): AsyncGenerator<string> {
  for (let i = 0; i < pieces; i++) {
    yield 'piece'
    await nextTurn()
  }
  throw new Error('source failed')
}
