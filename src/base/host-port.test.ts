import { expect, test } from 'vitest'
import { splitHostPort } from './host-port.ts'

test.each([
  ['shop.test', 'shop.test', null],
  ['Shop.TEST:8080', 'shop.test', 8080],
  ['shop.test.', 'shop.test', null],
  ['shop.test.:80', 'shop.test', 80],
  ['[::1]:443', '::1', 443],
  ['[2001:DB8::1]', '2001:db8::1', null],
  ['2001:db8::1', '2001:db8::1', null],
  ['10.0.0.1:1', '10.0.0.1', 1],
  ['shop.test:', 'shop.test', null],
  ['shop.test:65536', 'shop.test', null],
  ['shop.test:8o', 'shop.test', null],
  ['[::1', '[::1', null],
  ['', '', null],
  ['.', '.', null],
])('%j is host %j and port %j', (text, host, port) => {
  expect(splitHostPort(text)).toEqual({ host, port })
})
