import { SocketAddress } from 'node:net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { clientBlock } from './client-block.ts'

test.each([
  ['203.0.113.7', '203.0.113.7'],
  ['::ffff:203.0.113.7', '203.0.113.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:db8:1:3::9', '2001:db8:1:3::/64'],
  ['2001:DB8:1:3::9', '2001:db8:1:3::/64'],
  ['2001:db8::1', '2001:db8::/64'],
  ['2001:db8::2:3:4:5:6', '2001:db8:0:2::/64'],
  ['fd00::1:abcd:1:2:3', 'fd00:0:0:1::/64'],
  ['fd00::2:abcd:1:2:3', 'fd00:0:0:2::/64'],
  ['::1:2:3:4:5', '0:0:0:1::/64'],
  ['::1:2:3:4:5:6', '0:0:1:2::/64'],
  ['::2:3:4:5:6:7', '0:0:2:3::/64'],
  ['::1:2:3:4:1.2.3.4', '0:0:1:2::/64'],
  ['1::', '1::/64'],
  ['::', '::/64'],
  ['::1', '::/64'],
  ['::1.2.3.4', '::/64'],
  ['64:ff9b::1.2.3.4', '64:ff9b::/64'],
  ['64:ff9b::102:304', '64:ff9b::/64'],
  ['fe80::1%eth0', 'fe80::/64'],
  ['fe80::1:2:3:4:5%eth0.7', 'fe80:0:0:1::/64'],
  ['no address', 'no address'],
  [undefined, ''],
])('%s counts as %s', (address, block) => {
  expect(clientBlock(address)).toBe(block)
})

const hextet = fc.oneof(
  { arbitrary: fc.constantFrom(0, 1), weight: 3 },
  { arbitrary: fc.integer({ min: 0, max: 0xffff }), weight: 1 },
)
const four = fc.array(hextet, { minLength: 4, maxLength: 4 })
/** Never `::ffff:0:0/96`, which is IPv4. */
const host = four.filter(([first, second]) => first !== 0 || second !== 0xffff)

/** As sockets report the address of these hextets. */
function written(hextets: readonly number[]): string {
  const address = hextets.map((one) => one.toString(16)).join(':')
  return new SocketAddress({ address, family: 'ipv6' }).address
}

test('two IPv6 addresses count as one client when their first 64 bits are the same', () => {
  fc.assert(
    fc.property(four, host, host, fc.nat(3), hextet, (network, first, second, place, changed) => {
      const block = clientBlock(written([...network, ...first]))
      const neighbour = network.with(place, changed)
      expect(clientBlock(written([...network, ...second]))).toBe(block)
      const isSame = network[place] === changed
      expect(clientBlock(written([...neighbour, ...second])) === block).toBe(isSame)
    }),
    { numRuns: 1_000 },
  )
})
