import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TestContext, endpointPlan } from '../../../test/support/cluster-plans.ts'
import { seededRandom } from '../../../test/support/seeded-random.ts'
import { UpstreamCounters } from '../../upstream/counters.ts'
import { Endpoint } from '../endpoint.ts'
import type { HashKeyPlan, LoadBalancerPlan } from '../plan.ts'
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
const STICKY = POLICIES.slice(3)

function endpoints(weights: readonly number[]): Endpoint[] {
  const counters = new UpstreamCounters()
  return weights.map(
    (weight, i) => new Endpoint(endpointPlan(`10.0.0.${i + 1}`, 80, { weight }), counters),
  )
}

function pickerOf(
  plan: LoadBalancerPlan,
  all: readonly Endpoint[],
  previous: Picker | null = null,
): Picker {
  return createPicker(plan, levelsOf(all), seededRandom(7), previous)
}

function forUser(user: string): TestContext {
  return new TestContext({ headers: { user } })
}

/** Picks for `count` different users. */
function shares(picker: Picker, count: number): Map<string, number> {
  const picked = new Map<string, number>()
  for (let i = 0; i < count; i++) {
    const key = picker.pick(forUser(`user-${i}`))?.key ?? 'nobody'
    picked.set(key, (picked.get(key) ?? 0) + 1)
  }
  return picked
}

describe.each(POLICIES)('every policy keeps the contract: $policy', (plan) => {
  test('picks nobody from no endpoints', () => {
    expect(pickerOf(plan, []).pick(new TestContext())).toBeNull()
  })

  test('picks the only endpoint', () => {
    const [only] = endpoints([3])
    expect(pickerOf(plan, [only!]).pick(new TestContext())).toBe(only)
  })

  test('never picks an endpoint that is not available', () => {
    const all = endpoints([1, 1, 1, 1])
    all[1]!.available = false
    const picked = shares(pickerOf(plan, all), 500)
    expect([...picked.keys()].sort()).toEqual(['10.0.0.1:80', '10.0.0.3:80', '10.0.0.4:80'])
  })

  test('in panic picks ejected endpoints too', () => {
    const all = endpoints([1, 1, 1, 1])
    for (const endpoint of all.slice(1)) endpoint.outlier.ejected = true
    const levels = levelsOf(all)
    weighLevels(levels, 50)
    const picked = shares(createPicker(plan, levels, seededRandom(7), null), 500)
    expect(picked.size).toBe(4)
  })

  test('picks nobody when no endpoint is available', () => {
    const all = endpoints([1, 1])
    for (const endpoint of all) endpoint.available = false
    expect(pickerOf(plan, all).pick(new TestContext())).toBeNull()
  })

  test.each([[[1, 1, 1]], [[1, 2, 5]], [[100, 1, 1]]])('shares by weight %j', (weights) => {
    const all = endpoints(weights)
    const picks = 20_000
    const picked = shares(pickerOf(plan, all), picks)
    const sum = weights.reduce((total, weight) => total + weight, 0)
    for (const endpoint of all) {
      const share = endpoint.weight / sum
      const sigma = Math.sqrt(picks * share * (1 - share))
      // Hash points are spread by chance themselves: a tenth of the share beside the sampling.
      const spread = 4 * sigma + (plan.policy === 'ring-hash' ? 0.1 * share * picks : 0)
      const actual = picked.get(endpoint.key) ?? 0
      expect(Math.abs(actual - share * picks)).toBeLessThan(Math.max(spread, 3))
    }
  })

  test('avoids endpoints that the exchange tried', () => {
    const all = endpoints([1, 1, 1])
    const picker = pickerOf(plan, all)
    const tried = [all[0]!.key, all[2]!.key]
    for (let i = 0; i < 200; i++) {
      const context = new TestContext({ tried, headers: { user: `user-${i}` } })
      expect(pickUntried(picker, context)).toBe(all[1])
    }
  })

  test('goes back to a tried endpoint when there is no other', () => {
    const [only] = endpoints([1])
    const context = new TestContext({ tried: [only!.key] })
    expect(pickUntried(pickerOf(plan, [only!]), context)).toBe(only)
  })
})

describe('round robin', () => {
  test('alternates strictly', () => {
    const all = endpoints([1, 1])
    const picker = pickerOf({ policy: 'round-robin' }, all)
    const picks = Array.from({ length: 6 }, () => picker.pick(new TestContext()))
    expect(picks).toEqual([all[0], all[1], all[0], all[1], all[0], all[1]])
  })

  test('spreads a heavy endpoint over the round', () => {
    const all = endpoints([3, 1])
    const picker = pickerOf({ policy: 'round-robin' }, all)
    const picks = Array.from({ length: 8 }, () => picker.pick(new TestContext())!.weight)
    expect(picks).toEqual([3, 3, 1, 3, 3, 3, 1, 3])
  })

  test('goes on with the next endpoint when one leaves or comes', () => {
    const all = endpoints([1, 1, 1])
    const plan = { policy: 'round-robin' } as const
    const first = pickerOf(plan, all)
    expect(first.pick(new TestContext())).toBe(all[0])
    const second = pickerOf(plan, [all[0]!, all[2]!], first)
    expect(second.pick(new TestContext())).toBe(all[2])
    expect(second.pick(new TestContext())).toBe(all[0])
    expect(pickerOf(plan, all, second).pick(new TestContext())).toBe(all[2])
  })
})

describe('least request', () => {
  test('sends a slow endpoint of three less than a fifth', () => {
    const all = endpoints([1, 1, 1])
    const picker = pickerOf({ policy: 'least-request' }, all)
    const slow = all[0]!
    let toSlow = 0
    const running: { endpoint: Endpoint; until: number }[] = []
    for (let now = 0; now < 5_000; now++) {
      while (running.length > 0 && running[0]!.until <= now) running.shift()!.endpoint.active--
      const endpoint = picker.pick(new TestContext())!
      endpoint.active++
      if (endpoint === slow) toSlow++
      running.push({ endpoint, until: now + (endpoint === slow ? 50 : 5) })
      running.sort((a, b) => a.until - b.until)
    }
    expect(toSlow / 5_000).toBeLessThan(0.2)
  })

  test('counts requests that wait for a connection as load', () => {
    const all = endpoints([1, 1])
    all[0]!.waiting = 10
    const picked = shares(pickerOf({ policy: 'least-request' }, all), 1_000)
    // Only when both draws fall on the loaded one does it get the request.
    expect(picked.get(all[0]!.key)! / 1_000).toBeLessThan(0.3)
  })
})

describe.each(STICKY)('consistent hashing: $policy', (plan) => {
  test('the same key goes to the same endpoint', () => {
    const picker = pickerOf(plan, endpoints([1, 1, 1, 1]))
    const again = pickerOf(plan, endpoints([1, 1, 1, 1]).reverse())
    for (let i = 0; i < 200; i++) {
      const context = forUser(`user-${i}`)
      const picked = picker.pick(context)!.key
      expect(picker.pick(context)!.key).toBe(picked)
      expect(again.pick(context)!.key).toBe(picked)
    }
  })

  test('only the keys of an endpoint that is not available move, and they come back', () => {
    const all = endpoints([1, 1, 1, 1, 1])
    const picker = pickerOf(plan, all)
    const users = Array.from({ length: 1_000 }, (_, i) => forUser(`user-${i}`))
    const before = users.map((user) => picker.pick(user))
    all[2]!.available = false
    users.forEach((user, i) => {
      if (before[i] === all[2]) expect(picker.pick(user)).not.toBe(all[2])
      else expect(picker.pick(user)).toBe(before[i])
    })
    all[2]!.available = true
    expect(users.map((user) => picker.pick(user))).toEqual(before)
  })

  test('removing one of n endpoints moves about one key in n', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 12 }), fc.nat(11), (count, position) => {
        const all = endpoints(Array.from({ length: count }, () => 1))
        const removed = all[position % count]!
        const full = pickerOf(plan, all)
        const rest = pickerOf(
          plan,
          all.filter((endpoint) => endpoint !== removed),
        )
        const keys = 4_000
        let moved = 0
        for (let i = 0; i < keys; i++) {
          const context = forUser(`key-${i}`)
          if (full.pick(context) !== rest.pick(context)) moved++
        }
        const noise = 3 * Math.sqrt((1 / count) * (1 - 1 / count) * keys) + 0.03 * keys
        expect(moved).toBeLessThan((1.1 / count) * keys + noise)
      }),
      { numRuns: 12 },
    )
  })
})

test.each(STICKY)('adding an endpoint to n moves only keys that it takes: $policy', (plan) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 11 }), (count) => {
      const all = endpoints(Array.from({ length: count + 1 }, () => 1))
      const added = all[count]!
      const before = pickerOf(plan, all.slice(0, count))
      const after = pickerOf(plan, all)
      const keys = 4_000
      let moved = 0
      let aside = 0
      for (let i = 0; i < keys; i++) {
        const context = forUser(`key-${i}`)
        const now = after.pick(context)
        if (now === before.pick(context)) continue
        moved++
        if (now !== added) aside++
      }
      const share = 1 / (count + 1)
      const noise = 3 * Math.sqrt(share * (1 - share) * keys) + 0.03 * keys
      expect(moved).toBeLessThan(1.1 * share * keys + noise)
      // A Maglev table is refilled: a few slots change hands between those that stay.
      expect(aside).toBeLessThanOrEqual(plan.policy === 'maglev' ? 0.03 * keys : 0)
    }),
    { numRuns: 11 },
  )
})

test.each(STICKY)('a retry goes to the next endpoint on the way of its key: $policy', (plan) => {
  const all = endpoints([1, 1, 1])
  const picker = pickerOf(plan, all)
  for (let i = 0; i < 100; i++) {
    const headers = { user: `user-${i}` }
    const first = picker.pick(new TestContext({ headers }))!
    const retry = new TestContext({ headers, tried: [first.key] })
    const second = pickUntried(picker, retry)!
    expect(second).not.toBe(first)
    expect(pickUntried(picker, retry)).toBe(second)
    first.available = false
    expect(picker.pick(new TestContext({ headers }))).toBe(second)
    first.available = true
  }
})

test('ring hash never moves a key between endpoints that stay', () => {
  const plan = { policy: 'ring-hash', key: BY_HEADER, minimumRingSize: 1_024 } as const
  const all = endpoints([1, 1, 1, 1, 1, 1, 1])
  const full = pickerOf(plan, all)
  const rest = pickerOf(plan, all.slice(1))
  for (let i = 0; i < 2_000; i++) {
    const context = forUser(`key-${i}`)
    const before = full.pick(context)
    if (before !== all[0]) expect(rest.pick(context)).toBe(before)
  }
})

describe('hash keys', () => {
  const ring = (key: HashKeyPlan): LoadBalancerPlan => {
    return { policy: 'ring-hash', key, minimumRingSize: 1_024 }
  }
  const cookie = (ttlMs: number | null): HashKeyPlan => {
    const attributes = [
      { name: 'SameSite', value: 'Lax' },
      { name: 'Secure', value: '' },
    ]
    return { from: 'cookie', name: 'sticky', path: '/app', ttlMs, attributes }
  }

  test.each<[string, HashKeyPlan, (value: string) => TestContext]>([
    ['source address', { from: 'source-ip' }, (value) => new TestContext({ clientAddress: value })],
    ['header', BY_HEADER, (value) => forUser(value)],
    ['query', { from: 'query', name: 'q' }, (value) => new TestContext({ queries: { q: value } })],
    ['cookie', cookie(null), (value) => new TestContext({ cookies: { sticky: value } })],
  ])('%s decides', (_what, key, contextOf) => {
    const picker = pickerOf(ring(key), endpoints([1, 1, 1]))
    const picked = new Set<string>()
    for (let i = 0; i < 50; i++) {
      const endpoint = picker.pick(contextOf(`127.0.0.${i}`))!
      expect(picker.pick(contextOf(`127.0.0.${i}`))).toBe(endpoint)
      picked.add(endpoint.key)
    }
    expect(picked.size).toBe(3)
  })

  test('values of a header count in any order', () => {
    const picker = pickerOf(ring(BY_HEADER), endpoints([1, 1, 1, 1, 1, 1, 1]))
    for (let i = 0; i < 20; i++) {
      expect(picker.pick(forUser(`a${i},b, c`))).toBe(picker.pick(forUser(`c,b,a${i}`)))
    }
  })

  test('a request without the key goes anywhere', () => {
    const picker = pickerOf(ring(BY_HEADER), endpoints([1, 1, 1]))
    const picked = new Set<string>()
    for (let i = 0; i < 100; i++) picked.add(picker.pick(new TestContext())!.key)
    expect(picked.size).toBe(3)
  })

  test('a missing cookie with a ttl is generated, and leads to the same endpoint', () => {
    const picker = pickerOf(ring(cookie(90_500)), endpoints([1, 1, 1, 1]))
    for (let i = 0; i < 20; i++) {
      const context = new TestContext()
      const endpoint = picker.pick(context)
      const [text, ...more] = context.setCookies
      expect(more).toEqual([])
      const match =
        /^sticky="([0-9a-f]{16})"; Max-Age=91; Path=\/app; SameSite=Lax; Secure; HttpOnly$/
      const value = match.exec(text!)?.[1]
      expect(value).toBeDefined()
      expect(picker.pick(new TestContext({ cookies: { sticky: value! } }))).toBe(endpoint)
    }
  })

  test('ttl 0 makes a session cookie, no ttl makes none', () => {
    const session = new TestContext()
    pickerOf(ring(cookie(0)), endpoints([1])).pick(session)
    expect(session.setCookies[0]).not.toContain('Max-Age')
    const none = new TestContext()
    pickerOf(ring(cookie(null)), endpoints([1])).pick(none)
    expect(none.setCookies).toEqual([])
  })

  test('a retry does not set the cookie again', () => {
    const context = new TestContext({ tried: ['10.0.0.9:80'] })
    pickerOf(ring(cookie(1_000)), endpoints([1, 1])).pick(context)
    expect(context.setCookies).toEqual([])
  })
})
