import Fastify from 'fastify'
import { expect, test } from 'vitest'
import { FilterRegistry } from '../../src/filters/registry.ts'
import { startRedis } from '../../test/support/redis.ts'
import { waitFor } from '../../test/support/wait.ts'
import { createRateLimit, rateLimitPlugin } from './index.ts'

test('as a Fastify plugin it registers its filters and goes when the instance closes', async () => {
  await using redis = await startRedis()
  const registry = new FilterRegistry()
  const log: string[] = []
  const instance = Fastify()
  await instance.register(rateLimitPlugin, {
    registry,
    redisUrl: redis.url,
    log: (_level, message) => log.push(message),
  })
  await instance.ready()
  expect(registry.factories.map(({ name }) => name)).toEqual([
    'rate-limit',
    'local-rate-limit',
    'rate-limit-policy',
  ])
  await waitFor('the connection', () => log.length === 1)
  await instance.close()
  expect(log).toHaveLength(1)
})

test('without Redis it counts in this process and says so', async () => {
  const rateLimit = createRateLimit({ redisUrl: null, log: () => {} })
  expect(rateLimit.status()).toMatchObject({
    kind: 'memory',
    server: null,
    available: true,
    checks: 0,
    denied: 0,
    failures: 0,
  })
  await rateLimit.close()
})
