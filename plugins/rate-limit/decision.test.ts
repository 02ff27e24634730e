import { expect, test } from 'vitest'
import { decide } from './decision.ts'
import type { Limit } from './limit.ts'

const BASE: Limit = {
  requestsPerUnit: 10,
  windowSeconds: 60,
  unlimited: false,
  name: '',
  replaces: [],
  shadowMode: false,
  quotaMode: false,
}

function outcome(
  ...counted: readonly (readonly [Partial<Limit>, count: number])[]
): ReturnType<typeof decide> {
  return decide(
    counted.map(([limit]) => ({ ...BASE, ...limit })),
    {
      keys: [],
      windows: [],
      hits: [],
      timeoutMs: 20,
      counts: counted.map(([, count]) => count),
      nowSeconds: 125,
      counted: () => {},
      failed: () => {},
    },
  )
}

const over = { requestsPerUnit: 1 }

test.each([
  ['exactly at the limit is allowed', [[{}, 10]], false],
  ['one beyond is not', [[{}, 11]], true],
  ['a limit of 0 bans', [[{ requestsPerUnit: 0 }, 1]], true],
  [
    'any limit denies',
    [
      [{}, 1],
      [over, 2],
    ],
    true,
  ],
  ['a shadow limit never denies', [[{ ...over, shadowMode: true }, 5]], false],
  ['a quota alone denies', [[{ ...over, quotaMode: true }, 5]], true],
  [
    'a quota with room left keeps another from denying',
    [
      [{ ...over, quotaMode: true }, 5],
      [{ quotaMode: true }, 1],
    ],
    false,
  ],
  [
    'all quotas used up deny',
    [
      [{ ...over, quotaMode: true }, 5],
      [{ ...over, quotaMode: true }, 2],
    ],
    true,
  ],
  [
    'an ordinary limit denies whatever the quotas say',
    [
      [{ quotaMode: true }, 1],
      [over, 2],
    ],
    true,
  ],
] satisfies [string, [Partial<Limit>, number][], boolean][])('%s', (_name, counted, denied) => {
  expect(outcome(...counted).overLimit).toBe(denied)
})

test('the tightest limit is the one with the least left, the first on ties', () => {
  expect(outcome([{}, 3], [{ requestsPerUnit: 5 }, 2], [{ requestsPerUnit: 4 }, 1])).toMatchObject({
    tightest: 1,
    remaining: 3,
    resetSeconds: 55,
  })
  expect(outcome([over, 9], [{}, 2]).remaining).toBe(0)
})

test('the wait is the longest of the limits that deny', () => {
  const shadow = { ...over, shadowMode: true, windowSeconds: 86_400 }
  const decision = outcome([over, 2], [{ ...over, windowSeconds: 3600 }, 2], [shadow, 2], [{}, 1])
  expect(decision.retryAfterSeconds).toBe(3475)
})
