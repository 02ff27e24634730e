import { request } from 'node:http'
import { expect, test } from 'vitest'
import { ACCESS_LOG_MESH, loggedExchanges } from '../support/access-log.ts'
import { type Answer, call } from '../support/call.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { startRedis } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

/** One rule for `app.test`, in flow style without its name. */
function app(upstreamPort: number, rule: string, more = ''): string {
  const route = '  - { timeout: 100ms, route: [{ destination: { host: app } }] }'
  return `${ACCESS_LOG_MESH}${service('app', upstreamPort)}${gateway('gw', ['app.test'])}${virtualService(
    'app',
    ['app.test'],
    ['gw'],
    route,
  )}apiVersion: tidegate.dev/v1alpha1
kind: RateLimitPolicy
metadata: { name: slow }
spec: { targetRef: { kind: VirtualService, name: app }, timeout: 5s, rules: [{ name: r, ${rule} }] ${more} }
`
}

const ask = (gw: TestGateway, path: string): Promise<Answer> =>
  call({ port: gw.port(80), host: 'app.test', path })

function queued(gw: TestGateway): number {
  return gw.gateway.rateLimits.activity.rules.reduce((sum, rule) => sum + rule.queued, 0)
}

/** Asks for `/0`, `/1`, ... so that each is waiting, or answered, before the next is sent. */
async function line(gw: TestGateway, length: number): Promise<Promise<Answer>[]> {
  const answers: Promise<Answer>[] = []
  for (let i = 0; i < length; i++) {
    const before = queued(gw)
    let answered = false
    const answer = ask(gw, `/${i}`)
    void answer.finally(() => (answered = true)).catch(() => undefined)
    answers.push(answer)
    await waitFor('a place in the queue', () => answered || queued(gw) > before)
  }
  return answers
}

test('requests wait for their turn, in order, and longer than the timeout of the route', async () => {
  await using upstream = await startUpstream('app')
  const rule = 'limits: [{ requests: 5, per: 1s, burst: 1 }], queue: { maxWait: 10s }'
  await using gw = await startGateway(app(upstream.port, rule))
  const began = performance.now()
  const answers = await Promise.all(await line(gw, 5))
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
  // One every 200 ms behind the first.
  expect(performance.now() - began).toBeGreaterThanOrEqual(795)
  expect(upstream.seen.map(({ url }) => url)).toEqual(['/0', '/1', '/2', '/3', '/4'])
  const metrics = await (await fetch(`${gw.admin}/stats/prometheus`)).text()
  const labels = '{policy="default/slow",rule="r"}'
  expect(metrics).toContain(`tidegate_rate_limit_queued_requests${labels} 0`)
  expect(metrics).toContain(`tidegate_rate_limit_waits_total${labels} 4`)
  expect(metrics).toMatch(/wait_milliseconds_total\{policy="default\/slow",rule="r"\} \d{3,}/)
  expect(metrics).toContain(
    'tidegate_rate_limit_requests_total{policy="default/slow",rule="r",result="allowed"} 5',
  )
  expect(metrics).not.toContain('rule="r",result="limited"')
})

test('a request that would wait too long is refused at once', async () => {
  await using upstream = await startUpstream('app')
  const rule = 'limits: [{ requests: 1, per: 1h }], queue: { maxWait: 30s }'
  await using gw = await startGateway(app(upstream.port, rule))
  expect((await ask(gw, '/0')).status).toBe(200)
  const refused = await ask(gw, '/1')
  expect(refused.status).toBe(429)
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(3000)
  expect(gw.gateway.rateLimits.activity.rules[0]).toMatchObject({
    waits: 0,
    allowed: 1,
    limited: 1,
  })
})

test('no more than maxRequests wait, and a client that leaves gives its place away', async () => {
  await using upstream = await startUpstream('app')
  const rule =
    'limits: [{ requests: 1, per: 20s, burst: 1 }], queue: { maxWait: 60s, maxRequests: 1 }'
  await using gw = await startGateway(app(upstream.port, rule))
  expect((await ask(gw, '/first')).status).toBe(200)
  const leaver = request({ port: gw.port(80), host: '127.0.0.1', headers: { host: 'app.test' } })
  leaver.on('error', () => undefined).end()
  await waitFor('the queue', () => queued(gw) === 1)
  expect((await ask(gw, '/full')).status).toBe(429)
  leaver.socket?.resetAndDestroy()
  await waitFor('the place', () => queued(gw) === 0)
  const waiting = ask(gw, '/next')
  await waitFor('the queue', () => queued(gw) === 1)
  // The end of the process: nobody is left without an answer.
  gw.gateway.drainListeners(true)
  const closed = gw.gateway.close()
  expect((await waiting).status).toBe(429)
  await closed
})

test('each client waits for itself', async () => {
  await using upstream = await startUpstream('app')
  const rule = `match: { path: { distinct: true } }, limits: [{ requests: 1, per: 1s, burst: 1 }],
    queue: { maxWait: 10s }`
  await using gw = await startGateway(app(upstream.port, rule))
  expect((await ask(gw, '/a')).status).toBe(200)
  const waiting = ask(gw, '/a')
  await waitFor('the queue', () => queued(gw) === 1)
  expect((await ask(gw, '/b')).status).toBe(200)
  expect(queued(gw)).toBe(1)
  expect((await waiting).status).toBe(200)
})

test('behind the edge of a window all go that fit, the others later or never', async () => {
  await using upstream = await startUpstream('app')
  const rule = `limits: [{ requests: 3, per: 400ms, algorithm: fixedWindow }],
    queue: { maxWait: 5s, maxRequests: 8 }`
  await using gw = await startGateway(app(upstream.port, rule))
  const answers = await Promise.all(Array.from({ length: 9 }, (_, index) => ask(gw, `/${index}`)))
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 9 }, () => 200))
})

test('who waited in vain is told how long', async () => {
  await using upstream = await startUpstream('app')
  await using redis = await startRedis()
  const rule =
    'limits: [{ requests: 1, per: 1s, algorithm: fixedWindow }], queue: { maxWait: 1500ms }'
  const options = { redisUrl: redis.url }
  await using one = await startGateway(app(upstream.port, rule), options)
  await using two = await startGateway(app(upstream.port, rule), options)
  for (const gw of [one, two])
    await waitFor('Redis', () => gw.gateway.rateLimits.activity.store.available)
  // Two gateways promise the next windows to twice as many as there will be room for.
  const answers = await Promise.all([
    ...Array.from({ length: 4 }, () => ask(one, '/x')),
    ...Array.from({ length: 4 }, () => ask(two, '/x')),
  ])
  const served = answers.filter(({ status }) => status === 200).length
  expect(served).toBeGreaterThanOrEqual(2)
  expect(served).toBeLessThanOrEqual(4)
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(8 - served)
  expect(queued(one) + queued(two)).toBe(0)
  await loggedExchanges(one, ['/x'])
  await loggedExchanges(two, ['/x'])
  await waitFor('all lines of the log', () => {
    const lines = (one.accessLog() + two.accessLog()).split('\n')
    return lines.filter((text) => text.startsWith('/x')).length === 8
  })
  expect(one.accessLog() + two.accessLog()).toMatch(
    /\/x 429 RL request_rate_limited_by\[default\/slow\/r\]_after_\d+ms/,
  )
})

test('several gateways share a queue’s limit through Redis', async () => {
  await using upstream = await startUpstream('app')
  await using redis = await startRedis()
  const rule =
    'limits: [{ requests: 20, per: 1s, burst: 1 }], queue: { maxWait: 20s, maxRequests: 50 }'
  const options = { redisUrl: redis.url }
  await using one = await startGateway(app(upstream.port, rule), options)
  await using two = await startGateway(app(upstream.port, rule), options)
  for (const gw of [one, two])
    await waitFor('Redis', () => gw.gateway.rateLimits.activity.store.available)
  const began = performance.now()
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => ask(index % 2 === 0 ? one : two, `/${index}`)),
  )
  expect(answers.every(({ status }) => status === 200)).toBe(true)
  expect(performance.now() - began).toBeGreaterThanOrEqual(19 * 50 - 10)
})

test('waiting outlives a change of configuration', async () => {
  await using upstream = await startUpstream('app')
  const rule = (maxWait: string): string =>
    `limits: [{ requests: 1, per: 3s, burst: 1 }], queue: { maxWait: ${maxWait}, maxRequests: 1 }`
  await using gw = await startGateway(app(upstream.port, rule('10s')))
  expect((await ask(gw, '/0')).status).toBe(200)
  const waiting = ask(gw, '/1')
  await waitFor('the queue', () => queued(gw) === 1)
  gw.write('config.yaml', app(upstream.port, rule('20s')))
  await gw.reload()
  // The place is taken, also for requests of the new generation.
  expect((await ask(gw, '/2')).status).toBe(429)
  expect((await waiting).status).toBe(200)
})
