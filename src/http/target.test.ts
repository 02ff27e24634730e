import { describe, expect, test } from 'vitest'
import { BASE_PATH_RULES, type PathRules } from './path-normalization.ts'
import { parseTarget } from './target.ts'

describe('parseTarget', () => {
  test.each([
    ['GET', '/a?b=c', null, '/a', '?b=c'],
    ['GET', '/a?', null, '/a', '?'],
    ['GET', '/a/../b?x=/../y', null, '/b', '?x=/../y'],
    ['GET', '/a?{"b"}=\u00e9', null, '/a', '?{"b"}=%E9'],
    ['OPTIONS', '*', null, '*', ''],
    ['OPTIONS', 'http://shop.test', 'shop.test', '*', ''],
    ['GET', 'http://locked.test/admin', 'locked.test', '/admin', ''],
    ['GET', 'HTTPS://locked.test:8443?x', 'locked.test:8443', '/', '?x'],
    ['GET', 'http://[::1]:15000/', '[::1]:15000', '/', ''],
    ['GET', 'http://shop.test/x/../y', 'shop.test', '/y', ''],
    ['CONNECT', 'db.test:443', 'db.test:443', '', ''],
  ])('%s %s', (method, target, authority, path, query) => {
    expect(parseTarget(method, target, BASE_PATH_RULES)).toMatchObject({ authority, path, query })
  })

  test.each([
    ['GET', '*'],
    ['GET', ''],
    ['GET', 'a'],
    ['GET', 'shop.test:443'],
    ['GET', '/a#b'],
    ['GET', '/a b'],
    ['GET', '/a\u0001'],
    ['GET', '/a\u007f'],
    ['GET', '/a\t'],
    ['GET', '/%00'],
    ['GET', 'ftp://shop.test/'],
    ['GET', 'http:///x'],
    ['GET', 'http://user@shop.test/'],
    ['GET', 'http://shop.test\\@evil.test/'],
    ['GET', 'http://shop.test#x'],
    ['GET', 'javascript://shop.test/'],
    ['CONNECT', 'db.test'],
    ['CONNECT', '/a'],
    ['CONNECT', 'http://db.test:443/'],
  ])('%s %j is refused', (method, target) => {
    expect(parseTarget(method, target, BASE_PATH_RULES)).toBeNull()
  })

  const REDIRECT: PathRules = { ...BASE_PATH_RULES, escapedSlashes: 'redirect' }
  test.each([
    ['/a%2Fb?x=%2F', '/a/b', true],
    ['/a/b?x=%2F', '/a/b', false],
    ['http://shop.test/a%5cb', '/a/b', true],
    ['/%2e%2fx', '/x', true],
  ])('redirects %s to %s: %s', (target, path, redirects) => {
    expect(parseTarget('GET', target, REDIRECT)).toMatchObject({ path, redirects })
  })

  test.each(['/%2fevil.test', '/%5cevil.test', '//evil.test/%2f', '/x/..%2f%2fevil.test'])(
    'refuses %s: as a Location it would lead to another host',
    (target) => {
      expect(parseTarget('GET', target, REDIRECT)).toBeNull()
      const merging = parseTarget('GET', target, { ...REDIRECT, mergeSlashes: true })
      expect(merging?.path).toMatch(/^\/evil\.test\/?$/)
    },
  )
})
