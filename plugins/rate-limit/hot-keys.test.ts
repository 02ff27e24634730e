import { expect, test } from 'vitest'
import { HotKeys } from './hot-keys.ts'
import { fixedQuota } from './limit.ts'
import { LimitCheck } from './limit-check.ts'
import { RuleStats } from './stats.ts'

const rule = new RuleStats('shop/api', 'per-client')

function met(key: string, remaining: number, over = false): LimitCheck {
  const check = new LimitCheck(key, fixedQuota(10, 60), 1, true)
  check.answer(over, remaining, 1000, 1000)
  return check
}

test('counters near or over their limit are listed, the most frequent first', () => {
  const hot = new HotKeys(10, () => 0)
  hot.note(rule, met('calm', 3))
  hot.note(rule, met('near', 2))
  hot.note(rule, met('over', 0))
  hot.note(rule, met('over', 0, true))
  const lastSeen = '1970-01-01T00:00:00.000Z'
  const labels = { policy: 'shop/api', rule: 'per-client', limit: 10, countError: 0, lastSeen }
  expect(hot.list()).toEqual([
    { ...labels, key: 'over', count: 2, over: 1, remaining: 0 },
    { ...labels, key: 'near', count: 1, over: 0, remaining: 2 },
  ])
})

test('memory is bounded, and a frequent key stays among many rare ones', () => {
  const hot = new HotKeys(8)
  for (let i = 0; i < 1000; i++) {
    hot.note(rule, met(`rare ${i}`, 0, true))
    if (i % 4 === 0) hot.note(rule, met('frequent', 0, true))
  }
  const list = hot.list()
  expect(list).toHaveLength(8)
  expect(list.map(({ key }) => key)).toContain('frequent')
  for (const { count, countError, over } of list) {
    expect(count - countError).toBeLessThanOrEqual(over)
  }
})
