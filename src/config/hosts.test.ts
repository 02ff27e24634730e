import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { expandHost, hostCovers, hostMatches, hostsOverlap, narrower } from './hosts.ts'

const label = fc.constantFrom('a', 'b', 'com', 'A')
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'))
const pattern = fc.oneof(
  name,
  name.map((text) => `*.${text}`),
  fc.constant('*'),
)

describe('hosts', () => {
  test.each([
    ['web', 'web.prod.svc.cluster.local'],
    ['web.other', 'web.other'],
    ['*', '*'],
    ['*.a.com', '*.a.com'],
    ['::1', '::1'],
    ['10.0.0.1', '10.0.0.1'],
  ])('%s in namespace prod is %s', (host, full) => {
    expect(expandHost(host, 'prod', 'cluster.local')).toBe(full)
  })

  test.each([
    ['*', 'anything', true],
    ['a.com', 'A.COM', true],
    ['a.com', 'b.a.com', false],
    ['*.a.com', 'b.a.com', true],
    ['*.a.com', 'c.b.A.com', true],
    ['*.a.com', 'a.com', false],
    ['*.a.com', '.a.com', false],
    ['*.a.com', 'xa.com', false],
  ])('%s matches %s: %s', (outer, host, matches) => {
    expect(hostMatches(outer, host)).toBe(matches)
  })

  test.each([
    ['*', 'A.com', 'a.com'],
    ['a.com', '*', 'a.com'],
    ['*.b.com', '*.com', '*.b.com'],
    ['*.com', 'a.com', 'a.com'],
    ['*.com', 'com', null],
    ['a.com', 'b.com', null],
    ['*.a.com', '*.b.com', null],
    ['*', '*', '*'],
  ])('the narrower of %s and %s is %s', (left, right, expected) => {
    expect(narrower(left, right)).toBe(expected)
    expect(narrower(right, left)).toBe(expected)
  })

  test('the narrower pattern matches exactly what both match', () => {
    fc.assert(
      fc.property(pattern, pattern, name, (left, right, host) => {
        const both = hostMatches(left, host) && hostMatches(right, host)
        const meet = narrower(left, right)
        expect(meet !== null && hostMatches(meet, host)).toBe(both)
        expect(hostsOverlap(left, right)).toBe(meet !== null)
        if (hostCovers(left, right) && hostMatches(right, host)) {
          expect(hostMatches(left, host)).toBe(true)
        }
      }),
    )
  })
})
