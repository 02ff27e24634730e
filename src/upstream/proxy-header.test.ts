import { describe, expect, test } from 'vitest'
import { proxyHeader } from './proxy-header.ts'

const client = (remoteAddress: string, localAddress: string) => ({
  remoteAddress,
  remotePort: 40000,
  localAddress,
  localPort: 443,
})
const SIGNATURE = '0d0a0d0a000d0a515549540a'

describe('the PROXY header of an upstream connection', () => {
  test.each([
    ['IPv4', client('192.0.2.7', '198.51.100.1'), 'TCP4 192.0.2.7 198.51.100.1 40000 443'],
    ['IPv6', client('2001:db8::7', '2001:db8::1'), 'TCP6 2001:db8::7 2001:db8::1 40000 443'],
    ['two families', client('192.0.2.7', '::1'), 'UNKNOWN'],
    ['nobody', null, 'UNKNOWN'],
  ])('version 1 for %s', (_name, who, words) => {
    expect(proxyHeader('V1', who).toString('latin1')).toBe(`PROXY ${words}\r\n`)
  })

  test.each([
    ['IPv4', client('192.0.2.7', '198.51.100.1'), '2111000cc0000207c63364019c4001bb'],
    [
      'IPv6',
      client('2001:db8::7', '::1'),
      `2121002420010db8${'0'.repeat(22)}07${'0'.repeat(30)}019c4001bb`,
    ],
    ['two families', client('::1', '192.0.2.7'), '20000000'],
    ['nobody', null, '20000000'],
  ])('version 2 for %s', (_name, who, hex) => {
    expect(proxyHeader('V2', who).toString('hex')).toBe(SIGNATURE + hex)
  })
})
