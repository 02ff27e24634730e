import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { AttemptDouble, DownstreamDouble } from '../../test/support/exchange-double.ts'
import { forwardTo, ProxyBench, retryOn, routeOf } from '../../test/support/proxy-bench.ts'
import { ANSWERED, CONTINUE, type Filter, type FilterExchange, WAIT } from '../filters/filter.ts'
import type { AbortReason } from '../http/exchange.ts'
import { Headers } from '../http/headers.ts'
import { UNKNOWN_LENGTH } from '../http/request.ts'
import { compileHeaders } from '../routing/header-mutation.ts'
import type { Route } from '../routing/route.ts'
import type { FailureType } from '../upstream/failure.ts'
import { failure } from '../upstream/failures.ts'

let bench: ProxyBench

beforeEach(() => {
  vi.useFakeTimers()
  bench = new ProxyBench()
})

afterEach(() => {
  const left = { active: bench.runtime.active, records: bench.records.length }
  bench[Symbol.dispose]()
  const timers = vi.getTimerCount()
  vi.useRealTimers()
  const started = clients
  clients = 0
  // However a case ended: nothing runs any more, and each exchange was reported exactly once.
  expect({ ...left, timers }).toEqual({ active: 0, records: started, timers: 0 })
})

let clients = 0

function ingress(
  route: Route,
  sketch: Parameters<ProxyBench['ingress']>[1] = {},
): DownstreamDouble {
  clients++
  return bench.ingress(route, sketch)
}

function forward(init: Parameters<typeof forwardTo>[1] = {}): Route {
  return routeOf(forwardTo(bench.cluster, init))
}

function attempt(index = 0): AttemptDouble {
  return bench.cluster.attempts[index]!
}

const POST = { method: 'POST', bodyLength: 9 }

describe('a whole exchange', () => {
  test('request and answer pass with their bodies and trailers', () => {
    const client = ingress(forward(), { method: 'POST', bodyLength: UNKNOWN_LENGTH })
    client.clientSends('one ')
    client.clientSends('two')
    client.clientEnds(new Headers(['x-sum', '7']))
    expect(attempt().body).toBe('one two')
    expect(attempt().trailers?.get('x-sum')).toBe('7')
    attempt().heads(200, ['x-a', '1'], UNKNOWN_LENGTH).sends('answer')
    attempt().ends(new Headers(['grpc-status', '0']))
    expect(client.body).toBe('answer')
    expect(client.trailers?.get('grpc-status')).toBe('0')
    client.flushed()
    expect(bench.records).toEqual([
      {
        status: 200,
        flags: '-',
        details: 'via_upstream',
        grpcStatus: '0',
        clusterName: 'outbound|80||web',
        routeName: 'main',
        upstreamHost: '10.0.0.1:80',
        clientAddress: '192.0.2.7',
        bytesReceived: 7,
        bytesSent: 6,
      },
    ])
    expect(attempt().aborted).toBe(false)
  })

  test('a request without body sends no end of its own', () => {
    const client = ingress(forward())
    client.clientEnds()
    expect(attempt().ended).toBe(false)
    attempt().heads(204).ends()
    expect(client.answered).toBe(true)
    client.flushed()
  })

  test.each([
    ['HEAD', 200, 5],
    ['GET', 304, 5],
    ['GET', 204, 0],
  ])('%s answered %i ends with its head', (method, status, length) => {
    const client = ingress(forward(), { method })
    attempt().heads(status, [], length)
    expect(client.answered).toBe(true)
    expect(client.bodyLength).toBe(length)
    attempt().ends()
    client.flushed()
  })

  test('1xx responses pass', () => {
    const client = ingress(forward(), { ...POST, expectsContinue: true })
    attempt().handler.onUpstreamInformational(100, new Headers())
    expect(client.informational).toEqual([100])
    client.clientSends('nine byte')
    client.clientEnds()
    attempt().heads(200).ends()
    client.flushed()
  })

  test('the upstream sees what the edge knows', () => {
    const client = ingress(forward({ timeoutMs: 1500 }), { headers: ['x-own', '1'] })
    const { headers } = attempt()
    expect(headers.get('x-own')).toBe('1')
    expect(headers.get('x-forwarded-for')).toBe('192.0.2.7')
    expect(headers.get('x-forwarded-proto')).toBe('http')
    expect(headers.get('x-envoy-external-address')).toBe('192.0.2.7')
    expect(headers.get('x-envoy-expected-rq-timeout-ms')).toBe('1500')
    vi.advanceTimersByTime(12)
    attempt().heads(200).ends()
    expect(client.headers.get('x-envoy-upstream-service-time')).toBe('12')
    const date = client.headers.get('date')!
    const dateMs = Date.parse(date)
    expect(new Date(dateMs).toUTCString()).toBe(date)
    // A second, and what the clocks may be apart: not the text of this moment, which may be the next one's.
    expect(Math.abs(Date.now() - dateMs)).toBeLessThan(1_100)
    client.flushed()
  })
})

describe('a body that comes before a connection is there', () => {
  test('is held and leaves with the head', () => {
    bench.cluster.script.readyAtOnce = false
    const client = ingress(forward(), POST)
    expect(client.paused).toBe(true)
    client.clientSends('nine ')
    client.clientSends('byte')
    client.clientEnds()
    expect(attempt().body).toBe('')
    attempt().ready()
    expect(attempt().body).toBe('nine byte')
    expect(attempt().ended).toBe(true)
    attempt().heads(200).ends()
    client.flushed()
  })

  test('begun only: the rest is let in when it is out', () => {
    bench.cluster.script.readyAtOnce = false
    const client = ingress(forward(), POST)
    client.clientSends('nine ')
    attempt().hasRoom = false
    attempt().ready()
    expect(client.paused).toBe(true)
    attempt().drains()
    expect(client.paused).toBe(false)
    client.clientSends('byte')
    client.clientEnds()
    expect(attempt().body).toBe('nine byte')
    attempt().heads(200).ends()
    client.flushed()
  })

  test('survives a connect failure', () => {
    bench.cluster.script.readyAtOnce = false
    const client = ingress(forward({ retry: retryOn('connect-failure') }), POST)
    client.clientSends('nine byte')
    client.clientEnds()
    attempt().fails(failure('connect-refused'))
    vi.advanceTimersByTime(250)
    attempt(1).ready()
    expect(attempt(1).body).toBe('nine byte')
    expect(attempt(1).ended).toBe(true)
    attempt(1).heads(200).ends()
    client.flushed()
  })
})

describe('backpressure', () => {
  test('a slow upstream pauses the client until it drains', () => {
    const client = ingress(forward(), POST)
    attempt().hasRoom = false
    client.clientSends('nine ')
    expect(client.paused).toBe(true)
    attempt().hasRoom = true
    attempt().drains()
    expect(client.paused).toBe(false)
    client.clientSends('byte')
    expect(client.paused).toBe(false)
    client.clientEnds()
    attempt().heads(200).ends()
    client.flushed()
  })

  test('a slow client pauses the upstream until it reads', () => {
    const client = ingress(forward())
    attempt().heads(200, [], 10)
    client.hasRoom = false
    attempt().sends('01234')
    expect(attempt().paused).toBe(true)
    client.hasRoom = true
    client.clientReads()
    expect(attempt().paused).toBe(false)
    attempt().sends('56789').ends()
    expect(client.body).toBe('0123456789')
    client.flushed()
  })

  test('also when the head alone fills the client', () => {
    const client = ingress(forward())
    client.hasRoom = false
    attempt().heads(200, [], 10)
    expect(attempt().paused).toBe(true)
    client.clientReads()
    expect(attempt().paused).toBe(false)
    attempt().sends('0123456789').ends()
    client.flushed()
  })
})

describe('the client goes', () => {
  const cases: [reason: AbortReason, flag: string, details: string][] = [
    ['client-closed', 'DC', 'downstream_remote_disconnect'],
    ['protocol-error', 'DPE', 'http1.codec_error'],
    ['timeout', 'SI', 'stream_idle_timeout'],
    ['shutdown', 'DC', 'downstream_local_disconnect'],
  ]
  test.each(cases)(
    'before the head, %s: the attempt is given up, status 0',
    (reason, flags, details) => {
      ingress(forward({ timeoutMs: 1000 }), POST).clientAborts(reason)
      expect(attempt().aborted).toBe(true)
      expect(bench.records).toMatchObject([{ status: 0, flags, details }])
    },
  )

  test('within the answer: the attempt is given up, the status stands', () => {
    const client = ingress(forward())
    attempt().heads(200, [], 10).sends('01234')
    client.clientAborts()
    expect(attempt().aborted).toBe(true)
    expect(bench.records).toMatchObject([{ status: 200, flags: 'DC' }])
  })

  test('while a retry waits: there is none', () => {
    bench.random = 0.9
    const client = ingress(forward({ retry: retryOn('5xx') }))
    attempt().heads(503)
    client.clientAborts()
    vi.advanceTimersByTime(1000)
    expect(bench.cluster.attempts.length).toBe(1)
  })

  test('while a connection is made: the attempt is given up', () => {
    bench.cluster.script.readyAtOnce = false
    ingress(forward()).clientAborts()
    expect(attempt().aborted).toBe(true)
  })
})

describe('the upstream fails', () => {
  const cases: [type: FailureType, status: number, flag: string, details: string, body: RegExp][] =
    [
      ['no-endpoint', 503, 'UH', 'no_healthy_upstream', /^no healthy upstream$/],
      ['dns-failure', 503, 'DF', 'dns_resolution_failure', /^no healthy upstream$/],
      [
        'connect-refused',
        503,
        'UF',
        'upstream_reset_before_response_started{remote_connection_failure}',
        /^upstream connect error or disconnect\/reset before headers\. reset reason: remote connection failure$/,
      ],
      [
        'reset-before-headers',
        503,
        'UC',
        'upstream_reset_before_response_started{connection_termination}',
        /reset reason: connection termination$/,
      ],
      [
        'protocol-error',
        502,
        'UPE',
        'upstream_reset_before_response_started{protocol_error}',
        /reset reason: protocol error$/,
      ],
      [
        'overflow',
        503,
        'UO',
        'upstream_reset_before_response_started{overflow}',
        /reset reason: overflow$/,
      ],
    ]
  test.each(cases)('before the head, %s: %i %s', (type, status, flags, details, body) => {
    const client = ingress(forward())
    attempt().fails(failure(type))
    expect(client.status).toBe(status)
    expect(client.body).toMatch(body)
    expect(client.headers.get('x-envoy-overloaded')).toBe(type === 'overflow' ? 'true' : null)
    client.flushed()
    expect(bench.records).toMatchObject([{ status, flags, details }])
  })

  test('after the head: the client sees a broken answer', () => {
    const client = ingress(forward())
    attempt().heads(200, [], 10).sends('01234')
    attempt().fails(failure('reset-after-headers'))
    expect(client.aborted).toBe(true)
    expect(bench.records).toMatchObject([
      { status: 200, flags: 'UC', details: 'upstream_reset_after_response_started' },
    ])
  })
})

describe('VirtualService timeout', () => {
  test('passes before the head: 504 UT, the endpoint is blamed', () => {
    const client = ingress(forward({ timeoutMs: 1000 }))
    vi.advanceTimersByTime(999)
    expect(client.headSent).toBe(false)
    vi.advanceTimersByTime(1)
    expect(client.status).toBe(504)
    expect(client.body).toBe('upstream request timeout')
    expect(attempt().aborted).toBe(true)
    expect(bench.cluster.timedOut).toEqual(['10.0.0.1:80'])
    client.flushed()
    expect(bench.records).toMatchObject([{ status: 504, flags: 'UT', details: 'response_timeout' }])
  })

  test('passes within the answer: it is cut', () => {
    const client = ingress(forward({ timeoutMs: 1000 }))
    attempt().heads(200, [], 10).sends('01234')
    vi.advanceTimersByTime(1000)
    expect(client.aborted).toBe(true)
    expect(attempt().aborted).toBe(true)
    expect(bench.records).toMatchObject([{ status: 200, flags: 'UT' }])
  })

  test('is over with the answer', () => {
    const client = ingress(forward({ timeoutMs: 1000 }))
    attempt().heads(200).ends()
    vi.advanceTimersByTime(5000)
    client.flushed()
    expect(bench.records).toMatchObject([{ status: 200, flags: '-' }])
  })

  test('spans all attempts', () => {
    const client = ingress(forward({ timeoutMs: 1000, retry: retryOn('5xx') }))
    vi.advanceTimersByTime(600)
    attempt().heads(503)
    vi.advanceTimersByTime(400)
    expect(bench.cluster.attempts.length).toBe(2)
    expect(attempt(1).aborted).toBe(true)
    expect(client.status).toBe(504)
    client.flushed()
  })

  test('a slow upload is free: it runs from the end of the request', () => {
    const client = ingress(forward({ timeoutMs: 1000 }), POST)
    client.clientSends('nine ')
    vi.advanceTimersByTime(5000)
    client.clientSends('byte')
    expect(client.headSent).toBe(false)
    client.clientEnds()
    vi.advanceTimersByTime(999)
    expect(client.headSent).toBe(false)
    vi.advanceTimersByTime(1)
    expect(client.status).toBe(504)
    client.flushed()
  })

  test('a connection that never comes is not', () => {
    bench.cluster.script.readyAtOnce = false
    const client = ingress(forward({ timeoutMs: 1000 }), POST)
    client.clientSends('nine ')
    vi.advanceTimersByTime(1000)
    expect(client.status).toBe(504)
    client.flushed()
  })
})

describe('perTryTimeout', () => {
  test.each(['5xx', 'gateway-error', 'reset'])('is retried under %s', (on) => {
    const client = ingress(forward({ retry: retryOn(on, { perTryTimeoutMs: 100 }) }))
    vi.advanceTimersByTime(100)
    expect(attempt().aborted).toBe(true)
    expect(bench.cluster.timedOut).toEqual(['10.0.0.1:80'])
    vi.advanceTimersByTime(50)
    expect(attempt(1).tried).toEqual(['10.0.0.1:80'])
    attempt(1).heads(200).ends()
    client.flushed()
    expect(bench.records).toMatchObject([{ status: 200, flags: '-' }])
  })

  test('is 504 UT under other conditions', () => {
    const client = ingress(forward({ retry: retryOn('connect-failure', { perTryTimeoutMs: 100 }) }))
    vi.advanceTimersByTime(100)
    expect(client.status).toBe(504)
    client.flushed()
    expect(bench.records).toMatchObject([{ flags: 'UT', details: 'upstream_per_try_timeout' }])
  })

  test('does not repeat what a POST may have done', () => {
    const retry = retryOn('5xx', { perTryTimeoutMs: 100 })
    const client = ingress(forward({ retry }), { method: 'POST' })
    vi.advanceTimersByTime(100)
    expect(client.status).toBe(504)
    client.flushed()
    expect(bench.cluster.attempts.length).toBe(1)
  })

  test('exhausted: UT and URX', () => {
    const retry = retryOn('5xx', { attempts: 1, perTryTimeoutMs: 100 })
    const client = ingress(forward({ retry }))
    vi.advanceTimersByTime(1000)
    expect(bench.cluster.attempts.length).toBe(2)
    expect(client.status).toBe(504)
    client.flushed()
    expect(bench.records).toMatchObject([{ flags: 'UT,URX' }])
  })

  test('leaves an answer that began in time alone', () => {
    const client = ingress(forward({ retry: retryOn('5xx', { perTryTimeoutMs: 100 }) }))
    attempt().heads(200, [], 5)
    vi.advanceTimersByTime(1000)
    attempt().sends('01234').ends()
    expect(client.body).toBe('01234')
    client.flushed()
  })
})

describe('an upgrade', () => {
  const upgrade = { upgrade: 'websocket', headers: ['sec-websocket-key', 'x'] }

  test('101 opens a tunnel both ways that no timeout ends', () => {
    const responseHeaders = compileHeaders([{ set: { 'x-set': '1' } }], 'response').mutation
    const route = routeOf(forwardTo(bench.cluster, { timeoutMs: 1000 }), { responseHeaders })
    const client = ingress(route, upgrade)
    attempt().heads(101, ['sec-websocket-accept', 'y'], UNKNOWN_LENGTH)
    expect(client.tunnel).toBe(true)
    expect(client.status).toBe(101)
    expect(client.headers.get('sec-websocket-accept')).toBe('y')
    expect(client.headers.get('x-set')).toBe('1')
    vi.advanceTimersByTime(60_000)
    client.clientSends('ping')
    expect(attempt().body).toBe('ping')
    attempt().sends('pong')
    expect(client.body).toBe('pong')
    client.clientEnds()
    expect(attempt().ended).toBe(true)
    attempt().ends()
    expect(client.answered).toBe(true)
    client.flushed()
    expect(bench.records).toMatchObject([
      { status: 101, flags: '-', details: 'via_upstream', bytesReceived: 4, bytesSent: 4 },
    ])
  })

  test('the client closes: so does the upstream, without a flag', () => {
    const client = ingress(forward(), upgrade)
    attempt().heads(101, [], UNKNOWN_LENGTH)
    client.clientAborts()
    expect(attempt().aborted).toBe(true)
    expect(bench.records).toMatchObject([{ status: 101, flags: '-' }])
  })

  test('the upstream breaks: so does the client', () => {
    const client = ingress(forward(), upgrade)
    attempt().heads(101, [], UNKNOWN_LENGTH)
    attempt().fails(failure('reset-after-headers'))
    expect(client.aborted).toBe(true)
    expect(bench.records).toMatchObject([{ status: 101, flags: 'UC' }])
  })

  test('backpressure holds in both directions', () => {
    const client = ingress(forward(), upgrade)
    attempt().heads(101, [], UNKNOWN_LENGTH)
    attempt().hasRoom = false
    client.clientSends('x')
    expect(client.paused).toBe(true)
    attempt().drains()
    expect(client.paused).toBe(false)
    client.hasRoom = false
    attempt().sends('y')
    expect(attempt().paused).toBe(true)
    client.clientReads()
    expect(attempt().paused).toBe(false)
    client.clientAborts()
  })

  test('a cookie that a hash policy made reaches the client', () => {
    const client = ingress(forward(), upgrade)
    // The upstream's handler is the exchange itself, which balancers know as their context.
    const context = attempt().handler as unknown as { setCookie(value: string): void }
    context.setCookie('session=abc')
    attempt().heads(101, [], UNKNOWN_LENGTH)
    expect(client.headers.get('set-cookie')).toBe('session=abc')
    client.clientAborts()
  })

  test('refused by the upstream: its answer is passed on', () => {
    const client = ingress(forward(), upgrade)
    attempt().heads(403, [], 2).sends('no').ends()
    expect(client.tunnel).toBe(false)
    expect(client.body).toBe('no')
    client.flushed()
  })
})

describe('filters', () => {
  /** A filter that keeps the exchange it saw and says what it is told. */
  function filter(verdict: 0 | 1 | 2, seen: FilterExchange[] = []): Filter {
    return {
      name: 'test',
      onRequest: (exchange) => {
        seen.push(exchange)
        if (verdict === ANSWERED)
          exchange.answer(429, new Headers(['x-f', '1']), 'slow', 'RL', 'limited')
        return verdict
      },
    }
  }

  test('all continue: the request goes on', () => {
    const seen: FilterExchange[] = []
    const filters = [filter(CONTINUE, seen), filter(CONTINUE, seen)]
    const client = ingress(routeOf(forwardTo(bench.cluster), { filters }))
    expect(seen.map(({ clusterName }) => clusterName)).toEqual([
      'outbound|80||web',
      'outbound|80||web',
    ])
    attempt().heads(200).ends()
    client.flushed()
  })

  test('one answers: the rest and the upstream see nothing', () => {
    const seen: FilterExchange[] = []
    const filters = [filter(ANSWERED), filter(CONTINUE, seen)]
    const client = ingress(routeOf(forwardTo(bench.cluster), { filters }), POST)
    expect(client.status).toBe(429)
    expect(client.body).toBe('slow')
    expect(client.headers.get('x-f')).toBe('1')
    expect(seen).toEqual([])
    expect(bench.cluster.attempts).toEqual([])
    client.flushed()
    expect(bench.records).toMatchObject([
      { status: 429, flags: 'RL', details: 'limited', clusterName: 'outbound|80||web' },
    ])
  })

  test('one waits: the body waits with it, and resume goes on behind it', () => {
    const waiting: FilterExchange[] = []
    const after: FilterExchange[] = []
    const filters = [filter(WAIT, waiting), filter(CONTINUE, after)]
    const client = ingress(routeOf(forwardTo(bench.cluster), { filters }), POST)
    expect(client.paused).toBe(true)
    client.clientSends('nine byte')
    client.clientEnds()
    expect(after).toEqual([])
    waiting[0]!.addResponseHeader('x-late', '1')
    waiting[0]!.resume()
    expect(waiting.length).toBe(1)
    expect(after.length).toBe(1)
    expect(attempt().body).toBe('nine byte')
    attempt().heads(200).ends()
    expect(client.headers.get('x-late')).toBe('1')
    client.flushed()
  })

  test('one waits and answers: resuming afterwards changes nothing', () => {
    const waiting: FilterExchange[] = []
    const client = ingress(routeOf(forwardTo(bench.cluster), { filters: [filter(WAIT, waiting)] }))
    waiting[0]!.answer(500, new Headers(), '', 'RLSE', 'rate_limit_error')
    waiting[0]!.resume()
    waiting[0]!.answer(200, new Headers(), '', '', '')
    expect(client.status).toBe(500)
    expect(bench.cluster.attempts).toEqual([])
    client.flushed()
    expect(bench.records).toMatchObject([{ status: 500, flags: 'RLSE' }])
  })

  test.each(['resume', 'answer'] as const)('the client goes meanwhile: %s does nothing', (late) => {
    const waiting: FilterExchange[] = []
    const client = ingress(routeOf(forwardTo(bench.cluster), { filters: [filter(WAIT, waiting)] }))
    client.clientAborts()
    expect(waiting[0]!.ended).toBe(true)
    if (late === 'resume') waiting[0]!.resume()
    else waiting[0]!.answer(500, new Headers(), '', '', '')
    expect(client.headSent).toBe(false)
    expect(bench.cluster.attempts).toEqual([])
    expect(bench.records).toMatchObject([{ status: 0, flags: 'DC' }])
  })

  test('run before redirects, too', () => {
    const filters = [filter(ANSWERED)]
    const action = { type: 'direct-response', status: 200, body: Buffer.from('x') } as const
    const client = ingress(routeOf(action, { filters }))
    expect(client.status).toBe(429)
    client.flushed()
  })
})

test('an early answer ends the exchange although the request is not complete', () => {
  const client = ingress(forward(), POST)
  client.clientSends('nine')
  attempt().heads(413).ends()
  client.clientSends('more')
  client.flushed()
  expect(attempt().aborted).toBe(true)
  expect(bench.records).toMatchObject([{ status: 413 }])
})

test('a cluster that the registry does not know is 503 NC, never a passthrough', () => {
  bench.cluster.plan.runtime = null
  const client = ingress(forward())
  expect(client.status).toBe(503)
  expect(bench.passthrough.asked).toEqual([])
  client.flushed()
  expect(bench.records).toMatchObject([{ flags: 'NC' }])
})

test('CONNECT is refused on a Gateway server and ends the connection', () => {
  const client = ingress(forward(), { method: 'CONNECT', authority: '127.0.0.1:22', target: '' })
  expect(client.status).toBe(405)
  expect(client.closing).toBe(true)
  client.flushed()
  expect(bench.cluster.attempts).toEqual([])
})
