import { expect, test } from 'vitest'
import { readSpellings, respell } from './spellings.ts'

const HEAD = 'Host: a\r\nX-Request-ID: 1\r\nx-plain:2\r\nX-REQUEST-id: 3\r\n'

test('names are remembered as they came first', () => {
  expect([...readSpellings(HEAD, 0)]).toEqual([
    ['host', 'Host'],
    ['x-request-id', 'X-Request-ID'],
    ['x-plain', 'x-plain'],
  ])
})

test('lines get their letters back, values and unknown names stay as they are', () => {
  const lines = 'host: x-plain\r\nx-request-id: host: 1\r\nx-own: 2\r\n'
  expect(respell(lines, readSpellings(HEAD, 0))).toBe(
    'Host: x-plain\r\nX-Request-ID: host: 1\r\nx-own: 2\r\n',
  )
  expect(respell('', readSpellings(HEAD, 0))).toBe('')
})
