import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalDigest } from './digest.ts'
import { SecretText } from './secret-text.ts'

describe('canonicalDigest', () => {
  it.each([
    ['object keys in another order', { a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 }],
    ['an undefined field', { a: 1, b: undefined }, { a: 1 }],
    ['an object without prototype', Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
    [
      'map entries in another order',
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
      new Map([
        ['b', 2],
        ['a', 1],
      ]),
    ],
    ['set members in another order', new Set(['a', 'b']), new Set(['b', 'a'])],
    ['equal secrets', new SecretText('x'), new SecretText('x')],
  ])('is equal for %s', (_, left, right) => {
    expect(canonicalDigest(left)).toBe(canonicalDigest(right))
  })

  it.each([
    ['1 and "1"', 1, '1'],
    ['null and "null"', null, 'null'],
    ['null and {}', null, {}],
    ['[] and {}', [], {}],
    ['list order', [1, 2], [2, 1]],
    ['an added field', { a: 1 }, { a: 1, b: null }],
    ['joined keys', { 'a":1,"b': 1 }, { a: 1, b: 1 }],
    ['nested lists', [[1], 2], [[1, 2]]],
    ['different secrets', new SecretText('x'), new SecretText('y')],
    ['a secret and its text', new SecretText('x'), 'x'],
    ['bytes', new Uint8Array([1]), new Uint8Array([2])],
  ])('tells apart %s', (_, left, right) => {
    expect(canonicalDigest(left)).not.toBe(canonicalDigest(right))
  })

  it('refuses what may hide state', () => {
    expect(() => canonicalDigest(new Date(0))).toThrow(TypeError)
    expect(() => canonicalDigest(() => 1)).toThrow(TypeError)
  })

  it('depends on nothing but the JSON data', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (left, right) => {
        const same = JSON.stringify(sorted(left)) === JSON.stringify(sorted(right))
        expect(canonicalDigest(left) === canonicalDigest(right)).toBe(same)
        expect(canonicalDigest(sorted(left))).toBe(canonicalDigest(left))
      }),
    )
  })
})

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return Object.is(value, -0) ? 0 : value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]))
}
