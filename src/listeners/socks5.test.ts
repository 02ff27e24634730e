import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  parseGreeting,
  parseSocksRequest,
  parseSocksUser,
  SOCKS_REPLY,
  socksReply,
} from './socks5.ts'

const connect = (...bytes: number[]): Buffer => Buffer.from([5, 1, 0, ...bytes])
const name = (text: string): number[] => [3, text.length, ...Buffer.from(text, 'latin1')]

describe('the greeting', () => {
  test.each([
    [
      'no authentication among others',
      [5, 3, 1, 2, 0],
      { length: 5, acceptable: true, offersUser: true },
    ],
    ['only a password', [5, 1, 2], { length: 3, acceptable: false, offersUser: true }],
    ['bytes behind it', [5, 1, 0, 5, 2], { length: 3, acceptable: true, offersUser: false }],
  ])('%s', (_name, bytes, expected) => {
    expect(parseGreeting(Buffer.from(bytes))).toEqual({ type: 'greeting', ...expected })
  })

  test('an incomplete one waits, SOCKS4 and one without methods are malformed', () => {
    expect(parseGreeting(Buffer.from([5])).type).toBe('incomplete')
    expect(parseGreeting(Buffer.from([5, 2, 0])).type).toBe('incomplete')
    expect(parseGreeting(Buffer.from([4, 1])).type).toBe('malformed')
    expect(parseGreeting(Buffer.from([5, 0])).type).toBe('malformed')
  })
})

describe('the user', () => {
  const user = (name: string, password: string): Buffer =>
    Buffer.concat([
      Buffer.from([1, Buffer.byteLength(name)]),
      Buffer.from(name),
      Buffer.from([Buffer.byteLength(password)]),
      Buffer.from(password),
    ])

  test.each([
    ['shop/till', 'open: sesame'],
    ['j\u00f6rg', 'p\u00e4ss'],
    ['nobody', ''],
    ['x'.repeat(255), 'y'.repeat(255)],
  ])('%s is told as Basic credentials tell it', (name, password) => {
    const bytes = user(name, password)
    const credentials = `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
    const behind = Buffer.concat([bytes, Buffer.from([5, 1])])
    expect(parseSocksUser(behind)).toEqual({ type: 'user', length: bytes.length, credentials })
  })

  test('every beginning is incomplete', () => {
    const whole = user('shop/till', 'sesame')
    for (let end = 0; end < whole.length; end++) {
      expect(parseSocksUser(whole.subarray(0, end)).type).toBe('incomplete')
    }
  })

  test.each([
    ['another version', Buffer.from([5, 1, 97, 1, 98])],
    ['a name with a colon, which would be another name in Basic', user('shop/till:x', 'y')],
    ['no name', user('', 'x')],
  ])('%s is malformed', (_name, bytes) => {
    expect(parseSocksUser(bytes).type).toBe('malformed')
  })
})

describe('the request', () => {
  test.each([
    ['a name', connect(...name('web.test'), 1, 187), 'web.test:443'],
    ['IPv4', connect(1, 192, 0, 2, 1, 0, 80), '192.0.2.1:80'],
    ['IPv6', connect(4, ...Buffer.alloc(15), 1, 0, 80), '[0:0:0:0:0:0:0:1]:80'],
    ['an address as a name', connect(...name('127.0.0.1'), 0, 80), '127.0.0.1:80'],
  ])('%s', (_name, bytes, authority) => {
    expect(parseSocksRequest(bytes)).toEqual({ type: 'connect', length: bytes.length, authority })
  })

  test.each([
    ['BIND', Buffer.from([5, 2, 0, 1, 1, 2, 3, 4, 0, 80]), SOCKS_REPLY.commandNotSupported],
    [
      'UDP ASSOCIATE',
      Buffer.from([5, 3, 0, 1, 1, 2, 3, 4, 0, 80]),
      SOCKS_REPLY.commandNotSupported,
    ],
    ['another address type', connect(2, 1, 2, 3, 4, 0, 80), SOCKS_REPLY.addressTypeNotSupported],
    ['a reserved byte', Buffer.from([5, 1, 9, 1, 1, 2, 3, 4, 0, 80]), SOCKS_REPLY.generalFailure],
    ['port 0', connect(...name('web.test'), 0, 0), SOCKS_REPLY.generalFailure],
    ['an empty name', connect(...name(''), 0, 80), SOCKS_REPLY.generalFailure],
    ['a name with a port', connect(...name('web:80'), 0, 80), SOCKS_REPLY.generalFailure],
    ['a name with NUL', connect(...name('web\0.test'), 0, 80), SOCKS_REPLY.generalFailure],
    ['a name with brackets', connect(...name('[::1]'), 0, 80), SOCKS_REPLY.generalFailure],
    ['a name with a line end', connect(...name('a\r\nb'), 0, 80), SOCKS_REPLY.generalFailure],
  ])('%s is refused', (_name, bytes, reply) => {
    expect(parseSocksRequest(bytes)).toEqual({ type: 'refused', reply })
  })

  test('every beginning of a request is incomplete', () => {
    const whole = connect(...name('web.test'), 1, 187)
    for (let end = 0; end < whole.length; end++) {
      expect(parseSocksRequest(whole.subarray(0, end)).type).toBe('incomplete')
    }
  })

  test('no bytes make it throw, and it never waits for more than 262', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const request = parseSocksRequest(Buffer.from(bytes))
        if (bytes.length >= 262) expect(request.type).not.toBe('incomplete')
        parseGreeting(Buffer.from(bytes))
      }),
      { numRuns: 500 },
    )
  })
})

test('a reply has the shape of RFC 1928 6', () => {
  expect(socksReply(SOCKS_REPLY.connectionRefused)).toEqual(
    Buffer.from([5, 5, 0, 1, 0, 0, 0, 0, 0, 0]),
  )
})
