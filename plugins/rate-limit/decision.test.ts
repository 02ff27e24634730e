import { expect, test } from 'vitest'
import { decide } from './decision.ts'
import { fixedQuota, type Limit } from './limit.ts'
import { LimitCheck } from './limit-check.ts'

const BASE: Limit = {
  quota: fixedQuota(10, 60),
  unlimited: false,
  path: 'a',
  line: null,
  name: '',
  replaces: [],
  shadowMode: false,
  quotaMode: false,
}

const NOW_MS = 125_000

function outcome(
  ...counted: readonly (readonly [Partial<Limit>, count: number])[]
): ReturnType<typeof decide> {
  const limits = counted.map(([limit]) => ({ ...BASE, ...limit }))
  const checks = limits.map(({ quota }, index) => {
    const check = new LimitCheck('key', quota, 1, true)
    const count = counted[index]![1]
    const left = quota.periodMs - (NOW_MS % quota.periodMs)
    check.answer(count > quota.limit, quota.limit - count, left, left)
    return check
  })
  return decide(limits, checks)
}

const over = { quota: fixedQuota(1, 60) }

test.each([
  ['exactly at the limit is allowed', [[{}, 10]], false],
  ['one beyond is not', [[{}, 11]], true],
  ['a limit of 0 bans', [[{ quota: fixedQuota(0, 60) }, 1]], true],
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
  expect(
    outcome([{}, 3], [{ quota: fixedQuota(5, 60) }, 2], [{ quota: fixedQuota(4, 60) }, 1]),
  ).toMatchObject({
    tightest: 1,
    remaining: 3,
    resetSeconds: 55,
  })
  expect(outcome([over, 9], [{}, 2]).remaining).toBe(0)
})

test('the wait is the longest of the limits that deny', () => {
  const shadow = { quota: fixedQuota(1, 86_400), shadowMode: true }
  const decision = outcome([over, 2], [{ quota: fixedQuota(1, 3600) }, 2], [shadow, 2], [{}, 1])
  expect(decision.retryAfterSeconds).toBe(3475)
})
