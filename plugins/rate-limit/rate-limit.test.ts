import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { only, resolveFilters } from '../../test/support/envoy-filters.ts'
import {
  type ExchangeSketch,
  type Outcome,
  RecordedExchange,
} from '../../test/support/filter-exchange.ts'
import { type RedisServer, startRedis } from '../../test/support/redis.ts'
import { waitFor } from '../../test/support/wait.ts'
import type { Filter } from '../../src/filters/filter.ts'
import { createRateLimit, type RateLimit } from './index.ts'

/** Minutes become years: no window ends while a test counts. */
const fixture = readFileSync(
  join(import.meta.dirname, '../../test/fixtures/rate-limit/global.yaml'),
  'utf8',
).replaceAll('unit: minute', 'unit: year')

const ownLabels = [{ istio: 'ingressgateway' }]

async function statuses(filter: Filter, sketches: readonly ExchangeSketch[]): Promise<number[]> {
  const seen: number[] = []
  for (const sketch of sketches) {
    seen.push((await new RecordedExchange(sketch).run(filter)).status)
  }
  return seen
}

let redis: RedisServer
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.stop())

async function limiter(store: 'memory' | 'redis'): Promise<RateLimit> {
  const rateLimit = createRateLimit({
    redisUrl: store === 'redis' ? redis.url : null,
    log: () => {},
  })
  await waitFor('the store', () => rateLimit.status().available)
  return rateLimit
}

describe.each(['memory', 'redis'] as const)(
  "Istio's global rate limit task, counted in %s",
  (store) => {
    test('virtual host descriptors, route descriptors and the descriptor file give the 429s', async () => {
      const rateLimit = await limiter(store)
      const { filters, problems } = resolveFilters(fixture, [{}, { routeName: 'api' }], {
        factories: [rateLimit.factory],
        ownLabels,
      })
      expect(problems).toEqual([])
      const anyRoute = only(filters[0]!)
      const apiRoute = only(filters[1]!)

      expect(await statuses(anyRoute, Array(3).fill({ target: '/productpage' }))).toEqual([
        200, 429, 429,
      ])
      // :path carries the query, so this one meets the limit of all other paths.
      expect(await statuses(anyRoute, Array(4).fill({ target: '/productpage?a=1' }))).toEqual([
        200, 200, 200, 429,
      ])
      expect(await statuses(anyRoute, [{ target: '/productpage?a=2' }])).toEqual([200])
      // The route's own descriptors hide those of the virtual host.
      expect(
        await statuses(apiRoute, [
          { target: '/api/v1/products' },
          { target: '/api/v2/products' },
          { target: '/api/v3/products' },
          { target: '/productpage' },
        ]),
      ).toEqual([200, 200, 429, 200])
      await rateLimit.close()
    })

    test('a denial is empty, 429, flagged RL and says when to come back', async () => {
      const rateLimit = await limiter(store)
      const { filters } = resolveFilters(fixture, [{}], {
        factories: [rateLimit.factory],
        ownLabels,
      })
      const filter = only(filters[0]!)
      let outcome: Outcome | null = null
      for (let i = 0; i < 4; i++) {
        outcome = await new RecordedExchange({ target: `/denied-${store}` }).run(filter)
      }
      expect(outcome).toMatchObject({
        status: 429,
        flag: 'RL',
        details: 'request_rate_limited',
        headers: { 'x-envoy-ratelimited': 'true' },
      })
      const wait = Number(outcome?.headers['retry-after'])
      expect(wait).toBeGreaterThanOrEqual(1)
      expect(wait).toBeLessThanOrEqual(31_536_000)
      await rateLimit.close()
    })

    test('counters go on over a new snapshot and an edited limit', async () => {
      const rateLimit = await limiter(store)
      const compile = (yaml: string): Filter =>
        only(resolveFilters(yaml, [{}], { factories: [rateLimit.factory], ownLabels }).filters[0]!)
      const target = `/swap-${store}`
      expect(await statuses(compile(fixture), [{ target }, { target }])).toEqual([200, 200])
      expect(await statuses(compile(fixture), [{ target }])).toEqual([200])
      const tighter = fixture.replace('requests_per_unit: 3', 'requests_per_unit: 4')
      expect(await statuses(compile(tighter), [{ target }, { target }])).toEqual([200, 429])
      await rateLimit.close()
    })

    test('a request without a matching limit goes on at once and asks nobody', async () => {
      const rateLimit = await limiter(store)
      const yaml = fixture.replace(
        /      - key: PATH\n        rate_limit:\n.*\n.*requests_per_unit: 3\n/,
        '',
      )
      const filter = only(
        resolveFilters(yaml, [{}], { factories: [rateLimit.factory], ownLabels }).filters[0]!,
      )
      const outcome = await new RecordedExchange({ target: '/free' }).run(filter)
      expect(outcome).toMatchObject({ status: 200, synchronous: true })
      expect(rateLimit.status().checks).toBe(0)
      await rateLimit.close()
    })
  },
)

test('redirects and direct responses are not limited', async () => {
  const rateLimit = await limiter('memory')
  const { filters } = resolveFilters(
    fixture,
    [{ action: 'REDIRECT' }, { action: 'DIRECT_RESPONSE' }],
    {
      factories: [rateLimit.factory],
      ownLabels,
    },
  )
  expect(filters).toEqual([[], []])
  await rateLimit.close()
})
