import { describe, expect, test } from 'vitest'
import { canonicalClaim, claimAt, claimText, parseClaimPath } from './claims.ts'

describe('parseClaimPath', () => {
  test.each([
    ['sub', ['sub']],
    ['realm.roles', ['realm', 'roles']],
    ['[realm][roles]', ['realm', 'roles']],
    ['[https://a.test/plan]', ['https://a.test/plan']],
    ['', null],
    ['.a', null],
    ['a..b', null],
    ['[]', null],
    ['[a', null],
    ['[a]b', null],
    ['[a][[b]]', null],
    [Array.from({ length: 17 }, () => 'a').join('.'), null],
  ])('%j', (text, path) => {
    expect(parseClaimPath(text)).toEqual(path)
  })
})

describe('claimAt', () => {
  const claims = JSON.parse('{"a":{"b":[1]},"n":null,"__proto__":{"x":1}}') as Record<
    string,
    unknown
  >
  test.each([
    [['a', 'b'], [1]],
    [['a', 'b', '0'], undefined],
    [['n'], null],
    [['n', 'x'], undefined],
    [['constructor'], undefined],
    [['a', 'toString'], undefined],
    [['__proto__', 'x'], 1],
  ])('%j', (path, value) => {
    expect(claimAt(claims, path)).toEqual(value)
  })
})

test('a claim is text in bytes, as header values are', () => {
  expect(['é', 7, true, null, [], {}, undefined].map(claimText)).toEqual([
    'Ã©',
    '7',
    'true',
    null,
    null,
    null,
    null,
  ])
})

test('equal claims have one canonical text', () => {
  expect(canonicalClaim({ b: [1, { d: 1, c: 2 }], a: 'x' })).toBe(
    canonicalClaim({ a: 'x', b: [1, { c: 2, d: 1 }] }),
  )
  expect(canonicalClaim(['a', 'b'])).not.toBe(canonicalClaim(['b', 'a']))
})
