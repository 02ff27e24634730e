import { describe, expect, test } from 'vitest'
import { matchCovers } from './match-coverage.ts'
import type { HttpMatchSpec } from './virtual-service.ts'

const GATEWAYS = ['gw', 'other']

describe('a match covers a later one', () => {
  test.each<[string, HttpMatchSpec, HttpMatchSpec, boolean]>([
    ['no condition covers everything', {}, { uri: { exact: '/a' }, port: 1 }, true],
    ['nothing but no condition covers no condition', { uri: { exact: '/a' } }, {}, false],
    [
      'a prefix covers longer prefixes',
      { uri: { prefix: '/a' } },
      { uri: { prefix: '/ab' } },
      true,
    ],
    ['a prefix covers exact paths', { uri: { prefix: '/a' } }, { uri: { exact: '/a/b' } }, true],
    ['an exact path covers no prefix', { uri: { exact: '/a' } }, { uri: { prefix: '/a' } }, false],
    ['a prefix covers no regex', { uri: { prefix: '/a' } }, { uri: { regex: '/a.*' } }, false],
    ['a regex covers its equal', { uri: { regex: '/a.*' } }, { uri: { regex: '/a.*' } }, true],
    ['every path as a regex', { uri: { regex: '.*' } }, { uri: { prefix: '/a' } }, true],
    [
      'without regard to case covers either case',
      { uri: { prefix: '/A' }, ignoreUriCase: true },
      { uri: { exact: '/ab' } },
      true,
    ],
    [
      'with regard to case does not cover without',
      { uri: { prefix: '/a' } },
      { uri: { exact: '/ab' }, ignoreUriCase: true },
      false,
    ],
    [
      'the prefix / covers paths without regard to case',
      { uri: { prefix: '/' } },
      { uri: { exact: '/ab' }, ignoreUriCase: true },
      true,
    ],
    ['fewer headers', { headers: { A: {} } }, { headers: { a: { exact: 'x' }, b: {} } }, true],
    ['more headers', { headers: { a: {}, b: {} } }, { headers: { a: {} } }, false],
    [
      'presence is wider than a value',
      { headers: { a: { exact: 'x' } } },
      { headers: { a: {} } },
      false,
    ],
    ['query keys keep their case', { queryParams: { A: {} } }, { queryParams: { a: {} } }, false],
    ['an excluded header', { withoutHeaders: { a: {} } }, {}, false],
    [
      'the same excluded header',
      { withoutHeaders: { a: {} } },
      { withoutHeaders: { A: {} } },
      true,
    ],
    ['a port', { port: 80 }, {}, false],
    ['one of the gateways', { gateways: ['gw'] }, {}, false],
    ['all of the gateways', { gateways: ['gw', 'other'] }, {}, true],
    ['a gateway outside the list', {}, { gateways: ['third'] }, false],
    ['a namespace', { sourceNamespace: 'a' }, { sourceNamespace: 'b' }, false],
    ['labels', { sourceLabels: { a: 'b' } }, { sourceLabels: { a: 'b', c: 'd' } }, true],
  ])('%s', (_, earlier, later, covers) => {
    expect(matchCovers(earlier, later, GATEWAYS)).toBe(covers)
  })
})
