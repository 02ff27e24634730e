import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Filter } from '../../src/filters/filter.ts'
import {
  type LimitReset,
  type LimitResetOutcome,
  LimitResetProblem,
} from '../../src/filters/limit-report.ts'
import { compileStringMatch } from '../../src/routing/string-match.ts'
import { type ExchangeSketch, RecordedExchange } from '../../test/support/filter-exchange.ts'
import { resetLimits } from './counter-reset.ts'
import type { CounterSelection, SelectedCounters } from './counter-selection.ts'
import { fixedQuota } from './limit.ts'
import { LimitCheck } from './limit-check.ts'
import { MemoryStore } from './memory-store.ts'
import { RateLimitPolicyFactory } from './policy-factory.ts'
import type { RuleSpec } from './policy-settings.ts'
import { RateLimitStats } from './stats.ts'

const ASKED: LimitReset = {
  key: null,
  policy: null,
  domain: null,
  rule: null,
  entries: [],
  hot: false,
}
const ORIGIN = {
  kind: 'RateLimitPolicy',
  namespace: 'default',
  name: 'p',
  path: ['spec'],
  file: null,
  line: null,
}

interface Limiter {
  readonly filter: Filter
  reset(asked: Partial<LimitReset>): Promise<LimitResetOutcome | LimitResetProblem>
}

function limiter(...rules: readonly RuleSpec[]): Limiter {
  const memory = new MemoryStore(() => 1e12)
  const stats = new RateLimitStats()
  const filter = new RateLimitPolicyFactory(memory, memory, stats).compile(
    {
      listener: {
        value: { policies: [{ namespace: 'default', name: 'p', spec: { rules } }] },
        origin: ORIGIN,
      },
      virtualHost: [],
      route: [],
      filterName: 'tidegate.rate_limit_policy',
      virtualHostName: 'a.test:80',
      routeName: '',
      action: 'ROUTE',
    },
    {
      configMaps: [],
      findService: () => 'no services here',
      stringMatcher: (match) => compileStringMatch(match, { ignoreCase: false }),
      report: ({ message }) => expect.unreachable(message),
    },
  )!
  const world = { store: memory, memory, hot: stats.hot, filters: [filter], recheckMs: null }
  return { filter, reset: (asked) => resetLimits(world, { ...ASKED, ...asked }) }
}

async function statuses(filter: Filter, times: number, sketch: ExchangeSketch): Promise<number[]> {
  const seen: number[] = []
  for (let i = 0; i < times; i++) seen.push((await new RecordedExchange(sketch).run(filter)).status)
  return seen
}

const ONE = { limits: [{ requests: 1, per: '1h' }] }
const POLICY = { policy: 'default/p' }

describe('the counter of distinct values is named as requests name it', () => {
  const CASES: [
    name: string,
    match: NonNullable<RuleSpec['match']>,
    sketch: ExchangeSketch,
    entries: [string, string][],
  ][] = [
    [
      'an address',
      { source: { distinct: true } },
      { clientAddress: '192.0.2.7' },
      [['source', '192.0.2.7']],
    ],
    [
      'any address of an IPv6 block',
      { source: { distinct: true } },
      { clientAddress: '2001:db8::1' },
      [['source', '2001:db8::ffff']],
    ],
    [
      'a block as it is written',
      { source: { distinct: true, ipv4PrefixLength: 24 } },
      { clientAddress: '192.0.2.7' },
      [['source', '192.0.2.0/24']],
    ],
    [
      'several values, in any order',
      {
        headers: { 'X-User': { distinct: true } },
        queryParams: { q: { distinct: true } },
        method: { distinct: true },
        path: { distinct: true },
      },
      { headers: ['x-user', 'ann'], target: '/a?q=1' },
      [
        ['path', '/a'],
        ['queryParams.q', '1'],
        ['headers.x-user', 'ann'],
        ['method', 'GET'],
      ],
    ],
    [
      'text beyond ASCII',
      { headers: { 'x-user': { distinct: true } } },
      { headers: ['x-user', Buffer.from('Jürgen').toString('latin1')] },
      [['headers.x-user', 'Jürgen']],
    ],
  ]
  test.each(CASES)('%s', async (_name, match, sketch, entries) => {
    const { filter, reset } = limiter({ name: 'r', match, ...ONE })
    expect(await statuses(filter, 2, sketch)).toEqual([200, 429])
    expect(await reset({ ...POLICY, entries })).toMatchObject({ counters: 1, reset: 1 })
    expect(await statuses(filter, 2, sketch)).toEqual([200, 429])
  })
})

test('the counter of others stays', async () => {
  const { filter, reset } = limiter({ name: 'r', match: { source: { distinct: true } }, ...ONE })
  for (const clientAddress of ['192.0.2.1', '192.0.2.2'])
    await statuses(filter, 2, { clientAddress })
  await reset({ ...POLICY, entries: [['source', '192.0.2.1']] })
  expect(await statuses(filter, 1, { clientAddress: '192.0.2.2' })).toEqual([429])
})

test('every limit of a rule has a counter: all are reset', async () => {
  const limits = [
    { requests: 1, per: '1h' },
    { requests: 9, per: '24h', algorithm: 'slidingWindow' as const },
  ]
  const { filter, reset } = limiter({ name: 'r', limits })
  await statuses(filter, 2, {})
  expect(await reset(POLICY)).toMatchObject({ counters: 2, reset: 2, skipped: [] })
  expect(await reset(POLICY)).toMatchObject({ counters: 2, reset: 0 })
})

describe('what is refused', () => {
  test.each<[name: string, asked: Partial<LimitReset>, kind: string, message: RegExp]>([
    ['nothing named', {}, 'wrong', /not said whose/],
    [
      'no value for a rule that needs one',
      POLICY,
      'wrong',
      /r: it has one counter for each source/,
    ],
    [
      'a value that no request has',
      { ...POLICY, entries: [['source', 'nobody']] },
      'wrong',
      /no request has these values/,
    ],
    ['an unknown policy', { policy: 'default/q' }, 'unknown', /belongs to policy "default\/q"/],
    ['a domain where there is none', { domain: 'edge' }, 'unknown', /belongs to domain "edge"/],
    ['an unknown rule', { ...POLICY, rule: 's' }, 'unknown', /has no rule "s"/],
    ['a key that is none', { key: 'heartbeat' }, 'wrong', /not the name of a counter/],
  ])('%s', async (_name, asked, kind, message) => {
    const { reset } = limiter({ name: 'r', match: { source: { distinct: true } }, ...ONE })
    const outcome = await reset(asked)
    expect(outcome).toBeInstanceOf(LimitResetProblem)
    expect(outcome).toMatchObject({ kind, message: expect.stringMatching(message) })
  })

  test('more counters than one call may reset', async () => {
    const counters = Array.from({ length: 1001 }, (_, i) => ({
      rule: 'r',
      check: new LimitCheck(`k${i}`, fixedQuota(1, 1), 1, true),
      local: false,
    }))
    const owner = {
      name: 'many',
      onRequest: () => 0 as const,
      counterSource: {},
      counterOwners: () => [],
      countersOf: (_: CounterSelection): SelectedCounters => {
        return { rules: ['r'], counters, unnamed: [] }
      },
    }
    const memory = new MemoryStore()
    const { hot } = new RateLimitStats()
    const world = { store: memory, memory, hot, filters: [owner], recheckMs: null }
    expect(await resetLimits(world, { ...ASKED, domain: 'd' })).toMatchObject({
      kind: 'wrong',
      message: expect.stringMatching(/1001 counters/),
    })
  })
})

test('no text of a person makes it throw, and none resets what it does not name', async () => {
  const { filter, reset } = limiter({ name: 'r', match: { source: { distinct: true } }, ...ONE })
  await statuses(filter, 1, { clientAddress: '192.0.2.1' })
  const text = fc.string({ unit: 'grapheme', maxLength: 30 })
  const asked = fc.record({
    policy: fc.option(fc.oneof(text, fc.constant('default/p'))),
    domain: fc.option(text),
    rule: fc.option(fc.oneof(text, fc.constant('r'))),
    entries: fc.array(fc.tuple(fc.oneof(text, fc.constant('source')), text), { maxLength: 3 }),
    key: fc.option(text),
  })
  await fc.assert(
    fc.asyncProperty(asked, async (one) => {
      await reset(one)
      expect(await statuses(filter, 1, { clientAddress: '192.0.2.1' })).toEqual([429])
    }),
    { numRuns: 100 },
  )
})
