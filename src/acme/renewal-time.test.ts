import fc from 'fast-check'
import { expect, test } from 'vitest'
import { renewalTime } from './renewal-time.ts'

const HOUR = 60 * 60 * 1000
const DAY = 24 * HOUR

const rows: [what: string, lifetimeMs: number, beforeEndMs: number][] = [
  ['90 days: 30 days before the end', 90 * DAY, 30 * DAY],
  ['47 days: a third', 45 * DAY, 15 * DAY],
  ['6 days: 2 days', 6 * DAY, 2 * DAY],
  ['397 days: no earlier than 30 days', 397 * DAY, 30 * DAY],
]
test.each(rows)('%s', (_what, lifetimeMs, beforeEndMs) => {
  const dates = { notBeforeMs: 1000, notAfterMs: 1000 + lifetimeMs }
  expect(dates.notAfterMs - renewalTime(dates, () => 0)).toBeCloseTo(beforeEndMs)
})

test('chance brings it forward by a tenth of the rest at most, never back', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: HOUR, max: 1000 * DAY }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (lifetimeMs, chance) => {
        const dates = { notBeforeMs: 0, notAfterMs: lifetimeMs }
        const latest = renewalTime(dates, () => 0)
        const at = renewalTime(dates, () => chance)
        expect(at).toBeLessThanOrEqual(latest)
        expect(latest - at).toBeLessThanOrEqual((lifetimeMs - latest) * 0.1 + 1)
        expect(at).toBeGreaterThan(lifetimeMs / 2)
      },
    ),
    { numRuns: 200 },
  )
})
