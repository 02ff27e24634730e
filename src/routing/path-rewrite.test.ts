import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_REPLACEMENTS, PathRewrite } from './path-rewrite.ts'
import { compileRouteMatch, type RouteMatchSpec } from './route-match.ts'

const matchOf = (uri: RouteMatchSpec['uri'], ignoreUriCase = false) =>
  compileRouteMatch(uri === undefined ? {} : { uri, ignoreUriCase }).match

function regex(match: string, rewrite: string): PathRewrite {
  const compiled = PathRewrite.regex(match, rewrite)
  if (typeof compiled === 'string') throw new Error(compiled)
  return compiled
}

describe('rewrite.uri', () => {
  test.each([
    { uri: { prefix: '/foo' }, to: '/', path: '/foo/bar', result: '//bar' },
    { uri: { prefix: '/foo/' }, to: '/', path: '/foo/bar', result: '/bar' },
    { uri: { prefix: '/foo' }, to: '/bar', path: '/foobaz', result: '/barbaz' },
    { uri: { prefix: '/foo' }, to: '/bar', path: '/foo', result: '/bar' },
    { uri: { exact: '/a' }, to: '/b', path: '/a', result: '/b' },
    { uri: { regex: '/a/.*' }, to: '/b', path: '/a/x/y', result: '/b' },
    { uri: undefined, to: '/new', path: '/a', result: '/newa' },
    { uri: undefined, to: '/new', path: '*', result: '*' },
    { uri: undefined, to: '/new', path: '', result: '' },
    { uri: { prefix: '/foo/' }, to: 'bar/', path: '/foo/x', result: '/bar/x' },
    { uri: { exact: '/a' }, to: '/b c\r\nx', path: '/a', result: '/b%20c%0D%0Ax' },
    { uri: { exact: '/a' }, to: '/é', path: '/a', result: '/%C3%A9' },
  ])('$uri to $to turns "$path" into "$result"', ({ uri, to, path, result }) => {
    expect(PathRewrite.literal(to).apply(path, matchOf(uri))).toBe(result)
  })

  test('a match that asks only for a header behaves as prefix /', () => {
    const { match } = compileRouteMatch({ headers: { x: {} } })
    expect(PathRewrite.literal('/v1/').apply('/a', match)).toBe('/v1/a')
  })

  test('the matched length is cut whatever its case was', () => {
    expect(PathRewrite.literal('/x').apply('/FOO/a', matchOf({ prefix: '/foo' }, true))).toBe(
      '/x/a',
    )
  })
})

describe('uriRegexRewrite', () => {
  test.each([
    {
      match: '^/service/([^/]+)(/.*)$',
      rewrite: '\\2/instance/\\1',
      path: '/service/foo/v1/api',
      result: '/v1/api/instance/foo',
    },
    { match: 'one', rewrite: 'two', path: '/one/one', result: '/two/two' },
    { match: '(?i)/x/', rewrite: '/y/', path: '/X/a', result: '/y/a' },
    { match: '/a', rewrite: '[\\0]', path: '/a/b', result: '/[/a]/b' },
    { match: '/(a)|/(b)', rewrite: '/<\\1\\2>', path: '/a/b', result: '/<a>/<b>' },
    { match: 'x', rewrite: '\\\\', path: '/x', result: '/\\' },
    { match: 'x', rewrite: '$1$&', path: '/x', result: '/$1$&' },
    { match: 'none', rewrite: 'x', path: '/a', result: '/a' },
    { match: '^/(.*)$', rewrite: '\\1', path: '/a', result: '/a' },
    { match: 'a*', rewrite: '-', path: '/baac', result: '/-/-b-c-' },
    { match: '.', rewrite: ' ', path: '*', result: '*' },
  ])('$match to $rewrite turns $path into $result', ({ match, rewrite, path, result }) => {
    expect(regex(match, rewrite).apply(path, null)).toBe(result)
  })

  test.each([
    ['(', 'x'],
    ['a', ''],
    ['', 'x'],
    ['a', '\\1'],
    ['a', '\\x'],
    ['a', 'x\\'],
    ['a'.repeat(1025), 'x'],
  ])('%s with %s is refused', (match, rewrite) => {
    expect(PathRewrite.regex(match, rewrite)).toBeTypeOf('string')
  })

  test('replaces a bounded number of matches and keeps the rest', () => {
    const result = regex('a', 'b').apply(`/${'a'.repeat(MAX_REPLACEMENTS + 10)}`, null)
    expect(result).toBe(`/${'b'.repeat(MAX_REPLACEMENTS)}${'a'.repeat(10)}`)
  })

  test('replaces as String.replaceAll does for expressions that cannot be empty', () => {
    const path = fc
      .array(fc.constantFrom('a', 'b', '/', '_', '1'), { maxLength: 20 })
      .map((characters) => `/${characters.join('')}`)
    const expression = fc.constantFrom('a+', '(a)(b)?', '[ab]_', '/a|/b', '(\\d)_')
    fc.assert(
      fc.property(path, expression, (text, match) => {
        const expected = text.replaceAll(new RegExp(match, 'g'), '<$&>')
        const result = regex(match, '<\\0>').apply(text, null)
        expect(result).toBe(expected.startsWith('/') ? expected : `/${expected}`)
      }),
    )
  })
})
