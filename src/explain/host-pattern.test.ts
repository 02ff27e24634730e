import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HostTable } from '../routing/host-table.ts'
import { matchedPattern, nearestHost } from './host-pattern.ts'

test.each([
  ['foo.example.con', ['foo.example.com', 'bar.example.com'], 'nearest is foo.example.com'],
  [
    'example.com',
    ['*.example.com'],
    '*.example.com does not cover example.com itself: a wildcard stands for at least one label',
  ],
  ['a.com.', ['a.com'], 'a.com is known; the trailing dot is part of the name'],
  ['web', ['web.shop.svc.cluster.local'], 'nearest is web.shop.svc.cluster.local'],
  ['orders.shop.example.com', ['cart.shop.example.com'], 'nearest is cart.shop.example.com'],
  ['a.com', ['completely.different.org'], null],
  ['a.com', [], null],
])('%s among %j: %s', (host, patterns, hint) => {
  expect(nearestHost(host, patterns)).toBe(hint)
})

const label = fc.constantFrom('a', 'b', 'com')
const host = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'))
const pattern = fc.oneof(
  host,
  host.map((suffix) => `*.${suffix}`),
  fc.constant('*'),
)

test('the pattern that is told is the one that decided', () => {
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 8 }), host, (patterns, asked) => {
      const table = new HostTable(patterns.map((one, index) => [one, index] as const))
      const found = table.find(asked)
      if (found === null) return
      expect(matchedPattern(table, asked, found).pattern).toBe(patterns[found])
    }),
    { numRuns: 500 },
  )
})
