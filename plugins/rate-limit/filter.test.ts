import { stringify } from 'yaml'
import { describe, expect, test } from 'vitest'
import type { RouteScope } from '../../src/compile/envoy-filters-scope.ts'
import type { Problem } from '../../src/config/problems.ts'
import type { Filter } from '../../src/filters/filter.ts'
import { only, resolveFilters } from '../../test/support/envoy-filters.ts'
import {
  type ExchangeSketch,
  type Outcome,
  RecordedExchange,
} from '../../test/support/filter-exchange.ts'
import { createRateLimit } from './index.ts'

interface Sketch {
  /** Fields of the filter. */
  readonly filter?: object
  /** Type of the wrapper around them, if any. */
  readonly struct?: string
  readonly virtualHost?: object
  readonly route?: object
  /** The descriptor file. */
  readonly file?: object | string
}

const TYPE = 'type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit'

function patch(applyTo: string, operation: string, value: object): object {
  return { applyTo, match: { context: 'GATEWAY' }, patch: { operation, value } }
}

function yamlOf(sketch: Sketch): string {
  const { file = {} } = sketch
  const text = typeof file === 'string' ? file : stringify({ domain: 'edge', ...file })
  const fields = { domain: 'edge', ...sketch.filter }
  const configPatches = [
    patch('HTTP_FILTER', 'INSERT_FIRST', {
      name: 'envoy.filters.http.ratelimit',
      typed_config: sketch.struct
        ? { '@type': sketch.struct, type_url: TYPE, value: fields }
        : { '@type': TYPE, ...fields },
    }),
  ]
  if (sketch.virtualHost) configPatches.push(patch('VIRTUAL_HOST', 'MERGE', sketch.virtualHost))
  if (sketch.route) configPatches.push(patch('HTTP_ROUTE', 'MERGE', sketch.route))
  return [
    stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'limits', namespace: 'istio-system' },
      data: { 'limits.yaml': text },
    }),
    stringify({
      apiVersion: 'networking.istio.io/v1alpha3',
      kind: 'EnvoyFilter',
      metadata: { name: 'limits', namespace: 'istio-system' },
      spec: { configPatches },
    }),
  ].join('---\n')
}

interface Compiled {
  readonly filters: readonly Filter[]
  readonly problems: readonly Problem[]
}

/** 125 s after the epoch: 55 s before the minute ends. */
const NOW_MS = 125_000

function compile(sketch: Sketch, scope: Partial<RouteScope> = {}): Compiled {
  const { factory } = createRateLimit({ redisUrl: null, log: () => {}, now: () => NOW_MS })
  const { filters, problems } = resolveFilters(yamlOf(sketch), [scope], { factories: [factory] })
  return { filters: filters[0]!, problems }
}

function filterOf(sketch: Sketch): Filter {
  const { filters, problems } = compile(sketch)
  expect(problems).toEqual([])
  return only(filters)
}

async function statuses(filter: Filter, ...sketches: ExchangeSketch[]): Promise<number[]> {
  const outcomes = await Promise.all(
    sketches.map((sketch) => new RecordedExchange(sketch).run(filter)),
  )
  return outcomes.map(({ status }) => status)
}

async function last(filter: Filter, times: number, sketch: ExchangeSketch = {}): Promise<Outcome> {
  let outcome = await new RecordedExchange(sketch).run(filter)
  for (let i = 1; i < times; i++) outcome = await new RecordedExchange(sketch).run(filter)
  return outcome
}

function limit(requests: number, more: object = {}): object {
  return { unit: 'minute', requests_per_unit: requests, ...more }
}

function generic(value: string): object {
  return { generic_key: { descriptor_value: value } }
}

/** Bans one descriptor: a request is denied exactly when it makes that descriptor. */
function bans(action: object, key: string, value: string | undefined): Filter {
  return filterOf({
    filter: { rate_limits: [{ actions: [action] }] },
    file: {
      descriptors: [{ key, ...(value === undefined ? {} : { value }), rate_limit: limit(0) }],
    },
  })
}

describe('an action makes its entry', () => {
  const cases: readonly (readonly [
    name: string,
    action: object,
    key: string,
    value: string | undefined,
    hit: ExchangeSketch,
    miss: ExchangeSketch,
  ])[] = [
    [
      'request_headers takes the first value',
      { request_headers: { header_name: 'X-User', descriptor_key: 'user' } },
      'user',
      'ann',
      { headers: ['x-user', 'ann', 'x-user', 'bob'] },
      { headers: ['x-user', 'bob', 'x-user', 'ann'] },
    ],
    [
      'an absent header voids the descriptor',
      { request_headers: { header_name: 'x-user', descriptor_key: 'user' } },
      'user',
      undefined,
      { headers: ['x-user', ''] },
      {},
    ],
    [
      ':path includes the query',
      { request_headers: { header_name: ':path', descriptor_key: 'p' } },
      'p',
      '/a?b=c',
      { target: '/a?b=c' },
      { target: '/a' },
    ],
    [
      ':method',
      { request_headers: { header_name: ':method', descriptor_key: 'm' } },
      'm',
      'POST',
      { method: 'POST' },
      { method: 'GET' },
    ],
    [
      ':authority',
      { request_headers: { header_name: ':authority', descriptor_key: 'a' } },
      'a',
      'example.com',
      {},
      { authority: 'example.org' },
    ],
    [
      'remote_address',
      { remote_address: {} },
      'remote_address',
      '203.0.113.7',
      { clientAddress: '203.0.113.7' },
      { clientAddress: '203.0.113.8' },
    ],
    [
      'remote_address of something without IP',
      { remote_address: {} },
      'remote_address',
      undefined,
      {},
      { clientAddress: '' },
    ],
    [
      'masked_remote_address v4',
      { masked_remote_address: { v4_prefix_mask_len: 24 } },
      'masked_remote_address',
      '203.0.113.0/24',
      { clientAddress: '203.0.113.7' },
      { clientAddress: '203.0.114.7' },
    ],
    [
      'masked_remote_address v6',
      { masked_remote_address: { v6_prefix_mask_len: 64 } },
      'masked_remote_address',
      '2001:db8:0:1::/64',
      { clientAddress: '2001:db8:0:1:2::3' },
      { clientAddress: '2001:db8:0:2::3' },
    ],
    [
      'masked_remote_address without lengths is the address',
      { masked_remote_address: {} },
      'masked_remote_address',
      '203.0.113.7/32',
      { clientAddress: '203.0.113.7' },
      { clientAddress: '203.0.113.8' },
    ],
    [
      'destination_cluster',
      { destination_cluster: {} },
      'destination_cluster',
      'outbound|80||web',
      {},
      { clusterName: 'outbound|80||api' },
    ],
    [
      'no destination',
      { destination_cluster: {} },
      'destination_cluster',
      undefined,
      {},
      { clusterName: null },
    ],
    [
      'query_parameters, decoded',
      { query_parameters: { query_parameter_name: 'q', descriptor_key: 'q' } },
      'q',
      'a b',
      { target: '/?x=1&q=a%20b&q=c' },
      { target: '/?qq=a%20b' },
    ],
    [
      'a parameter without value',
      { query_parameters: { query_parameter_name: 'q', descriptor_key: 'q' } },
      'q',
      undefined,
      { target: '/?q' },
      { target: '/?x=q' },
    ],
    [
      'header_value_match, exact',
      {
        header_value_match: { descriptor_value: 'v', headers: [{ name: 'x-a', exact_match: '1' }] },
      },
      'header_match',
      'v',
      { headers: ['x-a', '1'] },
      { headers: ['x-a', '11'] },
    ],
    [
      'header_value_match, prefix without case',
      {
        header_value_match: {
          descriptor_value: 'v',
          headers: [{ name: ':path', string_match: { prefix: '/API', ignore_case: true } }],
        },
      },
      'header_match',
      'v',
      { target: '/api/x' },
      { target: '/x/api' },
    ],
    [
      'header_value_match, suffix',
      {
        header_value_match: {
          descriptor_value: 'v',
          headers: [{ name: 'x-a', suffix_match: 'z' }],
        },
      },
      'header_match',
      'v',
      { headers: ['x-a', 'xyz'] },
      { headers: ['x-a', 'zyx'] },
    ],
    [
      'header_value_match, contains',
      {
        header_value_match: {
          descriptor_value: 'v',
          headers: [{ name: 'x-a', contains_match: 'y' }],
        },
      },
      'header_match',
      'v',
      { headers: ['x-a', 'xyz'] },
      { headers: ['x-a', 'x'] },
    ],
    [
      'header_value_match, regular expression over the whole value',
      {
        header_value_match: {
          descriptor_value: 'v',
          headers: [{ name: 'x-a', safe_regex_match: { regex: 'a+' } }],
        },
      },
      'header_match',
      'v',
      { headers: ['x-a', 'aaa'] },
      { headers: ['x-a', 'aab'] },
    ],
    [
      'header_value_match, range without its end',
      {
        header_value_match: {
          descriptor_value: 'v',
          headers: [{ name: 'x-a', range_match: { start: 1, end: 5 } }],
        },
      },
      'header_match',
      'v',
      { headers: ['x-a', '4'] },
      { headers: ['x-a', '5'] },
    ],
    [
      'header_value_match, present',
      {
        header_value_match: {
          descriptor_value: 'v',
          headers: [{ name: 'x-a', present_match: true }],
        },
      },
      'header_match',
      'v',
      { headers: ['x-a', ''] },
      {},
    ],
    [
      'header_value_match, absent',
      {
        header_value_match: {
          descriptor_value: 'v',
          headers: [{ name: 'x-a', present_match: false }],
        },
      },
      'header_match',
      'v',
      {},
      { headers: ['x-a', ''] },
    ],
    [
      'an inverted match needs the header',
      {
        header_value_match: {
          descriptor_value: 'v',
          headers: [{ name: 'x-a', exact_match: '1', invert_match: true }],
        },
      },
      'header_match',
      'v',
      { headers: ['x-a', '2'] },
      {},
    ],
    [
      'a missing header may count as empty',
      {
        header_value_match: {
          descriptor_value: 'v',
          headers: [
            {
              name: 'x-a',
              exact_match: '1',
              invert_match: true,
              treat_missing_header_as_empty: true,
            },
          ],
        },
      },
      'header_match',
      'v',
      {},
      { headers: ['x-a', '1'] },
    ],
    [
      'expect_match false turns it round',
      {
        header_value_match: {
          descriptor_key: 'k',
          descriptor_value: 'v',
          expect_match: false,
          headers: [{ name: 'x-a', exact_match: '1' }],
        },
      },
      'k',
      'v',
      {},
      { headers: ['x-a', '1'] },
    ],
    [
      'query_parameter_value_match',
      {
        query_parameter_value_match: {
          descriptor_value: 'v',
          query_parameters: [{ name: 'q', string_match: { exact: '1' } }],
        },
      },
      'query_match',
      'v',
      { target: '/?q=1' },
      { target: '/?q=2' },
    ],
  ]

  test.each(cases)('%s', async (_name, action, key, value, hit, miss) => {
    expect(await statuses(bans(action, key, value), hit, miss)).toEqual([429, 200])
  })

  test('skip_if_absent leaves out its entry only', async () => {
    const filter = filterOf({
      filter: {
        rate_limits: [
          {
            actions: [
              generic('all'),
              {
                request_headers: {
                  header_name: 'x-user',
                  descriptor_key: 'user',
                  skip_if_absent: true,
                },
              },
            ],
          },
        ],
      },
      file: {
        descriptors: [
          {
            key: 'generic_key',
            value: 'all',
            rate_limit: limit(0),
            descriptors: [{ key: 'user', rate_limit: limit(5) }],
          },
        ],
      },
    })
    expect(await statuses(filter, {}, { headers: ['x-user', 'ann'] })).toEqual([429, 200])
  })

  test('a regular expression that would explode elsewhere stays quick', async () => {
    const filter = bans(
      {
        header_value_match: {
          descriptor_value: 'v',
          headers: [{ name: 'x-a', safe_regex_match: { regex: '(a|a)*b' } }],
        },
      },
      'header_match',
      'v',
    )
    const start = performance.now()
    expect(await statuses(filter, { headers: ['x-a', 'a'.repeat(8000)] })).toEqual([200])
    expect(performance.now() - start).toBeLessThan(2000)
  })
})

describe('several limits', () => {
  const two = {
    filter: { rate_limits: [{ actions: [generic('a')] }, { actions: [generic('b')] }] },
  }

  test('all are counted although one denies', async () => {
    const filter = filterOf({
      filter: { ...two.filter, enable_x_ratelimit_headers: 'DRAFT_VERSION_03' },
      file: {
        descriptors: [
          { key: 'generic_key', value: 'a', rate_limit: limit(1, { name: 'first' }) },
          {
            key: 'generic_key',
            value: 'b',
            rate_limit: { unit: 'hour', requests_per_unit: 4, name: 'second' },
          },
        ],
      },
    })
    expect((await last(filter, 1)).headers).toEqual({
      'x-ratelimit-limit': '1, 1;w=60;name="first", 4;w=3600;name="second"',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': '55',
    })
    expect(await last(filter, 3)).toMatchObject({ status: 429, headers: { 'retry-after': '55' } })
    // The fifth request is beyond the hour's limit too: three denials were counted there.
    expect(await last(filter, 1)).toMatchObject({ status: 429, headers: { 'retry-after': '3475' } })
  })

  test('a limit may take the place of another of the same request', async () => {
    const filter = filterOf({
      ...two,
      file: {
        descriptors: [
          { key: 'generic_key', value: 'a', rate_limit: limit(0, { name: 'plain' }) },
          {
            key: 'generic_key',
            value: 'b',
            rate_limit: limit(1, { name: 'premium', replaces: [{ name: 'plain' }] }),
          },
        ],
      },
    })
    expect(await statuses(filter, {}, {})).toEqual([200, 429])
  })

  test('unlimited and shadow limits deny nothing', async () => {
    const filter = filterOf({
      ...two,
      file: {
        descriptors: [
          { key: 'generic_key', value: 'a', rate_limit: { unlimited: true } },
          { key: 'generic_key', value: 'b', shadow_mode: true, rate_limit: limit(0) },
        ],
      },
    })
    expect(await statuses(filter, {}, {})).toEqual([200, 200])
  })

  test('stages other than the filter’s do not count', async () => {
    const sketch = (stage: number): Sketch => ({
      filter: { stage: 1, rate_limits: [{ stage, actions: [generic('a')] }] },
      file: { descriptors: [{ key: 'generic_key', value: 'a', rate_limit: limit(0) }] },
    })
    expect(await statuses(filterOf(sketch(1)), {})).toEqual([429])
    expect(compile(sketch(0)).filters).toEqual([])
  })

  test('hits_addend counts a request more than once', async () => {
    const filter = filterOf({
      filter: { rate_limits: [{ actions: [generic('a')], hits_addend: { number: 3 } }] },
      file: { descriptors: [{ key: 'generic_key', value: 'a', rate_limit: limit(6) }] },
    })
    expect(await statuses(filter, {}, {}, {})).toEqual([200, 200, 429])
  })
})

describe('whose descriptors apply', () => {
  const file = {
    descriptors: ['vh', 'route', 'per-route', 'filter'].map((value) => ({
      key: 'generic_key',
      value,
      rate_limit: limit(0, { name: value }),
    })),
  }
  const headers = { enable_x_ratelimit_headers: 'DRAFT_VERSION_03' }
  const virtualHost = { rate_limits: [{ actions: [generic('vh')] }] }
  const rate_limits = [{ actions: [generic('route')] }]
  const perRoute = (value: object): object => ({
    'envoy.filters.http.ratelimit': {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute',
      ...value,
    },
  })

  const cases: readonly (readonly [name: string, sketch: Sketch, applied: readonly string[]])[] = [
    ['the virtual host’s', { virtualHost }, ['vh']],
    [
      'the route’s hide the virtual host’s',
      { virtualHost, route: { route: { rate_limits } } },
      ['route'],
    ],
    [
      'both with include_vh_rate_limits',
      { virtualHost, route: { route: { rate_limits, include_vh_rate_limits: true } } },
      ['route', 'vh'],
    ],
    [
      'both with vh_rate_limits INCLUDE',
      {
        virtualHost,
        route: {
          route: { rate_limits },
          typed_per_filter_config: perRoute({ vh_rate_limits: 'INCLUDE' }),
        },
      },
      ['route', 'vh'],
    ],
    [
      'none with vh_rate_limits IGNORE',
      { virtualHost, route: { typed_per_filter_config: perRoute({ vh_rate_limits: 'IGNORE' }) } },
      [],
    ],
    [
      'the per-route message before all',
      {
        virtualHost,
        filter: { rate_limits: [{ actions: [generic('filter')] }] },
        route: {
          route: { rate_limits },
          typed_per_filter_config: perRoute({ rate_limits: [{ actions: [generic('per-route')] }] }),
        },
      },
      ['per-route'],
    ],
    [
      'the filter’s before routes',
      {
        virtualHost,
        filter: { rate_limits: [{ actions: [generic('filter')] }] },
        route: { route: { rate_limits } },
      },
      ['filter'],
    ],
  ]

  test.each(cases)('%s', async (_name, sketch, applied) => {
    const { filters, problems } = compile({
      ...sketch,
      filter: { ...headers, ...sketch.filter },
      file,
    })
    expect(problems).toEqual([])
    if (applied.length === 0) {
      expect(filters).toEqual([])
      return
    }
    const outcome = await new RecordedExchange().run(only(filters))
    const names = outcome.headers['x-ratelimit-limit']!.matchAll(/name="([^"]*)"/g)
    expect([...names].map(([, name]) => name)).toEqual(applied)
  })
})

describe('the filter’s settings', () => {
  const banned = (filter: object): Sketch => ({
    filter: { rate_limits: [{ actions: [generic('a')] }], ...filter },
    file: { descriptors: [{ key: 'generic_key', value: 'a', rate_limit: limit(0) }] },
  })

  test.each([
    [{ rate_limited_status: { code: 503 } }, 503],
    [{ rate_limited_status: { code: 'ServiceUnavailable' } }, 503],
    [{ rateLimitedStatus: { code: 200 } }, 429],
    [{ filter_enforced: { default_value: { numerator: 0 } } }, 200],
    [
      { filter_enforced: { default_value: { numerator: 10_000, denominator: 'TEN_THOUSAND' } } },
      429,
    ],
    [{ request_type: 'external' }, 429],
  ])('%j answers %i', async (settings, status) => {
    expect((await last(filterOf(banned(settings)), 1)).status).toBe(status)
  })

  test('filter_enabled 0 takes the filter out of the route', () => {
    expect(
      compile(banned({ filter_enabled: { default_value: { numerator: 0 } } })).filters,
    ).toEqual([])
  })

  test('filter_enabled in between enables its share', async () => {
    const settings = {
      filter_enabled: { default_value: { numerator: 500_000, denominator: 'MILLION' } },
    }
    const seen = await statuses(filterOf(banned(settings)), ...Array(400).fill({}))
    const denied = seen.filter((status) => status === 429).length
    expect(denied).toBeGreaterThan(100)
    expect(denied).toBeLessThan(300)
  })

  test('denials carry the added headers, and the marks can be switched off', async () => {
    const filter = filterOf(
      banned({
        disable_x_envoy_ratelimited_header: true,
        enable_retry_after_header: false,
        response_headers_to_add: [{ header: { key: 'X-Why', value: '100%% full' } }],
      }),
    )
    expect((await last(filter, 1)).headers).toEqual({ 'x-why': '100% full' })
  })

  test.each(['udpa.type.v1', 'xds.type.v3'])(
    'a TypedStruct of %s says the same',
    async (domain) => {
      const struct = `type.googleapis.com/${domain}.TypedStruct`
      expect((await last(filterOf({ ...banned({}), struct }), 1)).status).toBe(429)
    },
  )
})

describe('findings', () => {
  const file = { descriptors: [{ key: 'PATH', rate_limit: limit(1) }] }
  const path = { request_headers: { header_name: ':path', descriptor_key: 'PATH' } }

  const cases: readonly (readonly [
    name: string,
    sketch: Sketch,
    code: string,
    text: RegExp,
    hint: RegExp | null,
  ])[] = [
    [
      'an unsupported action',
      {
        file,
        filter: {
          rate_limits: [{ actions: [path] }, { actions: [{ source_cluster: {} }] }],
        },
      },
      'rate-limit-not-supported',
      /action sourceCluster/,
      /requestHeaders/,
    ],
    [
      'metadata that nothing stands for',
      {
        file,
        filter: {
          rate_limits: [{ actions: [path] }, { actions: [{ metadata: { descriptor_key: 'k' } }] }],
        },
      },
      'rate-limit-not-supported',
      /no metadata here/,
      /default_value/,
    ],
    [
      'a key the file does not have',
      {
        file,
        filter: {
          rate_limits: [
            { actions: [{ request_headers: { header_name: ':path', descriptor_key: 'PATHS' } }] },
          ],
        },
      },
      'rate-limit-descriptor-unmatched',
      /\(PATHS\) reaches no limit of domain "edge"/,
      /"PATH"/,
    ],
    [
      'an unknown domain',
      { file, filter: { domain: 'edgy', rate_limits: [{ actions: [path] }] } },
      'rate-limit-domain-unknown',
      /domain "edgy"/,
      /"edge"/,
    ],
    [
      'a broken descriptor file',
      {
        file: 'domain: edge\ndescriptors:\n- key: ""\n',
        filter: { rate_limits: [{ actions: [path] }] },
      },
      'rate-limit-config-invalid',
      /limits\.yaml: descriptor has empty key \(line 3 of limits\.yaml\)/,
      /not limited/,
    ],
    [
      'a missing domain',
      { file, filter: { domain: '', rate_limits: [{ actions: [path] }] } },
      'rate-limit-invalid',
      /domain is missing/,
      null,
    ],
    [
      'a timeout where it has no effect',
      {
        file,
        filter: {
          rate_limits: [{ actions: [path] }],
          rate_limit_service: { grpc_service: { timeout: '1s' } },
        },
      },
      'rate-limit-timeout-misplaced',
      /20 ms/,
      /beside domain/,
    ],
    [
      'a regular expression that is none',
      {
        file,
        filter: {
          rate_limits: [
            { actions: [path] },
            {
              actions: [
                {
                  header_value_match: {
                    descriptor_value: 'v',
                    headers: [{ name: 'a', safe_regex_match: { regex: '(' } }],
                  },
                },
              ],
            },
          ],
        },
      },
      'rate-limit-invalid',
      /RE2/,
      null,
    ],
  ]

  test.each(cases)('%s', (_name, sketch, code, text, hint) => {
    const { problems } = compile(sketch)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatchObject({ code, message: expect.stringMatching(text) })
    if (hint !== null) expect(problems[0]?.hint).toMatch(hint)
    else expect(problems[0]?.hint).toBeNull()
  })

  test('a rate limit with a mistake never applies, its neighbours do', async () => {
    const { filters } = compile({
      file,
      virtualHost: {
        rate_limits: [{ actions: [{ source_cluster: {} }, path] }, { actions: [path] }],
      },
    })
    expect(await statuses(only(filters), { target: '/a' }, { target: '/a' })).toEqual([200, 429])
  })

  test('a file that breaks keeps its last good version while the limiter lives', async () => {
    const { factory } = createRateLimit({ redisUrl: null, log: () => {} })
    const filter = { rate_limits: [{ actions: [path] }] }
    const good = resolveFilters(yamlOf({ file, filter }), [{}], { factories: [factory] })
    expect(await statuses(only(good.filters[0]!), {}, {})).toEqual([200, 429])
    const broken = yamlOf({ file: 'domain: edge\ndescriptors: [', filter })
    const kept = resolveFilters(broken, [{}], { factories: [factory] })
    expect(kept.problems[0]?.hint).toMatch(/last good version/)
    expect(await statuses(only(kept.filters[0]!), {})).toEqual([429])
  })

  test('two files of one domain: the first counts, the second is named', () => {
    const { factory } = createRateLimit({ redisUrl: null, log: () => {} })
    const yaml = yamlOf({ file, filter: { rate_limits: [{ actions: [path] }] } })
    const second = yaml.split('---\n')[0]!.replace('name: limits', 'name: zz-more-limits')
    const { filters, problems } = resolveFilters(`${yaml}---\n${second}`, [{}], {
      factories: [factory],
    })
    expect(filters[0]).toHaveLength(1)
    expect(problems).toMatchObject([
      {
        code: 'rate-limit-config-invalid',
        ref: { kind: 'ConfigMap', name: 'zz-more-limits' },
        message: "duplicate domain 'edge' in config file",
      },
    ])
  })
})
