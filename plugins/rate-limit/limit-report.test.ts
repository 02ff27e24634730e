import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import type { Filter } from '../../src/filters/filter.ts'
import type { LimitReport } from '../../src/filters/limit-report.ts'
import { only, resolveFilters } from '../../test/support/envoy-filters.ts'
import { type ExchangeSketch, RecordedExchange } from '../../test/support/filter-exchange.ts'
import { createRateLimit } from './index.ts'

const TYPES = 'type.googleapis.com/envoy.extensions.filters.http'
const ON = { default_value: { numerator: 100 } }

const DESCRIPTORS = `domain: edge
descriptors:
- { key: user, rate_limit: { unit: hour, requests_per_unit: 2 } }
- key: tenant
  value: t1
  rate_limit: { unit: hour, requests_per_unit: 5, name: daily }
- { key: free, value: "yes" }
- { key: open, rate_limit: { unlimited: true } }
- { key: over, rate_limit: { unit: hour, requests_per_unit: 1, replaces: [{ name: daily }] } }
- { key: path, value: /a/*, share_threshold: true, rate_limit: { unit: hour, requests_per_unit: 4 } }
`

function patch(applyTo: string, operation: string, value: object): object {
  return { applyTo, match: { context: 'GATEWAY' }, patch: { operation, value } }
}

/** The filter that a typed_config makes with these `rate_limits` of a virtual host. */
function compile(name: string, settings: object, rateLimits: readonly object[]): Filter {
  const filter = patch('HTTP_FILTER', 'INSERT_BEFORE', {
    name,
    typed_config: { '@type': `${TYPES}.${name}`, ...settings },
  })
  const configPatches = [filter, patch('VIRTUAL_HOST', 'MERGE', { rate_limits: rateLimits })]
  const documents = [
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'c' },
      data: { 'c.yaml': DESCRIPTORS },
    },
    {
      apiVersion: 'networking.istio.io/v1alpha3',
      kind: 'EnvoyFilter',
      metadata: { name: 'limits', namespace: 'istio-system' },
      spec: { configPatches },
    },
  ]
  const { factories } = createRateLimit({ redisUrl: null, log: () => {}, now: () => 1e12 })
  const yaml = documents.map((document) => stringify(document)).join('---\n')
  return only(resolveFilters(yaml, [{}], { factories }).filters[0]!)
}

function global(...actions: readonly object[][]): Filter {
  const rateLimits = actions.map((list) => ({ actions: list }))
  return compile('ratelimit.v3.RateLimit', { domain: 'edge' }, rateLimits)
}

function report(filter: Filter, sketch: ExchangeSketch = {}): Promise<LimitReport> {
  return filter.reportLimits!(new RecordedExchange(sketch), true)
}

const header = (name: string, key = name, more: object = {}): object => ({
  request_headers: { header_name: name, descriptor_key: key, ...more },
})
const fixed = (key: string, value: string): object => ({
  generic_key: { descriptor_key: key, descriptor_value: value },
})

describe('a rate_limits entry that comes to no limit says why', () => {
  const noGold = {
    header_value_match: {
      descriptor_key: 'user',
      descriptor_value: 'gold',
      headers: [{ name: 'x-plan', string_match: { exact: 'gold' } }],
    },
  }
  const CASES: [name: string, actions: object[], sketch: ExchangeSketch, reason: string][] = [
    ['a header', [header('x-user', 'user')], {}, 'header x-user is missing'],
    [
      'a query parameter',
      [{ query_parameters: { query_parameter_name: 'u', descriptor_key: 'user' } }],
      { target: '/?v=1' },
      'query parameter u is missing',
    ],
    ['a match', [noGold], {}, 'its conditions do not all hold (user=gold)'],
    [
      'a match that is not expected',
      [{ header_value_match: { ...noGold.header_value_match, expect_match: false } }],
      { headers: ['x-plan', 'gold'] },
      'its conditions all hold, and expect_match is false (user=gold)',
    ],
    [
      'only entries that may be left out',
      [header('x-user', 'user', { skip_if_absent: true })],
      {},
      'header x-user is missing',
    ],
    [
      'a value nobody configured',
      [header('x-tenant', 'tenant')],
      { headers: ['x-tenant', 't2'] },
      'no descriptor takes the entry tenant=t2',
    ],
    [
      'a descriptor without limit',
      [header('x-free', 'free'), { remote_address: {} }],
      { headers: ['x-free', 'yes'] },
      'the descriptor that takes free=yes has none below it for the entries behind',
    ],
    ['an unlimited one', [fixed('open', 'x')], {}, 'the limit is unlimited'],
  ]
  test.each(CASES)('%s', async (_name, actions, sketch, reason) => {
    // Some of these reach no limit for any request: one that does keeps the filter.
    const { rules } = await report(global(actions, [header('x-other', 'user')]), sketch)
    expect(rules.filter((rule) => !rule.applies).map((rule) => rule.reason)).toContain(reason)
  })
})

test('a limit that another replaces is shown with the one that does', async () => {
  const filter = global([header('x-tenant', 'tenant')], [fixed('over', 'all')])
  const { rules } = await report(filter, { headers: ['x-tenant', 't1'] })
  expect(rules).toMatchObject([
    { rule: 'tenant_t1', applies: false, reason: expect.stringContaining('replaced by over') },
    { rule: 'over', applies: true, limitLine: 9, limitOrigin: { kind: 'ConfigMap', name: 'c' } },
  ])
})

test('values that share a counter have one key, others have their own', async () => {
  const filter = global([header(':path', 'path')])
  const keyOf = async (target: string): Promise<string | undefined> =>
    (await report(filter, { target })).rules[0]?.limits[0]?.key
  expect(await keyOf('/a/1')).toBe(await keyOf('/a/2'))
  const users = global([header('x-user', 'user')])
  const [ann, bob] = await Promise.all(
    ['ann', 'bob'].map((user) => report(users, { headers: ['x-user', user] })),
  )
  expect(ann?.rules[0]?.limits[0]?.key).not.toBe(bob?.rules[0]?.limits[0]?.key)
})

test('looking charges nothing, and tells of a denial before it is given', async () => {
  const filter = global([header('x-user', 'user')])
  const ann = { headers: ['x-user', 'ann'] }
  const seen: string[] = []
  for (let i = 0; i < 3; i++) {
    for (let look = 0; look < 3; look++) await report(filter, ann)
    const { decision } = await report(filter, ann)
    const { status } = await new RecordedExchange(ann).run(filter)
    seen.push(`${decision} ${status}`)
  }
  expect(seen).toEqual(['allow 200', 'allow 200', 'deny 429'])
})

describe('local limits', () => {
  const BUCKET = { max_tokens: 1, tokens_per_fill: 1, fill_interval: '3600s' }
  const described = {
    stat_prefix: 'local',
    token_bucket: { ...BUCKET, max_tokens: 9 },
    filter_enabled: ON,
    filter_enforced: ON,
    descriptors: [
      { entries: [{ key: 'user', value: 'ann' }], token_bucket: BUCKET },
      { entries: [{ key: 'plan', value: '' }], token_bucket: { ...BUCKET, fill_interval: '60s' } },
    ],
  }
  const filter = (): Filter =>
    compile('local_ratelimit.v3.LocalRateLimit', described, [
      { actions: [header('x-user', 'user')] },
      { actions: [header('x-plan', 'plan')] },
    ])
  const ANN = { headers: ['x-user', 'ann', 'x-plan', 'gold'] }

  test('every bucket that is asked is shown, slowest first, the default one last', async () => {
    const { rules, decision } = await report(filter(), ANN)
    expect(rules.map(({ rule, entries }) => [rule, entries])).toEqual([
      ['local descriptor', [['user', 'ann']]],
      ['local descriptor', [['plan', 'gold']]],
      ['local', []],
    ])
    expect(decision).toBe('allow')
  })

  test('behind the bucket that refuses none is asked', async () => {
    const limited = filter()
    expect((await new RecordedExchange(ANN).run(limited)).status).toBe(200)
    const { rules, decision, status } = await report(limited, ANN)
    expect([decision, status]).toEqual(['deny', 429])
    expect(rules.map(({ applies, reason }) => [applies, reason])).toEqual([
      [false, 'not asked: a bucket before it has too little'],
      [true, null],
    ])
  })

  test('entries that no descriptor has say so', async () => {
    const { rules } = await report(filter(), { headers: ['x-user', 'bob'] })
    expect(rules.map(({ reason }) => reason)).toEqual([
      'no descriptor of the filter has exactly these entries',
      'header x-plan is missing',
      null,
    ])
  })
})
