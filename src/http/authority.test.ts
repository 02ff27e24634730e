import { expect, test } from 'vitest'
import { isAuthority, isAuthorityWithPort } from './authority.ts'

test.each([
  'shop.test',
  'shop.test.',
  'SHOP.test:8080',
  'a_b.test',
  '10.0.0.1:80',
  '[::1]',
  '[2001:db8::1]:443',
  'localhost',
  'shop.test:0',
  'xn--bcher-kva.test',
])('accepts %s', (text) => {
  expect(isAuthority(text)).toBe(true)
})

test.each([
  '',
  ':80',
  'shop.test:',
  'shop.test:80:80',
  'shop.test:65536',
  'shop.test:123456',
  'shop.test:+80',
  'user@shop.test',
  'shop.test/x',
  'shop.test, locked.test',
  'shop.test,locked.test',
  'shop test',
  'shop.test\t',
  'shop.test\0',
  'shop..test',
  '.shop.test',
  '.',
  'shop%2etest',
  'b\u00fccher.test',
  '[::1',
  '::1',
  '[::1]x',
  '[fe80::1%25eth0]',
  '[v1.fe80::a]',
  '[shop.test]',
  'a'.repeat(300),
])('refuses %j', (text) => {
  expect(isAuthority(text)).toBe(false)
})

test('a port is required where only CONNECT goes', () => {
  expect(isAuthorityWithPort('shop.test:443')).toBe(true)
  expect(isAuthorityWithPort('[::1]:443')).toBe(true)
  expect(isAuthorityWithPort('shop.test')).toBe(false)
  expect(isAuthorityWithPort('[::1]')).toBe(false)
})
