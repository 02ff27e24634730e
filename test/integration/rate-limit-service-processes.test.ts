import { expect, test } from 'vitest'
import { askingApp, descriptorFile } from '../support/asking-app.ts'
import { type Answer, call } from '../support/call.ts'
import { serve } from '../support/command.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { startRateLimitService } from '../support/rate-limit-service.ts'
import { startRedis } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'

const SERVER = { listen: { host: '127.0.0.1', port: 0 }, responseHeaders: false }
const PATIENT = 'timeout: 8s'

function ask(gw: TestGateway): Promise<Answer> {
  const headers = { 'x-user': 'ada' }
  return call({ port: gw.port(80), host: 'app.test', path: '/', headers })
}

function portOf(address: unknown): number {
  return Number(String(address).split(':').at(-1))
}

test('a frozen service costs a few requests their timeout; its return and its end are noticed', async () => {
  await using upstream = await startUpstream('app')
  using files = new TemporaryFolder({ 'limits.yaml': descriptorFile(1_000_000) })
  const flags = ['--no-watch', '--rate-limit-server', '127.0.0.1:0', '--drain-delay', '0s']
  await using limiter = await serve(['-c', files.path, ...flags])
  const { rateLimitServer } = await limiter.untilLogged('ready')
  const settings = ['timeout: 0.3s', 'failure_mode_deny: true']
  const app = { upstreamPort: upstream.port, servicePort: portOf(rateLimitServer), settings }
  await using gw = await startGateway(askingApp(app))
  await waitFor('the service', async () => (await ask(gw)).status === 200)

  limiter.signal('SIGSTOP')
  await waitFor('requests that do not wait', async () => {
    const began = performance.now()
    const { status } = await ask(gw)
    return status === 500 && performance.now() - began < 200
  })
  limiter.signal('SIGCONT')
  await waitFor('the service', async () => (await ask(gw)).status === 200)

  limiter.signal('SIGTERM')
  expect((await limiter.exit()).code).toBe(0)
  await waitFor('the loss', async () => (await ask(gw)).status === 500)
}, 60_000)

test('those who count themselves and those who ask share counters in one Redis', async () => {
  await using redis = await startRedis()
  await using upstream = await startUpstream('app')
  const app = { upstreamPort: upstream.port, settings: [PATIENT] }
  await using server = await startGateway(descriptorFile(4), {
    redisUrl: redis.url,
    rateLimitServer: SERVER,
  })
  const servicePort = portOf(server.gateway.rateLimitServerAddress)
  await using asking = await startGateway(askingApp({ ...app, servicePort }))
  await using counting = await startGateway(
    descriptorFile(4) + askingApp({ ...app, servicePort: null }),
    { redisUrl: redis.url },
  )
  const ready = async ({ gateway }: TestGateway): Promise<void> => {
    await waitFor('Redis', () => gateway.rateLimits.store.available)
  }
  await ready(server)
  await ready(counting)
  const statuses: number[] = []
  for (let i = 0; i < 3; i++) {
    statuses.push((await ask(asking)).status, (await ask(counting)).status)
  }
  expect(statuses).toEqual([200, 200, 200, 200, 429, 429])
})

test('a change of configuration asks another service, and what is under way ends as it began', async () => {
  await using upstream = await startUpstream('app')
  const { promise, resolve } = Promise.withResolvers<{ code: number }>()
  await using old = await startRateLimitService({ answer: () => promise })
  await using young = await startRateLimitService({ answer: () => ({ code: 1 }) })
  const app = { upstreamPort: upstream.port, settings: [PATIENT] }
  await using gw = await startGateway(askingApp({ ...app, servicePort: old.port }))
  const early = ask(gw)
  await waitFor('the question', () => old.asked.length === 1)
  gw.write('config.yaml', askingApp({ ...app, servicePort: young.port }))
  await gw.reload()
  expect((await ask(gw)).status).toBe(200)
  expect(young.asked).toHaveLength(1)
  resolve({ code: 2 })
  expect((await early).status).toBe(429)
  expect(old.asked).toHaveLength(1)
})

test('a port that is taken ends the start with what to do', async () => {
  await using one = await startGateway(descriptorFile(1), { rateLimitServer: SERVER })
  const port = portOf(one.gateway.rateLimitServerAddress)
  const listen = { host: '127.0.0.1', port }
  await expect(
    startGateway(descriptorFile(1), { rateLimitServer: { ...SERVER, listen } }),
  ).rejects.toMatchObject({
    message: expect.stringContaining('EADDRINUSE') as string,
    where: `--rate-limit-server 127.0.0.1:${port}`,
  })
})
