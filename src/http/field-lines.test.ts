import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FieldLines } from './field-lines.ts'

describe('names', () => {
  test('stay few, whatever names come', () => {
    const lines = new FieldLines()
    for (let i = 0; i < 5_000; i++) expect(lines.of(`x-${i}`, 'a')).toBe(`x-${i}: a\r\n`)
    expect(lines.size).toBe(512)
  })

  test('that are long are not kept', () => {
    const lines = new FieldLines()
    const long = 'x'.repeat(1_000)
    expect(lines.of(long, 'a')).toBe(`${long}: a\r\n`)
    expect(lines.size).toBe(0)
  })

  test('begin again after many that found no place', () => {
    const lines = new FieldLines()
    for (let i = 0; i < 512 + 65_535; i++) lines.of(`x-${i}`, 'a')
    expect(lines.size).toBe(512)
    expect(lines.of('x-late', 'a')).toBe('x-late: a\r\n')
    expect(lines.size).toBe(1)
  })
})

describe('of the values of a name', () => {
  test('the first is kept, and later one of 65 others', () => {
    const lines = new FieldLines()
    lines.of('server', 'one')
    expect(lines.kept('server')).toBe('one')
    for (let i = 0; i < 64; i++) lines.of('server', 'two')
    expect(lines.kept('server')).toBe('one')
    lines.of('server', 'two')
    expect(lines.kept('server')).toBe('two')
  })

  test('a long one is not kept', () => {
    const lines = new FieldLines()
    lines.of('x-a', 'v'.repeat(65))
    expect(lines.kept('x-a')).toBe(null)
    lines.of('x-a', 'v'.repeat(64))
    expect(lines.kept('x-a')).toBe('v'.repeat(64))
  })

  test('one that is refused is not kept', () => {
    const lines = new FieldLines()
    expect(lines.of('x-a', 'a\r\nx-b: c')).toBe(null)
    expect(lines.kept('x-a')).toBe(null)
  })

  test.each([
    'authorization',
    'Authorization',
    'cookie',
    'proxy-authorization',
    'Set-Cookie',
    'x-api-key',
    'x-amz-security-token',
    'grpc-session-id',
    'x-request-id',
    'traceparent',
  ])('none of %s is kept', (name) => {
    const lines = new FieldLines()
    for (let i = 0; i < 200; i++) expect(lines.of(name, 'secret')).toBe(`${name}: secret\r\n`)
    expect(lines.kept(name)).toBe(null)
  })
})

test('what is kept never changes what is written', () => {
  const name = fc.constantFrom('x-a', 'X-A', 'x-b', 'cookie', 'host', 'x a', '')
  const value = fc.constantFrom('', 'a', 'b', 'a\r', '\n', 'a\0', '\xff', '\u0100', 'v'.repeat(65))
  const safe = (text: string): boolean => /^[\t\x20-\x7e\x80-\xff]*$/.test(text)
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 300 }), (fields) => {
      const lines = new FieldLines()
      for (const [n, v] of fields) {
        const writable = /^(?:x-[ab]|cookie)$/i.test(n) && safe(v)
        expect(lines.of(n, v)).toBe(writable ? `${n}: ${v}\r\n` : null)
      }
    }),
  )
})
