import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EACH } from './counter-store.ts'
import { fixedQuota } from './limit.ts'
import { LimitCheck } from './limit-check.ts'
import { MemoryStore } from './memory-store.ts'

const MANY = 1_000_000

/** The counter after `hits` more. */
function count(store: MemoryStore, key: string, window: number, hits = 1): number {
  const check = new LimitCheck(key, fixedQuota(MANY, window), hits, true)
  const never = (): void => expect.unreachable()
  store.count({ checks: [check], charge: EACH, timeoutMs: 20, counted: never, failed: never })
  return MANY - check.remaining
}

test('windows are aligned to the epoch and end for all keys together', () => {
  let now = 59_999
  const store = new MemoryStore(() => now)
  expect([count(store, 'a', 60), count(store, 'a', 60), count(store, 'b', 60)]).toEqual([1, 2, 1])
  now = 60_000
  expect([count(store, 'a', 60), count(store, 'b', 60)]).toEqual([1, 1])
  expect(store.status().size).toBe(2)
})

test('windows of different length count apart', () => {
  let now = 59_000
  const store = new MemoryStore(() => now)
  count(store, 'a', 1)
  count(store, 'a', 60)
  now = 59_900
  expect([count(store, 'a', 1), count(store, 'a', 60)]).toEqual([2, 2])
  now = 60_000
  expect(count(store, 'a', 3600)).toBe(1)
  expect(count(store, 'a', 1)).toBe(1)
})

test('a hit of zero reads', () => {
  const store = new MemoryStore(() => 0)
  count(store, 'a', 60, 3)
  expect(count(store, 'a', 60, 0)).toBe(3)
})

test('a clock set back a little goes on counting, set back far starts again', () => {
  let now = 120_000
  const store = new MemoryStore(() => now)
  count(store, 'a', 60)
  now = 119_000
  expect(count(store, 'a', 60)).toBe(2)
  now = 10_000
  expect(count(store, 'a', 60)).toBe(1)
})

test('memory is bounded: the oldest counter makes room and that is counted', () => {
  const store = new MemoryStore(() => 0, 3)
  for (const key of ['a', 'b', 'c', 'a', 'd']) count(store, key, 60)
  expect(store.status()).toMatchObject({ size: 3, evicted: 1 })
  expect(count(store, 'b', 60)).toBe(2)
  expect(count(store, 'a', 60)).toBe(1)
})

test('no window ever admits more than its limit', () => {
  const step = fc.record({
    advanceMs: fc.nat(30_000),
    key: fc.constantFrom('a', 'b', 'c'),
    hits: fc.integer({ min: 1, max: 3 }),
  })
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 200 }),
      fc.constantFrom(1, 60, 3600),
      fc.integer({ min: 0, max: 10 }),
      (steps, window, limit) => {
        let now = 1_700_000_000_000
        const store = new MemoryStore(() => now)
        const admitted = new Map<string, number>()
        const asked = new Map<string, number>()
        for (const { advanceMs, key, hits } of steps) {
          now += advanceMs
          const id = `${key} ${Math.floor(now / 1000 / window)}`
          const total = (asked.get(id) ?? 0) + hits
          asked.set(id, total)
          const after = count(store, key, window, hits)
          expect(after).toBe(total)
          if (after <= limit) admitted.set(id, (admitted.get(id) ?? 0) + hits)
        }
        for (const total of admitted.values()) expect(total).toBeLessThanOrEqual(limit)
      },
    ),
    { numRuns: 200 },
  )
})

test('window lengths that are no longer asked for do not stay for ever', () => {
  let now = 0
  const store = new MemoryStore(() => now)
  for (let window = 1; window <= 64; window++) count(store, 'a', window)
  expect(store.status().size).toBe(64)
  now = 1_000_000
  count(store, 'a', 1)
  count(store, 'a', 65)
  expect(store.status().size).toBe(2)
})
