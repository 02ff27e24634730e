import { describe, expect, test } from 'vitest'
import { endpointPlan, TestContext } from '../../../test/support/cluster-plans.ts'
import { seededRandom } from '../../../test/support/seeded-random.ts'
import { Hash64 } from '../../base/hash64.ts'
import { xxh64 } from '../../base/xxh64.ts'
import { UpstreamCounters } from '../../upstream/counters.ts'
import { Endpoint } from '../endpoint.ts'
import type { HashKeyPlan } from '../plan.ts'
import { levelsOf } from '../priority-levels.ts'
import { requestHash } from './hash-key.ts'
import { MaglevTable } from './maglev.ts'
import { createPicker } from './picker.ts'
import { HashRing } from './ring-hash.ts'

function endpoints(weights: readonly number[]): Endpoint[] {
  const counters = new UpstreamCounters()
  return weights.map(
    (weight, i) => new Endpoint(endpointPlan(`10.0.0.${i + 1}`, 80, { weight }), counters),
  )
}

function digest(text: string, seed: number = 0): bigint {
  const hash = new Hash64()
  xxh64(text, hash, seed)
  return (BigInt(hash.high >>> 0) << 32n) | BigInt(hash.low >>> 0)
}

test('the ring is xxHash64 of address:port_n, and a key belongs to the next point', () => {
  const ring = new HashRing(endpoints([1, 1, 1]), 8)
  const points = [1, 2, 3].flatMap((host) =>
    Array.from({ length: 8 }, (_, n) => {
      const key = `10.0.0.${host}:80`
      return { key, point: digest(`${key}_${n}`) }
    }),
  )
  points.sort((a, b) => (a.point < b.point ? -1 : 1))
  for (let i = 0; i < 500; i++) {
    const value = digest(`user-${i}`)
    const owner = points.find(({ point }) => point >= value) ?? points[0]!
    const hash = new Hash64()
    xxh64(`user-${i}`, hash)
    expect(ring.find(hash, null)!.key).toBe(owner.key)
  }
})

describe('the Maglev table', () => {
  const SIZE = 13
  const slots = (table: MaglevTable): string[] =>
    Array.from({ length: SIZE }, (_, slot) => table.find(new Hash64(0, slot), null)!.key)

  test('is filled in turn by permutations of xxHash64 with the seeds 0 and 1', () => {
    const keys = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80']
    const expected: string[] = Array.from({ length: SIZE }, () => '')
    const next = keys.map(() => 0n)
    for (let filled = 0; filled < SIZE; filled++) {
      const turn = filled % keys.length
      const offset = digest(keys[turn]!) % BigInt(SIZE)
      const skip = (digest(keys[turn]!, 1) % BigInt(SIZE - 1)) + 1n
      let slot: number
      do slot = Number((offset + skip * next[turn]!++) % BigInt(SIZE))
      while (expected[slot] !== '')
      expected[slot] = keys[turn]!
    }
    expect(slots(new MaglevTable(endpoints([1, 1, 1]), SIZE))).toEqual(expected)
  })

  test('gives a light endpoint a slot, and the rest by weight', () => {
    const owned = slots(new MaglevTable(endpoints([100, 1, 1]), SIZE))
    const counts = [1, 2, 3].map((n) => owned.filter((key) => key === `10.0.0.${n}:80`).length)
    expect(counts).toEqual([11, 1, 1])
  })

  test('uses all 64 bits of a hash', () => {
    const table = new MaglevTable(endpoints([1, 1, 1]), SIZE)
    const owned = slots(table)
    for (const high of [1, 77, 2 ** 31, 2 ** 32 - 1]) {
      const slot = Number(((BigInt(high) << 32n) | 5n) % BigInt(SIZE))
      expect(table.find(new Hash64(high, 5), null)!.key).toBe(owned[slot])
    }
  })
})

describe('several keys of one route', () => {
  const USER: HashKeyPlan = { from: 'header', name: 'user' }
  const QUERY: HashKeyPlan = { from: 'query', name: 'q' }
  const hashOf = (
    keys: readonly HashKeyPlan[],
    init: ConstructorParameters<typeof TestContext>[0],
  ): string => {
    const hash = new Hash64()
    requestHash(keys, new TestContext(init), seededRandom(3), hash)
    return `${hash.high} ${hash.low}`
  }

  test('all that the request has count, in order', () => {
    const both = { headers: { user: 'ann' }, queries: { q: '1' } }
    const combined = hashOf([USER, QUERY], both)
    expect(combined).not.toBe(hashOf([USER], both))
    expect(combined).not.toBe(hashOf([QUERY], both))
    expect(combined).not.toBe(hashOf([QUERY, USER], both))
    const turned = new Hash64()
    xxh64('ann', turned)
    turned.rotate(1)
    const second = new Hash64()
    xxh64('1', second)
    turned.xor(second)
    expect(combined).toBe(`${turned.high} ${turned.low}`)
  })

  test('equal values do not cancel each other out', () => {
    const same = (value: string) => ({ headers: { user: value }, queries: { q: value } })
    expect(hashOf([USER, QUERY], same('a'))).not.toBe(hashOf([USER, QUERY], same('b')))
  })

  test('one that is missing counts nothing', () => {
    const one = { queries: { q: '1' } }
    expect(hashOf([USER, QUERY], one)).toBe(hashOf([QUERY], one))
  })

  test("go before the cluster's own", () => {
    const all = endpoints([1, 1, 1, 1])
    const plan = { policy: 'ring-hash', key: USER, minimumRingSize: 1_024 } as const
    const picker = createPicker(plan, levelsOf(all), seededRandom(7), null)
    const picked = new Set<string>()
    for (let i = 0; i < 50; i++) {
      const init = { headers: { user: 'ann' }, queries: { q: `${i}` } }
      const context = Object.assign(new TestContext(init), {
        preferences: { hashKeys: [USER, QUERY], remoteRetries: false },
      })
      const { key } = picker.pick(context)!
      expect(picker.pick(context)!.key).toBe(key)
      picked.add(key)
    }
    expect(picked.size).toBe(4)
  })
})
