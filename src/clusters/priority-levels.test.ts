import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { endpointPlan } from '../../test/support/cluster-plans.ts'
import { UpstreamCounters } from '../upstream/counters.ts'
import { Endpoint } from './endpoint.ts'
import { levelsOf, panicNote, type PriorityLevel, weighLevels } from './priority-levels.ts'

/** `[healthy, total]` of each priority. */
type Sizes = readonly (readonly [healthy: number, total: number])[]

function weighed(sizes: Sizes, minHealthPercent = 0): readonly PriorityLevel[] {
  const counters = new UpstreamCounters()
  const endpoints = sizes.flatMap(([healthy, total], priority) =>
    Array.from({ length: total }, (_, i) => {
      const endpoint = new Endpoint(
        endpointPlan(`10.0.${priority}.${i}`, 80, { priority }),
        counters,
      )
      endpoint.outlier.ejected = i >= healthy
      return endpoint
    }),
  )
  const levels = levelsOf(endpoints)
  weighLevels(levels, minHealthPercent)
  return levels
}

describe('spill-over with 1.4 times overprovisioning', () => {
  test.each<[string, Sizes, number[]]>([
    [
      'all healthy: the first level has it all',
      [
        [7, 7],
        [7, 7],
      ],
      [100, 0],
    ],
    [
      '5 of 7 still carry everything',
      [
        [5, 7],
        [7, 7],
      ],
      [100, 0],
    ],
    [
      'half of them carry 70%',
      [
        [5, 10],
        [10, 10],
      ],
      [70, 30],
    ],
    [
      '1 of 10 carries 14%',
      [
        [1, 10],
        [10, 10],
      ],
      [14, 86],
    ],
    [
      'none: the next level has it all',
      [
        [0, 3],
        [3, 3],
      ],
      [0, 100],
    ],
    [
      'three levels in turn',
      [
        [1, 4],
        [1, 4],
        [4, 4],
      ],
      [35, 35, 30],
    ],
    [
      'together below 100%: shares in proportion',
      [
        [1, 10],
        [2, 10],
      ],
      [100 / 3, 200 / 3],
    ],
    ['one level that is nearly gone keeps everything', [[1, 10]], [100]],
    [
      'nobody healthy and no panic: nothing',
      [
        [0, 3],
        [0, 3],
      ],
      [0, 0],
    ],
  ])('%s', (_what, sizes, loads) => {
    const levels = weighed(sizes)
    expect(levels).toHaveLength(loads.length)
    levels.forEach(({ load }, i) => expect(load).toBeCloseTo(loads[i]!, 6))
  })

  test('loads add up to everything as long as anybody is healthy', () => {
    const size = fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 20 }))
    fc.assert(
      fc.property(fc.array(size, { minLength: 1, maxLength: 5 }), fc.nat(100), (all, percent) => {
        const sizes = all.map(([healthy, total]) => [Math.min(healthy, total), total] as const)
        const levels = weighed(sizes, percent)
        const sum = levels.reduce((total, { load }) => total + load, 0)
        const someone = levels.some(({ endpoints }) => endpoints.some(({ available }) => available))
        expect(sum).toBeCloseTo(someone ? 100 : 0, 6)
        // Whoever gets requests has somebody to give them to.
        for (const { load, endpoints } of levels) {
          if (load > 0) expect(endpoints.some(({ available }) => available)).toBe(true)
        }
      }),
      { numRuns: 200 },
    )
  })
})

describe('panic below minHealthPercent', () => {
  test.each<[string, Sizes, number, boolean[]]>([
    ['0 is off, even when nobody is left', [[0, 3]], 0, [false]],
    ['50: half is enough', [[2, 4]], 50, [false]],
    ['50: less than half is panic', [[1, 4]], 50, [true]],
    ['100: one ejection is panic', [[9, 10]], 100, [true]],
    [
      'another level makes up for it',
      [
        [1, 4],
        [4, 4],
      ],
      50,
      [false, false],
    ],
    [
      'the others do not make up for it',
      [
        [1, 10],
        [2, 4],
      ],
      50,
      [true, false],
    ],
    [
      'everywhere',
      [
        [1, 4],
        [1, 4],
      ],
      50,
      [true, true],
    ],
  ])('%s', (_what, sizes, percent, panics) => {
    const levels = weighed(sizes, percent)
    expect(levels.map(({ panic }) => panic)).toEqual(panics)
    for (const { panic, endpoints } of levels) {
      for (const endpoint of endpoints) {
        expect(endpoint.available).toBe(panic || !endpoint.outlier.ejected)
      }
    }
  })

  test('the log says which level it is, where there are several', () => {
    expect(panicNote(weighed([[1, 4]], 50))).toBe('')
    const levels = weighed(
      [
        [1, 10],
        [2, 4],
      ],
      50,
    )
    expect(panicNote(levels)).toBe(' (1 of 10 of priority 0)')
  })

  test('when every level panics, requests follow their sizes', () => {
    expect(
      weighed(
        [
          [0, 1],
          [0, 3],
        ],
        50,
      ).map(({ load }) => load),
    ).toEqual([25, 75])
  })
})
