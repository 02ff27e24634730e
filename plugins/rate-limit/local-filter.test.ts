import { stringify } from 'yaml'
import { describe, expect, test } from 'vitest'
import type { Problem } from '../../src/config/problems.ts'
import type { Filter } from '../../src/filters/filter.ts'
import { resolveFilters } from '../../test/support/envoy-filters.ts'
import { type ExchangeSketch, RecordedExchange } from '../../test/support/filter-exchange.ts'
import { createRateLimit } from './index.ts'

const NAME = 'envoy.filters.http.local_ratelimit'
const TYPE = 'type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit'

const ALWAYS = { default_value: { numerator: 100, denominator: 'HUNDRED' } }
const ON = { stat_prefix: 'local', filter_enabled: ALWAYS, filter_enforced: ALWAYS }

function bucket(max: number, fill = '60s', tokens = max): object {
  return { token_bucket: { max_tokens: max, tokens_per_fill: tokens, fill_interval: fill } }
}

interface Sketch {
  readonly filter: object
  readonly virtualHost?: object
  readonly route?: object
}

function patch(applyTo: string, operation: string, value: object): object {
  return { applyTo, match: { context: 'GATEWAY' }, patch: { operation, value } }
}

function yamlOf({ filter, virtualHost, route }: Sketch): string {
  const configPatches = [
    patch('HTTP_FILTER', 'INSERT_BEFORE', {
      name: NAME,
      typed_config: {
        '@type': 'type.googleapis.com/udpa.type.v1.TypedStruct',
        type_url: TYPE,
        value: filter,
      },
    }),
  ]
  if (virtualHost) configPatches.push(patch('VIRTUAL_HOST', 'MERGE', virtualHost))
  if (route) configPatches.push(patch('HTTP_ROUTE', 'MERGE', route))
  return stringify({
    apiVersion: 'networking.istio.io/v1alpha3',
    kind: 'EnvoyFilter',
    metadata: { name: 'local', namespace: 'istio-system' },
    spec: { configPatches },
  })
}

interface Clock {
  nowMs: number
}

interface Compiled {
  /** Of two routes: `one` and `two`. */
  readonly one: Filter | undefined
  readonly two: Filter | undefined
  readonly problems: readonly Problem[]
  readonly clock: Clock
}

function compile(sketch: Sketch): Compiled {
  const clock = { nowMs: 1_700_000_000_000 }
  const { factories } = createRateLimit({ redisUrl: null, log: () => {}, now: () => clock.nowMs })
  const scopes = [{ routeName: 'one' }, { routeName: 'two' }]
  const { filters, problems } = resolveFilters(yamlOf(sketch), scopes, { factories })
  return { one: filters[0]?.[0], two: filters[1]?.[0], problems, clock }
}

function filterOf(sketch: Sketch): Filter {
  const { one, problems } = compile(sketch)
  expect(problems).toEqual([])
  return one!
}

async function statuses(
  filter: Filter | undefined,
  times: number,
  sketch: ExchangeSketch = {},
): Promise<readonly number[]> {
  const seen: number[] = []
  for (let i = 0; i < times; i++) {
    seen.push((await new RecordedExchange(sketch).run(filter!)).status)
  }
  return seen
}

/** route.rate_limits that describe the client address and the tier header. */
const RATE_LIMITS = [
  { actions: [{ remote_address: {} }] },
  { actions: [{ request_headers: { header_name: 'x-tier', descriptor_key: 'tier' } }] },
]

test('the bucket starts full, empties, and fills evenly', async () => {
  const { one, problems, clock } = compile({ filter: { ...ON, ...bucket(3, '1s', 2) } })
  expect(problems).toEqual([])
  expect(await statuses(one, 4)).toEqual([200, 200, 200, 429])
  clock.nowMs += 499
  expect(await statuses(one, 1)).toEqual([429])
  clock.nowMs += 1
  expect(await statuses(one, 2)).toEqual([200, 429])
  clock.nowMs += 60_000
  expect(await statuses(one, 4)).toEqual([200, 200, 200, 429])
})

test('a denial says so in body, headers and log', async () => {
  const filter = filterOf({
    filter: {
      ...ON,
      ...bucket(1, '30s'),
      status: { code: 'ServiceUnavailable' },
      enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
      response_headers_to_add: [
        { append: false, header: { key: 'x-local-rate-limit', value: 'true' } },
      ],
    },
  })
  const first = await new RecordedExchange().run(filter)
  expect(first.headers).toEqual({
    'x-ratelimit-limit': '1',
    'x-ratelimit-remaining': '0',
    'x-ratelimit-reset': '30',
  })
  const exchange = new RecordedExchange()
  expect(await exchange.run(filter)).toEqual({
    status: 503,
    headers: {
      'x-envoy-ratelimited': 'true',
      'x-ratelimit-limit': '1',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': '30',
      'x-local-rate-limit': 'true',
      'retry-after': '30',
    },
    flag: 'RL',
    details: 'local_rate_limited',
    synchronous: true,
  })
  expect(exchange.body).toBe('local_rate_limited')
})

test('a gRPC caller gets RESOURCE_EXHAUSTED when asked for', async () => {
  const filter = filterOf({
    filter: { ...ON, ...bucket(1), rate_limited_as_resource_exhausted: true },
  })
  const grpc = { headers: ['content-type', 'application/grpc'] }
  await new RecordedExchange(grpc).run(filter)
  expect((await new RecordedExchange(grpc).run(filter)).headers['grpc-status']).toBe('8')
  expect((await new RecordedExchange().run(filter)).headers['grpc-status']).toBeUndefined()
})

describe('filter_enabled and filter_enforced', () => {
  test('without filter_enabled nothing is counted, and that is a finding', () => {
    const { one, problems } = compile({ filter: { stat_prefix: 'l', ...bucket(1) } })
    expect(one).toBeUndefined()
    expect(problems.map(({ code }) => code)).toEqual(['rate-limit-never-enabled'])
  })

  test('without filter_enforced requests pass, marked for the upstream', async () => {
    const filter = filterOf({
      filter: {
        stat_prefix: 'l',
        filter_enabled: ALWAYS,
        ...bucket(1),
        request_headers_to_add_when_not_enforced: [
          { header: { key: 'x-would-limit', value: 'true' } },
        ],
      },
    })
    const marks: (string | null)[] = []
    for (let i = 0; i < 2; i++) {
      const exchange = new RecordedExchange()
      expect((await exchange.run(filter)).status).toBe(200)
      marks.push(exchange.request.headers.get('x-would-limit'))
    }
    expect(marks).toEqual([null, 'true'])
  })

  test('half of a million may be enabled', async () => {
    const half = { default_value: { numerator: 500_000, denominator: 'MILLION' } }
    const filter = filterOf({
      filter: { stat_prefix: 'l', filter_enabled: half, filter_enforced: ALWAYS, ...bucket(1) },
    })
    const seen = await statuses(filter, 400)
    const passed = seen.filter((status) => status === 200).length
    expect(passed).toBeGreaterThan(100)
    expect(passed).toBeLessThan(300)
  })
})

describe('where a message stands', () => {
  const perRoute = (fields: object): object => ({
    typed_per_filter_config: { [NAME]: { '@type': TYPE, ...ON, ...fields } },
  })

  test("the filter's own bucket is shared by all routes", async () => {
    const { one, two } = compile({ filter: { ...ON, ...bucket(2) } })
    expect([...(await statuses(one, 1)), ...(await statuses(two, 2))]).toEqual([200, 200, 429])
  })

  test('a filter with stat_prefix only is off, and a route turns it on', async () => {
    const off = compile({ filter: { stat_prefix: 'l' } })
    expect([off.one, off.two, off.problems]).toEqual([undefined, undefined, []])
    const { one, two, problems } = compile({
      filter: { stat_prefix: 'l' },
      route: perRoute(bucket(1)),
    })
    expect(problems).toEqual([])
    expect(await statuses(one, 2)).toEqual([200, 429])
    // Each route has a bucket of its own.
    expect(await statuses(two, 2)).toEqual([200, 429])
  })

  test("a virtual host's message is shared by its routes, and a route's wins", async () => {
    const shared = compile({ filter: { stat_prefix: 'l' }, virtualHost: perRoute(bucket(2)) })
    expect([...(await statuses(shared.one, 1)), ...(await statuses(shared.two, 2))]).toEqual([
      200, 200, 429,
    ])
    const { one } = compile({
      filter: { ...ON, ...bucket(9) },
      virtualHost: perRoute(bucket(5)),
      route: perRoute(bucket(1)),
    })
    expect(await statuses(one, 2)).toEqual([200, 429])
  })

  test('a message of another type there is a finding', () => {
    const { problems } = compile({
      filter: { ...ON, ...bucket(1) },
      route: { typed_per_filter_config: { [NAME]: { '@type': 'x.Y' } } },
    })
    expect(problems.map(({ code }) => code)).toEqual(['rate-limit-not-supported'])
  })
})

describe('descriptors', () => {
  const entry = (key: string, value?: string): object => ({
    entries: [value === undefined ? { key } : { key, value }],
  })
  const limited = (descriptors: readonly object[], more: object = {}): Filter =>
    filterOf({
      filter: { ...ON, ...bucket(100), descriptors, ...more },
      route: { route: { rate_limits: RATE_LIMITS } },
    })
  const tier = (value: string): ExchangeSketch => ({ headers: ['x-tier', value] })

  test('an exact descriptor has its bucket; others take from the default one', async () => {
    const filter = limited([{ ...entry('tier', 'free'), ...bucket(1) }])
    expect(await statuses(filter, 2, tier('free'))).toEqual([200, 429])
    expect(await statuses(filter, 3, tier('gold'))).toEqual([200, 200, 200])
  })

  test('an empty value stands for any, each with a bucket of its own', async () => {
    const filter = limited([{ ...entry('remote_address'), ...bucket(1) }])
    expect(await statuses(filter, 2, { clientAddress: '192.0.2.1' })).toEqual([200, 429])
    expect(await statuses(filter, 2, { clientAddress: '192.0.2.2' })).toEqual([200, 429])
  })

  test('length and order count', async () => {
    const filter = limited([
      { entries: [{ key: 'remote_address' }, { key: 'tier', value: 'free' }], ...bucket(1) },
    ])
    expect(await statuses(filter, 3, tier('free'))).toEqual([200, 200, 200])
  })

  test('the default bucket is taken from as well, unless told otherwise', async () => {
    const descriptors = [{ ...entry('tier', 'free'), ...bucket(50) }]
    expect(await statuses(limited(descriptors, bucket(2)), 3, tier('free'))).toEqual([
      200, 200, 429,
    ])
    const apart = limited(descriptors, {
      ...bucket(2),
      always_consume_default_token_bucket: false,
    })
    expect(await statuses(apart, 5, tier('free'))).toEqual([200, 200, 200, 200, 200])
    expect(await statuses(apart, 3, tier('gold'))).toEqual([200, 200, 429])
  })

  test('the slowest bucket is asked first, and nothing is given back', async () => {
    const slow = { ...entry('tier', 'free'), ...bucket(1, '3600s') }
    const fast = { ...entry('remote_address'), ...bucket(2, '60s') }
    const filter = limited([fast, slow])
    // The second is refused by the slow bucket before the fast one is touched.
    expect(await statuses(filter, 2, tier('free'))).toEqual([200, 429])
    expect(await statuses(filter, 2)).toEqual([200, 429])
  })

  test('a shadow descriptor refuses nobody', async () => {
    const filter = limited([{ ...entry('tier', 'free'), ...bucket(1), shadow_mode: true }])
    expect(await statuses(filter, 3, tier('free'))).toEqual([200, 200, 200])
  })

  test('entries of another stage or with a disable_key are left out', async () => {
    const descriptors = [{ ...entry('tier', 'free'), ...bucket(1) }]
    for (const more of [{ stage: 1 }, { disable_key: 'off' }]) {
      const filter = filterOf({
        filter: { ...ON, ...bucket(100), descriptors },
        route: { route: { rate_limits: [{ ...RATE_LIMITS[1], ...more }] } },
      })
      expect(await statuses(filter, 2, tier('free'))).toEqual([200, 200])
    }
  })

  test("vh_rate_limits decides about the virtual host's", async () => {
    const descriptors = [{ ...entry('tier', 'free'), ...bucket(1) }]
    for (const [mode, expected] of [
      ['OVERRIDE', 200],
      ['INCLUDE', 429],
    ] as const) {
      const filter = filterOf({
        filter: { ...ON, ...bucket(100), descriptors, vh_rate_limits: mode },
        virtualHost: { rate_limits: [RATE_LIMITS[1]] },
        route: { route: { rate_limits: [RATE_LIMITS[0]] } },
      })
      expect(await statuses(filter, 2, tier('free'))).toEqual([200, expected])
    }
  })
})

test('each connection may have a bucket of its own', async () => {
  const filter = filterOf({
    filter: { ...ON, ...bucket(1), local_rate_limit_per_downstream_connection: true },
  })
  const [left, right] = [{ connection: {} }, { connection: {} }]
  expect(await statuses(filter, 2, left)).toEqual([200, 429])
  expect(await statuses(filter, 2, right)).toEqual([200, 429])
})

test.each<[string, object, RegExp]>([
  ['no maximum', { token_bucket: { fill_interval: '1s' } }, /max_tokens is missing/],
  ['no interval', { token_bucket: { max_tokens: 1 } }, /fill_interval is missing/],
  ['a short interval', bucket(1, '0.01s'), /at least 50 ms/],
  [
    'a descriptor twice',
    {
      ...bucket(1),
      descriptors: [
        { entries: [{ key: 'a' }], ...bucket(1) },
        { entries: [{ key: 'a' }], ...bucket(1) },
      ],
    },
    /same entries/,
  ],
])('%s is an error, and nothing is limited', (_name, fields, message) => {
  const { one, problems } = compile({ filter: { ...ON, ...fields } })
  expect(one).toBeUndefined()
  const [problem] = problems
  expect(problem?.severity).toBe('error')
  expect(problem?.message).toMatch(message)
})

test('a share of a cluster is not supported, and said so', () => {
  const { one, problems } = compile({
    filter: { ...ON, ...bucket(1), local_cluster_rate_limit: {} },
  })
  expect(one).toBeDefined()
  expect(problems.map(({ message }) => message)).toEqual([
    'field localClusterRateLimit is not supported and has no effect',
  ])
})
