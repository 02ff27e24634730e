import { describe, expect, test } from 'vitest'
import type { LimitExplanation } from '../../src/explain/limit-explanation.ts'
import type { HotLimit, LimitResetOutcome } from '../../src/filters/limit-report.ts'
import { call } from '../support/call.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { startRedis } from '../support/redis.ts'
import { startRedisCluster } from '../support/redis-topologies.ts'
import { limitedByAll } from '../support/seen-limits.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'

type Headers = Readonly<Record<string, string>>

async function ask(gw: TestGateway, headers: Headers): Promise<number> {
  const { status } = await call({ port: gw.port(80), host: 'app.test', path: '/', headers })
  return status
}

async function statuses(gw: TestGateway, times: number, headers: Headers): Promise<number[]> {
  const seen: number[] = []
  for (let i = 0; i < times; i++) seen.push(await ask(gw, headers))
  return seen
}

async function explain(gw: TestGateway, headers: Headers): Promise<LimitExplanation> {
  const query = new URLSearchParams({ url: 'http://app.test/' })
  for (const [name, value] of Object.entries(headers)) query.append('header', `${name}: ${value}`)
  const response = await fetch(`${gw.admin}/ratelimit/explain?${query.toString()}`)
  expect(response.status).toBe(200)
  return (await response.json()) as LimitExplanation
}

async function top(gw: TestGateway): Promise<readonly HotLimit[]> {
  const response = await fetch(`${gw.admin}/ratelimit/top`)
  return ((await response.json()) as { keys: readonly HotLimit[] }).keys
}

interface Answer {
  readonly status: number
  readonly text: string
  readonly outcome: LimitResetOutcome | null
}

async function reset(gw: TestGateway, query: string): Promise<Answer> {
  const response = await fetch(`${gw.admin}/ratelimit/reset?${query}`, { method: 'POST' })
  const text = await response.text()
  const { status } = response
  return { status, text, outcome: status === 200 ? (JSON.parse(text) as LimitResetOutcome) : null }
}

function ruleOf(found: LimitExplanation, name: string): LimitExplanation['filters'][0]['rules'][0] {
  const rule = found.filters.flatMap(({ rules }) => rules).find((one) => one.rule === name)
  if (rule === undefined) throw new Error(`no ${name} in ${JSON.stringify(found)}`)
  return rule
}

interface Servers extends AsyncDisposable {
  readonly gw: TestGateway
}

async function servers(kind: 'memory' | 'redis' | 'cluster' | 'envoy keys'): Promise<Servers> {
  await using stack = new AsyncDisposableStack()
  const upstream = stack.use(await startUpstream('app'))
  let redisUrl: string | null = null
  if (kind === 'cluster') redisUrl = stack.use(await startRedisCluster()).url
  else if (kind !== 'memory') redisUrl = stack.use(await startRedis()).url
  if (kind === 'envoy keys') redisUrl = `${redisUrl}?keys=envoy`
  const gw = stack.use(await startGateway(limitedByAll(upstream.port), { redisUrl }))
  await waitFor('the store', () => gw.gateway.rateLimits.store.available)
  const owned = stack.move()
  return { gw, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

describe.each(['memory', 'redis', 'cluster', 'envoy keys'] as const)('counted in %s', (kind) => {
  test('explain looks and charges nothing, top tells what is used up, reset frees it', async () => {
    await using all = await servers(kind)
    const { gw } = all
    const ann = { 'x-user': 'ann', 'x-key': 'k1' }

    const before = await explain(gw, ann)
    expect(before).toMatchObject({ live: true, decision: 'allow', status: null })
    expect(ruleOf(before, 'user').limits[0]?.state).toMatchObject({ used: 0, remaining: 3 })
    expect(ruleOf(before, 'per-key').limits[0]?.state).toMatchObject({ used: 0, remaining: 2 })
    // Asking again changes nothing.
    const again = await explain(gw, ann)
    const used = again.filters.flatMap(({ rules }) => rules.flatMap(({ limits }) => limits))
    expect(used.map(({ state }) => state?.used)).toEqual([0, 0, 0, 0, 0])

    expect(await statuses(gw, 3, ann)).toEqual([200, 200, 429])
    const after = await explain(gw, ann)
    expect(after).toMatchObject({ decision: 'deny', status: 429 })
    expect(ruleOf(after, 'per-key').limits[0]?.state).toMatchObject({ used: 2, over: true })
    expect(ruleOf(after, 'app_all')).toMatchObject({ shadow: true, applies: true })
    expect(ruleOf(after, 'app_all').limits[0]?.state).toMatchObject({ over: true })
    expect(ruleOf(after, 'gold')).toMatchObject({ applies: false, limits: [] })

    const keys = await top(gw)
    expect(keys[0]).toMatchObject({ status: 'over' })
    const perKey = keys.find(({ rule }) => rule === 'per-key')
    expect(perKey).toMatchObject({ status: 'over', limit: 2, used: 2, denied: 1, wouldDeny: 0 })
    expect(perKey?.key).toBe(ruleOf(after, 'per-key').limits[0]?.key)
    const shadow = keys.find(({ rule }) => rule === 'app_all')
    expect(shadow).toMatchObject({ kind: 'global', denied: 0 })
    expect(shadow?.wouldDeny).toBeGreaterThan(0)

    const entry = 'policy=default/api&rule=per-key&entry=headers.x-key%3Dk1'
    expect((await reset(gw, entry)).outcome).toMatchObject({
      counters: 1,
      reset: 1,
      keys: [perKey?.key],
      skipped: [],
      othersRecheckMs: kind === 'memory' ? null : kind === 'cluster' ? 250 : 5000,
    })
    expect((await explain(gw, ann)).filters.at(-1)?.decision).toBe('allow')
    expect((await reset(gw, 'domain=edge&entry=user%3Dann')).outcome).toMatchObject({ reset: 1 })
    expect(await statuses(gw, 3, ann)).toEqual([200, 200, 429])
    expect((await top(gw)).find(({ rule }) => rule === 'per-key')?.status).toBe('over')
  })
})

test('what cannot be named is refused with its reason, and --hot takes what was met', async () => {
  await using all = await servers('redis')
  const { gw } = all
  expect(await statuses(gw, 3, { 'x-key': 'a' })).toEqual([200, 200, 429])
  expect(await statuses(gw, 3, { 'x-key': 'b' })).toEqual([200, 200, 429])

  const refused = await reset(gw, 'policy=default/api&rule=per-key')
  expect(refused.status).toBe(400)
  expect(refused.text).toMatch(/one counter for each headers\.x-key, and their names are hashes/)

  // The rules with one counter are reset, the others are told.
  const { outcome } = await reset(gw, 'policy=default/api')
  expect(outcome).toMatchObject({ counters: 1, reset: 1 })
  expect(outcome?.skipped.map(({ rule }) => rule)).toEqual(['per-key', 'gold'])
  expect(await ask(gw, { 'x-key': 'a' })).toBe(429)

  const hot = await reset(gw, 'policy=default/api&rule=per-key&hot=true')
  expect(hot.outcome).toMatchObject({ counters: 2, reset: 2 })
  expect(await statuses(gw, 3, { 'x-key': 'a' })).toEqual([200, 200, 429])
  const [worst] = (await top(gw)).filter(({ rule }) => rule === 'per-key')
  expect((await reset(gw, `key=${worst?.key}`)).outcome).toMatchObject({ counters: 1 })
})

test('a local limit is seen and reset in this process', async () => {
  await using all = await servers('redis')
  const { gw } = all
  for (let i = 0; i < 50; i++) await ask(gw, {})
  expect(await ask(gw, {})).toBe(429)
  const found = await explain(gw, {})
  expect(found).toMatchObject({ decision: 'deny', status: 429 })
  expect(found.filters.map(({ kind, decision }) => [kind, decision])).toContainEqual([
    'local',
    'deny',
  ])
  expect((await top(gw)).find(({ kind }) => kind === 'local')).toMatchObject({
    status: 'over',
    policy: 'istio-system/buckets',
    limit: 50,
  })
  const { outcome } = await reset(gw, 'policy=istio-system/buckets')
  expect(outcome).toMatchObject({ counters: 1, reset: 1, othersRecheckMs: null })
  expect((await explain(gw, {})).filters.find(({ kind }) => kind === 'local')?.decision).toBe(
    'allow',
  )
})

test('without Redis the state is not known, and nothing is said to be reset', async () => {
  await using upstream = await startUpstream('app')
  await using redis = await startRedis()
  const files = limitedByAll(upstream.port)
  await using gw = await startGateway(files, { redisUrl: redis.url })
  await waitFor('the store', () => gw.gateway.rateLimits.store.available)
  await redis.stop()
  await waitFor('the loss', () => !gw.gateway.rateLimits.store.available)
  const found = await explain(gw, { 'x-user': 'ann' })
  expect(found.decision).toBe('unknown')
  const notes = found.filters.flatMap((filter) => filter.notes)
  expect(notes).toContainEqual(expect.stringMatching(/failure_mode_deny decides, and lets/))
  expect(notes).toContainEqual(expect.stringMatching(/onFailure local decides for everybody/))
  expect(await reset(gw, 'domain=edge&entry=user%3Dann')).toMatchObject({ status: 503 })
  // Local buckets need no Redis.
  expect(await reset(gw, 'policy=istio-system/buckets')).toMatchObject({ status: 200 })
})

describe('a reset that makes no sense', () => {
  test('is refused, and says what would', async () => {
    await using upstream = await startUpstream('app')
    await using gw = await startGateway(limitedByAll(upstream.port))
    const cases: [query: string, status: number, message: RegExp][] = [
      ['', 400, /not said whose counters.*policy .*domain .*key/],
      ['policy=default/api&domain=edge', 400, /not said whose/],
      ['policy=default/apl', 404, /no limit in force.*did you mean "default\/api"/],
      ['domain=egde', 404, /did you mean "edge"/],
      ['policy=default/api&rule=gould', 404, /no rule "gould": did you mean "gold"/],
      ['policy=default/api&rule=gold&entry=user%3Dx', 400, /not told apart by user.*source/],
      ['domain=edge&entry=nobody%3Dx', 400, /no descriptor takes the entry nobody=x/],
      ['domain=edge&rule=app_all&entry=user%3Dx', 400, /the entries lead to user/],
      ['key=replicas', 400, /"replicas" is not the name of a counter/],
      ['key=0123456789abcdefghijkl&hot=true', 400, /a key names one counter/],
      ['policy=default/api&entry=nothing', 400, /entry=NAME=VALUE/],
      ['polciy=default/api', 400, /there is no parameter polciy/],
    ]
    for (const [query, status, message] of cases) {
      const answer = await reset(gw, query)
      expect([query, answer.status, answer.text]).toEqual([
        query,
        status,
        expect.stringMatching(message),
      ])
    }
    const get = await fetch(`${gw.admin}/ratelimit/reset?domain=edge`)
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST'])
    const foreign = await fetch(`${gw.admin}/ratelimit/reset?domain=edge`, {
      method: 'POST',
      headers: { origin: 'http://evil.test' },
    })
    expect(foreign.status).toBe(403)
  })
})

test('another gateway on the same Redis admits again once it has asked, as the answer says', async () => {
  await using upstream = await startUpstream('app')
  await using cluster = await startRedisCluster()
  const files = limitedByAll(upstream.port)
  await using one = await startGateway(files, { redisUrl: cluster.url })
  await using two = await startGateway(files, { redisUrl: cluster.url })
  for (const gw of [one, two]) await waitFor('Redis', () => gw.gateway.rateLimits.store.available)
  const ann = { 'x-user': 'ann' }
  expect(await statuses(one, 3, ann)).toEqual([200, 200, 200])
  expect(await statuses(two, 2, ann)).toEqual([429, 429])
  const { outcome } = await reset(one, 'domain=edge&rule=user&entry=user%3Dann')
  expect(outcome).toMatchObject({ reset: 1, othersRecheckMs: 250 })
  expect(await ask(one, ann)).toBe(200)
  await waitFor('the other gateway', async () => (await ask(two, ann)) === 200)
})
