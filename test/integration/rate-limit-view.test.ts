import { expect, test } from 'vitest'
import { call } from '../support/call.ts'
import { startGateway } from '../support/gateway.ts'
import { limitedApp } from '../support/rate-limits.ts'
import { startRedis } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'

test('/ratelimit and the metrics tell where limits are counted, and which keys are used up', async () => {
  await using redis = await startRedis({ password: 'secret-4711' })
  await using upstream = await startUpstream('app')
  const yaml = limitedApp({ limit: 2, upstreamPort: upstream.port, settings: ['timeout: 8s'] })
  await using gw = await startGateway(yaml, { redisUrl: redis.url })
  const ask = async (): Promise<number> =>
    (await call({ port: gw.port(80), host: 'app.test', path: '/' })).status
  await waitFor('the limit', async () => (await ask()) === 429)
  for (let i = 0; i < 5; i++) expect(await ask()).toBe(429)

  const text = await (await fetch(`${gw.admin}/ratelimit`)).text()
  expect(text).not.toContain('secret-4711')
  const view = JSON.parse(text) as Record<string, unknown>
  expect(view).toMatchObject({
    store: {
      kind: 'redis',
      server: `127.0.0.1:${redis.port}`,
      available: true,
      redis: { checks: 2, trips: 2, replicas: 1, nearKeys: 1 },
    },
    rules: expect.arrayContaining([expect.objectContaining({ policy: 'edge', shadowed: 0 })]),
    hotKeys: [expect.objectContaining({ policy: 'edge', limit: 2, remaining: 0 })],
  })
  const metrics = await (await fetch(`${gw.admin}/stats/prometheus`)).text()
  expect(metrics).toMatch(/^tidegate_rate_limit_redis_checks_total 2$/m)
  expect(metrics).toMatch(/^tidegate_rate_limit_redis_trips_total 2$/m)
  expect(metrics).toMatch(/^tidegate_rate_limit_near_denials_total [1-9]/m)
  expect(metrics).toMatch(/^tidegate_rate_limit_degraded 0$/m)

  await redis.stop()
  await waitFor('the loss', async () => {
    const now = await (await fetch(`${gw.admin}/stats/prometheus`)).text()
    return /^tidegate_rate_limit_degraded 1$/m.test(now)
  })
})

test('without Redis counters are in memory, and that is no degradation', async () => {
  await using upstream = await startUpstream('app')
  await using gw = await startGateway(limitedApp({ limit: 2, upstreamPort: upstream.port }))
  const view = (await (await fetch(`${gw.admin}/ratelimit`)).json()) as Record<string, unknown>
  expect(view['store']).toMatchObject({ kind: 'memory', server: null, redis: null })
  const metrics = await (await fetch(`${gw.admin}/stats/prometheus`)).text()
  expect(metrics).toMatch(/^tidegate_rate_limit_degraded 0$/m)
  expect(metrics).not.toMatch(/^tidegate_rate_limit_redis_trips_total \d/m)
})
