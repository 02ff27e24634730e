import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cumulativeWeights, pickWeighted } from './weighted-pick.ts'

test.each([
  { weights: [5], random: 0, index: 0 },
  { weights: [0], random: 0.5, index: 0 },
  { weights: [1, 1], random: 0.499999, index: 0 },
  { weights: [1, 1], random: 0.5, index: 1 },
  { weights: [0, 1], random: 0, index: 1 },
  { weights: [90, 0, 10], random: 0.9, index: 2 },
  { weights: [90, 0, 10], random: 0.8999, index: 0 },
  { weights: [1, 3, 1], random: 0.999999999, index: 2 },
])('weights $weights at $random give entry $index', ({ weights, random, index }) => {
  expect(pickWeighted(cumulativeWeights(weights), random)).toBe(index)
})

test('running sums end in the total', () => {
  expect(cumulativeWeights([1, 3, 1])).toEqual([1, 4, 5])
  expect(cumulativeWeights([])).toEqual([])
})

const weightLists = fc
  .array(fc.nat({ max: 200 }), { minLength: 1, maxLength: 12 })
  .filter((weights) => weights.some((weight) => weight > 0))

test('equals subtracting weights one after the other', () => {
  const points = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  fc.assert(
    fc.property(weightLists, points, (weights, random) => {
      let left = random * weights.reduce((sum, weight) => sum + weight, 0)
      // Integer weights below 2^53: the subtraction loses nothing that a share would notice.
      let expected = 0
      for (; expected < weights.length - 1; expected++) {
        if (left < weights[expected]!) break
        left -= weights[expected]!
      }
      const picked = pickWeighted(cumulativeWeights(weights), random)
      const near = Math.abs(left) < 1e-9
      if (!near) expect(picked).toBe(expected)
    }),
  )
})

test('evenly spread points give every entry its exact share and none to weight 0', () => {
  fc.assert(
    fc.property(weightLists, (weights) => {
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      const cumulative = cumulativeWeights(weights)
      const counts = weights.map(() => 0)
      for (let i = 0; i < total; i++) counts[pickWeighted(cumulative, (i + 0.5) / total)]!++
      expect(counts).toEqual(weights)
    }),
    { numRuns: 50 },
  )
})
