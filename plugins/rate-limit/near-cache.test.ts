import fc from 'fast-check'
import { expect, test } from 'vitest'
import { GCRA, LimitCheck, type Quota } from './limit-check.ts'
import { GcraCounter } from './gcra.ts'
import { NearCache } from './near-cache.ts'

const quota: Quota = { algorithm: GCRA, limit: 3, periodMs: 1000, burst: 3 }
const check = (key = 'k', cost = 1, of = quota): LimitCheck => new LimitCheck(key, of, cost, true)

test('a denial holds until its time, and tells what is left to wait', () => {
  const near = new NearCache()
  near.deny(check(), 0, 100, 51, 300)
  const asked = check()
  expect(near.answer(asked, 110)).toBe(true)
  expect(asked).toMatchObject({ over: true, remaining: 0, retryMs: 40, resetMs: 290 })
  expect(near.answer(check(), 149)).toBe(true)
  expect(near.answer(check(), 150)).toBe(false)
  expect(near.size).toBe(0)
})

test('a long denial is asked about again', () => {
  const near = new NearCache(5000)
  near.deny(check(), 0, 0, 1_000_000, 1_000_000)
  expect(near.answer(check(), 4999)).toBe(true)
  expect(near.answer(check(), 5000)).toBe(false)
})

test('cheaper requests, other quotas, shadow limits and peeks are not denied by it', () => {
  const near = new NearCache()
  near.deny(check('k', 2), 1, 0, 1000, 1000)
  expect(near.answer(check('k', 1), 1)).toBe(false)
  expect(near.answer(check('k', 3), 1)).toBe(true)
  expect(near.answer(check('k', 2, { ...quota, limit: 4 }), 1)).toBe(false)
  expect(near.answer(new LimitCheck('k', quota, 2, false), 1)).toBe(false)
  expect(near.answer(check('k', 0), 1)).toBe(false)
  near.clear()
  expect(near.answer(check('k', 2), 1)).toBe(false)
})

test('memory is bounded: the oldest denial makes room', () => {
  const near = new NearCache(5000, 2)
  for (const key of ['a', 'b', 'c']) near.deny(check(key), 0, 0, 1000, 1000)
  expect(near.size).toBe(2)
  expect(['a', 'b', 'c'].map((key) => near.answer(check(key), 1))).toEqual([false, true, true])
})

test('it never denies what the counter itself would admit', () => {
  const step = fc.record({ afterMs: fc.nat(400), cost: fc.integer({ min: 1, max: 3 }) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const near = new NearCache()
      const counter = new GcraCounter()
      let now = 1_000_000
      for (const { afterMs, cost } of steps) {
        now += afterMs
        const truth = check('k', cost)
        counter.look(truth, now * 1000)
        if (near.answer(check('k', cost), now)) expect(truth.over).toBe(true)
        else if (truth.over) near.deny(truth, truth.remaining, now, truth.retryMs, truth.resetMs)
        else counter.charge(truth, now * 1000)
      }
    }),
    { numRuns: 200 },
  )
})
