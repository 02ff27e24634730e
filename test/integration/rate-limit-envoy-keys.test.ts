import { expect, test } from 'vitest'
import { call } from '../support/call.ts'
import { startGateway } from '../support/gateway.ts'
import { limitedApp } from '../support/rate-limits.ts'
import { redisCommand } from '../support/redis-topologies.ts'
import { startRedis } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'

test('keys=envoy counts where envoyproxy/ratelimit does: a service that runs beside it shares the limit', async () => {
  await using redis = await startRedis()
  await using upstream = await startUpstream('app')
  const yaml = limitedApp({ limit: 5, upstreamPort: upstream.port, settings: ['timeout: 8s'] })
  await using gw = await startGateway(yaml, { redisUrl: `${redis.url}?keys=envoy&prefix=rl_` })
  const ask = async (): Promise<[number, string | undefined]> => {
    const { status, headers } = await call({ port: gw.port(80), host: 'app.test', path: '/' })
    const remaining = headers['x-ratelimit-remaining']
    return [status, remaining === undefined ? undefined : String(remaining)]
  }
  let remaining: string | undefined
  await waitFor('requests to be counted', async () => {
    remaining = (await ask())[1]
    return remaining !== undefined
  })
  expect(remaining).toBe('4')
  const keys = await redisCommand(redis, (client) => client.keys('rl_*'))
  const key = keys.find((name) => name !== 'rl_replicas') ?? ''
  // <prefix><domain>_<key>_<value>_..._<beginning of the window, in seconds>
  expect(key).toMatch(/^rl_[\w-]+_[^ ]+_\d{9,10}$/)
  const begin = Number(/_(\d+)$/.exec(key)![1])
  const ttl = await redisCommand(redis, (client) => client.ttl(key))
  expect(begin).toBeLessThanOrEqual(Date.now() / 1000)
  expect(ttl).toBeGreaterThan(0)
  // The other service counts three.
  await redisCommand(redis, (client) => client.incrby(key, 3))
  expect(await ask()).toEqual([200, '0'])
  expect((await ask())[0]).toBe(429)
})
