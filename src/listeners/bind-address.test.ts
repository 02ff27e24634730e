import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type BindAddress, formatBindAddress, parseBindAddress } from './bind-address.ts'

test.each<[string, string | null, number]>([
  ['8080', null, 8080],
  ['0', null, 0],
  ['65535', null, 65535],
  ['127.0.0.1:80', '127.0.0.1', 80],
  ['localhost:0', 'localhost', 0],
  ['my-host.test:443', 'my-host.test', 443],
  ['[::1]:8080', '::1', 8080],
  ['[::]:8080', '::', 8080],
  ['[fe80::1%eth0]:8080', 'fe80::1%eth0', 8080],
])('%s', (text, host, port) => {
  expect(parseBindAddress(text)).toEqual({ host, port })
})

test.each([
  '',
  ':',
  ':8080',
  '65536',
  '123456',
  '-1',
  '+1',
  '80 ',
  ' 80',
  '8e1',
  'localhost',
  'localhost:',
  'localhost:http',
  '::1:8080',
  '[::1]',
  '[::1]8080',
  '[]:80',
  '[:::]:80',
  '[127.0.0.1]:80',
  '[::1:80',
  'a b:80',
  '*:80',
  'http://localhost:80',
  '80\n',
])('%j is refused', (text) => {
  expect(parseBindAddress(text)).toBeNull()
})

test('what is printed reads as what it was', () => {
  const host = fc.oneof(fc.constant('localhost'), fc.ipV4(), fc.ipV6())
  fc.assert(
    fc.property(host, fc.nat(65535), (name, port) => {
      const address: BindAddress = { host: name, port }
      expect(parseBindAddress(formatBindAddress(address))).toEqual(address)
    }),
    { numRuns: 200 },
  )
  expect(formatBindAddress({ host: null, port: 80 })).toBe('0.0.0.0:80')
})
