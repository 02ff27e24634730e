import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { invariants, isSafeWord, writeFields } from './message-writer.ts'

test('fields are written in order, as they are', () => {
  const fields = ['x-a', 'one', 'X-B', '', 'x-a', 'tab\tand \xe9\xff']
  expect(writeFields(fields)).toBe('x-a: one\r\nX-B: \r\nx-a: tab\tand \xe9\xff\r\n')
  expect(writeFields([])).toBe('')
})

describe('the last check refuses and counts', () => {
  test.each([
    ['a CR in a value', 'x-a', 'a\rb'],
    ['an LF in a value', 'x-a', 'a\nb'],
    ['a whole line in a value', 'x-a', 'a\r\nx-b: c'],
    ['a NUL in a value', 'x-a', 'a\0b'],
    ['a DEL in a value', 'x-a', '\x7f'],
    ['a value whose low byte is LF', 'x-a', '\u010a'],
    ['a value beyond latin1', 'x-a', '😀'],
    ['no name', '', 'a'],
    ['a name with a blank', 'x a', 'a'],
    ['a name with a colon', 'x:a', 'a'],
    ['a name with a line end', 'x\r\na', 'a'],
    ['a name beyond ASCII', 'x-\xe9', 'a'],
    ['Host', 'Host', 'a'],
    ['content-length', 'content-length', '1'],
    ['Transfer-Encoding', 'Transfer-Encoding', 'chunked'],
    ['connection', 'connection', 'close'],
    ['Upgrade', 'Upgrade', 'h2c'],
  ])('%s', (_what, name, value) => {
    const before = invariants.violations
    for (let again = 0; again < 2; again++)
      expect(writeFields(['x-good', '1', name, value])).toBe(null)
    expect(invariants.violations).toBe(before + 2)
  })
})

test('a value passes exactly when each of its characters may stand in a field', () => {
  const allowed = (code: number): boolean =>
    code === 0x09 || (code >= 0x20 && code <= 0xff && code !== 0x7f)
  for (let code = 0; code <= 0xffff; code++) {
    const written = writeFields(['x', `a${String.fromCharCode(code)}`])
    if ((written !== null) !== allowed(code)) expect.fail(`U+${code.toString(16)}`)
  }
})

test('a word passes exactly when no character is a blank, a control or beyond latin1', () => {
  const unit = fc.integer({ min: 0, max: 0x180 }).map((code) => String.fromCharCode(code))
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 6 }), (units) => {
      const safe = units.every((it) => it > ' ' && it !== '\x7f' && it <= '\xff')
      expect(isSafeWord(units.join(''))).toBe(safe && units.length > 0)
    }),
  )
})
