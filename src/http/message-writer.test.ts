import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { heldHeapBytes } from '../../test/support/held-memory.ts'
import { Headers } from './headers.ts'
import { KeptHead } from './kept-head.ts'
import {
  contentLength,
  invariants,
  isSafeWord,
  statusLine,
  writeFields,
  writeHead,
} from './message-writer.ts'

test('fields are written in order, as they are', () => {
  const fields = ['x-a', 'one', 'X-B', '', 'x-a', 'tab\tand \xe9\xff']
  expect(writeFields(new Headers(fields))).toBe('x-a: one\r\nX-B: \r\nx-a: tab\tand \xe9\xff\r\n')
  expect(writeFields(new Headers([]))).toBe('')
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
      expect(writeFields(new Headers(['x-good', '1', name, value]))).toBe(null)
    expect(invariants.violations).toBe(before + 2)
  })
})

test('a value passes exactly when each of its characters may stand in a field', () => {
  const allowed = (code: number): boolean =>
    code === 0x09 || (code >= 0x20 && code <= 0xff && code !== 0x7f)
  for (let code = 0; code <= 0xffff; code++) {
    const written = writeFields(new Headers(['x', `a${String.fromCharCode(code)}`]))
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

describe('a head that comes again', () => {
  const name = fc.constantFrom('x-a', 'x-b', 'accept', 'server', 'x c')
  const value = fc.constantFrom('', 'one', 'two', 'a\nb', 'ü', 'v'.repeat(2_048))
  const fields = fc.array(fc.tuple(name, value), { maxLength: 6 }).map((pairs) => pairs.flat())
  const change = fc.tuple(fc.constantFrom('set', 'add', 'remove'), name, value)
  const turn = fc.record({
    changes: fc.array(change, { maxLength: 3 }),
    start: fc.constantFrom(statusLine(200), statusLine(404), `GET /${'a'.repeat(2_048)}\r\n`),
    framing: fc.constantFrom('', contentLength(7), contentLength(5_000), 'connection: close\r\n'),
    /** How often it comes so. */
    times: fc.integer({ min: 1, max: 3 }),
  })

  function changed(headers: Headers, changes: readonly [string, string, string][]): Headers {
    for (const [what, n, v] of changes) {
      if (what === 'set') headers.set(n, v)
      else if (what === 'add') headers.add(n, v)
      else headers.remove(n)
    }
    return headers
  }

  test('is written as one that comes for the first time, whatever was changed in it', () => {
    const turns = fc.array(turn, { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(fields, turns, (all, each) => {
        const kept = new KeptHead(all)
        for (const { changes, start, framing, times } of each) {
          const once = changed(new Headers([...all]), changes)
          const written = writeHead(start, once, framing)
          const lines = writeFields(once)
          expect(written).toBe(lines === null ? null : `${start}${lines}${framing}\r\n`)
          for (let i = 0; i < times; i++)
            expect(writeHead(start, changed(Headers.again(kept), changes), framing)).toBe(written)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  test.each(['start line', 'name', 'field', 'framing'])('keeps no long %s', (what) => {
    const before = heldHeapBytes()
    const heads = Array.from({ length: 64 }, (_, i) => {
      const kept = new KeptHead(['x-a', 'one'])
      const long = `${i}${'v'.repeat(65_536)}`
      for (let again = 0; again < 3; again++) {
        const headers = Headers.again(kept)
        if (what === 'field') headers.add('x-long', long)
        if (what === 'name') headers.add(again === 0 ? 'x-short' : long, '')
        const start = what === 'start line' ? `${long}\r\n` : statusLine(200)
        writeHead(start, headers, what === 'framing' ? `x: ${long}\r\n` : '')
      }
      return kept
    })
    expect(heldHeapBytes() - before).toBeLessThan(1_048_576)
    expect(heads.length).toBe(64)
  })

  test('and violations are counted each time', () => {
    const kept = new KeptHead(['x-a', 'a\nb'])
    const before = invariants.violations
    for (let i = 0; i < 3; i++) expect(writeHead('', Headers.again(kept), '')).toBe(null)
    expect(invariants.violations).toBe(before + 3)
  })
})

test.each([0, 7, 12, 4_096, 4_097, 1_048_576, 2 ** 40])('content-length of %s', (bytes) => {
  for (let again = 0; again < 2; again++) {
    expect(contentLength(bytes)).toBe(`content-length: ${bytes}\r\n`)
  }
})
