import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { AttemptDouble, DownstreamDouble } from '../../test/support/exchange-double.ts'
import { forwardTo, ProxyBench, retryOn, routeOf } from '../../test/support/proxy-bench.ts'
import { Headers } from '../http/headers.ts'
import type { Route } from '../routing/route.ts'

let bench: ProxyBench

beforeEach(() => {
  vi.useFakeTimers()
  bench = new ProxyBench()
})

afterEach(() => {
  bench[Symbol.dispose]()
  const timers = vi.getTimerCount()
  vi.useRealTimers()
  expect(timers).toBe(0)
})

function forward(init: Parameters<typeof forwardTo>[1] = {}): Route {
  return routeOf(forwardTo(bench.cluster, init))
}

function call(route: Route, ...fields: string[]): DownstreamDouble {
  const headers = ['content-type', 'application/grpc', ...fields]
  const client = bench.ingress(route, { method: 'POST', bodyLength: 4, headers })
  client.clientSends('call')
  client.clientEnds()
  return client
}

function attempt(index = 0): AttemptDouble {
  return bench.cluster.attempts[index]!
}

describe('grpc-timeout', () => {
  const cases: [route: number, field: string, told: string, endsMs: number, status: string][] = [
    [0, '250m', '250m', 250, '4'],
    [1000, '250m', '250m', 250, '4'],
    [1000, '5S', '1000m', 1000, '14'],
    [1000, 'nonsense', '1000m', 1000, '14'],
    [1000, '0m', '1000m', 1000, '14'],
  ]
  test.each(cases)(
    'route %i ms, client %s: upstream hears %s',
    (timeoutMs, field, told, ends, status) => {
      const client = call(forward({ timeoutMs }), 'grpc-timeout', field)
      expect(attempt().headers.combined('grpc-timeout')).toBe(told)
      vi.advanceTimersByTime(ends - 1)
      expect(client.headSent).toBe(false)
      vi.advanceTimersByTime(1)
      expect(client.status).toBe(200)
      expect(client.headers.get('grpc-status')).toBe(status)
      expect(client.headers.get('grpc-message')).toBe('upstream request timeout')
      expect(client.answered).toBe(true)
      client.flushed()
      expect(bench.records).toMatchObject([{ flags: 'UT', grpcStatus: status }])
    },
  )

  test('0: no timeout at all', () => {
    const client = call(forward(), 'grpc-timeout', '0m')
    vi.advanceTimersByTime(86_400_000)
    expect(client.headSent).toBe(false)
    attempt()
      .heads(200, [], 1)
      .sends('x')
      .ends(new Headers(['grpc-status', '0']))
    client.flushed()
  })

  test('is nothing to a request that is no gRPC', () => {
    const client = bench.ingress(forward(), { method: 'POST', headers: ['grpc-timeout', '1m'] })
    vi.advanceTimersByTime(1000)
    expect(client.headSent).toBe(false)
    expect(attempt().headers.combined('grpc-timeout')).toBe('1m')
    attempt().heads(200).ends()
    client.flushed()
  })

  test('longer than any timer of the runtime does not fire at once', () => {
    const client = call(forward(), 'grpc-timeout', '99999999H')
    vi.advanceTimersByTime(1000)
    expect(client.headSent).toBe(false)
    attempt().heads(200).ends()
    client.flushed()
  })

  test('a try that takes too long is unavailable, not the end of the deadline', () => {
    const retry = retryOn('connect-failure', { perTryTimeoutMs: 100 })
    const client = call(forward({ retry }), 'grpc-timeout', '1S')
    expect(attempt().headers.combined('grpc-timeout')).toBe('100m')
    vi.advanceTimersByTime(100)
    expect(client.headers.get('grpc-status')).toBe('14')
    client.flushed()
  })

  test('each attempt hears what is left of the deadline', () => {
    const retry = retryOn('unavailable', { grpcStatuses: new Set(['14']) })
    const client = call(forward({ retry }), 'grpc-timeout', '1S')
    vi.advanceTimersByTime(400)
    attempt().heads(200, ['grpc-status', '14'])
    vi.advanceTimersByTime(1)
    const left = attempt(1).headers.combined('grpc-timeout') ?? ''
    expect(Number.parseInt(left, 10)).toBeLessThanOrEqual(600)
    attempt(1).heads(200, ['grpc-status', '0']).ends()
    client.flushed()
  })
})

describe('the status of a call in the log', () => {
  test.each<[string, (upstream: AttemptDouble) => void, string]>([
    [
      'of trailers',
      (up) =>
        up
          .heads(200, [], 1)
          .sends('x')
          .ends(new Headers(['grpc-status', '5'])),
      '5',
    ],
    ['of a trailers-only answer', (up) => up.heads(200, ['grpc-status', '7']).ends(), '7'],
    [
      'of trailers rather than of the head',
      (up) =>
        up
          .heads(200, ['grpc-status', '0'], 1)
          .sends('x')
          .ends(new Headers(['grpc-status', '13'])),
      '13',
    ],
    [
      'of the HTTP status, when the upstream speaks none',
      (up) => up.heads(503, [], 2).sends('no').ends(),
      '14',
    ],
    ['unknown, when an answer lacks it', (up) => up.heads(200).ends(), '2'],
  ])('%s', (_name, answer, status) => {
    const client = call(forward())
    answer(attempt())
    client.flushed()
    expect(bench.records).toMatchObject([{ grpcStatus: status }])
  })

  test('is that of the last attempt', () => {
    const retry = retryOn('unavailable', { grpcStatuses: new Set(['14']) })
    const client = call(forward({ retry }))
    attempt().heads(200, ['grpc-status', '14'])
    vi.advanceTimersByTime(100)
    attempt(1).heads(200, ['grpc-status', '0']).ends()
    client.flushed()
    expect(bench.records).toMatchObject([{ grpcStatus: '0', flags: '-' }])
  })

  test('a request that is no gRPC has none', () => {
    const client = bench.ingress(forward(), { method: 'POST' })
    attempt().heads(503).ends()
    client.flushed()
    expect(bench.records).toMatchObject([{ grpcStatus: '' }])
  })
})
