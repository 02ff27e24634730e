import { expect, test } from 'vitest'
import { xxh32 } from './hash.ts'

// Published xxHash32 test values.
test.each([
  ['', 0, 0x02cc5d05],
  ['', 0x9e3779b1, 0x36b78ae7],
  ['a', 0, 0x550d7456],
  ['abc', 0, 0x32d153ff],
  ['Nobody inspects the spammish repetition', 0, 0xe2293b2f],
])('xxHash32 of %j with seed %d is the published value', (text, seed, expected) => {
  expect(xxh32(text, seed)).toBe(expected)
})

test('every character of a long key counts', () => {
  const base = '10.0.0.1:8080_1234567890abcdef'
  const hashes = new Set([xxh32(base)])
  for (let i = 0; i < base.length; i++) {
    hashes.add(xxh32(`${base.slice(0, i)}~${base.slice(i + 1)}`))
  }
  expect(hashes.size).toBe(base.length + 1)
})
