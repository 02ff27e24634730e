import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { xxh32 } from './hash.ts'
import { pickRendezvous } from './rendezvous.ts'

const KEYS = Array.from({ length: 20_000 }, (_, i) => xxh32(`user-${i}`))
const seedsOf = (count: number): number[] =>
  Array.from({ length: count }, (_, i) => xxh32(`outbound|80|v${i}|app.default.svc.cluster.local`))

/** Owner of every key. */
function owners(weights: readonly number[]): number[] {
  const seeds = seedsOf(weights.length)
  return KEYS.map((key) => pickRendezvous(key, seeds, weights))
}

function shares(owned: readonly number[], count: number): number[] {
  const counts = Array.from({ length: count }, () => 0)
  for (const owner of owned) counts[owner]!++
  return counts.map((one) => one / owned.length)
}

/** Five standard deviations of a share among the keys. */
function noise(share: number): number {
  return 5 * Math.sqrt((share * (1 - share)) / KEYS.length) + 1 / KEYS.length
}

const weightLists = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 2, maxLength: 5 })

describe('weighted rendezvous', () => {
  test('shares are those of the weights', () => {
    fc.assert(
      fc.property(weightLists, (weights) => {
        const total = weights.reduce((sum, weight) => sum + weight, 0)
        const found = shares(owners(weights), weights.length)
        weights.forEach((weight, i) => {
          const wanted = weight / total
          expect(Math.abs(found[i]! - wanted)).toBeLessThanOrEqual(noise(wanted))
        })
      }),
      { numRuns: 20 },
    )
  })

  test('a key moves only to a candidate that grew in relation to the one it leaves', () => {
    const pairs = fc
      .integer({ min: 2, max: 5 })
      .chain((count) =>
        fc.tuple(
          fc.array(fc.integer({ min: 1, max: 100 }), { minLength: count, maxLength: count }),
          fc.array(fc.integer({ min: 1, max: 100 }), { minLength: count, maxLength: count }),
        ),
      )
    fc.assert(
      fc.property(pairs, ([before, after]) => {
        const was = owners(before)
        const is = owners(after)
        const wrong = was.filter((from, i) => {
          const to = is[i]!
          return from !== to && after[to]! * before[from]! <= after[from]! * before[to]!
        })
        expect(wrong).toEqual([])
      }),
      { numRuns: 20 },
    )
  })

  test('as the second of two grows, users go over to it and never back, no more than needed', () => {
    let was = owners([99, 1])
    for (let second = 5; second <= 95; second += 5) {
      const is = owners([100 - second, second])
      const moved = is.filter((owner, i) => owner !== was[i]).length / KEYS.length
      expect(is.some((owner, i) => owner === 0 && was[i] === 1)).toBe(false)
      const step = second === 5 ? 0.04 : 0.05
      expect(Math.abs(moved - step)).toBeLessThanOrEqual(noise(step))
      was = is
    }
  })

  test('a third candidate takes its share from the others, who exchange nothing', () => {
    const was = owners([60, 40])
    const is = owners([54, 36, 10])
    expect(is.every((owner, i) => owner === was[i] || owner === 2)).toBe(true)
  })

  test('the order of the candidates does not matter', () => {
    const [a, b, c] = seedsOf(3) as [number, number, number]
    for (const key of KEYS.slice(0, 1_000)) {
      const one = pickRendezvous(key, [a, b, c], [1, 2, 3])
      expect(pickRendezvous(key, [c, a, b], [3, 1, 2])).toBe((one + 1) % 3)
    }
  })

  test('the largest and smallest hash are owned too', () => {
    for (const key of [0, 0xffffffff]) {
      expect(pickRendezvous(key, [0], [1])).toBe(0)
      expect([0, 1]).toContain(pickRendezvous(key, [0, 0xffffffff], [1, 1e-9]))
    }
  })
})
