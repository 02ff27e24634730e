import { describe, expect, test } from 'vitest'
import { OUTLIER, endpointPlan } from '../../test/support/cluster-plans.ts'
import { UpstreamCounters } from '../upstream/counters.ts'
import type { FailureType } from '../upstream/failure.ts'
import { failure } from '../upstream/failures.ts'
import type { ClusterEvent } from './description.ts'
import { Endpoint } from './endpoint.ts'
import { OutlierDetection } from './outlier-detection.ts'
import type { OutlierPlan } from './plan.ts'

/** A cluster of `count` endpoints under a clock that the test moves. */
class Bench {
  readonly name = 'outbound|80||web'
  readonly counters = new UpstreamCounters()
  readonly endpoints: Endpoint[]
  readonly events: ClusterEvent[] = []
  readonly detection: OutlierDetection
  nowMs = 0
  healthChanges = 0

  constructor(count: number, plan: Partial<OutlierPlan> = {}) {
    this.detection = new OutlierDetection({ ...OUTLIER, ...plan }, this, () => this.nowMs)
    this.endpoints = Array.from({ length: count }, (_, i) => {
      const endpoint = new Endpoint(endpointPlan(`10.0.0.${i + 1}`, 80), this.counters)
      endpoint.outlierListener = this.detection
      return endpoint
    })
  }

  onHealthChange(): void {
    this.healthChanges++
  }

  log(event: ClusterEvent): void {
    this.events.push(event)
  }

  statuses(index: number, ...statuses: readonly number[]): void {
    for (const status of statuses) this.endpoints[index]!.onAttemptStatus(status)
  }

  failures(index: number, ...types: readonly FailureType[]): void {
    for (const type of types) this.endpoints[index]!.onAttemptFailure(failure(type))
  }

  /** Moves the clock by one interval and sweeps, `times` times. */
  sweeps(times: number): void {
    for (let i = 0; i < times; i++) {
      this.nowMs += 10_000
      this.detection.sweep()
    }
  }

  get ejected(): readonly number[] {
    return this.endpoints.flatMap(({ outlier }, i) => (outlier.ejected ? [i] : []))
  }
}

function times<T>(count: number, value: T): readonly T[] {
  return Array.from({ length: count }, () => value)
}

describe('what ejects', () => {
  const gateway = { consecutive5xx: 0, consecutiveGatewayErrors: 3 }

  test.each<[string, Partial<OutlierPlan>, readonly number[], boolean]>([
    ['5 consecutive 500s', {}, times(5, 500), true],
    ['4 consecutive 500s', {}, times(4, 500), false],
    ['500s with an answer between', {}, [500, 500, 500, 500, 404, 500], false],
    ['different 5xx in a row', {}, [500, 502, 503, 504, 599], true],
    [
      '7 gateway errors of 7',
      { consecutive5xx: 0, consecutiveGatewayErrors: 7 },
      times(7, 503),
      true,
    ],
    [
      '6 gateway errors of 7',
      { consecutive5xx: 0, consecutiveGatewayErrors: 7 },
      times(6, 503),
      false,
    ],
    ['502, 503 and 504', gateway, [502, 503, 504], true],
    ['500 between gateway errors', gateway, [502, 503, 500, 504], false],
    ['501 is no gateway error', gateway, times(9, 501), false],
    ['5xx while only gateway errors count', gateway, times(9, 500), false],
    ['both thresholds: the lower one', { consecutiveGatewayErrors: 2 }, [503, 503], true],
    ['thresholds of 0 are off', { consecutive5xx: 0 }, times(99, 503), false],
  ])('%s', (_what, plan, statuses, ejects) => {
    const bench = new Bench(3, plan)
    bench.statuses(0, ...statuses)
    expect(bench.ejected).toEqual(ejects ? [0] : [])
  })

  test.each<[string, Partial<OutlierPlan>, readonly FailureType[], boolean]>([
    ['connect failures count as 503', {}, times(5, 'connect-refused'), true],
    ['connect failures are gateway errors', gateway, times(3, 'connect-timeout'), true],
    ['resets count as 503', gateway, times(3, 'reset-before-headers'), true],
    ['timeouts count as 504', gateway, times(3, 'timeout'), true],
    ['overflow does not count', {}, times(99, 'overflow'), false],
    [
      'split: local failures do not count as 5xx',
      { splitLocalOrigin: true, consecutiveLocalOriginFailures: 0 },
      times(99, 'connect-refused'),
      false,
    ],
    [
      'split: local failures have their own threshold',
      { splitLocalOrigin: true, consecutiveLocalOriginFailures: 2 },
      times(2, 'connect-refused'),
      true,
    ],
  ])('%s', (_what, plan, types, ejects) => {
    const bench = new Bench(3, plan)
    bench.failures(0, ...types)
    expect(bench.ejected).toEqual(ejects ? [0] : [])
  })

  describe('outlierDetectionHttpErrorCodes', () => {
    const codes = { errorCodes: [429, 503] }

    test.each<[string, Partial<OutlierPlan>, readonly number[], boolean]>([
      ['statuses of the list are errors', codes, times(5, 429), true],
      ['no other 5xx is', codes, times(9, 500), false],
      ['another 5xx ends the row', codes, [429, 429, 500, 429, 429, 429], false],
      ['gateway errors of the list are', { ...codes, ...gateway }, times(3, 503), true],
      ['gateway errors not of the list are not', { ...codes, ...gateway }, times(3, 502), false],
    ])('%s', (_what, plan, statuses, ejects) => {
      const bench = new Bench(3, plan)
      bench.statuses(0, ...statuses)
      expect(bench.ejected).toEqual(ejects ? [0] : [])
    })

    test('failed connects are errors whatever the list', () => {
      const bench = new Bench(3, { errorCodes: [429] })
      bench.failures(0, ...times(5, 'connect-refused' as const))
      expect(bench.ejected).toEqual([0])
    })
  })

  test('split: an answer resets the local origin counter', () => {
    const bench = new Bench(3, { splitLocalOrigin: true, consecutiveLocalOriginFailures: 3 })
    bench.failures(0, 'connect-refused', 'connect-refused')
    bench.statuses(0, 200)
    bench.failures(0, 'connect-refused', 'connect-refused')
    expect(bench.ejected).toEqual([])
  })

  test('errors add up over any time: the interval is no window', () => {
    const bench = new Bench(3)
    bench.statuses(0, 500, 500, 500, 500)
    bench.sweeps(50)
    bench.statuses(0, 500)
    expect(bench.ejected).toEqual([0])
  })
})

describe('how many may be ejected', () => {
  test.each<[string, number, Partial<OutlierPlan>, number]>([
    ['10% of 10 is one', 10, { maxEjectionPercent: 10, alwaysEjectOne: false }, 1],
    ['10% of 9 is none', 9, { maxEjectionPercent: 10, alwaysEjectOne: false }, 0],
    ['10% of 9, but one is always allowed', 9, { maxEjectionPercent: 10 }, 1],
    ['one is always allowed only where another is left', 1, { maxEjectionPercent: 10 }, 0],
    ['50% of 5 is two', 5, { maxEjectionPercent: 50 }, 2],
    ['100% is all', 4, { maxEjectionPercent: 100 }, 4],
    ['0% and no exception is none', 4, { maxEjectionPercent: 0, alwaysEjectOne: false }, 0],
  ])('%s', (_what, count, plan, expected) => {
    const bench = new Bench(count, plan)
    for (let i = 0; i < count; i++) bench.statuses(i, ...times(5, 500))
    expect(bench.ejected).toHaveLength(expected)
    expect(bench.counters.ejectionsActive).toBe(expected)
    expect(bench.counters.ejectionsOverflow).toBe(count - expected)
  })
})

describe('how long an ejection lasts', () => {
  test('baseEjectionTime, to the sweep after it', () => {
    const bench = new Bench(2)
    bench.statuses(0, ...times(5, 500))
    bench.sweeps(2)
    expect(bench.ejected).toEqual([0])
    bench.sweeps(1)
    expect(bench.ejected).toEqual([])
    expect(bench.counters.ejectionsActive).toBe(0)
    expect(bench.healthChanges).toBe(2)
  })

  test('grows by the base with each ejection, to 300 s', () => {
    const bench = new Bench(2)
    const lengths: number[] = []
    for (let i = 0; i < 12; i++) {
      bench.statuses(0, ...times(5, 500))
      lengths.push(bench.endpoints[0]!.outlier.ejectedForMs / 1_000)
      bench.sweeps(lengths.at(-1)! / 10)
      expect(bench.ejected).toEqual([])
    }
    expect(lengths).toEqual([30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300])
  })

  test('a base above 300 s is its own cap', () => {
    const bench = new Bench(2, { baseEjectionTimeMs: 900_000 })
    bench.statuses(0, ...times(5, 500))
    bench.sweeps(90)
    bench.statuses(0, ...times(5, 500))
    expect(bench.endpoints[0]!.outlier.ejectedForMs).toBe(900_000)
  })

  test('each sweep without an ejection takes one back', () => {
    const bench = new Bench(2)
    bench.statuses(0, ...times(5, 500))
    bench.sweeps(3)
    bench.statuses(0, ...times(5, 500))
    expect(bench.endpoints[0]!.outlier.ejectedForMs).toBe(60_000)
    bench.sweeps(6)
    expect(bench.ejected).toEqual([])
    bench.sweeps(1)
    bench.statuses(0, ...times(5, 500))
    expect(bench.endpoints[0]!.outlier.ejectedForMs).toBe(60_000)
    bench.sweeps(6 + 9)
    bench.statuses(0, ...times(5, 500))
    expect(bench.endpoints[0]!.outlier.ejectedForMs).toBe(30_000)
  })

  test('the counters begin anew after the return', () => {
    const bench = new Bench(2)
    bench.statuses(0, ...times(9, 500))
    bench.sweeps(3)
    bench.statuses(0, ...times(4, 500))
    expect(bench.ejected).toEqual([])
  })

  test('switching it off brings everybody back', () => {
    const bench = new Bench(3)
    bench.statuses(1, ...times(5, 500))
    bench.detection.stop()
    expect(bench.ejected).toEqual([])
    expect(bench.counters.ejectionsActive).toBe(0)
  })
})

test('every decision is logged with its arithmetic', () => {
  const bench = new Bench(3, { maxEjectionPercent: 10 })
  bench.statuses(0, ...times(5, 500))
  bench.statuses(1, ...times(5, 500))
  bench.sweeps(3)
  expect(
    bench.events.map(({ type, endpoint, message }) => `${type} ${endpoint}: ${message}`),
  ).toEqual([
    'ejected 10.0.0.1:80: 5 consecutive 5xx, 1 of 3 endpoints = 33% > maxEjectionPercent 10, one is always allowed; back in 30000 ms = min(30000 x 1, 300000)',
    'ejection-refused 10.0.0.2:80: 5 consecutive 5xx, not ejected: 2 of 3 endpoints = 67% > maxEjectionPercent 10',
    'returned 10.0.0.1:80: takes requests again after 30000 ms',
  ])
})
