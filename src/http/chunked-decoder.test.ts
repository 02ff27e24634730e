import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ChunkedDecoder } from './chunked-decoder.ts'

const LIMITS = { maxChunkExtensionBytes: 64, maxHeadBytes: 200, maxHeaderFields: 4 }

interface Decoded {
  readonly body: string
  /** Trailer fields, a refusal's status, or 'more' while incomplete. */
  readonly end: readonly string[] | number | 'more'
  /** Bytes behind the body that were left alone. */
  readonly rest: string
}

function decode(pieces: readonly string[]): Decoded {
  const decoder = new ChunkedDecoder(LIMITS, 'allow')
  let body = ''
  let rest = ''
  for (const piece of pieces) {
    if (decoder.done) {
      rest += piece
      continue
    }
    const chunk = Buffer.from(piece, 'latin1')
    const valid = decoder.read(chunk, 0)
    if (!valid) return { body: '', end: decoder.refusal!.status, rest: '' }
    body += chunk.toString('latin1', decoder.payloadStart, decoder.payloadEnd)
    if (decoder.done) rest += piece.slice(decoder.next)
  }
  const end = decoder.done ? (decoder.trailers?.fields ?? []) : 'more'
  return { body, end, rest }
}

function decodeInAllWays(text: string): Decoded {
  const whole = decode([text])
  expect(decode([...text])).toEqual(whole)
  expect(decode(text.split(/(?<=[\r\n])/))).toEqual(whole)
  return whole
}

test.each<[string, string, Decoded]>([
  ['nothing', '0\r\n\r\n', { body: '', end: [], rest: '' }],
  ['two chunks', '2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n', { body: 'abcde', end: [], rest: '' }],
  ['hexadecimal sizes', 'A\r\n0123456789\r\n0\r\n\r\n', { body: '0123456789', end: [], rest: '' }],
  ['leading zeros', '0002\r\nab\r\n000\r\n\r\n', { body: 'ab', end: [], rest: '' }],
  [
    'payload that looks like framing',
    '7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n',
    { body: '\r\n0\r\n\r\n', end: [], rest: '' },
  ],
  ['extensions', '2;a=b;c="d"\r\nab\r\n0;x\r\n\r\n', { body: 'ab', end: [], rest: '' }],
  [
    'trailers',
    '0\r\nX-A: 1\r\nx-b: \r\n\r\n',
    { body: '', end: ['x-a', '1', 'x-b', ''], rest: '' },
  ],
  ['what follows is left alone', '1\r\na\r\n0\r\n\r\nGET /', { body: 'a', end: [], rest: 'GET /' }],
  ['an unfinished body', '5\r\nab', { body: 'ab', end: 'more', rest: '' }],
  ['a body without its last line', '0\r\n', { body: '', end: 'more', rest: '' }],
  [
    'trailers that may not be trailers',
    '0\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\nX-Forwarded-For: a\r\n\r\n',
    { body: '', end: [], rest: '' },
  ],
  [
    'a trailer named __proto__',
    '0\r\n__proto__: a\r\n\r\n',
    { body: '', end: ['__proto__', 'a'], rest: '' },
  ],
])('decodes %s', (_name, text, expected) => {
  expect(decodeInAllWays(text)).toEqual(expected)
})

test.each<[string, string, number]>([
  ['0x prefix', '0x2\r\nab\r\n0\r\n\r\n', 400],
  ['plus sign', '+2\r\nab\r\n0\r\n\r\n', 400],
  ['minus sign', '-2\r\nab\r\n0\r\n\r\n', 400],
  ['empty size', '\r\nab\r\n0\r\n\r\n', 400],
  ['only an extension', ';a\r\nab\r\n0\r\n\r\n', 400],
  ['space before the size', ' 2\r\nab\r\n0\r\n\r\n', 400],
  ['space behind the size', '2 \r\nab\r\n0\r\n\r\n', 400],
  ['underscore in the size', '1_0\r\nab', 400],
  ['bare LF behind the size', '2\nab\r\n0\r\n\r\n', 400],
  ['bare LF in an extension', '2;\nab\r\n0\r\n\r\n', 400],
  ['bare CR in an extension', '2;a\rb\r\nab\r\n0\r\n\r\n', 400],
  ['NUL in an extension', '2;a\0\r\nab\r\n0\r\n\r\n', 400],
  ['bare CR behind the size', '2\rab\r\n0\r\n\r\n', 400],
  ['payload longer than its size', '2\r\nabc\r\n0\r\n\r\n', 400],
  ['payload shorter than its size', '3\r\nab\r\n0\r\n\r\n', 400],
  ['bare LF behind the payload', '2\r\nab\n0\r\n\r\n', 400],
  ['a size of 2^64', '10000000000000000\r\n', 400],
  ['nine digits', '000000001\r\na', 400],
  ['bare LF behind the last chunk', '0\n\r\n', 400],
  ['bare LF as last line', '0\r\n\n', 400],
  ['bare CR as last line', '0\r\n\rX', 400],
  ['folded trailer', '0\r\nX-A: 1\r\n b\r\n\r\n', 400],
  ['trailer without colon', '0\r\nX-A\r\n\r\n', 400],
  ['bare LF in a trailer', '0\r\nX-A: 1\nX-B: 2\r\n\r\n', 400],
  ['NUL in a trailer', '0\r\nX-A: \0\r\n\r\n', 400],
  ['space before a trailer colon', '0\r\nX-A : 1\r\n\r\n', 400],
  ['too many trailers', `0\r\n${'a: b\r\n'.repeat(5)}\r\n`, 431],
  ['too large trailers', `0\r\na: ${'b'.repeat(300)}\r\n\r\n`, 431],
  ['too many extension bytes in all', `${'1;abcdefghij\r\nx\r\n'.repeat(7)}0\r\n\r\n`, 413],
])('refuses %s', (_name, text, status) => {
  expect(decodeInAllWays(text).end).toBe(status)
})

describe('properties', () => {
  test('what was encoded comes out, however chunked and cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 30 }), {
          maxLength: 8,
        }),
        fc.nat(40),
        (parts, step) => {
          const text = `${parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('')}0\r\n\r\n`
          const pieces: string[] = []
          for (let at = 0; at < text.length; at += step + 1)
            pieces.push(text.slice(at, at + step + 1))
          expect(decode(pieces)).toEqual({ body: parts.join(''), end: [], rest: '' })
        },
      ),
    )
  })

  test('never throws and does not depend on how bytes are cut', () => {
    const piece = fc.constantFrom(
      '0',
      '1',
      '2',
      'a',
      ';',
      '\r\n',
      '\r\n',
      '\r',
      '\n',
      ':',
      ' ',
      'x',
      '\0',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        decodeInAllWays(pieces.join(''))
      }),
      { numRuns: 2000 },
    )
  })

  test('a reset decoder is like new', () => {
    const decoder = new ChunkedDecoder(LIMITS, 'allow')
    expect(decoder.read(Buffer.from('2;x\r\nab\r\n0\r\nA: b\r\n\r\n'), 0)).toBe(true)
    decoder.reset()
    expect(decoder.done).toBe(false)
    expect(decoder.trailers).toBeNull()
    expect(decoder.read(Buffer.from('0\r\n\r\n'), 0)).toBe(true)
    expect(decoder.done).toBe(true)
    expect(decoder.trailers).toBeNull()
  })
})
