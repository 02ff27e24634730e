import { isIP } from 'node:net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Cidr } from '../base/cidr.ts'
import { xxh32 } from '../base/hash.ts'
import { AutoAddresses, MAX_AUTO_ADDRESSES } from './auto-addresses.ts'
import { AllowedClients } from './allowed-clients.ts'
import { type LocalName, NameTable } from './name-table.ts'

function named(pattern: string, ...addresses: string[]): LocalName {
  return { pattern, addresses, alias: null, auto: false }
}

test('the name itself wins over wildcards, the longest wildcard over others', () => {
  const table = new NameTable(
    [
      named('*.test', '192.0.2.1'),
      named('*.shop.test', '192.0.2.2'),
      named('web.shop.test', '192.0.2.3', '2001:db8::3'),
      named('web.shop.test', '192.0.2.4'),
    ],
    new AutoAddresses(),
  )
  expect(table.find('web.shop.test')).toMatchObject({ v4: ['192.0.2.3'], v6: ['2001:db8::3'] })
  expect(table.find('a.b.shop.test')).toMatchObject({ v4: ['192.0.2.2'] })
  expect(table.find('shop.test')).toMatchObject({ v4: ['192.0.2.1'] })
  expect(table.find('test')).toBeNull()
  expect(table.find('.test')).toBeNull()
  expect(table.find('')).toBeNull()
})

/** Two names whose hashes share a slot, found by trying. */
function colliding(): readonly [string, string] {
  const seen = new Map<number, string>()
  for (let at = 0; ; at++) {
    const name = `host-${at}.test`
    const slot = xxh32(name) % MAX_AUTO_ADDRESSES
    const other = seen.get(slot)
    if (other !== undefined) return [other, name]
    seen.set(slot, name)
  }
}

test('of two names with one slot the earlier has it, after a restart too, and a later one never takes it', () => {
  const [first, second] = colliding()
  const alone = new AutoAddresses().assign([first]).get(first)
  const both = new AutoAddresses()
  const addresses = both.assign([first, second])
  expect(addresses.get(first)).toEqual(alone)
  expect(addresses.get(second)).not.toEqual(alone)
  expect(new AutoAddresses().assign([first, second])).toEqual(addresses)
  // While the process runs nobody is moved, even by a name that comes before.
  const grown = new AutoAddresses()
  const kept = grown.assign([second]).get(second)
  expect(grown.assign([first, second]).get(second)).toEqual(kept)
})

test('every name has an address of each family in its range, and no two names one', () => {
  const v4 = Cidr.parse('240.240.0.0/16')!
  const v6 = Cidr.parse('2001:2::/48')!
  fc.assert(
    fc.property(fc.uniqueArray(fc.domain(), { maxLength: 50 }), (names) => {
      const all = [...new AutoAddresses().assign(names).values()]
      expect(all).toHaveLength(names.length)
      expect(new Set(all.map((one) => one.v4)).size).toBe(names.length)
      expect(new Set(all.map((one) => one.v6)).size).toBe(names.length)
      for (const one of all) {
        expect([isIP(one.v4), isIP(one.v6)]).toEqual([4, 6])
        expect([v4.contains(one.v4), v6.contains(one.v6)]).toEqual([true, true])
        expect(one.v4).not.toMatch(/\.(?:0|255)$/)
      }
    }),
    { numRuns: 50 },
  )
})

test('loopback and private addresses may ask, others where they are named', () => {
  const near = new AllowedClients([])
  for (const address of [
    '127.0.0.1',
    '::1',
    '10.2.3.4',
    '::ffff:192.168.1.1',
    'fd00::1',
    'fe80::1%eth0',
  ])
    expect([address, near.has(address)]).toEqual([address, true])
  for (const address of ['8.8.8.8', '2001:db8::1', '172.32.0.1', '::ffff:1.1.1.1', ''])
    expect([address, near.has(address)]).toEqual([address, false])
  expect(new AllowedClients(['8.8.8.0/24']).has('8.8.8.8')).toBe(true)
})
