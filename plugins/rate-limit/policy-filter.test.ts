import { expect, test } from 'vitest'
import type { PolicyFilter } from './policy-filter.ts'
import { RateLimitPolicyFactory } from './policy-factory.ts'
import type { PolicySpec } from './policy-settings.ts'
import { MemoryStore } from './memory-store.ts'
import { type Log, RedisStore } from './redis-store.ts'
import { RateLimitStats } from './stats.ts'
import { compileStringMatch } from '../../src/routing/string-match.ts'
import type { Filter, FilterCompileContext } from '../../src/filters/filter.ts'
import { type ExchangeSketch, RecordedExchange } from '../../test/support/filter-exchange.ts'
import { freePort } from '../../test/support/free-port.ts'

const ORIGIN = {
  kind: 'RateLimitPolicy',
  namespace: 'default',
  name: 'p',
  path: ['spec'],
  file: null,
  line: null,
}

const CONTEXT: FilterCompileContext = {
  configMaps: [],
  findService: () => 'no services here',
  stringMatcher: (match) => compileStringMatch(match, { ignoreCase: false }),
  report: ({ message }) => expect.unreachable(message),
}

interface Limiter {
  readonly filter: Filter
  readonly stats: RateLimitStats
  nowMs: number
}

const START_MS = 1_700_000_000_000

function limiter(...specs: readonly PolicySpec[]): Limiter {
  const clock = { nowMs: START_MS }
  const store = new MemoryStore(() => clock.nowMs)
  const stats = new RateLimitStats()
  const factory = new RateLimitPolicyFactory(store, store, stats)
  const filter = compile(factory, specs)
  return Object.assign(clock, { filter, stats })
}

function compile(factory: RateLimitPolicyFactory, specs: readonly PolicySpec[]): Filter {
  const policies = specs.map((spec, index) => ({ namespace: 'default', name: `p${index}`, spec }))
  const filter = factory.compile(
    {
      listener: { value: { policies }, origin: ORIGIN },
      virtualHost: [],
      route: [],
      filterName: 'rate-limit-policy',
      virtualHostName: 'app.test:80',
      routeName: '',
      action: 'ROUTE',
    },
    CONTEXT,
  )
  return filter as PolicyFilter
}

async function statuses(
  { filter }: Limiter,
  ...sketches: readonly ExchangeSketch[]
): Promise<number[]> {
  const seen: number[] = []
  for (const sketch of sketches) {
    seen.push((await new RecordedExchange(sketch).run(filter)).status)
  }
  return seen
}

const ONE = [{ requests: 1, per: '1h' }]

test('an IPv6 client is its /64, an IPv4 client its address', async () => {
  const limits = limiter({
    rules: [{ name: 'each', match: { source: { distinct: true } }, limits: ONE }],
  })
  const from = (clientAddress: string): ExchangeSketch => ({ clientAddress })
  expect(
    await statuses(
      limits,
      from('2001:db8:1:2::1'),
      from('2001:db8:1:2:ffff::9'),
      from('2001:db8:1:3::1'),
      from('192.0.2.1'),
      from('192.0.2.2'),
    ),
  ).toEqual([200, 429, 200, 200, 200])
})

test('a rule does not apply where its distinct value is missing, and another may', async () => {
  const header = 'x-user'
  const limits = limiter({
    rules: [
      { name: 'users', match: { headers: { [header]: { distinct: true } } }, limits: ONE },
      { name: 'nobody', match: { headers: { [header]: { invert: true } } }, limits: ONE },
    ],
  })
  expect(await statuses(limits, {}, {}, { headers: [header, 'a'] })).toEqual([200, 429, 200])
})

test('a header sent twice is one value: repeating it leads to no other counter of a user', async () => {
  const limits = limiter({
    rules: [{ name: 'users', match: { headers: { 'x-user': { exact: 'a' } } }, limits: ONE }],
  })
  const twice = { headers: ['x-user', 'a', 'x-user', 'b'] }
  expect(await statuses(limits, twice, twice)).toEqual([200, 200])
})

test('a policy that refuses leaves the counters of the others as they were', async () => {
  const limits = limiter(
    { rules: [{ name: 'wide', limits: [{ requests: 3, per: '1h' }] }] },
    { rules: [{ name: 'narrow', match: { path: { exact: '/n' } }, limits: ONE }] },
  )
  const narrow = { target: '/n' }
  expect(await statuses(limits, narrow, narrow, narrow, {}, {}, {})).toEqual([
    200, 429, 429, 200, 200, 429,
  ])
  const counts = limits.stats.rules.map(({ rule, allowed, limited }) => [rule, allowed, limited])
  expect(counts).toEqual([
    ['wide', 3, 1],
    ['narrow', 1, 2],
    ['other', 0, 0],
  ])
})

test('what was refused comes in after the time the answer says', async () => {
  const limits = limiter({
    rules: [{ name: 'r', limits: [{ requests: 6, per: '1m', burst: 1 }] }],
  })
  await statuses(limits, {})
  limits.nowMs += 3000
  const denied = await new RecordedExchange().run(limits.filter)
  expect(denied.headers['retry-after']).toBe('7')
  limits.nowMs += 7000
  expect(await statuses(limits, {})).toEqual([200])
})

test('rules of policies with different headers are told in both ways, shadows in none', async () => {
  const limits = limiter(
    { response: { headers: 'ietf' }, rules: [{ name: 'a', limits: ONE }] },
    { rules: [{ name: 'b', limits: [{ requests: 9, per: '1m' }] }] },
    { rules: [{ name: 'c', shadow: true, limits: ONE }] },
  )
  const { headers } = await new RecordedExchange().run(limits.filter)
  expect(headers).toEqual({
    'ratelimit-policy': '"a";q=1;w=3600',
    ratelimit: '"a";r=0;t=3600',
    'x-ratelimit-limit': '9, 9;w=60;name="b"',
    'x-ratelimit-remaining': '8',
    'x-ratelimit-reset': '7',
  })
})

test('while the store is away each rule follows its own onFailure', async () => {
  const silent: Log = () => {}
  const store = new RedisStore(`redis://127.0.0.1:${await freePort()}`, silent)
  try {
    const stats = new RateLimitStats()
    const fallback = new MemoryStore(() => START_MS)
    const factory = new RateLimitPolicyFactory(store, fallback, stats)
    const filter = compile(factory, [
      { onFailure: 'allow', rules: [{ name: 'open', limits: ONE }] },
      { rules: [{ name: 'local', limits: [{ requests: 2, per: '1h' }] }] },
      {
        onFailure: 'deny',
        response: { problemJson: true },
        rules: [{ name: 'closed', match: { path: { prefix: '/pay' } }, limits: ONE }],
      },
    ])
    const seen: number[] = []
    for (const target of ['/', '/', '/', '/pay']) {
      seen.push((await new RecordedExchange({ target }).run(filter)).status)
    }
    expect(seen).toEqual([200, 200, 429, 503])
    const refused = new RecordedExchange({ target: '/pay' })
    expect(await refused.run(filter)).toMatchObject({
      headers: { 'content-type': 'application/problem+json' },
      flag: 'RLSE',
      details: 'rate_limiter_error',
    })
    expect(JSON.parse(refused.body)).toMatchObject({
      type: 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity',
      status: 503,
    })
    expect(stats).toMatchObject({ failures: 5, deniedOnFailure: 2, denied: 1 })
  } finally {
    await store.close()
  }
})

test('its settings can be looked at', () => {
  const { filter } = limiter({ rules: [{ name: 'r', limits: [{ requests: 5, per: '1s' }] }] })
  expect(filter.describe?.()).toEqual({
    rules: [
      {
        rule: 'default/p0/r',
        shadow: false,
        onFailure: 'local',
        queue: null,
        limits: [{ algorithm: 'gcra', requests: 5, periodMs: 1000, burst: 5 }],
      },
    ],
    upstreams: [],
  })
})
