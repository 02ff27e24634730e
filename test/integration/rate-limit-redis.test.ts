import { expect, test } from 'vitest'
import { loggedExchanges } from '../support/access-log.ts'
import { type Answer, call } from '../support/call.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { limitedApp } from '../support/rate-limits.ts'
import { startRedis } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'

/** Far beyond any delay of a busy machine that still answers. */
const AMPLE = 'timeout: 8s'
const SHORT_TIMEOUT_MS = 100
const SHORT = `timeout: ${SHORT_TIMEOUT_MS / 1000}s`
/** What a busy machine may add to a filter timeout of 100 ms; Redis itself would keep silent forever. */
const MARGIN_MS = 2500

const ask = (gw: TestGateway, path = '/'): Promise<Answer> =>
  call({ port: gw.port(80), host: 'app.test', path })

const counted = (answer: Answer): boolean => answer.headers['x-ratelimit-remaining'] !== undefined

/** Waits until requests are counted in Redis. */
async function untilCounting(gw: TestGateway): Promise<void> {
  await waitFor('requests to be counted', async () => counted(await ask(gw)), 15_000)
}

async function timed(gw: TestGateway, path: string): Promise<{ answer: Answer; tookMs: number }> {
  const began = performance.now()
  const answer = await ask(gw, path)
  return { answer, tookMs: performance.now() - began }
}

test('two gateways on one Redis admit exactly the limit together', async () => {
  await using redis = await startRedis()
  await using upstream = await startUpstream('app')
  const limit = 60
  const yaml = limitedApp({ limit, upstreamPort: upstream.port, settings: [AMPLE] })
  await using one = await startGateway(yaml, { redisUrl: redis.url })
  await using two = await startGateway(yaml, { redisUrl: redis.url })
  let spent = 0
  for (const gw of [one, two]) {
    await waitFor('the connection', async () => {
      const answer = await ask(gw)
      if (counted(answer)) spent++
      return counted(answer)
    })
  }
  upstream.seen.length = 0
  const gateways = [one, two]
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, index) => ask(gateways[index % 2]!)),
  )
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(limit - spent)
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(200 - limit + spent)
  expect(upstream.seen).toHaveLength(limit - spent)
})

test.each([
  { deny: true, status: 500, flags: 'RLSE' },
  { deny: false, status: 200, flags: '-' },
])(
  'a Redis that stopped answering holds up no request; failure_mode_deny $deny answers $status',
  async ({ deny, status, flags }) => {
    await using redis = await startRedis()
    await using upstream = await startUpstream('app')
    const settings = [SHORT, `failure_mode_deny: ${deny}`]
    const yaml = limitedApp({ limit: 100_000, upstreamPort: upstream.port, settings })
    await using gw = await startGateway(yaml, { redisUrl: redis.url })
    await untilCounting(gw)

    const running = { stop: false }
    const slowest = { ms: 0 }
    const traffic = Array.from({ length: 4 }, async () => {
      while (!running.stop) slowest.ms = Math.max(slowest.ms, (await timed(gw, '/')).tookMs)
    })
    redis.freeze()
    await waitFor('Redis to stop', async () => !counted(await ask(gw)))
    const during = await Promise.all(Array.from({ length: 20 }, () => timed(gw, '/frozen')))
    expect(during.map(({ answer }) => answer.status)).toEqual(Array(20).fill(status))
    expect(Math.max(...during.map(({ tookMs }) => tookMs))).toBeLessThan(
      SHORT_TIMEOUT_MS + MARGIN_MS,
    )
    // The breaker is open by now: requests are decided without a wait.
    for (let i = 0; i < 3; i++) expect((await ask(gw, '/frozen')).status).toBe(status)
    running.stop = true
    await Promise.all(traffic)
    expect(slowest.ms).toBeLessThan(SHORT_TIMEOUT_MS + MARGIN_MS)
    expect((await loggedExchanges(gw, ['/frozen'])).get('/frozen')).toMatchObject({
      status: String(status),
      flags,
    })
    redis.thaw()
    await untilCounting(gw)
    expect((await ask(gw)).status).toBe(200)
  },
  30_000,
)

test('a Redis that is killed and comes back is used again without a restart', async () => {
  await using redis = await startRedis()
  await using upstream = await startUpstream('app')
  const settings = [AMPLE, 'failure_mode_deny: true']
  const yaml = limitedApp({ limit: 4, upstreamPort: upstream.port, settings })
  await using gw = await startGateway(yaml, { redisUrl: redis.url })
  await untilCounting(gw)
  await redis.stop()
  await waitFor('the loss to be noticed', async () => (await ask(gw)).status === 500)
  const { tookMs } = await timed(gw, '/')
  // Although a check may take 8 s: a connection that is gone is not waited for.
  expect(tookMs).toBeLessThan(MARGIN_MS)
  await redis.restart()
  await untilCounting(gw)
  // The new Redis is empty: one was counted just now, three are left.
  const statuses: number[] = []
  for (let i = 0; i < 4; i++) statuses.push((await ask(gw)).status)
  expect(statuses).toEqual([200, 200, 200, 429])
}, 30_000)

test('a gateway starts and serves while Redis is not there yet', async () => {
  await using redis = await startRedis()
  await redis.stop()
  await using upstream = await startUpstream('app')
  const yaml = limitedApp({ limit: 100_000, upstreamPort: upstream.port, settings: [AMPLE] })
  await using gw = await startGateway(yaml, { redisUrl: redis.url })
  const first = await ask(gw)
  expect([first.status, counted(first)]).toEqual([200, false])
  await redis.restart()
  await untilCounting(gw)
}, 30_000)

test('counters in Redis outlive a gateway, and its password is used but never shown', async () => {
  await using redis = await startRedis({ password: 'redis-password-7f3a' })
  await using upstream = await startUpstream('app')
  const yaml = limitedApp({ limit: 3, upstreamPort: upstream.port, settings: [AMPLE] })
  {
    await using gw = await startGateway(yaml, { redisUrl: redis.url })
    await untilCounting(gw)
    expect((await ask(gw)).headers['x-ratelimit-remaining']).toBe('1')
    const info = await (await fetch(`${gw.admin}/server_info`)).text()
    expect(info).toContain(`127.0.0.1:${redis.port}`)
    expect(info).not.toContain('redis-password-7f3a')
  }
  await using again = await startGateway(yaml, { redisUrl: redis.url })
  await untilCounting(again)
  expect((await ask(again)).status).toBe(429)
})
