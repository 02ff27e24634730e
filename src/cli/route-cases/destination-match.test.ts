import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DestinationExpectation } from './case-schema.ts'
import { actualDestinations, sameDestinations } from './destination-match.ts'

const SCOPE = { namespace: 'shop', domain: 'cluster.local' }

function actualOf(...names: readonly (readonly [cluster: string, weight: number])[]) {
  return actualDestinations(
    names.map(([cluster, weight]) => ({
      cluster,
      weight,
      percent: 0,
      details: null,
      requestHeaders: null,
      responseHeaders: null,
      refusal: null,
    })),
  )
}

const V1 = ['outbound|80|v1|web.shop.svc.cluster.local', 90] as const
const V2 = ['outbound|80|v2|web.shop.svc.cluster.local', 10] as const

const ROWS: [name: string, expected: DestinationExpectation[], holds: boolean][] = [
  [
    'in any order',
    [
      { host: 'web', subset: 'v2' },
      { host: 'web', subset: 'v1' },
    ],
    true,
  ],
  [
    'a loose one makes room for a narrow one',
    [{ host: 'web' }, { host: 'web', subset: 'v1' }],
    true,
  ],
  ['one for both is not enough', [{ host: 'web' }], false],
  ['one actual does not stand for two', [{ subset: 'v1' }, { subset: 'v1' }], false],
  ['of another namespace', [{ host: 'web.other' }, { host: 'web' }], false],
  ['by whole names', [{ cluster: V1[0] }, { cluster: V2[0], weight: 10 }], true],
  ['with a wrong weight', [{ cluster: V1[0], weight: 10 }, { cluster: V2[0] }], false],
  ['with a wrong port', [{ cluster: V1[0], port: 81 }, { cluster: V2[0] }], false],
]

test.each(ROWS)('destinations fit %s', (_name, expected, holds) => {
  expect(sameDestinations(expected, actualOf(V1, V2), SCOPE)).toBe(holds)
})

test('a cluster of another shape is known by its whole name', () => {
  expect(sameDestinations([{ host: 'Odd.Name' }], actualOf(['Odd.Name', 1]), SCOPE)).toBe(true)
})

test('shuffled and loosened expectations of what is there always fit', () => {
  const subsets = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), { minLength: 1 })
  const loose = fc.infiniteStream(fc.boolean())
  fc.assert(
    fc.property(subsets, loose, (names, flags) => {
      const actual = actualOf(...names.map((one) => [`outbound|80|${one}|w.test`, 1] as const))
      const expected = names
        .toReversed()
        .map((subset): DestinationExpectation =>
          flags.next().value === true ? { host: 'w.test' } : { host: 'w.test', subset },
        )
      return sameDestinations(expected, actual, { namespace: '', domain: '' })
    }),
    { numRuns: 100 },
  )
})
