import { describe, expect, test } from 'vitest'
import {
  isDnsLabel,
  isFqdn,
  isHeaderName,
  isIpLiteral,
  isLabelKey,
  isLabelValue,
  isShortName,
  isWildcardHost,
  splitNamespacedHost,
} from './names.ts'

describe('grammar', () => {
  const long = 'a'.repeat(63)
  test.each([
    [
      'isDnsLabel',
      isDnsLabel,
      ['a', 'a-b', '0', 'A', long],
      ['', '-a', 'a-', 'a.b', 'a_b', `${long}a`],
    ],
    [
      'isFqdn',
      isFqdn,
      ['web', 'a.b', 'a.b.', `${long}.com`, '1.a'],
      [
        '',
        '.',
        'a..b',
        '.a',
        'a_b.com',
        '1.2.3.4',
        'a.1',
        `${long}a.com`,
        'a.'.repeat(128),
        'é.com',
      ],
    ],
    [
      'isWildcardHost',
      isWildcardHost,
      ['*', '*.com', '*.a.b'],
      ['**', '*a.com', 'a.*', '*.', '*.*.com', 'a.com', '', '*.1'],
    ],
    [
      'isIpLiteral',
      isIpLiteral,
      ['1.2.3.4', '::1', '::ffff:1.2.3.4'],
      ['1.2.3', '[::1]', '1.2.3.4/8', 'a', ''],
    ],
    ['isShortName', isShortName, ['web', 'a-b'], ['', '*', 'a.b', '::1', '*.a']],
    ['isHeaderName', isHeaderName, ['x-a', 'X_A', "!#$%&'*+.^`|~"], ['', 'a b', 'a:b', 'a\n', 'é']],
    [
      'isLabelKey',
      isLabelKey,
      ['app', 'app.kubernetes.io/name', 'A_b.c'],
      ['', '/', 'a/', '/a', 'a/b/c', 'a b'],
    ],
    ['isLabelValue', isLabelValue, ['', 'v1', 'a.b_c-d', long], ['-a', 'a-', 'a b', `${long}a`]],
  ])('%s', (_, judge, right, wrong) => {
    expect(right.filter((text) => !judge(text))).toEqual([])
    expect(wrong.filter((text) => judge(text))).toEqual([])
  })

  test.each([
    ['a.com', null, 'a.com'],
    ['ns/a.com', 'ns', 'a.com'],
    ['./*', '.', '*'],
    ['*/*.a.com', '*', '*.a.com'],
    ['/a', '', 'a'],
    ['a/b/c', 'a', 'b/c'],
  ])('splits %s', (text, namespace, host) => {
    expect(splitNamespacedHost(text)).toEqual({ namespace, host })
  })
})
