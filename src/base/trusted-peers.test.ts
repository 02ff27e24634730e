import { describe, expect, test } from 'vitest'
import { TrustedPeers } from './trusted-peers.ts'

describe('trusted peers', () => {
  test('an empty list is none at all', () => {
    expect(TrustedPeers.of([])).toBeNull()
  })

  test.each([
    ['within a block', '10.1.2.3', true],
    ['one address', '192.0.2.7', true],
    ['its neighbour', '192.0.2.8', false],
    ['outside', '11.0.0.1', false],
    ['IPv6 within', '2001:db8::9', true],
    ['IPv6 outside', '2001:db9::9', false],
    ['IPv4 in IPv6 clothes', '::ffff:10.1.2.3', true],
    ['no address', 'proxy.test', false],
    ['nothing', '', false],
    ['far too long', '1'.repeat(10_000), false],
  ])('%s', (_name, address, expected) => {
    const peers = TrustedPeers.of(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32'])!
    expect(peers.has(address)).toBe(expected)
    expect(peers.has(address)).toBe(expected)
    expect(peers.trusts({}, address)).toBe(expected)
  })

  test('the verdict about a connection is found once', () => {
    const peers = TrustedPeers.of(['10.0.0.0/8'])!
    const connection = {}
    expect(peers.trusts(connection, '10.0.0.1')).toBe(true)
    expect(peers.trusts(connection, 'not asked again')).toBe(true)
  })

  test('more addresses than are remembered are judged all the same', () => {
    const peers = TrustedPeers.of(['10.0.0.0/8'])!
    for (let i = 0; i < 5_000; i++) {
      expect(peers.has(`10.0.${i >> 8}.${i & 255}`)).toBe(true)
      expect(peers.has(`12.0.${i >> 8}.${i & 255}`)).toBe(false)
    }
  })
})
