import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Headers } from '../http/headers.ts'
import { addedCookie, hashCookie, hashQuery } from './hash-key.ts'

describe('query parameter', () => {
  const cases: [query: string, name: string, value: string | null][] = [
    ['', 'a', null],
    ['?', 'a', null],
    ['?a=1', 'a', '1'],
    ['?a=1&b=2', 'b', '2'],
    ['?aa=1&a=2', 'a', '2'],
    ['?ba=1', 'a', null],
    ['?a', 'a', ''],
    ['?a&b=1', 'a', ''],
    ['?a=', 'a', ''],
    ['?a=1&a=2', 'a', '1'],
    ['?a=b=c', 'a', 'b=c'],
    ['?b&a=1', 'a', '1'],
    ['?x=1&&a=2', 'a', '2'],
    ['?a=%41', 'a', '%41'],
    ['?A=1', 'a', null],
    ['?a=1#f', 'a', '1#f'],
    ['?__proto__=1', '__proto__', '1'],
    ['?=1', 'a', null],
  ]
  test.each(cases)('%s, %s: %s', (query, name, value) => {
    expect(hashQuery(query, name)).toBe(value)
  })

  const word = fc.string({ unit: fc.constantFrom('a', 'b', '%', '2', '.', '/') })
  test('reads the first parameter of the name wherever it stands', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(word, fc.option(word))),
        word.filter((name) => name !== ''),
        (pairs, name) => {
          const query = `?${pairs.map(([key, value]) => (value === null ? key : `${key}=${value}`)).join('&')}`
          const found = pairs.find(([key]) => key === name)
          expect(hashQuery(query, name)).toBe(found === undefined ? null : (found[1] ?? ''))
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('cookie', () => {
  const cases: [cookie: string[], name: string, value: string | null][] = [
    [[], 'a', null],
    [[''], 'a', null],
    [['a=1'], 'a', '1'],
    [['a=1; b=2'], 'b', '2'],
    [['a=1;b=2'], 'b', '2'],
    [['  a=1;   b=2'], 'b', '2'],
    [['aa=1; a=2'], 'a', '2'],
    [['ba=1'], 'a', null],
    [['a'], 'a', null],
    [['a; a=1'], 'a', '1'],
    [['a='], 'a', ''],
    [['a="1"'], 'a', '1'],
    [['a="'], 'a', '"'],
    [['a=""'], 'a', ''],
    [['a=b=c'], 'a', 'b=c'],
    [['a=1; a=2'], 'a', '1'],
    [['b=1', 'a=2'], 'a', '2'],
    [['A=1'], 'a', null],
    [[';;; a=1'], 'a', '1'],
    [['b=x   ;   '], 'a', null],
    [['__proto__=1'], '__proto__', '1'],
  ]
  test.each(cases)('%j, %s: %s', (cookies, name, value) => {
    const fields = cookies.flatMap((cookie) => ['cookie', cookie])
    expect(hashCookie(new Headers(['x-cookie', 'a=no', ...fields]), name)).toBe(value)
  })

  test('any text ends and gives text or null', () => {
    const soup = fc.string({ unit: fc.constantFrom('a', '=', ';', ' ', '"', '\t', 'é') })
    fc.assert(
      fc.property(soup, (cookie) => {
        const value = hashCookie(new Headers(['cookie', cookie]), 'a')
        expect(value === null || cookie.includes(value)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })
})

describe('the cookie that the answer sets', () => {
  test.each<[string[] | null, string | null]>([
    [null, null],
    [[], null],
    [['set-cookie', 'user="ab"; Max-Age=60; HttpOnly'], 'ab'],
    [['set-cookie', 'user="ab"'], 'ab'],
    [['set-cookie', 'other="x"; user="no"'], null],
    [['cookie', 'user="no"', 'set-cookie', 'a=1', 'set-cookie', 'user=c'], 'c'],
  ])('%j: %s', (fields, value) => {
    expect(addedCookie(fields, 'user')).toBe(value)
  })
})
