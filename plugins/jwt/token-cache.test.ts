import { expect, test } from 'vitest'
import { KeySet } from './key-set.ts'
import { MAX_CACHED_TOKENS, TokenCache } from './token-cache.ts'

const keys = new KeySet('', [])

function entry(expiresAtMs = Infinity, chars = 10) {
  return { identity: { claims: {}, fields: [], expiresAtMs }, keys, chars }
}

test('a token is known until it expires, and then forgotten', () => {
  const cache = new TokenCache()
  cache.put('a', entry(1000))
  expect(cache.get('a', keys, 999)).not.toBeNull()
  expect(cache.get('a', keys, 1000)).toBeNull()
  expect(cache.size).toBe(0)
})

test('with other keys than those that verified it a token is not known', () => {
  const cache = new TokenCache()
  cache.put('a', entry())
  expect(cache.get('a', new KeySet('', []), 0)).toBeNull()
  cache.put('b', entry())
  expect(cache.get('b', null, 0)).toBeNull()
})

test('the longest unused token goes first', () => {
  const cache = new TokenCache()
  for (let i = 0; i < MAX_CACHED_TOKENS; i++) cache.put(String(i), entry())
  expect(cache.get('0', keys, 0)).not.toBeNull()
  cache.put('new', entry())
  expect(cache.size).toBe(MAX_CACHED_TOKENS)
  expect(cache.get('1', keys, 0)).toBeNull()
  expect(cache.get('0', keys, 0)).not.toBeNull()
})

test('large tokens leave room for fewer', () => {
  const cache = new TokenCache()
  for (let i = 0; i < 1000; i++) cache.put(String(i), entry(Infinity, 16_384))
  expect(cache.size).toBe(512)
  cache.put('999', entry(Infinity, 16_384))
  expect(cache.size).toBe(512)
})
