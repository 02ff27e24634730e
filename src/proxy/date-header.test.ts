import { expect, test } from 'vitest'
import { dateHeader } from './date-header.ts'

test('writes the preferred form of RFC 9110 5.6.7', () => {
  expect(dateHeader(Date.UTC(1994, 10, 6, 8, 49, 37, 999))).toBe('Sun, 06 Nov 1994 08:49:37 GMT')
  expect(dateHeader(0)).toBe('Thu, 01 Jan 1970 00:00:00 GMT')
})

test('changes with the second and goes back with the clock', () => {
  const base = Date.UTC(2026, 0, 1, 0, 0, 59)
  expect(dateHeader(base)).toBe('Thu, 01 Jan 2026 00:00:59 GMT')
  expect(dateHeader(base + 999)).toBe('Thu, 01 Jan 2026 00:00:59 GMT')
  expect(dateHeader(base + 1000)).toBe('Thu, 01 Jan 2026 00:01:00 GMT')
  expect(dateHeader(base)).toBe('Thu, 01 Jan 2026 00:00:59 GMT')
})
