import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { DownstreamDouble } from '../../test/support/exchange-double.ts'
import { forwardTo, ProxyBench, retryOn, routeOf } from '../../test/support/proxy-bench.ts'
import type { RequestSketch } from '../../test/support/requests.ts'
import type { RetryPlan } from '../routing/route.ts'
import type { FailureType } from '../upstream/failure.ts'
import { failure, remoteReset } from '../upstream/failures.ts'

/** Longer than any backoff. */
const BACKOFF_OVER_MS = 250

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const DEFAULT = 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes'

/** Starts a request whose first attempt failed, and says whether another one began. */
function retried(
  bench: ProxyBench,
  retry: RetryPlan | null,
  sketch: RequestSketch,
  fail: (bench: ProxyBench, client: DownstreamDouble) => void,
): boolean {
  const client = bench.ingress(routeOf(forwardTo(bench.cluster, { retry })), sketch)
  fail(bench, client)
  vi.advanceTimersByTime(BACKOFF_OVER_MS)
  const again = bench.cluster.attempts.length > 1
  expect(client.headSent).toBe(!again)
  return again
}

describe('a failure before the response', () => {
  const GET: RequestSketch = { method: 'GET' }
  const POST: RequestSketch = { method: 'POST' }
  const cases: [type: FailureType, on: string, sketch: RequestSketch, again: boolean][] = [
    ['connect-refused', DEFAULT, GET, true],
    ['connect-timeout', DEFAULT, GET, true],
    ['connect-error', DEFAULT, GET, true],
    ['tls-error', DEFAULT, GET, true],
    ['connect-refused', DEFAULT, POST, true],
    ['connect-refused', 'reset', POST, true],
    ['connect-refused', 'reset-before-request', POST, true],
    ['connect-refused', '5xx', POST, true],
    ['connect-refused', 'gateway-error', POST, true],
    ['connect-refused', 'refused-stream', GET, false],
    ['connect-refused', 'retriable-4xx', GET, false],
    ['refused-stream', DEFAULT, GET, true],
    ['refused-stream', DEFAULT, POST, true],
    ['refused-stream', 'connect-failure', GET, false],
    ['refused-stream', 'reset-before-request', GET, false],
    ['reset-before-headers', DEFAULT, GET, false],
    ['reset-before-headers', 'reset', GET, true],
    ['reset-before-headers', '5xx', GET, true],
    ['reset-before-headers', 'gateway-error', GET, true],
    ['reset-before-headers', 'reset-before-request', GET, false],
    ['reset-before-headers', 'reset', POST, false],
    ['reset-before-headers', '5xx', POST, false],
    ['reset-before-headers', 'reset', { method: 'PATCH' }, false],
    ['reset-before-headers', 'reset', { method: 'HEAD' }, true],
    ['reset-before-headers', 'reset', { method: 'DELETE' }, true],
    ['reset-before-headers', 'reset', { method: 'get' }, false],
    ['protocol-error', 'reset', GET, true],
    ['protocol-error', DEFAULT, GET, false],
    ['overflow', '5xx,reset,gateway-error', GET, false],
    ['no-endpoint', '5xx,reset,gateway-error', GET, false],
    ['dns-failure', '5xx,reset,gateway-error', GET, false],
    ['address-refused', '5xx,reset,gateway-error', GET, false],
  ]
  test.each(cases)('%s under %s, %j: %s', (type, on, sketch, again) => {
    using bench = new ProxyBench()
    const result = retried(bench, retryOn(on), sketch, () =>
      bench.cluster.attempts[0]!.fails(failure(type)),
    )
    expect(result).toBe(again)
  })

  test('an HTTP/2 reset of one stream counts as a reset', () => {
    using bench = new ProxyBench()
    const reset = (): void => bench.cluster.attempts[0]!.fails(remoteReset('reset-before-headers'))
    expect(retried(bench, retryOn('reset'), GET, reset)).toBe(true)
  })

  test('without a policy nothing is repeated', () => {
    using bench = new ProxyBench()
    const refuse = (): void => bench.cluster.attempts[0]!.fails(failure('connect-refused'))
    expect(retried(bench, null, GET, refuse)).toBe(false)
  })

  test('under compat every method is repeated', () => {
    using bench = new ProxyBench({ mesh: { retryAnyMethod: true } })
    const reset = (): void => bench.cluster.attempts[0]!.fails(failure('reset-before-headers'))
    expect(retried(bench, retryOn('reset'), POST, reset)).toBe(true)
  })
})

describe('a new connection that its peer closed before an answer', () => {
  const byDefault = retryOn('connect-failure,refused-stream', { isDefault: true })
  const written = retryOn('connect-failure,refused-stream')
  const cases: [name: string, method: string, retry: RetryPlan, compat: boolean, again: boolean][] =
    [
      ['is retried by default when the request may be repeated', 'GET', byDefault, false, true],
      ['but a POST may have been heard', 'POST', byDefault, false, false],
      ['not under a written policy that leaves it out', 'GET', written, false, false],
      ['not as Istio does it', 'GET', byDefault, true, false],
    ]
  test.each(cases)('%s', (_name, method, retry, compat, again) => {
    using bench = new ProxyBench({ mesh: { retryAnyMethod: compat } })
    const reset = (): void => bench.cluster.attempts[0]!.fails(failure('reset-before-headers'))
    expect(retried(bench, retry, { method }, reset)).toBe(again)
  })
})

describe('a kept connection that its peer closed just then', () => {
  const cases: [
    name: string,
    method: string,
    reused: boolean,
    retry: RetryPlan | null,
    again: boolean,
  ][] = [
    ['is no failure of an idempotent request', 'GET', true, null, true],
    ['whatever the policy says', 'PUT', true, retryOn('retriable-4xx'), true],
    ['but a POST may have been heard', 'POST', true, null, false],
    ['a new connection is another matter', 'GET', false, null, false],
  ]
  test.each(cases)('%s', (_name, method, reused, retry, again) => {
    using bench = new ProxyBench()
    bench.cluster.script.reused = reused
    const result = retried(bench, retry, { method }, () =>
      bench.cluster.attempts[0]!.fails(failure('reset-before-headers')),
    )
    expect(result).toBe(again)
  })

  test('compat does not repeat a POST that no policy asked to repeat', () => {
    using bench = new ProxyBench({ mesh: { retryAnyMethod: true } })
    bench.cluster.script.reused = true
    const reset = (): void => bench.cluster.attempts[0]!.fails(failure('reset-before-headers'))
    expect(retried(bench, null, { method: 'POST' }, reset)).toBe(false)
  })

  test('is forgiven twice', () => {
    using bench = new ProxyBench()
    bench.cluster.script.reused = true
    const client = bench.ingress(routeOf(forwardTo(bench.cluster)))
    for (let i = 0; i < 3; i++) {
      expect(bench.cluster.attempts.length).toBe(i + 1)
      bench.cluster.attempts[i]!.fails(failure('reset-before-headers'))
      vi.advanceTimersByTime(1)
    }
    expect(bench.cluster.attempts.length).toBe(3)
    expect(client.status).toBe(503)
  })
})

describe('the request body', () => {
  const put: RequestSketch = { method: 'PUT', bodyLength: 8 }

  test('forwarded in part and not kept, for no answer could lead to a retry: no second attempt', () => {
    using bench = new ProxyBench()
    const again = retried(bench, retryOn('connect-failure,refused-stream'), put, (_, client) => {
      client.clientSends('half')
      bench.cluster.attempts[0]!.fails(failure('refused-stream'))
    })
    expect(again).toBe(false)
  })

  test('not forwarded yet: it waits for the attempt that takes it', () => {
    using bench = new ProxyBench()
    const { cluster } = bench
    const client = bench.ingress(routeOf(forwardTo(cluster, { retry: retryOn('reset') })), put)
    expect(client.paused).toBe(false)
    cluster.attempts[0]!.fails(failure('reset-before-headers'))
    expect(client.paused).toBe(true)
    client.clientSends('complete')
    client.clientEnds()
    vi.advanceTimersByTime(BACKOFF_OVER_MS)
    expect(cluster.attempts[1]!.body).toBe('complete')
    expect(cluster.attempts[1]!.ended).toBe(true)
  })

  test('a status of an answer that comes after the body is retried with the same body', () => {
    using bench = new ProxyBench()
    const again = retried(bench, retryOn('5xx'), put, (_, client) => {
      client.clientSends('complete')
      bench.cluster.attempts[0]!.heads(503)
    })
    expect(again).toBe(true)
    expect(bench.cluster.attempts[1]!.body).toBe('complete')
  })
})

describe('a response status', () => {
  const cases: [status: number, on: string, init: Partial<RetryPlan>, again: boolean][] = [
    [503, '5xx', {}, true],
    [500, '5xx', {}, true],
    [499, '5xx', {}, false],
    [500, 'gateway-error', {}, false],
    [502, 'gateway-error', {}, true],
    [503, 'gateway-error', {}, true],
    [504, 'gateway-error', {}, true],
    [505, 'gateway-error', {}, false],
    [409, 'retriable-4xx', {}, true],
    [404, 'retriable-4xx', {}, false],
    [503, DEFAULT, {}, false],
    [404, DEFAULT, { statuses: new Set([404]) }, true],
    [404, '5xx', { statuses: new Set([404]) }, false],
    [503, 'reset,connect-failure', {}, false],
    [200, '5xx', {}, false],
    [200, 'retriable-status-codes', { statuses: new Set([200]) }, false],
  ]
  test.each(cases)('%i under %s %j: %s', (status, on, init, again) => {
    using bench = new ProxyBench()
    const result = retried(bench, retryOn(on, init), {}, () =>
      bench.cluster.attempts[0]!.heads(status),
    )
    expect(result).toBe(again)
    if (again) expect(bench.cluster.attempts[0]!.aborted).toBe(true)
  })

  test.each(['POST', 'PATCH'])('%s is answered with it', (method) => {
    using bench = new ProxyBench()
    const again = retried(bench, retryOn('5xx'), { method }, () =>
      bench.cluster.attempts[0]!.heads(503),
    )
    expect(again).toBe(false)
  })

  test.each(['x-envoy-overloaded', 'x-envoy-ratelimited'])('%s asks to be left alone', (name) => {
    using bench = new ProxyBench()
    const again = retried(bench, retryOn('5xx'), {}, () =>
      bench.cluster.attempts[0]!.heads(503, [name, 'true']),
    )
    expect(again).toBe(false)
  })
})

describe('attempts', () => {
  test('exhausted by failures: URX behind the last failure, and the body says so', () => {
    using bench = new ProxyBench()
    const { cluster } = bench
    const client = bench.ingress(routeOf(forwardTo(cluster, { retry: retryOn(DEFAULT) })))
    for (let i = 0; i < 3; i++) {
      cluster.attempts[i]!.fails(failure('connect-refused', 'delayed connect error: 111'))
      vi.advanceTimersByTime(BACKOFF_OVER_MS)
    }
    expect(cluster.attempts.length).toBe(3)
    expect(client.status).toBe(503)
    expect(client.body).toBe(
      'upstream connect error or disconnect/reset before headers. retried and the latest reset reason: ' +
        'remote connection failure, transport failure reason: delayed connect error: 111',
    )
    client.flushed()
    expect(bench.records).toMatchObject([{ flags: 'UF,URX' }])
  })

  test('exhausted by statuses: the last answer is passed on with URX', () => {
    using bench = new ProxyBench()
    const { cluster } = bench
    const retry = retryOn('5xx', { attempts: 1 })
    const client = bench.ingress(routeOf(forwardTo(cluster, { retry })))
    cluster.attempts[0]!.heads(503)
    vi.advanceTimersByTime(BACKOFF_OVER_MS)
    cluster.attempts[1]!.heads(502, ['x-from', 'second'], 4).sends('body').ends()
    expect(client.status).toBe(502)
    expect(client.headers.get('x-from')).toBe('second')
    expect(client.body).toBe('body')
    client.flushed()
    expect(bench.records).toMatchObject([{ status: 502, flags: 'URX', details: 'via_upstream' }])
  })

  test('a retry that succeeds leaves no flag', () => {
    using bench = new ProxyBench()
    const { cluster } = bench
    const client = bench.ingress(routeOf(forwardTo(cluster, { retry: retryOn('5xx') })))
    cluster.attempts[0]!.heads(503)
    vi.advanceTimersByTime(BACKOFF_OVER_MS)
    cluster.attempts[1]!.heads(200).ends()
    client.flushed()
    expect(bench.records).toMatchObject([{ status: 200, flags: '-', upstreamHost: '10.0.0.2:80' }])
  })

  test('count upwards in x-envoy-attempt-count and name the endpoints to avoid', () => {
    using bench = new ProxyBench()
    const { cluster } = bench
    bench.ingress(routeOf(forwardTo(cluster, { retry: retryOn('5xx') })))
    cluster.attempts[0]!.heads(503)
    vi.advanceTimersByTime(BACKOFF_OVER_MS)
    cluster.attempts[1]!.fails(failure('reset-before-headers'))
    vi.advanceTimersByTime(BACKOFF_OVER_MS)
    const seen = cluster.attempts.map(({ headers, tried }) => [
      headers.combined('x-envoy-attempt-count'),
      tried,
    ])
    expect(seen).toEqual([
      ['1', []],
      ['2', ['10.0.0.1:80']],
      ['3', ['10.0.0.1:80', '10.0.0.2:80']],
    ])
  })

  test('the count can be switched off', () => {
    using bench = new ProxyBench({ mesh: { attemptCountHeader: false } })
    bench.ingress(routeOf(forwardTo(bench.cluster)))
    expect(bench.cluster.attempts[0]!.headers.has('x-envoy-attempt-count')).toBe(false)
  })

  test('wait with jitter, from 25 ms doubling to at most 250 ms', () => {
    using bench = new ProxyBench()
    const { cluster } = bench
    bench.random = 0.999
    bench.ingress(routeOf(forwardTo(cluster, { retry: retryOn('5xx', { attempts: 9 }) })))
    const waits = [25, 75, 175, 250, 250]
    for (const [i, wait] of waits.entries()) {
      cluster.attempts[i]!.heads(503)
      vi.advanceTimersByTime(Math.floor(wait * 0.999) - 1)
      expect(cluster.attempts.length).toBe(i + 1)
      vi.advanceTimersByTime(2)
      expect(cluster.attempts.length).toBe(i + 2)
    }
  })
})
