import { describe, expect, test } from 'vitest'
import { UNKNOWN_LENGTH } from './request.ts'
import { CHUNKED, CLOSE_DELIMITED, FIXED_LENGTH, ResponseHeadParser } from './response-head.ts'

function parse(...lines: string[]): ResponseHeadParser | string {
  const parser = new ResponseHeadParser(10)
  const text = `${lines.join('\r\n')}\r\n\r\n`
  const refusal = parser.parse(text, text.length - 4)
  return refusal === null ? parser : refusal.reason
}

describe('accepted', () => {
  test.each<[string, string[], Partial<ResponseHeadParser>]>([
    [
      'no framing',
      ['HTTP/1.1 200 OK'],
      { status: 200, framing: CLOSE_DELIMITED, length: UNKNOWN_LENGTH },
    ],
    ['no reason', ['HTTP/1.1 200'], { status: 200 }],
    ['empty reason', ['HTTP/1.1 200 '], { status: 200 }],
    ['an unknown status', ['HTTP/1.1 799 Odd'], { status: 799 }],
    ['a length', ['HTTP/1.1 200 OK', 'Content-Length: 12'], { framing: FIXED_LENGTH, length: 12 }],
    [
      'chunked',
      ['HTTP/1.1 200 OK', 'Transfer-Encoding: Chunked'],
      { framing: CHUNKED, length: UNKNOWN_LENGTH },
    ],
    ['close', ['HTTP/1.1 200 OK', 'Connection: Close'], { closes: true }],
    ['keep-alive hint', ['HTTP/1.1 200 OK', 'Keep-Alive: max=5, timeout=7'], { keepAliveMs: 7000 }],
    ['no keep-alive hint', ['HTTP/1.1 200 OK', 'Keep-Alive: max=5'], { keepAliveMs: -1 }],
    ['HTTP/1.0 closes', ['HTTP/1.0 200 OK', 'Content-Length: 1'], { closes: true }],
    ['HTTP/1.0 with keep-alive', ['HTTP/1.0 200 OK', 'Connection: keep-alive'], { closes: false }],
    [
      'an upgrade',
      ['HTTP/1.1 101 Switching', 'Connection: Upgrade', 'Upgrade: WebSocket'],
      { upgrade: 'websocket' },
    ],
    [
      'an upgrade that Connection does not name',
      ['HTTP/1.1 101 S', 'Upgrade: websocket'],
      { upgrade: null },
    ],
  ])('%s', (_name, lines, expected) => {
    expect(parse(...lines)).toMatchObject(expected)
  })

  test('fields of the hop are taken out, others stay as sent', () => {
    const parsed = parse(
      'HTTP/1.1 200 OK',
      'Connection: close, X-Hop',
      'X-Hop: 1',
      'Keep-Alive: timeout=1',
      'Content-Length: 3',
      'Proxy-Connection: close',
      'Upgrade: h2c',
      'Set-Cookie: a',
      'set-cookie: b',
      'X_Under: c',
    ) as ResponseHeadParser
    expect(parsed.headers.fields).toEqual(['set-cookie', 'a', 'set-cookie', 'b', 'x_under', 'c'])
  })

  test('a repeated Content-Type is passed on', () => {
    const parsed = parse('HTTP/1.1 200 OK', 'Content-Type: a', 'Content-Type: b', 'X: y')
    expect((parsed as ResponseHeadParser).headers.size).toBe(3)
  })
})

test.each<[string, string[]]>([
  ['garbage', ['hello']],
  ['HTTP/2', ['HTTP/2.0 200 OK']],
  ['two digits', ['HTTP/1.1 20 OK']],
  ['four digits', ['HTTP/1.1 2000 OK']],
  ['status below 100', ['HTTP/1.1 099 OK']],
  ['letters', ['HTTP/1.1 2x0 OK']],
  ['two spaces', ['HTTP/1.1  200 OK']],
  ['leading space', [' HTTP/1.1 200 OK']],
  ['CL and TE', ['HTTP/1.1 200 OK', 'Content-Length: 3', 'Transfer-Encoding: chunked']],
  ['two lengths', ['HTTP/1.1 200 OK', 'Content-Length: 3', 'Content-Length: 3']],
  ['bad length', ['HTTP/1.1 200 OK', 'Content-Length: 3x']],
  ['unknown coding', ['HTTP/1.1 200 OK', 'Transfer-Encoding: gzip, chunked']],
  ['chunked in HTTP/1.0', ['HTTP/1.0 200 OK', 'Transfer-Encoding: chunked']],
  ['folded line', ['HTTP/1.1 200 OK', 'X-A: b', ' c']],
  ['NUL', ['HTTP/1.1 200 OK', 'X-A: \0']],
  ['space before the colon', ['HTTP/1.1 200 OK', 'Content-Length : 3']],
  ['bare CR', ['HTTP/1.1 200 OK', 'X-A: b\rc']],
  ['bare LF', ['HTTP/1.1 200 OK', 'X-A: b\nc']],
  ['too many fields', ['HTTP/1.1 200 OK', ...Array.from({ length: 11 }, () => 'a: b')]],
  [
    'too many fields behind a repeated one',
    [
      'HTTP/1.1 200 OK',
      'Content-Type: a',
      'Content-Type: b',
      ...Array.from({ length: 11 }, () => 'a: b'),
    ],
  ],
])('refused: %s', (_name, lines) => {
  expect(parse(...lines)).toBeTypeOf('string')
})
