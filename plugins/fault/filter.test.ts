import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Random } from '../../src/base/random.ts'
import type { Filter, FilterSettings, RouteKind } from '../../src/filters/filter.ts'
import { RecordedExchange } from '../../test/support/filter-exchange.ts'
import { seededRandom } from '../../test/support/seeded-random.ts'
import type { FaultSetting } from './config.ts'
import { MAX_DELAYED } from './filter.ts'
import { FaultFactory } from './index.ts'

const ALL = { value: 100 }

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount(), 'timers left behind').toBe(0)
  vi.useRealTimers()
})

function settings(fault: FaultSetting, action: RouteKind = 'ROUTE'): FilterSettings {
  const origin = { kind: '', namespace: '', name: '', path: [], file: null, line: null }
  return {
    listener: { value: { ...fault }, origin },
    virtualHost: [],
    route: [],
    filterName: 'envoy.filters.http.fault',
    virtualHostName: 'a.com:80',
    routeName: '',
    action,
  }
}

interface Compiled {
  readonly factory: FaultFactory
  readonly filter: Filter
}

function compile(fault: FaultSetting, random?: Random): Compiled {
  const factory = new FaultFactory(random)
  const filter = factory.compile(settings(fault))
  if (filter === null) throw new Error('the fault does nothing')
  return { factory, filter }
}

/** The numbers that are drawn, in order. */
function draws(...numbers: number[]): Random {
  return () => numbers.shift() ?? 1
}

describe('nothing is compiled', () => {
  test.each<[string, FaultSetting, RouteKind?]>([
    ['for a delay without percentage', { delay: { fixedDelay: '1s' } }],
    ['for an abort without percentage', { abort: { httpStatus: 500 } }],
    ['for an abort of 0 %', { abort: { httpStatus: 500, percentage: { value: 0 } } }],
    ['for an empty percentage', { delay: { fixedDelay: '1s', percentage: {} } }],
    [
      'for a percentage that hides percent',
      { delay: { fixedDelay: '1s', percentage: {}, percent: 100 } },
    ],
    ['for a redirect', { abort: { httpStatus: 500, percentage: ALL } }, 'REDIRECT'],
    ['for a direct response', { abort: { httpStatus: 500, percentage: ALL } }, 'DIRECT_RESPONSE'],
  ])('%s', (_name, fault, action) => {
    expect(new FaultFactory().compile(settings(fault, action))).toBeNull()
  })
})

describe('an abort', () => {
  test('answers with its status, body, flag and details, and is counted', async () => {
    const { filter, factory } = compile({ abort: { httpStatus: 418, percentage: ALL } })
    const exchange = new RecordedExchange()
    expect(await exchange.run(filter)).toEqual({
      status: 418,
      headers: {},
      flag: 'FI',
      details: 'fault_filter_abort',
      synchronous: true,
    })
    expect(exchange.body).toBe('fault filter abort')
    expect(factory.stats).toMatchObject({ abortsInjected: 1, delaysInjected: 0, delayed: 0 })
  })

  test('with grpcStatus is 200 with the code of that name', async () => {
    const { filter } = compile({ abort: { grpcStatus: 'UNAVAILABLE', percentage: ALL } })
    const outcome = await new RecordedExchange().run(filter)
    expect(outcome).toMatchObject({ status: 200, headers: { 'grpc-status': '14' }, flag: 'FI' })
  })

  test('of a share leaves the others alone', async () => {
    const fault = { abort: { httpStatus: 500, percentage: { value: 0.5 } } }
    const { filter } = compile(fault, draws(0.0049, 0.005))
    expect((await new RecordedExchange().run(filter)).status).toBe(500)
    expect((await new RecordedExchange().run(filter)).status).toBe(200)
  })
})

describe('a delay', () => {
  test('lets the request go on when its time is over, not before', async () => {
    const { filter, factory } = compile({ delay: { fixedDelay: '7s', percentage: ALL } })
    const exchange = new RecordedExchange()
    const done = exchange.run(filter)
    expect(exchange.flags).toEqual(['DI'])
    vi.advanceTimersByTime(6999)
    expect(exchange.settled).toBe(0)
    expect(factory.stats.delayed).toBe(1)
    vi.advanceTimersByTime(1)
    expect(await done).toMatchObject({ status: 200, synchronous: false })
    expect(exchange.settled).toBe(1)
    expect(factory.stats).toMatchObject({ delaysInjected: 1, delayed: 0, abortsInjected: 0 })
  })

  test('goes by percent where there is no percentage', () => {
    const { filter } = compile({ delay: { fixedDelay: '1s', percent: 30 } }, draws(0.29, 0.3))
    const [first, second] = [new RecordedExchange(), new RecordedExchange()]
    void first.run(filter)
    void second.run(filter)
    expect([first.flags, second.flags]).toEqual([['DI'], []])
    vi.runAllTimers()
  })

  test('ends at once with its client: no timer, no count, no second end', () => {
    const fault = {
      delay: { fixedDelay: '1h', percentage: ALL },
      abort: { httpStatus: 500, percentage: ALL },
    }
    const { filter, factory } = compile(fault)
    const exchange = new RecordedExchange()
    void exchange.run(filter)
    exchange.leave()
    expect(vi.getTimerCount()).toBe(0)
    expect(factory.stats).toMatchObject({ delayed: 0, delaysInjected: 1, abortsInjected: 0 })
    expect(exchange.settled).toBe(0)
  })

  test('longer than a timer can wait is cut to what it can', () => {
    const { filter } = compile({ delay: { fixedDelay: '1000h', percentage: ALL } })
    const exchange = new RecordedExchange()
    void exchange.run(filter)
    vi.advanceTimersByTime(2 ** 31 - 2)
    expect(exchange.settled).toBe(0)
    vi.advanceTimersByTime(1)
    expect(exchange.settled).toBe(1)
  })

  test('of a fraction of a millisecond waits a whole one', () => {
    const { filter } = compile({ delay: { fixedDelay: '1.2ms', percentage: ALL } })
    const exchange = new RecordedExchange()
    void exchange.run(filter)
    vi.advanceTimersByTime(1)
    expect(exchange.settled).toBe(0)
    vi.advanceTimersByTime(1)
    expect(exchange.settled).toBe(1)
  })

  test('is left out above the bound, and that is counted', async () => {
    const { filter, factory } = compile({ delay: { fixedDelay: '1s', percentage: ALL } })
    factory.stats.delayed = MAX_DELAYED
    const exchange = new RecordedExchange()
    expect(await exchange.run(filter)).toMatchObject({ status: 200, synchronous: true })
    expect(exchange.flags).toEqual([])
    expect(factory.stats).toMatchObject({ overflows: 1, delaysInjected: 0, delayed: MAX_DELAYED })
  })
})

describe('a delay and an abort', () => {
  const both: FaultSetting = {
    abort: { httpStatus: 400, percentage: { value: 30 } },
    delay: { fixedDelay: '1s', percentage: { value: 30 } },
  }

  test('the delay comes first, then the abort, whatever is written first', async () => {
    const { filter } = compile(both, draws(0, 0))
    const exchange = new RecordedExchange()
    const done = exchange.run(filter)
    vi.advanceTimersByTime(999)
    expect(exchange.settled).toBe(0)
    vi.advanceTimersByTime(1)
    expect(await done).toMatchObject({ status: 400, flag: 'FI', synchronous: false })
    expect(exchange.flags).toEqual(['DI'])
    expect(exchange.settled).toBe(1)
  })

  test('are independent: 30 % of each, 9 % of both', async () => {
    const { filter, factory } = compile(both, seededRandom(7))
    const exchanges = Array.from({ length: 2000 }, () => new RecordedExchange())
    const runs = exchanges.map((exchange) => exchange.run(filter))
    vi.runAllTimers()
    const aborted = (await Promise.all(runs)).map(({ status }) => status === 400)
    const delayed = exchanges.map(({ flags }) => flags.length > 0)
    const twice = aborted.filter((isAborted, index) => isAborted && delayed[index])
    expect(factory.stats.abortsInjected / 2000).toBeCloseTo(0.3, 1)
    expect(factory.stats.delaysInjected / 2000).toBeCloseTo(0.3, 1)
    expect(Math.abs(twice.length / 2000 - 0.09)).toBeLessThan(0.03)
    expect(factory.stats.delayed).toBe(0)
  })
})

test('describes itself for people', () => {
  const { filter } = compile({
    delay: { fixedDelay: '2s', percentage: { value: 0.1 } },
    abort: { grpcStatus: 'INTERNAL', percentage: ALL },
  })
  expect(filter.describe?.()).toEqual({
    delay: { delayMs: 2000, percent: 0.1 },
    abort: { httpStatus: 200, grpcStatus: 13, percent: 100 },
  })
})
