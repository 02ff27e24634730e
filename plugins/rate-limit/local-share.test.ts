import fc from 'fast-check'
import { expect, test } from 'vitest'
import { countRequest } from '../../test/support/counted-requests.ts'
import { FIXED_WINDOW, GCRA, type Quota } from './limit-check.ts'
import { LocalShare } from './local-share.ts'
import { MemoryStore } from './memory-store.ts'

async function admittedBy(
  replicas: number,
  quota: Quota,
  key: string,
  attempts: number,
): Promise<number> {
  let admitted = 0
  for (let rank = 0; rank < replicas; rank++) {
    const local = new LocalShare({ replicas, rank }, new MemoryStore(() => 1_000_000))
    for (let i = 0; i < attempts; i++) {
      if ((await countRequest(local, [{ key, quota }])).result === 'admitted') admitted++
    }
  }
  return admitted
}

test('the shares of all replicas make the limit, whatever does not divide', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 0, max: 40 }),
      fc.string({ minLength: 1, maxLength: 5 }),
      async (replicas, limit, key) => {
        const quota = { algorithm: FIXED_WINDOW, limit, periodMs: 60_000, burst: limit } as const
        expect(await admittedBy(replicas, quota, key, limit + 1)).toBe(limit)
      },
    ),
    { numRuns: 50 },
  )
})

test('a limit smaller than the replicas is one of theirs, another for each key', async () => {
  const quota = { algorithm: FIXED_WINDOW, limit: 1, periodMs: 60_000, burst: 1 } as const
  const first = new LocalShare({ replicas: 4, rank: 0 }, new MemoryStore(() => 0))
  const results = new Set<string>()
  for (let i = 0; i < 40; i++) {
    results.add((await countRequest(first, [{ key: `key ${i}`, quota }])).result)
  }
  expect([...results].sort()).toEqual(['admitted', 'refused'])
})

test('a rate is divided by its period, a burst in whole requests', async () => {
  const quota = { algorithm: GCRA, limit: 10, periodMs: 1000, burst: 7 } as const
  expect(await admittedBy(3, quota, 'k', 10)).toBe(7)
})
