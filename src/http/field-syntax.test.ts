import { expect, test } from 'vitest'
import { FieldNameCache } from './field-names.ts'
import { isFieldValue, isToken } from './field-syntax.ts'

test('tokens are exactly the characters of RFC 9110 5.6.2', () => {
  for (let code = 0; code < 0x200; code++) {
    const text = String.fromCharCode(code)
    expect(isToken(text)).toBe(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]$/.test(text))
  }
  expect(isToken('')).toBe(false)
  expect(isToken('a b')).toBe(false)
})

test('values hold no control but tab and nothing beyond one byte', () => {
  for (let code = 0; code < 0x200; code++) {
    const allowed = code === 9 || (code >= 0x20 && code <= 0xff && code !== 0x7f)
    expect(isFieldValue(`a${String.fromCharCode(code)}`)).toBe(allowed)
  }
  expect(isFieldValue('')).toBe(true)
})

test('a stranger with ever new names cannot make the name cache grow', () => {
  const cache = new FieldNameCache()
  for (let i = 0; i < 5_000; i++) cache.find(`X-${i}`)
  expect(cache.size).toBeLessThanOrEqual(512)
  expect(cache.find('X-Request-ID')?.text).toBe('x-request-id')
  cache.find('Y'.repeat(60_000))
  expect(cache.size).toBeLessThanOrEqual(512)
})
