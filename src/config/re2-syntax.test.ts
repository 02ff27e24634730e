import { describe, expect, test } from 'vitest'
import { re2Error, re2Groups } from './re2-syntax.ts'

describe('RE2 syntax', () => {
  test.each(['', '/api/v[0-9]+', '(?i)foo', '(?P<name>a)', '\\d+', '^a$', '[[:alpha:]]'])(
    'admits %j',
    (pattern) => expect(re2Error(pattern)).toBeNull(),
  )

  test.each(['(?=a)', '(?<!a)', '(a)\\1', '(', '[a', '*', 'a{1001}', 'a**'])(
    'refuses %j with a reason',
    (pattern) => expect(re2Error(pattern)).toMatch(/\w/),
  )

  test('counts capturing groups', () => {
    expect(re2Groups('(a)(?:b)((c))')).toBe(3)
  })
})
