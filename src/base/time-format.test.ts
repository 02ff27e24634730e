import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileTimeFormat, isoTimeFormatter } from './time-format.ts'

const MOMENT = Date.UTC(2026, 0, 2, 13, 4, 5, 67)

test.each([
  ['%Y-%m-%dT%H:%M:%S', '2026-01-02T13:04:05'],
  ['%F %T', '2026-01-02 13:04:05'],
  ['%d/%b/%Y:%H:%M:%S %z', '02/Jan/2026:13:04:05 +0000'],
  ['%s.%3f', '1767359045.067'],
  ['%6f', '067000'],
  ['%9f', '067000000'],
  ['%f', '067000000'],
  ['%I %p', '01 PM'],
  ['%a %A %e %y%%', 'Fri Friday  2 26%'],
])('%s', (format, expected) => {
  const formatter = compileTimeFormat(format)
  expect(typeof formatter === 'string' ? formatter : formatter(MOMENT)).toBe(expected)
})

test.each(['%Q', '%3s', '%'])('%s is no format', (format) => {
  expect(compileTimeFormat(format)).toBeTypeOf('string')
})

test('ISO time equals Date.toISOString', () => {
  const formatter = isoTimeFormatter()
  const moments = fc.integer({ min: 0, max: 4_000_000_000_000 })
  fc.assert(
    fc.property(moments, (moment) => {
      for (const one of [moment, moment + 1, moment + 999]) {
        expect(formatter(one)).toBe(new Date(one).toISOString())
      }
    }),
  )
})
