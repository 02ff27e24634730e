import { expect, test } from 'vitest'
import { AddressGuard } from './address-guard.ts'
import { literalRefusal } from './literal-refusal.ts'

const guard = new AddressGuard({ allow: ['10.0.0.0/8'] })

test.each([
  ['10.1.2.3', null],
  ['203.0.113.1', null],
  ['127.0.0.1', 'address 127.0.0.1 (loopback) is not allowed'],
  ['2130706433', 'address 127.0.0.1 (loopback) is not allowed'],
  ['::1', 'address ::1 (loopback) is not allowed'],
  ['localhost', 'address 127.0.0.1 (loopback) is not allowed'],
  ['a.localhost', 'address 127.0.0.1 (loopback) is not allowed'],
  ['169.254.169.254', 'address 169.254.169.254 (cloud metadata) is not allowed'],
  ['inside.example', null],
])('%s: %s', (host, expected) => {
  expect(literalRefusal(guard, host, 80)).toBe(expected)
})

test('own ports are refused whatever is allowed', () => {
  const own = new AddressGuard({ allow: ['127.0.0.0/8'] })
  own.protect(15001)
  expect(literalRefusal(own, '127.0.0.1', 15001)).toContain('a port of this proxy')
  expect(literalRefusal(own, '127.0.0.1', 80)).toBeNull()
})
