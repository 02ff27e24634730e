import { BlockList, isIPv4 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Cidr } from './cidr.ts'

describe('Cidr', () => {
  it.each([
    ['10.0.0.0/8', '10.0.0.0/8', false],
    ['192.192.192.192/24', '192.192.192.0/24', true],
    ['1.2.3.4', '1.2.3.4/32', false],
    ['0.0.0.0/0', '0.0.0.0/0', false],
    ['2001:DB8::/32', '2001:db8::/32', false],
    ['2001:db8::1/32', '2001:db8::/32', true],
    ['::1', '::1/128', false],
    ['::/0', '::/0', false],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3/128', false],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7/128', false],
    ['::ffff:10.1.2.3', '10.1.2.3/32', false],
    ['::ffff:10.0.0.0/104', '10.0.0.0/8', false],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201/128', false],
  ])('%s is %s, host bits %s', (text, canonical, hadHostBits) => {
    const cidr = Cidr.parse(text)
    expect(String(cidr)).toBe(canonical)
    expect(cidr?.hadHostBits).toBe(hadHostBits)
  })

  it.each([
    '',
    '/',
    '10.0.0/8',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '10.0.0.0/',
    '::/129',
    'fe80::1%eth0',
    '01.2.3.4',
    'example.com',
    '1.2.3.4/8/8',
    '::1::',
  ])('%j is no block', (text) => {
    expect(Cidr.parse(text)).toBeNull()
  })

  it.each([
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['10.0.0.0/8', '::ffff:10.0.0.1', true],
    ['10.0.0.0/8', '::10.0.0.1', false],
    ['10.0.0.128/25', '10.0.0.127', false],
    ['0.0.0.0/0', '::1', false],
    ['::/0', '1.2.3.4', false],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['2001:db8::/33', '2001:db8:8000::', false],
    ['::ffff:10.0.0.0/104', '10.9.9.9', true],
    ['10.0.0.0/8', 'nonsense', false],
  ])('%s contains %s: %s', (block, address, expected) => {
    expect(Cidr.parse(block)?.contains(address)).toBe(expected)
  })

  it('agrees with the block list of node:net', () => {
    const address = fc.oneof(fc.ipV4(), fc.ipV6())
    fc.assert(
      fc.property(address, address, fc.nat(128), (network, probe, bits) => {
        const family = isIPv4(network) ? 'ipv4' : 'ipv6'
        const prefix = family === 'ipv4' ? bits % 33 : bits
        if (/^::ffff:|^(0*:){5}ffff:/i.test(network) || /^::ffff:|^(0*:){5}ffff:/i.test(probe))
          return
        const list = new BlockList()
        list.addSubnet(network, prefix, family)
        const expected = isIPv4(probe) === (family === 'ipv4') && list.check(probe, family)
        expect(Cidr.parse(`${network}/${prefix}`)?.contains(probe)).toBe(expected)
      }),
      { numRuns: 300 },
    )
  })

  it('reads back what it prints', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
        const printed = String(Cidr.parse(address))
        expect(String(Cidr.parse(printed))).toBe(printed)
      }),
    )
  })
})
