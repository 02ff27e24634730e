import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { AttemptDouble, DownstreamDouble } from '../../test/support/exchange-double.ts'
import { forwardTo, ProxyBench, retryOn, routeOf } from '../../test/support/proxy-bench.ts'
import type { RequestSketch } from '../../test/support/requests.ts'
import { compileHeaders } from '../routing/header-mutation.ts'
import { Destination, type ForwardAction, type RetryPlan } from '../routing/route.ts'
import { failure } from '../upstream/failures.ts'

const BACKOFF_OVER_MS = 250
const POST: RequestSketch = { method: 'POST', bodyLength: 4 }
const CALL: RequestSketch = { ...POST, headers: ['content-type', 'application/grpc'] }

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

function start(
  retry: RetryPlan,
  sketch: RequestSketch = {},
  init: { readonly timeoutMs?: number } = {},
): DownstreamDouble {
  const client = bench.ingress(routeOf(forwardTo(bench.cluster, { retry, ...init })), sketch)
  if (sketch.bodyLength === 4) {
    client.clientSends('body')
    client.clientEnds()
  }
  return client
}

function attempt(index = 0): AttemptDouble {
  return bench.cluster.attempts[index]!
}

function later(): number {
  vi.advanceTimersByTime(BACKOFF_OVER_MS)
  return bench.cluster.attempts.length
}

/** Lets the request end well, whichever attempt it is at. */
function finish(client: DownstreamDouble): void {
  if (!client.headSent) bench.cluster.attempts.at(-1)!.heads(200).ends()
  client.flushed()
}

describe('a trailers-only gRPC answer', () => {
  const cases: [status: string, conditions: string, again: boolean][] = [
    ['1', 'cancelled', true],
    ['4', 'deadline-exceeded', true],
    ['8', 'resource-exhausted', true],
    ['13', 'internal', true],
    ['14', 'unavailable', true],
    ['14', 'cancelled,internal', false],
    ['14', '5xx,gateway-error,reset', false],
    ['0', 'unavailable', false],
    ['5', 'cancelled,deadline-exceeded,internal,resource-exhausted,unavailable', false],
  ]
  test.each(cases)('grpc-status %s under %s: %s', (status, conditions, again) => {
    const codes = { cancelled: '1', 'deadline-exceeded': '4', 'resource-exhausted': '8' }
    const more = { internal: '13', unavailable: '14' }
    const known: Readonly<Record<string, string>> = { ...codes, ...more }
    const grpcStatuses = new Set(conditions.split(',').map((name) => known[name] ?? ''))
    const client = start(retryOn(conditions, { grpcStatuses }), CALL)
    attempt().heads(200, ['grpc-status', status])
    if (!again) attempt().ends()
    expect(later()).toBe(again ? 2 : 1)
    if (again) expect(attempt(1).body).toBe('body')
    else expect(client.headers.get('grpc-status')).toBe(status)
    finish(client)
  })

  test('the same status in trailers comes too late', () => {
    const client = start(retryOn('unavailable', { grpcStatuses: new Set(['14']) }), CALL)
    attempt().heads(200, [], 5).sends('reply')
    expect(later()).toBe(1)
    attempt().ends()
    finish(client)
  })

  test('a POST that is no gRPC is not repeated for it', () => {
    const client = start(retryOn('unavailable', { grpcStatuses: new Set(['14']) }), POST)
    attempt().heads(200, ['grpc-status', '14']).ends()
    expect(later()).toBe(1)
    finish(client)
  })
})

describe('a request whose method is not idempotent', () => {
  test.each([
    ['its route says what to retry', { anyMethod: true }, {}, true],
    ['its route says only how often', { anyMethod: false }, {}, false],
    ['compat', { anyMethod: false }, { retryAnyMethod: true }, true],
  ])('%s', (_name, init, mesh, again) => {
    bench[Symbol.dispose]()
    bench = new ProxyBench({ mesh })
    const client = start(retryOn('5xx', init), POST)
    attempt().heads(503)
    if (!again) attempt().ends()
    expect(later()).toBe(again ? 2 : 1)
    if (again) expect(attempt(1).body).toBe('body')
    finish(client)
  })

  test('is repeated when the default policy meets a refused connection', () => {
    bench.cluster.script.readyAtOnce = false
    const client = start(retryOn('connect-failure,refused-stream'), POST)
    attempt().fails(failure('connect-refused'))
    expect(later()).toBe(2)
    attempt(1).ready()
    expect(attempt(1).body).toBe('body')
    finish(client)
  })
})

describe('x-envoy-ratelimited', () => {
  test('is retried under envoy-ratelimited', () => {
    const client = start(retryOn('envoy-ratelimited'))
    attempt().heads(429, ['x-envoy-ratelimited', 'true'])
    expect(later()).toBe(2)
    finish(client)
  })

  test('but not when the upstream is overloaded too', () => {
    const client = start(retryOn('envoy-ratelimited,5xx'))
    attempt().heads(503, ['x-envoy-ratelimited', 'true', 'x-envoy-overloaded', 'true']).ends()
    expect(later()).toBe(1)
    finish(client)
  })
})

describe('a body', () => {
  test('of which more comes after the failure goes whole to the next attempt', () => {
    const client = bench.ingress(routeOf(forwardTo(bench.cluster, { retry: retryOn('reset') })), {
      method: 'PUT',
      bodyLength: 8,
    })
    client.clientSends('half')
    attempt().fails(failure('reset-before-headers'))
    expect(client.paused).toBe(true)
    later()
    expect(attempt(1).body).toBe('half')
    expect(client.paused).toBe(false)
    client.clientSends('done')
    client.clientEnds()
    expect(attempt(1).body).toBe('halfdone')
    expect(attempt(1).ended).toBe(true)
    finish(client)
    expect(bench.runtime.replayBudget.bytes).toBe(0)
  })

  test('longer than a retry may keep: the first answer stands', () => {
    const client = bench.ingress(routeOf(forwardTo(bench.cluster, { retry: retryOn('5xx') })), {
      method: 'PUT',
      bodyLength: 2_000_000,
    })
    const half = 'x'.repeat(1_000_000)
    client.clientSends(half)
    expect(bench.runtime.replayBudget.bytes).toBe(1_000_000)
    client.clientSends(half)
    client.clientEnds()
    expect(bench.runtime.replayBudget.bytes).toBe(0)
    attempt().heads(503).ends()
    expect(later()).toBe(1)
    client.flushed()
    expect(bench.records).toMatchObject([{ status: 503, flags: '-' }])
  })

  test('is let go when the answer begins, and when the client leaves', () => {
    const client = start(retryOn('5xx'), { ...POST, method: 'PUT' })
    expect(bench.runtime.replayBudget.bytes).toBe(4)
    attempt().heads(200, [], 10)
    expect(bench.runtime.replayBudget.bytes).toBe(0)
    client.clientAborts()
    start(retryOn('5xx'), { ...POST, method: 'PUT' }).clientAborts()
    expect(bench.runtime.replayBudget.bytes).toBe(0)
  })
})

describe('how retries wait and where they go', () => {
  test('backoff is the base; the wait grows to ten times as much', () => {
    bench.random = 0.999
    const client = start(retryOn('5xx', { attempts: 5, backoffMs: 100 }))
    for (const [i, wait] of [100, 300, 700, 1000, 1000].entries()) {
      attempt(i).heads(503)
      vi.advanceTimersByTime(Math.floor(wait * 0.999) - 1)
      expect(bench.cluster.attempts.length).toBe(i + 1)
      vi.advanceTimersByTime(2)
      expect(bench.cluster.attempts.length).toBe(i + 2)
    }
    finish(client)
  })

  test('retryIgnorePreviousHosts false: nothing is avoided', () => {
    const client = start(retryOn('5xx', { avoidsTried: false }))
    attempt().heads(503)
    later()
    expect(attempt(1).tried).toEqual([])
    finish(client)
  })

  test('the destination is drawn once and its header operations apply once', () => {
    using other = new ProxyBench()
    const set = compileHeaders([{ add: { 'x-try': 'a' } }], 'request').mutation
    const { plan } = bench.cluster
    const action: ForwardAction = {
      ...(forwardTo(bench.cluster, { retry: retryOn('5xx') }) as ForwardAction),
      destinations: [
        new Destination('other', other.cluster.plan, 1, null, null),
        new Destination(plan.name, plan, 1, set, null),
      ],
      cumulativeWeights: [1, 2],
    }
    bench.random = 0.9
    const client = bench.ingress(routeOf(action))
    attempt().heads(503)
    bench.random = 0
    later()
    expect(bench.cluster.attempts.map(({ headers }) => headers.combined('x-try'))).toEqual([
      'a',
      'a',
    ])
    expect(other.cluster.attempts).toEqual([])
    finish(client)
  })
})

describe('the time that is left', () => {
  test('a retry that could begin only after the timeout does not: the answer is passed on', () => {
    bench.random = 0.999
    const retry = retryOn('5xx', { backoffMs: 1000 })
    const client = start(retry, {}, { timeoutMs: 900 })
    attempt().heads(503).ends()
    expect(client.status).toBe(503)
    client.flushed()
    expect(bench.records).toMatchObject([{ status: 503, flags: '-' }])
    expect(later()).toBe(1)
  })

  test('each attempt tells the upstream how long it may take', () => {
    const retry = retryOn('5xx', { perTryTimeoutMs: 400 })
    const client = start(retry, {}, { timeoutMs: 1000 })
    vi.advanceTimersByTime(300)
    attempt().heads(503)
    vi.advanceTimersByTime(400)
    attempt(1).heads(503)
    vi.advanceTimersByTime(1)
    const told = bench.cluster.attempts.map(({ headers }) =>
      headers.combined('x-envoy-expected-rq-timeout-ms'),
    )
    expect(told.slice(0, 2)).toEqual(['400', '400'])
    expect(Number(told[2])).toBeLessThanOrEqual(300)
    finish(client)
  })
})

describe('what the cluster admits and counts', () => {
  function counters(): Readonly<Record<string, number>> {
    return bench.cluster.counters.toRecord()
  }

  test('a retry that led to an answer is a success', () => {
    const client = start(retryOn('5xx'))
    attempt().heads(503)
    later()
    expect(bench.cluster.retries.active).toBe(1)
    attempt(1).heads(200).ends()
    expect(bench.cluster.retries.active).toBe(0)
    finish(client)
    expect(counters()).toMatchObject({ rq_retry: 1, rq_retry_success: 1, rq_retry_overflow: 0 })
  })

  test('attempts that are used up are counted, and are no success', () => {
    const client = start(retryOn('5xx', { attempts: 1 }))
    attempt().heads(503)
    later()
    attempt(1).heads(503).ends()
    finish(client)
    expect(counters()).toMatchObject({
      rq_retry: 1,
      rq_retry_success: 0,
      rq_retry_limit_exceeded: 1,
    })
    expect(bench.cluster.retries.active).toBe(0)
  })

  test('beyond maxRetries the answer is passed on with UO', () => {
    bench.cluster.retries.limits = { percent: 0, atLeast: 1 }
    const first = start(retryOn('5xx'))
    attempt().heads(503)
    const second = start(retryOn('5xx'))
    attempt(1).heads(503, ['x-from', 'upstream']).ends()
    expect(second.status).toBe(503)
    expect(second.headers.get('x-from')).toBe('upstream')
    second.flushed()
    expect(bench.records).toMatchObject([{ status: 503, flags: 'UO', details: 'via_upstream' }])
    expect(counters()).toMatchObject({ rq_retry: 1, rq_retry_overflow: 1 })
    later()
    finish(first)
    expect(bench.cluster.retries.active).toBe(0)
  })

  test('beyond a retry budget a failure is answered with its own flag and UO', () => {
    bench.cluster.retries.limits = { percent: 20, atLeast: 0 }
    const client = start(retryOn('connect-failure'))
    attempt().fails(failure('connect-refused'))
    expect(client.status).toBe(503)
    client.flushed()
    expect(bench.records).toMatchObject([{ flags: 'UF,UO' }])
  })

  test('a client that leaves gives its retry back', () => {
    const client = start(retryOn('5xx'))
    attempt().heads(503)
    expect(bench.cluster.retries.active).toBe(1)
    client.clientAborts()
    expect(bench.cluster.retries.active).toBe(0)
  })

  test('a tunnel that a retry opened does not count as one while it lasts', () => {
    const client = start(retryOn('5xx'), { upgrade: 'websocket' })
    attempt().heads(503)
    later()
    attempt(1).heads(101)
    expect(client.tunnel).toBe(true)
    expect(bench.cluster.retries.active).toBe(0)
    client.clientAborts()
  })

  test('a second try on a connection that had closed is none of the policy', () => {
    bench.cluster.script.reused = true
    const client = start(retryOn('5xx', { attempts: 1 }))
    attempt().fails(failure('reset-before-headers'))
    later()
    attempt(1).heads(503)
    expect(later()).toBe(3)
    finish(client)
    expect(counters()).toMatchObject({ rq_retry: 1 })
  })
})
