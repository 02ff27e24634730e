import { describe, expect, test } from 'vitest'
import { endpointPlan, TestContext } from '../../../test/support/cluster-plans.ts'
import { seededRandom } from '../../../test/support/seeded-random.ts'
import { UpstreamCounters } from '../../upstream/counters.ts'
import { Endpoint } from '../endpoint.ts'
import type { EndpointPlan, HashKeyPlan, LoadBalancerPlan } from '../plan.ts'
import { levelsOf, weighLevels } from '../priority-levels.ts'
import { createPicker, type Picker, pickUntried } from './picker.ts'

const BY_HEADER: HashKeyPlan = { from: 'header', name: 'user' }
const POLICIES: readonly LoadBalancerPlan[] = [
  { policy: 'least-request' },
  { policy: 'round-robin' },
  { policy: 'random' },
  { policy: 'ring-hash', key: BY_HEADER, minimumRingSize: 1_024 },
  { policy: 'maglev', key: BY_HEADER, tableSize: 65_537 },
]
const PICKS = 20_000

function endpointsOf(plans: readonly Partial<EndpointPlan>[]): Endpoint[] {
  const counters = new UpstreamCounters()
  return plans.map((plan, i) => new Endpoint(endpointPlan(`10.0.0.${i + 1}`, 80, plan), counters))
}

function pickerOf(plan: LoadBalancerPlan, all: readonly Endpoint[], minHealth = 0): Picker {
  const levels = levelsOf(all)
  weighLevels(levels, minHealth)
  return createPicker(plan, levels, seededRandom(3), null)
}

/** Share of the picks, percent, in order of the endpoints. */
function shares(picker: Picker, all: readonly Endpoint[]): number[] {
  const hits = new Map<Endpoint | null, number>()
  for (let i = 0; i < PICKS; i++) {
    const picked = picker.pick(new TestContext({ headers: { user: `user-${i}` } }))
    hits.set(picked, (hits.get(picked) ?? 0) + 1)
  }
  return all.map((endpoint) => (100 * (hits.get(endpoint) ?? 0)) / PICKS)
}

function expectShares(actual: readonly number[], expected: readonly number[]): void {
  // Hash points are spread by chance themselves: two percent beside the sampling.
  actual.forEach((share, i) => expect(Math.abs(share - expected[i]!)).toBeLessThan(2.5))
}

describe.each(POLICIES)('failover levels with $policy', (plan) => {
  const two = (): Endpoint[] =>
    endpointsOf([{ priority: 0 }, { priority: 0 }, { priority: 1 }, { priority: 1 }])

  test('the first level has everything while it is healthy', () => {
    const all = two()
    expectShares(shares(pickerOf(plan, all), all), [50, 50, 0, 0])
  })

  test('half of it gone: 70% stay', () => {
    const all = two()
    all[0]!.outlier.ejected = true
    expectShares(shares(pickerOf(plan, all), all), [0, 70, 15, 15])
  })

  test('all of it gone: the next takes over', () => {
    const all = two()
    all[0]!.outlier.ejected = true
    all[1]!.outlier.ejected = true
    expectShares(shares(pickerOf(plan, all), all), [0, 0, 50, 50])
  })

  test('everybody gone: nobody is picked, unless in panic', () => {
    const all = two()
    for (const endpoint of all) endpoint.outlier.ejected = true
    expect(pickerOf(plan, all).pick(new TestContext())).toBeNull()
    expectShares(shares(pickerOf(plan, all, 50), all), [25, 25, 25, 25])
  })

  test('a retry avoids what was tried, within the levels in use', () => {
    const all = two()
    const picker = pickerOf(plan, all)
    for (let i = 0; i < 100; i++) {
      const context = new TestContext({ tried: [all[0]!.key], headers: { user: `user-${i}` } })
      expect(pickUntried(picker, context)).toBe(all[1])
    }
  })
})

describe.each(POLICIES)('locality weights with $policy', (plan) => {
  const weighted = (): Endpoint[] =>
    endpointsOf([
      { locality: 'eu', localityWeight: 80 },
      { locality: 'us', localityWeight: 20, weight: 1 },
      { locality: 'us', localityWeight: 20, weight: 3 },
    ])

  test('localities share by their weights, endpoints inside by their own', () => {
    const all = weighted()
    expectShares(shares(pickerOf(plan, all), all), [80, 5, 15])
  })

  test('a locality without an available endpoint leaves its share to the others', () => {
    const all = weighted()
    all[0]!.outlier.ejected = true
    const [gone, light, heavy] = shares(pickerOf(plan, all), all)
    expect(gone).toBe(0)
    expect(light! + heavy!).toBeCloseTo(100)
  })
})

test('a locality keeps its weight until 100/140 of its endpoints are available', () => {
  const all = endpointsOf(
    Array.from({ length: 14 }, (_, i) => ({ locality: i < 7 ? 'eu' : 'us', localityWeight: 50 })),
  )
  const euShare = (): number => {
    const found = shares(pickerOf({ policy: 'random' }, all), all)
    return found.slice(0, 7).reduce((sum, share) => sum + share, 0)
  }
  all[0]!.outlier.ejected = true
  all[1]!.outlier.ejected = true
  expect(Math.abs(euShare() - 50)).toBeLessThan(2)
  for (const endpoint of all.slice(2, 5)) endpoint.outlier.ejected = true
  // 2 of 7 are left: 1.4 x 2/7 = 0.4 of its weight.
  expect(Math.abs(euShare() - (100 * 0.4) / 1.4)).toBeLessThan(2)
})

test.each(POLICIES.slice(3))('failover moves only the keys of what failed: $policy', (plan) => {
  const all = endpointsOf([{ priority: 0 }, { priority: 0 }, { priority: 0 }, { priority: 1 }])
  const levels = levelsOf(all)
  weighLevels(levels, 0)
  const picker = createPicker(plan, levels, seededRandom(3), null)
  const users = Array.from({ length: 2_000 }, (_, i) => {
    return new TestContext({ headers: { user: `user-${i}` } })
  })
  const before = users.map((user) => picker.pick(user))
  all[0]!.outlier.ejected = true
  weighLevels(levels, 0)
  let moved = 0
  users.forEach((user, i) => {
    const now = picker.pick(user)
    if (now !== before[i] && before[i] !== all[0]) moved++
    expect(now).not.toBe(all[0])
  })
  // 1.4 x 2/3 = 93%: seven percent of the others' keys go to the next level as well.
  expect(moved / users.length).toBeLessThan(0.09)
})

test('round robin goes on where it was in each group when groups are made anew', () => {
  const all = endpointsOf([{ priority: 0 }, { priority: 0 }, { priority: 1 }])
  const plan = { policy: 'round-robin' } as const
  const levels = levelsOf(all)
  weighLevels(levels, 0)
  const first = createPicker(plan, levels, seededRandom(1), null)
  expect(first.pick(new TestContext())).toBe(all[0])
  const second = createPicker(plan, levels, seededRandom(1), first)
  expect(second.pick(new TestContext())).toBe(all[1])
})
