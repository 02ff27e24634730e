import fc from 'fast-check'
import { RE2JS } from 're2js'
import { describe, expect, test } from 'vitest'
import { nativeEquivalent } from './deterministic-regex.ts'
import { compileRegex, LinearRegex, MAX_INPUT_LENGTH } from './linear-regex.ts'

function regex(pattern: string): LinearRegex {
  const compiled = compileRegex(pattern)
  if (typeof compiled === 'string') throw new Error(compiled)
  return compiled
}

function millisecondsOf(work: () => unknown): number {
  const started = performance.now()
  work()
  return performance.now() - started
}

const bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

test.each([
  { pattern: 'a|b', value: 'ab', matches: false, because: 'both sides of | are anchored' },
  { pattern: 'a|b', value: 'b', matches: true, because: 'the second side counts' },
  { pattern: '/api/v[0-9]+/.*', value: '/api/v12/x', matches: true, because: 'it is a plain path' },
  { pattern: '/api', value: '/api/x', matches: false, because: 'the whole value must match' },
  { pattern: '^/api$', value: '/api', matches: true, because: 'own anchors are harmless' },
  { pattern: '(?i)/API', value: '/aPi', matches: true, because: 'the flag folds case' },
  { pattern: '(a+)+$', value: `${'a'.repeat(40)}!`, matches: false, because: 'it just does not' },
  { pattern: '.*?user=jason.*', value: 'x; user=jason', matches: true, because: 'lazy is fine' },
  { pattern: '', value: '', matches: true, because: 'empty is empty' },
  { pattern: '[[:alpha:]]+', value: 'abc', matches: true, because: 'RE2 has POSIX classes' },
  { pattern: '\\Qa.b\\E', value: 'axb', matches: false, because: 'RE2 has quoting' },
])('$pattern on "$value": $matches, because $because', ({ pattern, value, matches }) => {
  expect(regex(pattern).matches(value)).toBe(matches)
  expect(regex(pattern).excludes(value)).toBe(!matches)
})

test.each(['(?=a)b', '(?<=a)b', '(a)\\1', '[a', 'a**', '(?P<x', '(a{100}){100}', 'a{1001}', '*'])(
  '%s is refused with a reason',
  (pattern) => {
    expect(compileRegex(pattern)).toBeTypeOf('string')
  },
)

test('patterns that are too long or too large are refused', () => {
  expect(compileRegex('a'.repeat(1024))).toBeInstanceOf(LinearRegex)
  expect(compileRegex('a'.repeat(1025))).toMatch(/max length allowed is 1024/)
  expect(compileRegex('[a-c]{1000}'.repeat(5))).toMatch(/instructions/)
})

describe('bytes and text', () => {
  test.each([
    { pattern: 'caf.', value: bytes('café'), matches: true },
    { pattern: 'caf..', value: bytes('café'), matches: false },
    { pattern: 'café', value: bytes('café'), matches: true },
    { pattern: 'caf[éè]', value: bytes('café'), matches: true },
    { pattern: '.', value: bytes('😀'), matches: true },
    { pattern: '.*admin.*', value: '\xffadmin', matches: true },
    { pattern: '[^/]+', value: '\xc3', matches: true },
    { pattern: '[a-z]+', value: '\xffadmin', matches: false },
  ])('$pattern on $value: $matches', ({ pattern, value, matches }) => {
    expect(regex(pattern).matches(value)).toBe(matches)
  })
})

describe('long values', () => {
  test('are neither matched nor excluded', () => {
    const any = regex('.*')
    expect(any.matches('a'.repeat(MAX_INPUT_LENGTH))).toBe(true)
    expect(any.matches('a'.repeat(MAX_INPUT_LENGTH + 1))).toBe(false)
    expect(regex('b').excludes('a'.repeat(MAX_INPUT_LENGTH))).toBe(true)
    expect(regex('b').excludes('a'.repeat(MAX_INPUT_LENGTH + 1))).toBe(false)
  })

  test('have a lower limit under very large programs', () => {
    const large = regex('.*a.{200}b')
    expect(large.maxInputLength).toBeLessThan(MAX_INPUT_LENGTH)
    expect(large.maxInputLength).toBeGreaterThan(500)
    expect(large.matches(`a${'x'.repeat(200)}b`)).toBe(true)
  })
})

describe('native equivalents', () => {
  test.each([
    '/api/v[0-9]+/.*',
    '^/exact$',
    '/products(/.*)?',
    '/(en|fr|de)/[a-z]+',
    '(?i)/Users/\\d+',
    '/date/\\d{4}-\\d{2}',
    'https?://x\\.test/.*',
    '[^/]+/x',
    '[]a]+',
    '[a-]b',
  ])('%s is proven', (pattern) => {
    expect(nativeEquivalent(pattern)).toBeInstanceOf(RegExp)
  })

  test.each([
    { pattern: '(a+)+', because: 'repetitions nest' },
    { pattern: '(a*)?', because: 'the group can be empty' },
    { pattern: '.*foo', because: '. may take the f' },
    { pattern: 'a*a', because: 'two ways to take an a' },
    { pattern: '(a|ab)c', because: 'alternatives begin alike' },
    { pattern: '(|a)b', because: 'an alternative is empty' },
    { pattern: 'a{1,3}', because: 'bounded repetitions are not looked into' },
    { pattern: 'é', because: 'it is not ASCII' },
    { pattern: '\\babc', because: 'word boundaries are not looked into' },
    { pattern: '[[:alpha:]]', because: 'POSIX classes are not looked into' },
    { pattern: '(?s).*', because: 'other flags are not looked into' },
    { pattern: '(^a)b', because: 'an anchor stands inside' },
  ])('$pattern is left to RE2: $because', ({ pattern }) => {
    expect(nativeEquivalent(pattern)).toBeNull()
  })

  const atom = fc.constantFrom(
    'a',
    'b',
    'c',
    '/',
    '.',
    '\\.',
    '[ab]',
    '[^a]',
    '\\d',
    '[0-9a-]',
    '\\w',
    '1',
    'B',
    '[]b]',
    '[^]]',
  )
  const item = fc
    .tuple(atom, fc.constantFrom('', '', '', '*', '+', '?', '{2}', '*?', '+?', '??'))
    .map(([set, quantifier]) => set + quantifier)
  const sequence = fc.array(item, { minLength: 1, maxLength: 5 }).map((items) => items.join(''))
  const grouped = fc
    .tuple(sequence, fc.constantFrom('', '?'), fc.constantFrom('(', '(?:'), sequence)
    .map(([inside, quantifier, open, after]) => `${open}${inside}|${after})${quantifier}`)
  const pattern = fc
    .tuple(
      fc.constantFrom('', '(?i)'),
      fc.array(fc.oneof(sequence, grouped), { minLength: 1, maxLength: 3 }),
    )
    .map(([flag, parts]) => flag + parts.join(''))
  const value = fc
    .array(fc.constantFrom('a', 'b', 'A', 'B', 'c', '/', '.', '1', '-', ']', 'z', '_'), {
      maxLength: 9,
    })
    .map((characters) => characters.join(''))

  test('accept exactly what RE2 accepts', () => {
    let proven = 0
    fc.assert(
      fc.property(pattern, fc.array(value, { minLength: 8, maxLength: 8 }), (text, values) => {
        const native = nativeEquivalent(text)
        if (native === null) return
        proven++
        const reference = RE2JS.compile(text)
        for (const one of values) {
          expect(native.test(one), `${text} on ${one}`).toBe(reference.testExact(one))
        }
      }),
      { numRuns: 3000 },
    )
    expect(proven).toBeGreaterThan(200)
  })

  test('take time linear in the value', () => {
    fc.assert(
      fc.property(pattern, value, fc.constantFrom('a', 'b', '1', '/'), (text, head, repeated) => {
        const native = nativeEquivalent(text)
        if (native === null) return
        const long = `${head}${repeated.repeat(MAX_INPUT_LENGTH)}\n`
        // A quadratic expression would need 67 million steps; one slow run may be the machine's.
        const fastest = Math.min(...[0, 1, 2].map(() => millisecondsOf(() => native.test(long))))
        expect(fastest).toBeLessThan(50)
      }),
      { numRuns: 200 },
    )
  })
})
