import { stringify } from 'yaml'
import { describe, expect, test } from 'vitest'
import { only, resolveFilters } from '../../test/support/envoy-filters.ts'
import { type ExchangeSketch, RecordedExchange } from '../../test/support/filter-exchange.ts'
import { createRateLimit, type RateLimit } from './index.ts'

const TYPE = 'type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit'

function compile(filter: object, descriptors: readonly object[]) {
  const rateLimit = createRateLimit({ redisUrl: null, log: () => {}, now: () => 1_700_000_000_000 })
  const yaml = [
    stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'limits', namespace: 'istio-system' },
      data: { 'config.yaml': stringify({ domain: 'edge', descriptors }) },
    }),
    stringify({
      apiVersion: 'networking.istio.io/v1alpha3',
      kind: 'EnvoyFilter',
      metadata: { name: 'limits', namespace: 'istio-system' },
      spec: {
        configPatches: [
          {
            applyTo: 'HTTP_FILTER',
            patch: {
              operation: 'INSERT_BEFORE',
              value: {
                name: 'envoy.filters.http.ratelimit',
                typed_config: { '@type': TYPE, domain: 'edge', ...filter },
              },
            },
          },
        ],
      },
    }),
  ].join('---\n')
  const { filters, problems } = resolveFilters(yaml, [{}], { factories: rateLimit.factories })
  expect(problems).toEqual([])
  const run = async (sketch: ExchangeSketch = {}) =>
    new RecordedExchange(sketch).run(only(filters[0]!))
  return { rateLimit, run }
}

const limit = (requests: number): object => ({ unit: 'year', requests_per_unit: requests })
const all = { generic_key: { descriptor_value: 'all' } }

describe('metadata, which no filter here writes', () => {
  const metadata = (more: object): object => ({
    metadata: { descriptor_key: 'plan', metadata_key: { key: 'k', path: [{ key: 'p' }] }, ...more },
  })

  test('gives its default value', async () => {
    const { run } = compile({ rate_limits: [{ actions: [metadata({ default_value: 'free' })] }] }, [
      { key: 'plan', value: 'free', rate_limit: limit(1) },
    ])
    expect([(await run()).status, (await run()).status]).toEqual([200, 429])
  })

  test('is left out with skip_if_absent', async () => {
    const { run } = compile(
      { rate_limits: [{ actions: [all, metadata({ skip_if_absent: true })] }] },
      [{ key: 'generic_key', value: 'all', rate_limit: limit(1) }],
    )
    expect([(await run()).status, (await run()).status]).toEqual([200, 429])
  })
})

test('gRPC callers get RESOURCE_EXHAUSTED with rate_limited_as_resource_exhausted', async () => {
  const { run } = compile(
    { rate_limited_as_resource_exhausted: true, rate_limits: [{ actions: [all] }] },
    [{ key: 'generic_key', value: 'all', rate_limit: limit(0) }],
  )
  const grpc = await run({ headers: ['content-type', 'application/grpc+proto'] })
  expect(grpc.headers['grpc-status']).toBe('8')
  expect((await run()).headers['grpc-status']).toBeUndefined()
})

function counts({ stats }: RateLimit): object {
  const entries = stats.rules.map(({ policy, rule, allowed, limited, shadowed, unavailable }) => [
    `${policy} ${rule}`,
    [allowed, limited, shadowed, unavailable],
  ])
  return Object.fromEntries(entries)
}

test('each limit is counted under its place in the file, never under values of requests', async () => {
  const header = (name: string): object => ({
    request_headers: { header_name: `x-${name}`, descriptor_key: name },
  })
  const { rateLimit, run } = compile(
    { rate_limits: [{ actions: [header('user')] }, { actions: [all, header('user')] }] },
    [
      { key: 'user', rate_limit: limit(1), detailed_metric: true, value_to_metric: true },
      {
        key: 'generic_key',
        value: 'all',
        descriptors: [{ key: 'user', rate_limit: limit(0), shadow_mode: true }],
      },
    ],
  )
  for (const user of ['ann', 'ann', 'bob']) await run({ headers: ['x-user', user] })
  expect(counts(rateLimit)).toEqual({
    'edge user': [2, 1, 0, 0],
    'edge generic_key_all.user': [0, 0, 3, 0],
    'other other': [0, 0, 0, 0],
  })
})

test('what filter_enforced lets pass is counted as a shadow', async () => {
  const off = { default_value: { numerator: 0 } }
  const { rateLimit, run } = compile({ filter_enforced: off, rate_limits: [{ actions: [all] }] }, [
    { key: 'generic_key', value: 'all', rate_limit: limit(1) },
  ])
  expect([(await run()).status, (await run()).status]).toEqual([200, 200])
  expect(counts(rateLimit)).toMatchObject({ 'edge generic_key_all': [1, 0, 1, 0] })
})
