import { status } from '@grpc/grpc-js'
import { expect, test } from 'vitest'
import { startGateway } from '../support/gateway.ts'
import { message, rateLimitCaller } from '../support/rate-limit-service.ts'
import { startRedis } from '../support/redis.ts'
import { waitFor } from '../support/wait.ts'

const YEAR = 6
const WEEK = 7

function descriptors(limit: number): string {
  return `apiVersion: v1
kind: ConfigMap
metadata: { name: limits }
data:
  config.yaml: |
    domain: edge
    descriptors:
    - { key: user, rate_limit: { unit: year, requests_per_unit: ${limit}, name: per-user } }
    - { key: shadow, shadow_mode: true, rate_limit: { unit: year, requests_per_unit: 1 } }
    - { key: free, rate_limit: { unlimited: true } }
    - { key: banned, rate_limit: { unit: week, requests_per_unit: 0 } }
    - { key: "größe", value: "ä", rate_limit: { unit: year, requests_per_unit: 7 } }
`
}

const SERVER = { listen: { host: '127.0.0.1', port: 0 }, responseHeaders: false }

function portOf(gw: Awaited<ReturnType<typeof startGateway>>): number {
  return Number(gw.gateway.rateLimitServerAddress!.split(':').at(-1))
}

test('every descriptor gets a status, and the request is over when one limit is', async () => {
  await using gw = await startGateway(descriptors(2), { rateLimitServer: SERVER })
  await using caller = rateLimitCaller(portOf(gw))
  const asked = {
    domain: 'edge',
    descriptors: [
      { entries: [['user', 'ada']] },
      { entries: [['shadow', 'x']] },
      { entries: [['free', 'y']] },
      { entries: [['nobody', 'knows']] },
    ],
  } as const
  const one = await caller.ask(asked)
  expect(one).toMatchObject({ code: 1, responseHeaders: [] })
  expect(one.statuses).toEqual([
    {
      code: 1,
      limit: { requestsPerUnit: 2, unit: YEAR, name: 'per-user' },
      remaining: 1,
      resetSeconds: expect.any(Number) as number,
    },
    {
      code: 1,
      limit: { requestsPerUnit: 1, unit: YEAR },
      remaining: 0,
      resetSeconds: expect.any(Number) as number,
    },
    { code: 1, remaining: 0xffffffff },
    { code: 1, remaining: 0 },
  ])
  expect(await caller.ask(asked)).toMatchObject({ code: 1 })
  const over = await caller.ask(asked)
  expect(over.code).toBe(2)
  expect(over.statuses?.map(({ code }) => code)).toEqual([2, 1, 1, 1])
  expect(over.statuses?.[0]?.remaining).toBe(0)
})

test('hits, limits of the request itself, bans, and names beyond ASCII', async () => {
  await using gw = await startGateway(descriptors(10), { rateLimitServer: SERVER })
  await using caller = rateLimitCaller(portOf(gw))
  const left = async (
    user: string,
    more: { hitsAddend?: number; limit?: { requestsPerUnit: number; unit: number } },
    hitsAddend?: number,
  ): Promise<number | undefined> => {
    const answer = await caller.ask({
      domain: 'edge',
      descriptors: [{ entries: [['user', user]], ...more }],
      ...(hitsAddend === undefined ? {} : { hitsAddend }),
    })
    return answer.statuses?.[0]?.remaining
  }
  expect(await left('a', {}, 4)).toBe(6)
  expect(await left('a', { hitsAddend: 5 }, 4)).toBe(1)
  expect(await left('a', { hitsAddend: 0 }, 4)).toBe(1)
  expect(await left('b', { limit: { requestsPerUnit: 100, unit: WEEK } })).toBe(99)
  const ban = { domain: 'edge', descriptors: [{ entries: [['banned', 'z']] }] } as const
  expect(await caller.ask(ban)).toMatchObject({
    code: 2,
    statuses: [{ limit: { requestsPerUnit: 0, unit: WEEK } }],
  })
  const umlaut = { domain: 'edge', descriptors: [{ entries: [['größe', 'ä']] }] } as const
  expect(await caller.ask(umlaut)).toMatchObject({ code: 1, statuses: [{ remaining: 6 }] })
})

test('an unknown domain is allowed; a request that is none is INVALID_ARGUMENT', async () => {
  await using gw = await startGateway(descriptors(1), { rateLimitServer: SERVER })
  await using caller = rateLimitCaller(portOf(gw))
  const entries = [['user', 'ada']] as const
  expect(await caller.ask({ domain: 'other', descriptors: [{ entries }] })).toEqual({
    code: 1,
    statuses: [{ code: 1, remaining: 0 }],
    responseHeaders: [],
  })
  const invalid = { code: status.INVALID_ARGUMENT }
  await expect(caller.ask({ domain: '', descriptors: [{ entries }] })).rejects.toMatchObject(
    invalid,
  )
  await expect(caller.ask({ domain: 'edge', descriptors: [] })).rejects.toMatchObject(invalid)
  const noUnit = [{ entries, limit: { requestsPerUnit: 1, unit: 0 } }]
  await expect(caller.ask({ domain: 'edge', descriptors: noUnit })).rejects.toMatchObject(invalid)
  const many = Array.from({ length: 257 }, () => ({ entries }))
  await expect(caller.ask({ domain: 'edge', descriptors: many })).rejects.toMatchObject(invalid)
  const method = '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit'
  await expect(caller.send(method, Buffer.from([0xff, 0xff]))).rejects.toMatchObject(invalid)
})

test('POST /json and GET /healthcheck are on the same port, with the same counters', async () => {
  await using gw = await startGateway(descriptors(2), {
    rateLimitServer: { ...SERVER, responseHeaders: true },
  })
  const url = `http://127.0.0.1:${portOf(gw)}`
  await using caller = rateLimitCaller(portOf(gw))
  const over = await caller.ask({ domain: 'edge', descriptors: [{ entries: [['user', 'ada']] }] })
  expect(over.responseHeaders?.map(([name]) => name)).toEqual([
    'RateLimit-Limit',
    'RateLimit-Remaining',
    'RateLimit-Reset',
  ])
  const post = (body: unknown): Promise<Response> =>
    fetch(`${url}/json`, { method: 'POST', body: JSON.stringify(body) })
  const asked = { domain: 'edge', descriptors: [{ entries: [{ key: 'user', value: 'ada' }] }] }
  const allowed = await post(asked)
  expect(allowed.status).toBe(200)
  expect(await allowed.json()).toMatchObject({
    overallCode: 'OK',
    statuses: [
      {
        code: 'OK',
        currentLimit: { name: 'per-user', requestsPerUnit: 2, unit: 'YEAR' },
        durationUntilReset: expect.stringMatching(/^\d+s$/) as string,
      },
    ],
    responseHeadersToAdd: [{ key: 'RateLimit-Limit', value: '2' }, {}, {}],
  })
  const denied = await post({ ...asked, hits_addend: 1 })
  expect(denied.status).toBe(429)
  expect(await denied.json()).toMatchObject({ overallCode: 'OVER_LIMIT' })
  expect((await post({ domain: 'edge' })).status).toBe(400)
  expect((await post({ ...asked, colour: 'red' })).status).toBe(400)
  expect((await fetch(`${url}/json`, { method: 'POST', body: '{' })).status).toBe(400)
  expect((await fetch(`${url}/json`, { method: 'POST', body: ' '.repeat(70_000) })).status).toBe(
    413,
  )
  expect((await fetch(`${url}/json`)).status).toBe(405)
  expect(await (await fetch(`${url}/healthcheck`)).text()).toBe('OK')
  expect((await fetch(`${url}/`)).status).toBe(404)
})

test('a changed descriptor file serves at once and its counters go on', async () => {
  await using gw = await startGateway(descriptors(2), { rateLimitServer: SERVER })
  await using caller = rateLimitCaller(portOf(gw))
  const asked = { domain: 'edge', descriptors: [{ entries: [['user', 'ada']] }] } as const
  await caller.ask(asked)
  gw.write('config.yaml', descriptors(5))
  await gw.reload()
  expect((await caller.ask(asked)).statuses).toMatchObject([
    { limit: { requestsPerUnit: 5 }, remaining: 3 },
  ])
  gw.write('config.yaml', descriptors(5).replace('unit: week', 'unit: fortnight'))
  await gw.reload()
  expect(gw.gateway.problems.map(({ code }) => code)).toContain('rate-limit-config-invalid')
  expect((await caller.ask(asked)).statuses).toMatchObject([{ remaining: 2 }])
})

test('two servers on one Redis share counters; without Redis the answer is UNAVAILABLE', async () => {
  await using redis = await startRedis()
  const options = { redisUrl: redis.url, rateLimitServer: SERVER }
  await using a = await startGateway(descriptors(2), options)
  await using b = await startGateway(descriptors(2), options)
  await using first = rateLimitCaller(portOf(a))
  await using second = rateLimitCaller(portOf(b))
  const asked = { domain: 'edge', descriptors: [{ entries: [['user', 'ada']] }] } as const
  const once = (caller: typeof first): Promise<number> =>
    caller.ask(asked).then(
      ({ code }) => code,
      () => -1,
    )
  await waitFor('Redis', async () => (await once(first)) === 1)
  await waitFor('Redis', async () => (await once(second)) !== -1)
  expect(await once(first)).toBe(2)
  expect(await once(second)).toBe(2)
  await redis.stop()
  const unknown = { domain: 'edge', descriptors: [{ entries: [['user', 'bob']] }] } as const
  await expect(first.ask(unknown)).rejects.toMatchObject({ code: status.UNAVAILABLE })
  const json = await fetch(`http://127.0.0.1:${portOf(b)}/json`, {
    method: 'POST',
    body: '{"domain":"edge","descriptors":[{"entries":[{"key":"user","value":"eve"}]}]}',
  })
  expect(json.status).toBe(500)
})

test('health is SERVING until the gateway drains; watchers hear of it and open calls are let go', async () => {
  await using gw = await startGateway(descriptors(2), { rateLimitServer: SERVER })
  await using caller = rateLimitCaller(portOf(gw))
  const check = '/grpc.health.v1.Health/Check'
  const named = message([1, Buffer.from('envoy.service.ratelimit.v3.RateLimitService')])
  expect([...(await caller.send(check, Buffer.alloc(0)))]).toEqual([8, 1])
  expect([...(await caller.send(check, named))]).toEqual([8, 1])
  const other = Buffer.from('\n\x05other', 'latin1')
  await expect(caller.send(check, other)).rejects.toMatchObject({ code: status.NOT_FOUND })

  const bytes = (value: Buffer): Buffer => value
  const path = '/grpc.health.v1.Health/Watch'
  const watch = caller.client.makeServerStreamRequest(path, bytes, bytes, Buffer.alloc(0))
  const states: number[] = []
  const ended = new Promise<void>((resolve) => {
    watch.on('error', () => resolve())
    watch.on('end', resolve)
  })
  watch.on('data', (state: Buffer) => states.push(state[1] ?? 0))
  await waitFor('the first state', () => states.length === 1)
  await gw.gateway.drain({ delayMs: 0, timeoutMs: 2000 })
  await ended
  expect(states).toEqual([1, 2])
})
