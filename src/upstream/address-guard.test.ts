import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { AddressGuard } from './address-guard.ts'
import { canonicalAddress } from './canonical-address.ts'

describe('canonicalAddress', () => {
  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['127.1', '127.0.0.1'],
    ['127.0.1', '127.0.0.1'],
    ['2130706433', '127.0.0.1'],
    ['0', '0.0.0.0'],
    ['0177.0.0.1', '127.0.0.1'],
    ['017700000001', '127.0.0.1'],
    ['0x7f.1', '127.0.0.1'],
    ['0x7F000001', '127.0.0.1'],
    ['0xA9FEA9FE', '169.254.169.254'],
    ['169.254.43518', '169.254.169.254'],
    ['10.0.0.1.', '10.0.0.1'],
    ['255.255.255.255', '255.255.255.255'],
    ['::1', '::1'],
    ['[::1]', '::1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
    ['::ffff:7f00:1', '127.0.0.1'],
    ['::FFFF:A9FE:A9FE', '169.254.169.254'],
    ['fe80::1%eth0', 'fe80::1'],
    ['2001:DB8::0:1', '2001:db8::1'],
  ])('reads %s as %s', (host, address) => {
    expect(canonicalAddress(host)).toBe(address)
  })

  test.each([
    ['localhost'],
    ['example.com'],
    ['1.2.3.4.example.com'],
    ['1.2.3.4.5'],
    ['256.1.1.1'],
    ['1.2.3.256'],
    ['1.2.65536'],
    ['4294967296'],
    ['09.1.1.1'],
    ['0xg.1'],
    ['1..2'],
    ['::1::2'],
    [''],
    ['-1'],
  ])('takes %s for a name', (host) => {
    expect(canonicalAddress(host)).toBeNull()
  })

  test('every spelling of an IPv4 number is the same address', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (number) => {
        const dotted = [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join('.')
        const hex = `0x${number.toString(16)}`
        const octal = `0${number.toString(8)}`
        const spellings = [dotted, String(number), hex, octal, `::ffff:${dotted}`]
        expect(spellings.map(canonicalAddress)).toEqual(spellings.map(() => dotted))
      }),
      { numRuns: 200 },
    )
  })
})

describe('AddressGuard', () => {
  const guard = new AddressGuard({ allow: [], deny: [], ownAddresses: ['10.1.2.3', 'fd12::7'] })

  test.each([
    ['loopback', '127.0.0.1'],
    ['loopback elsewhere in the block', '127.255.3.4'],
    ['loopback in short form', '127.1'],
    ['loopback as a number', '2130706433'],
    ['IPv6 loopback', '::1'],
    ['unspecified', '0.0.0.0'],
    ['IPv6 unspecified', '::'],
    ['cloud metadata', '169.254.169.254'],
    ['IPv4-mapped metadata', '::ffff:169.254.169.254'],
    ['NAT64 metadata', '64:ff9b::a9fe:a9fe'],
    ['NAT64 loopback', '64:ff9b::7f00:1'],
    ['local-use NAT64', '64:ff9b:1::808:808'],
    ['6to4 loopback', '2002:7f00:1::'],
    ['IPv4-compatible loopback', '::127.0.0.1'],
    ['IPv4-translated loopback', '::ffff:0:127.0.0.1'],
    ['AWS metadata on IPv6', 'fd00:ec2::254'],
    ['link-local IPv6', 'fe80::1'],
    ['link-local IPv6 with zone', 'fe80::1%eth0'],
    ['multicast', '224.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['multicast IPv6', 'ff02::1'],
    ['a private address', '10.1.2.4'],
    ['another private address', '192.168.1.1'],
    ['a private address as a number', '3232235777'],
    ['a private address behind NAT64', '64:ff9b::a01:203'],
    ['a shared address', '100.64.0.1'],
    ['a unique local address', 'fd12::8'],
    ['an address of this host', '10.1.2.3'],
    ['an IPv6 address of this host in another spelling', 'fd12:0::0:7'],
    ['a name', 'example.com'],
    ['nothing', ''],
  ])('refuses %s (%s)', (_what, address) => {
    expect(guard.allows(address)).toBe(false)
  })

  test.each([
    ['a public address', '93.184.216.34'],
    ['a public IPv6 address', '2606:2800:220:1::1'],
    ['a public address behind NAT64', '64:ff9b::5db8:d822'],
  ])('allows %s (%s)', (_what, address) => {
    expect(guard.allows(address)).toBe(true)
  })

  test('allow opens a refused block, deny closes it again', () => {
    const open = new AddressGuard({
      allow: ['127.0.0.0/8'],
      deny: ['127.0.0.53/32', '10.0.0.0/8'],
      ownAddresses: [],
    })
    expect(open.allows('127.0.0.1')).toBe(true)
    expect(open.allows('127.0.0.53')).toBe(false)
    expect(open.allows('::ffff:10.9.9.9')).toBe(false)
    expect(open.allows('64:ff9b::a09:909')).toBe(false)
    expect(open.allows('169.254.169.254')).toBe(false)
  })

  test.each([
    ['169.254.169.254', 'cloud metadata'],
    ['169.254.1.1', 'link-local'],
    ['::ffff:7f00:1', 'loopback'],
    ['0', 'unspecified'],
    ['10.1.2.3', 'an address of this host'],
    ['10.1.2.4', 'private'],
    ['224.0.0.1', 'multicast'],
    ['64:ff9b:1::1', 'reserved'],
    ['example.com', 'no IP address'],
  ])('says what %s is: %s', (address, what) => {
    expect(guard.refusal(address)).toBe(what)
  })

  test('a protected port of this host is refused whatever is allowed', () => {
    const open = new AddressGuard({ allow: ['0.0.0.0/0', '::/0'], ownAddresses: ['10.1.2.3'] })
    open.protect(15_000)
    for (const own of ['127.0.0.1', '127.9.9.9', '0.0.0.0', '::1', '::', '10.1.2.3', '127.1']) {
      expect(open.refusal(own, 15_000)).toBe('a port of this proxy')
      expect(open.refusal(own, 15_001)).toBeNull()
    }
    expect(open.refusal('10.1.2.4', 15_000)).toBeNull()
  })

  test('a malformed CIDR is an error, not a hole', () => {
    expect(() => new AddressGuard({ allow: [], deny: ['10.0.0/8'], ownAddresses: [] })).toThrow(
      'not a CIDR: 10.0.0/8',
    )
  })
})
