import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compileStringMatch, type StringMatcher, type StringMatchSpec } from './string-match.ts'

function matcher(spec: StringMatchSpec, ignoreCase = false): StringMatcher {
  const compiled = compileStringMatch(spec, { ignoreCase })
  if (typeof compiled === 'string') throw new Error(compiled)
  return compiled
}

const bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

describe('matching', () => {
  test.each<{ spec: StringMatchSpec; ignoreCase?: boolean; value: string; matches: boolean }>([
    { spec: { exact: '/foo' }, value: '/foo', matches: true },
    { spec: { exact: '/foo' }, value: '/foo/', matches: false },
    { spec: { exact: '/foo' }, value: '/Foo', matches: false },
    { spec: { exact: '' }, value: '', matches: true },
    { spec: { exact: '' }, value: 'x', matches: false },
    { spec: { prefix: '/foo' }, value: '/foobar', matches: true },
    { spec: { prefix: '/foo' }, value: '/fo', matches: false },
    { spec: { prefix: '' }, value: '', matches: true },
    { spec: { regex: '/a/.*' }, value: '/a/', matches: true },
    { spec: { regex: '/a' }, value: '/a/', matches: false },
    { spec: {}, value: '', matches: true },
    { spec: { regex: '*' }, value: 'anything', matches: true },
    { spec: { exact: '/FOO' }, ignoreCase: true, value: '/foO', matches: true },
    { spec: { prefix: '/Foo' }, ignoreCase: true, value: '/fOObar', matches: true },
    { spec: { prefix: '/Foo' }, ignoreCase: true, value: '/fo', matches: false },
    { spec: { regex: '/foo' }, ignoreCase: true, value: '/FOO', matches: false },
    { spec: { exact: 'café' }, value: bytes('café'), matches: true },
    { spec: { prefix: 'é' }, value: bytes('ébène'), matches: true },
    { spec: { exact: 'É' }, ignoreCase: true, value: bytes('é'), matches: false },
    { spec: { exact: '[{' }, ignoreCase: true, value: '{[', matches: false },
  ])('$spec (ignoring case: $ignoreCase) on "$value": $matches', (row) => {
    const compiled = matcher(row.spec, row.ignoreCase)
    expect(compiled.matches(row.value)).toBe(row.matches)
    expect(compiled.excludes(row.value)).toBe(!row.matches)
  })
})

test('a regex that does not compile is a reason, not a matcher', () => {
  expect(compileStringMatch({ regex: '(' }, { ignoreCase: false })).toBeTypeOf('string')
})

test('a value longer than a regex looks at is neither matched nor excluded', () => {
  const compiled = matcher({ regex: '.*' })
  expect(compiled.matches('x'.repeat(9000))).toBe(false)
  expect(compiled.excludes('x'.repeat(9000))).toBe(false)
})

describe('against plain string functions', () => {
  const text = fc
    .array(fc.constantFrom('a', 'A', 'z', 'Z', '/', '[', '{', '@', '`', 'é', '😀'), {
      maxLength: 6,
    })
    .map((characters) => characters.join(''))
  const fold = (value: string): string =>
    value.replace(/[A-Z]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) + 32))

  test('exact and prefix agree, with and without case', () => {
    fc.assert(
      fc.property(text, text, (configured, sent) => {
        const value = bytes(sent)
        expect(matcher({ exact: configured }).matches(value)).toBe(configured === sent)
        expect(matcher({ prefix: configured }).matches(value)).toBe(sent.startsWith(configured))
        expect(matcher({ exact: configured }, true).matches(value)).toBe(
          fold(configured) === fold(sent),
        )
        expect(matcher({ prefix: configured }, true).matches(value)).toBe(
          fold(sent).startsWith(fold(configured)),
        )
      }),
      { numRuns: 500 },
    )
  })
})
