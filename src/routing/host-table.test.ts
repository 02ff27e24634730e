import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hostOf, HostTable } from './host-table.ts'

const table = new HostTable<string>([
  ['a.com', 'exact'],
  ['*.a.com', 'below a'],
  ['*.b.a.com', 'below b'],
  ['A.com', 'second a.com'],
  ['fd00::1', 'v6'],
  ['10.0.0.1', 'v4'],
  ['dot.com.', 'with dot'],
])
const withAny = new HostTable<string>([
  ['*', 'any'],
  ['*.com', 'com'],
  ['*', 'second any'],
])

describe('find', () => {
  test.each([
    { host: 'a.com', found: 'exact', because: 'exact wins and the first of equal patterns counts' },
    { host: 'x.a.com', found: 'below a', because: 'the wildcard takes a label' },
    { host: 'y.x.a.com', found: 'below a', because: 'the wildcard takes several labels' },
    { host: 'b.a.com', found: 'below a', because: '*.b.a.com does not match b.a.com' },
    { host: 'x.b.a.com', found: 'below b', because: 'the longest suffix wins' },
    { host: 'xa.com', found: null, because: 'a wildcard ends at a dot' },
    { host: '.a.com', found: null, because: 'a wildcard takes at least one character' },
    { host: 'a.com.', found: null, because: 'a trailing dot is part of the name' },
    { host: 'dot.com.', found: 'with dot', because: 'a trailing dot is part of the name' },
    { host: '', found: null, because: 'nothing was asked' },
  ])('$host gives $found: $because', ({ host, found }) => {
    expect(table.find(host)).toBe(found)
  })

  test('falls to * when nothing else matches', () => {
    expect(withAny.find('x.com')).toBe('com')
    expect(withAny.find('com')).toBe('any')
    expect(withAny.find('')).toBe('any')
  })

  test('keeps every entry for people', () => {
    expect(table.entries.map(([pattern]) => pattern)).toContain('A.com')
    expect(table.entries).toHaveLength(7)
  })
})

describe('lookup', () => {
  test.each([
    { authority: 'a.com:8080', found: 'exact' },
    { authority: 'A.COM', found: 'exact' },
    { authority: 'X.a.com:443', found: 'below a' },
    { authority: '[fd00::1]:80', found: 'v6' },
    { authority: '[FD00::1]', found: 'v6' },
    { authority: '10.0.0.1:80', found: 'v4' },
    { authority: 'a.com:', found: 'exact' },
    { authority: '[fd00::1', found: null },
  ])('$authority gives $found', ({ authority, found }) => {
    expect(table.lookup(authority)).toBe(found)
  })
})

test('a very long name of dots costs no more than the longest suffix', () => {
  const host = `${'.'.repeat(60_000)}x`
  const started = performance.now()
  for (let i = 0; i < 100; i++) table.find(host)
  expect(performance.now() - started).toBeLessThan(1000)
})

describe('against a scan', () => {
  const label = fc.constantFrom('a', 'b', 'cc', 'com')
  const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'))
  const pattern = fc.oneof(
    name,
    name.map((suffix) => `*.${suffix}`),
    fc.constant('*'),
  )

  function scan(patterns: readonly string[], host: string): number | null {
    const covers = (one: string): boolean =>
      one === '*' || one === host || (one.startsWith('*.') && host.endsWith(one.slice(1)))
    const rank = (one: string): number => (one === host ? Infinity : one === '*' ? 0 : one.length)
    let best: number | null = null
    patterns.forEach((one, index) => {
      if (!covers(one)) return
      if (best === null || rank(one) > rank(patterns[best]!)) best = index
    })
    return best
  }

  test('the same entry is found', () => {
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 12 }), name, (patterns, host) => {
        const indexed = new HostTable(patterns.map((one, index) => [one, index] as const))
        expect(indexed.find(host)).toBe(scan(patterns, host))
        expect(indexed.lookup(`${host.toUpperCase()}:8443`)).toBe(scan(patterns, host))
      }),
      { numRuns: 1000 },
    )
  })
})

test.each([
  ['Example.COM:80', 'example.com'],
  ['[::1]:80', '::1'],
  ['::1', '::1'],
  ['', ''],
])('host of %s is %s', (authority, host) => {
  expect(hostOf(authority)).toBe(host)
})
