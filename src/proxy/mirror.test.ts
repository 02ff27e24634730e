import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type DownstreamDouble, ScriptedCluster } from '../../test/support/exchange-double.ts'
import { forwardTo, ProxyBench, retryOn, routeOf } from '../../test/support/proxy-bench.ts'
import type { RequestSketch } from '../../test/support/requests.ts'
import { seededRandom } from '../../test/support/seeded-random.ts'
import { Headers } from '../http/headers.ts'
import { UNKNOWN_LENGTH } from '../http/request.ts'
import { compileHeaders } from '../routing/header-mutation.ts'
import { MirrorPlan } from '../routing/mirror-plan.ts'
import { PathRewrite } from '../routing/path-rewrite.ts'
import type { RouteAction } from '../routing/route.ts'
import { failure } from '../upstream/failures.ts'
import { DEFAULT_SHADOW_TIMEOUT_MS, MAX_ANSWER_BYTES } from './mirror-attempt.ts'
import { MAX_BACKLOG_BYTES } from './mirror-backlog.ts'
import { MAX_SHADOWS } from './mirrors.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

type PlanInit = Partial<ConstructorParameters<typeof MirrorPlan>[0]>
type ActionInit = Parameters<typeof forwardTo>[1]

/** A route to one scripted cluster with mirrors on others. */
class MirrorBench implements Disposable {
  readonly proxy = new ProxyBench()
  readonly shadow = new ScriptedCluster('outbound|80||shadow')
  readonly second = new ScriptedCluster('outbound|80||second')

  plan(init: PlanInit = {}, cluster: ScriptedCluster = this.shadow): MirrorPlan {
    const { name: clusterName } = cluster
    return new MirrorPlan({
      clusterName,
      cluster: cluster.plan,
      chance: 1,
      suffixesHost: true,
      ...init,
    })
  }

  action(mirrors: readonly MirrorPlan[], init: ActionInit = {}): RouteAction {
    return forwardTo(this.proxy.cluster, { ...init, mirrors })
  }

  send(
    sketch: RequestSketch = {},
    mirrors = [this.plan()],
    init: ActionInit = {},
  ): DownstreamDouble {
    return this.proxy.ingress(routeOf(this.action(mirrors, init)), sketch)
  }

  get outcomes(): Record<string, number> {
    const { outcomes } = this.proxy.runtime.mirrors
    return Object.fromEntries(Object.entries(outcomes).filter(([, count]) => count > 0))
  }

  [Symbol.dispose](): void {
    this.proxy.runtime.mirrors.close()
    this.proxy[Symbol.dispose]()
    this.shadow.close()
    this.second.close()
  }
}

const POST: RequestSketch = { method: 'POST', bodyLength: UNKNOWN_LENGTH }

describe('what a mirror gets', () => {
  test('the request as it goes upstream: after header operations and rewrite', () => {
    using bench = new MirrorBench()
    const { mutation } = compileHeaders(
      [{ set: { 'x-stage': 'canary' }, remove: ['x-old'] }],
      'request',
    )
    const action = bench.action([bench.plan()])
    const rewritten = { ...action, rewrite: PathRewrite.literal('/v2'), rewriteAuthority: 'b.test' }
    bench.proxy.ingress(routeOf(rewritten as RouteAction, { requestHeaders: mutation }), {
      target: '/a?b=1',
      headers: ['x-old', '1', 'x-kept', '2'],
    })
    const [original, copy] = [bench.proxy.cluster.attempts[0]!, bench.shadow.attempts[0]!]
    expect(copy.request!.target).toBe(original.request!.target)
    expect(copy.request!.target).toBe('/v2a?b=1')
    expect(copy.request!.authority).toBe('b.test-shadow')
    expect(copy.headers.get('x-stage')).toBe('canary')
    expect(copy.headers.has('x-old')).toBe(false)
    expect(copy.headers.get('x-envoy-original-path')).toBe('/a?b=1')
    expect(copy.headers.get('x-envoy-attempt-count')).toBe('1')
    expect(copy.headers.get('x-request-id')).toBe(original.headers.get('x-request-id'))
  })

  test.each([
    ['a.test', 'a.test-shadow'],
    ['a.test:8080', 'a.test-shadow:8080'],
    ['192.0.2.1:80', '192.0.2.1-shadow:80'],
    ['[2001:db8::1]:80', '[2001:db8::1]:80'],
  ])('Host %s becomes %s', (authority, expected) => {
    using bench = new MirrorBench()
    bench.send({ authority })
    expect(bench.shadow.attempts[0]!.request!.authority).toBe(expected)
    expect(bench.proxy.cluster.attempts[0]!.request!.authority).toBe(authority)
  })

  test('Host unchanged where the plan says so', () => {
    using bench = new MirrorBench()
    bench.send({ authority: 'a.test' }, [bench.plan({ suffixesHost: false })])
    expect(bench.shadow.attempts[0]!.request!.authority).toBe('a.test')
  })

  test('this gateway behind the client in x-forwarded-for, which the request itself does not get', () => {
    using bench = new MirrorBench()
    bench.send({ headers: ['x-forwarded-for', '198.51.100.1'] })
    expect(bench.shadow.attempts[0]!.headers.get('x-forwarded-for')).toBe(
      '198.51.100.1,192.0.2.7,10.1.2.3',
    )
    expect(bench.proxy.cluster.attempts[0]!.headers.get('x-forwarded-for')).toBe(
      '198.51.100.1,192.0.2.7',
    )
  })

  test('a trace context that is not sampled', () => {
    using bench = new MirrorBench()
    bench.send({
      headers: ['traceparent', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-03`, 'b3', 'x-y-1-z'],
    })
    const { headers } = bench.shadow.attempts[0]!
    expect(headers.get('traceparent')).toBe(`00-${'a'.repeat(32)}-${'b'.repeat(16)}-02`)
    expect(headers.get('b3')).toBe('x-y-0-z')
    expect(bench.proxy.cluster.attempts[0]!.headers.get('b3')).toBe('x-y-1-z')
  })

  test('no expectation of 100 Continue: the client waits for the real upstream', () => {
    using bench = new MirrorBench()
    bench.send({ ...POST, expectsContinue: true })
    expect(bench.proxy.cluster.attempts[0]!.request!.expectsContinue).toBe(true)
    expect(bench.shadow.attempts[0]!.request!.expectsContinue).toBe(false)
  })

  test('body and trailers as they come', () => {
    using bench = new MirrorBench()
    const client = bench.send(POST)
    const [copy] = bench.shadow.attempts
    client.clientSends('one')
    expect(copy!.body).toBe('one')
    client.clientSends('two')
    client.clientEnds(new Headers(['x-sum', '6']))
    expect([copy!.body, copy!.ended]).toEqual(['onetwo', true])
    expect(copy!.trailers!.get('x-sum')).toBe('6')
  })

  test('body that came before its connection, in one piece', () => {
    using bench = new MirrorBench()
    bench.shadow.script.readyAtOnce = false
    const client = bench.send(POST)
    client.clientSends('one')
    client.clientSends('two')
    client.clientEnds()
    const [copy] = bench.shadow.attempts
    expect(copy!.body).toBe('')
    copy!.ready()
    expect([copy!.body, copy!.ended]).toEqual(['onetwo', true])
  })

  test('body that came before the first attempt', () => {
    using bench = new MirrorBench()
    bench.proxy.cluster.script.readyAtOnce = false
    const client = bench.send(POST)
    client.clientSends('early')
    bench.proxy.cluster.attempts[0]!.ready()
    expect(bench.shadow.attempts[0]!.body).toBe('early')
    expect(bench.proxy.cluster.attempts[0]!.body).toBe('early')
  })
})

describe('which requests are mirrored', () => {
  test('each mirror draws for itself, and gets its share', () => {
    using bench = new MirrorBench()
    const random = seededRandom(7)
    const mirrors = [bench.plan({ chance: 0.1 }), bench.plan({ chance: 0.5 }, bench.second)]
    const requests = 600
    let both = 0
    Object.defineProperty(bench.proxy, 'random', { get: random })
    for (let i = 0; i < requests; i++) {
      const before = bench.shadow.attempts.length + bench.second.attempts.length
      bench.send({}, mirrors)
      if (bench.shadow.attempts.length + bench.second.attempts.length === before + 2) both++
      bench.shadow.attempts.at(-1)?.ends()
      bench.second.attempts.at(-1)?.ends()
    }
    expect(bench.shadow.attempts.length / requests).toBeCloseTo(0.1, 1)
    expect(bench.second.attempts.length / requests).toBeCloseTo(0.5, 1)
    // Not nested: where the tenth is mirrored, half of the time the other one is not.
    expect(both).toBeGreaterThan(0)
    expect(both).toBeLessThan(bench.shadow.attempts.length)
  })

  test('WebSocket upgrades are not', () => {
    using bench = new MirrorBench()
    bench.send({ upgrade: 'websocket' })
    expect(bench.proxy.cluster.attempts).toHaveLength(1)
    expect(bench.shadow.attempts).toHaveLength(0)
  })

  test('a mirror without cluster gets nothing, the others do', () => {
    using bench = new MirrorBench()
    bench.send({}, [bench.plan({ cluster: null }), bench.plan({}, bench.second)])
    expect(bench.shadow.attempts).toHaveLength(0)
    expect(bench.second.attempts).toHaveLength(1)
  })

  test('a request that no destination takes is not mirrored', () => {
    using bench = new MirrorBench()
    const client = bench.proxy.ingress(routeOf(forwardTo(null, { mirrors: [bench.plan()] })))
    expect(client.status).toBe(503)
    expect(bench.shadow.attempts).toHaveLength(0)
  })

  test('a retried request is mirrored once', () => {
    using bench = new MirrorBench()
    const client = bench.send({}, [bench.plan()], { retry: retryOn('connect-failure') })
    bench.proxy.cluster.attempts[0]!.fails(failure('connect-refused'))
    vi.advanceTimersByTime(250)
    bench.proxy.cluster.attempts[1]!.heads(200).ends()
    expect(client.status).toBe(200)
    expect(bench.proxy.cluster.attempts).toHaveLength(2)
    expect(bench.shadow.attempts).toHaveLength(1)
    expect(bench.shadow.attempts[0]!.headers.get('x-envoy-attempt-count')).toBe('1')
  })

  test('so is one whose body goes out again with the next attempt', () => {
    using bench = new MirrorBench()
    bench.proxy.cluster.script.readyAtOnce = false
    const client = bench.send(POST, [bench.plan()], { retry: retryOn('connect-failure') })
    client.clientSends('one')
    bench.proxy.cluster.attempts[0]!.fails(failure('connect-refused'))
    vi.advanceTimersByTime(250)
    const again = bench.proxy.cluster.attempts[1]!.ready()
    client.clientSends('two')
    client.clientEnds()
    expect([again.body, again.ended]).toEqual(['onetwo', true])
    expect(bench.shadow.attempts).toHaveLength(1)
    const [copy] = bench.shadow.attempts
    expect([copy!.body, copy!.ended]).toEqual(['onetwo', true])
  })

  test('no more than the process may have on their way; the rest is counted', () => {
    using bench = new MirrorBench()
    for (let i = 0; i < MAX_SHADOWS + 3; i++) {
      const client = bench.send()
      bench.proxy.cluster.attempts.at(-1)!.heads(200).ends()
      expect(client.answered).toBe(true)
    }
    expect(bench.shadow.attempts).toHaveLength(MAX_SHADOWS)
    expect(bench.outcomes).toEqual({ refused: 3 })
    bench.shadow.attempts[0]!.heads(200).ends()
    bench.send()
    expect(bench.shadow.attempts).toHaveLength(MAX_SHADOWS + 1)
  })
})

describe('what becomes of a shadow', () => {
  test('its answer is dropped, whatever it is', () => {
    using bench = new MirrorBench()
    const client = bench.send()
    const [copy] = bench.shadow.attempts
    copy!.heads(500, ['x-shadow', '1'], 4).sends('oops').ends()
    expect(client.headSent).toBe(false)
    bench.proxy.cluster.attempts[0]!.heads(200, [], 2).sends('ok').ends()
    expect([client.status, client.body]).toEqual([200, 'ok'])
    expect(client.headers.has('x-shadow')).toBe(false)
    expect(bench.outcomes).toEqual({ completed: 1 })
  })

  test('its failure is not the request’s', () => {
    using bench = new MirrorBench()
    const client = bench.send(POST)
    bench.shadow.attempts[0]!.fails(failure('connect-refused'))
    client.clientSends('body')
    client.clientEnds()
    bench.proxy.cluster.attempts[0]!.heads(200).ends()
    client.flushed()
    expect(client.status).toBe(200)
    expect(bench.proxy.records[0]).toMatchObject({ flags: '-', clusterName: 'outbound|80||web' })
    expect(bench.proxy.cluster.attempts[0]!.body).toBe('body')
    expect(bench.outcomes).toEqual({ failed: 1 })
  })

  test('the exchange is reported once, the shadow never', () => {
    using bench = new MirrorBench()
    const client = bench.send()
    bench.proxy.cluster.attempts[0]!.heads(200).ends()
    client.flushed()
    bench.shadow.attempts[0]!.heads(200).ends()
    expect(bench.proxy.records).toHaveLength(1)
  })

  test('it goes on after the exchange is over', () => {
    using bench = new MirrorBench()
    const client = bench.send(POST)
    client.clientSends('all')
    client.clientEnds()
    bench.proxy.cluster.attempts[0]!.heads(200).ends()
    client.flushed()
    const [copy] = bench.shadow.attempts
    expect(copy!.aborted).toBe(false)
    copy!.heads(200).ends()
    expect(bench.outcomes).toEqual({ completed: 1 })
  })

  test('it goes on when the client leaves after its request was complete', () => {
    using bench = new MirrorBench()
    const client = bench.send()
    client.clientAborts()
    expect(bench.proxy.cluster.attempts[0]!.aborted).toBe(true)
    expect(bench.shadow.attempts[0]!.aborted).toBe(false)
  })

  test('it is given up when the client leaves within the body', () => {
    using bench = new MirrorBench()
    const client = bench.send(POST)
    client.clientSends('half')
    client.clientAborts()
    expect(bench.shadow.attempts[0]!.aborted).toBe(true)
    expect(bench.shadow.attempts[0]!.ended).toBe(false)
    expect(bench.outcomes).toEqual({ aborted: 1 })
  })

  test('it is given up when the upstream answers before the request is complete', () => {
    using bench = new MirrorBench()
    const client = bench.send(POST)
    client.clientSends('half')
    bench.proxy.cluster.attempts[0]!.heads(413).ends()
    client.flushed()
    expect(client.status).toBe(413)
    expect(bench.shadow.attempts[0]!.aborted).toBe(true)
  })

  test('it is given up when it is still waiting for a connection and the client leaves', () => {
    using bench = new MirrorBench()
    bench.shadow.script.readyAtOnce = false
    const client = bench.send(POST)
    client.clientSends('half')
    client.clientAborts()
    expect(bench.shadow.attempts[0]!.aborted).toBe(true)
    expect(bench.proxy.runtime.mirrors.heldBytes).toBe(0)
  })

  test('one without room does not pause the client, and is given up over its backlog', () => {
    using bench = new MirrorBench()
    const client = bench.send(POST, [bench.plan(), bench.plan({}, bench.second)])
    const [slow] = bench.shadow.attempts
    slow!.hasRoom = false
    const chunk = 'x'.repeat(65_536)
    client.clientSends(chunk)
    expect(client.paused).toBe(false)
    for (let sent = 0; sent < MAX_BACKLOG_BYTES; sent += chunk.length) client.clientSends(chunk)
    expect(slow!.aborted).toBe(false)
    expect(slow!.body).toHaveLength(chunk.length)
    client.clientSends('one more')
    expect([client.paused, slow!.aborted]).toEqual([false, true])
    expect(bench.outcomes).toEqual({ 'too-slow': 1 })
    expect(bench.proxy.runtime.mirrors.heldBytes).toBe(0)
    client.clientEnds()
    expect(bench.second.attempts[0]!.body).toHaveLength(MAX_BACKLOG_BYTES + chunk.length + 8)
    expect(bench.proxy.cluster.attempts[0]!.ended).toBe(true)
  })

  test('one that drains gets what was held back, then the end', () => {
    using bench = new MirrorBench()
    const client = bench.send(POST)
    const [slow] = bench.shadow.attempts
    slow!.hasRoom = false
    client.clientSends('a')
    client.clientSends('b')
    client.clientSends('c')
    client.clientEnds()
    expect([slow!.body, slow!.ended]).toEqual(['a', false])
    slow!.hasRoom = true
    slow!.drains()
    expect([slow!.body, slow!.ended]).toEqual(['abc', true])
  })

  test('a route’s timeout ends it, counted from the end of the request', () => {
    using bench = new MirrorBench()
    const client = bench.send(POST, [bench.plan()], { timeoutMs: 3000 })
    vi.advanceTimersByTime(60_000)
    client.clientSends('late')
    client.clientEnds()
    bench.proxy.cluster.attempts[0]!.heads(200).ends()
    vi.advanceTimersByTime(2999)
    expect(bench.shadow.attempts[0]!.aborted).toBe(false)
    vi.advanceTimersByTime(1)
    expect(bench.shadow.attempts[0]!.aborted).toBe(true)
    expect(bench.outcomes).toEqual({ 'timed-out': 1 })
    expect(bench.shadow.timedOut).toEqual(['10.0.0.1:80'])
  })

  test('without a route timeout it has a time of its own', () => {
    using bench = new MirrorBench()
    bench.send()
    vi.advanceTimersByTime(DEFAULT_SHADOW_TIMEOUT_MS - 1)
    expect(bench.shadow.attempts[0]!.aborted).toBe(false)
    vi.advanceTimersByTime(1)
    expect(bench.shadow.attempts[0]!.aborted).toBe(true)
  })

  test('an answer without end is cut', () => {
    using bench = new MirrorBench()
    bench.send()
    const [copy] = bench.shadow.attempts
    copy!.heads(200, [], UNKNOWN_LENGTH)
    const chunk = 'y'.repeat(MAX_ANSWER_BYTES / 4)
    for (let i = 0; i < 4; i++) copy!.sends(chunk)
    expect(copy!.aborted).toBe(false)
    copy!.sends('y')
    expect(copy!.aborted).toBe(true)
    expect(bench.outcomes).toEqual({ cut: 1 })
  })

  test('the end of the process gives all of them up', () => {
    using bench = new MirrorBench()
    bench.send()
    bench.send()
    bench.proxy.runtime.mirrors.close()
    expect(bench.shadow.attempts.map(({ aborted }) => aborted)).toEqual([true, true])
    expect(bench.proxy.runtime.mirrors.active).toBe(0)
    vi.advanceTimersByTime(DEFAULT_SHADOW_TIMEOUT_MS)
    expect(bench.outcomes).toEqual({ aborted: 2 })
  })
})
