import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compileRegex } from '../../src/routing/linear-regex.ts'
import { PathRewrite } from '../../src/routing/path-rewrite.ts'
import { seededRandom } from '../support/seeded-random.ts'

/** What one value may cost against any pattern that is served. */
const BUDGET_MS = 10
/**
 * The machine has other work: one try of these within the budget shows that the value does not cost
 * more, each with a value never seen before.
 */
const TRIES = 50
const VALUE_LENGTH = 10 * 1024

/** Patterns that cost a backtracking engine exponential time, or a table of all states its memory. */
const HOSTILE = [
  '(a+)+$',
  '(a*)*b',
  '(a|aa)*c',
  '(a|a?)+b',
  '(.*)(.*)(.*)(.*)x',
  '(.*a){20}b',
  '(x+x+)+y',
  '([a-z]+)*1',
  '(?:.*.*)=.*',
  '^(([a-z])+.)+[A-Z]([a-z])+$',
  '[ab]*a[ab]{12}',
  '[ab]*a[ab]{60}c',
  '(a|b)*a(a|b){300}c',
  '(a?){50}a{50}b',
  '(?i)(?:a|é)*z',
  '.*[ab].{9}[ab].{9}c',
  '(?:[^/]*/)*[^/]*a[^/]{100}x',
]

describe('a value of 10 kB against a hostile pattern costs less than 10 ms', () => {
  test.each(HOSTILE)('%s', (pattern) => {
    expect(costOf(pattern, VALUE_LENGTH)).toBeLessThan(BUDGET_MS)
  })

  test.each(HOSTILE)('%s, with the longest value that is looked at', (pattern) => {
    const regex = compileRegex(pattern)
    if (typeof regex === 'string') throw new Error(regex)
    expect(costOf(pattern, regex.maxInputLength)).toBeLessThan(BUDGET_MS)
  })

  test('whatever nesting of repetitions it is', () => {
    const letter = fc.constantFrom('a', 'b', '.', '[ab]', 'a|b', 'aa|a')
    const repeat = fc.constantFrom('*', '+', '?', '{2,9}', '*?', '{3}')
    const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
      pattern: fc.oneof(
        { maxDepth: 4, withCrossShrink: true },
        letter,
        fc.tuple(tie('pattern'), repeat).map(([inner, times]) => `(?:${inner})${times}`),
        fc.tuple(tie('pattern'), tie('pattern')).map(([left, right]) => left + right),
        fc.tuple(tie('pattern'), tie('pattern')).map(([left, right]) => `(?:${left}|${right})`),
      ),
    }))
    fc.assert(
      fc.property(pattern, (text) => {
        const hostile = `${text}c`
        if (typeof compileRegex(hostile) === 'string') return
        expect(costOf(hostile, VALUE_LENGTH >> 1)).toBeLessThan(BUDGET_MS)
      }),
      { numRuns: 60 },
    )
  })
})

test.each([
  ['more than 1024 characters', 'a'.repeat(1025), 'max length allowed is 1024'],
  ['a program that explodes', '((a{100}){10}){10}', ''],
  ['look-around', 'a(?=b)', ''],
  ['a back-reference', '(a)\\1', ''],
  ['an open bracket', '[a', ''],
])('a pattern with %s is refused when it is loaded', (_name, pattern, reason) => {
  const refusal = compileRegex(pattern)
  expect(typeof refusal).toBe('string')
  expect(refusal).toContain(reason)
})

test('a hostile uriRegexRewrite costs less than 10 ms as well', () => {
  const random = seededRandom(7)
  for (const pattern of ['(a*)*b', '(a|aa)+$', '[ab]*a[ab]{12}c']) {
    const rewrite = PathRewrite.regex(pattern, '/x')
    if (typeof rewrite === 'string') throw new Error(rewrite)
    const once = () => `/${letters(random, 8000)}`
    expect(
      cheapest(once, (path) => rewrite.apply(path, null)),
      pattern,
    ).toBeLessThan(BUDGET_MS)
  }
})

/** Milliseconds of the first match within the budget, else of the cheapest one. */
function costOf(pattern: string, length: number): number {
  const regex = compileRegex(pattern)
  if (typeof regex === 'string') throw new Error(`${pattern}: ${regex}`)
  regex.matches('a'.repeat(length))
  const random = seededRandom(length)
  return cheapest(
    () => letters(random, length),
    (value) => regex.matches(value),
  )
}

function cheapest(next: () => string, work: (value: string) => unknown): number {
  let best = Infinity
  for (let tries = 0; tries < TRIES && best >= BUDGET_MS; tries++) {
    const value = next()
    const began = performance.now()
    work(value)
    best = Math.min(best, performance.now() - began)
  }
  return best
}

function letters(random: () => number, length: number): string {
  let text = ''
  while (text.length < length) text += random() < 0.5 ? 'a' : 'b'
  return text
}
