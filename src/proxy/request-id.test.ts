import { expect, test } from 'vitest'
import { IDS_PER_TAIL, RequestIds } from './request-id.ts'

const UUID_4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

test('every id is a version 4 UUID and no two are the same', () => {
  const ids = new RequestIds()
  const seen = new Set<string>()
  for (let i = 0; i < 100_000; i++) {
    const id = ids.next()
    if (!UUID_4.test(id)) expect(id).toMatch(UUID_4)
    seen.add(id)
  }
  expect(seen.size).toBe(100_000)
})

test('the random part changes', () => {
  const ids = new RequestIds()
  const tails = new Set<string>()
  for (let i = 0; i < 3 * IDS_PER_TAIL; i++) tails.add(ids.next().slice(8))
  expect(tails.size).toBe(3)
})

test('the first digits of neighbours are spread evenly: a tenth of them is sampled as a tenth', () => {
  const ids = new RequestIds()
  const counts = Array.from({ length: 10 }, () => 0)
  const total = 100_000
  for (let i = 0; i < total; i++) counts[Number.parseInt(ids.next().slice(0, 8), 16) % 10]!++
  // Five standard deviations of a binomial with p = 0.1.
  const slack = 5 * Math.sqrt(total * 0.1 * 0.9)
  for (const count of counts) expect(Math.abs(count - total / 10)).toBeLessThan(slack)
})
