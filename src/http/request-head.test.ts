import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HeadReader } from './head-reader.ts'
import { HttpSettings } from './http-settings.ts'
import { Refusal } from './refusal.ts'
import { Request, UNKNOWN_LENGTH } from './request.ts'
import { hasForbiddenControl, RequestHeadParser } from './request-head.ts'

const STRICT = new HttpSettings()
const LENIENT = new HttpSettings({ acceptHttp10: true, underscoreNames: 'allow' })

/** A request, the status it is refused with, or null while it is incomplete. */
type Outcome = Request | number | null

function readPieces(pieces: readonly string[], settings: HttpSettings = STRICT): Outcome {
  const reader = new HeadReader(settings.maxHeadBytes, 1)
  const parser = new RequestHeadParser(settings, 'http')
  for (const piece of pieces) {
    if (piece === '') continue
    if (reader.read(Buffer.from(piece, 'latin1'), 0)) {
      const outcome = parser.parse(reader.text, reader.end)
      return outcome instanceof Refusal ? outcome.status : outcome
    }
    if (reader.refusal !== null) return reader.refusal.status
  }
  return null
}

/** The same bytes whole, byte by byte, and cut at every CR and LF. */
function readInAllWays(message: string, settings: HttpSettings = STRICT): Outcome {
  const whole = readPieces([message], settings)
  expect(readPieces([...message], settings)).toEqual(whole)
  expect(readPieces(message.split(/(?=\r)|(?<=\r)/), settings)).toEqual(whole)
  expect(readPieces(message.split(/(?<=\n)/), settings)).toEqual(whole)
  return whole
}

function withFields(...lines: string[]): string {
  return ['POST /x HTTP/1.1', 'Host: shop.test', ...lines, '', ''].join('\r\n')
}

function accepted(message: string, settings: HttpSettings = STRICT): Request {
  const outcome = readInAllWays(message, settings)
  expect(outcome).toBeInstanceOf(Request)
  return outcome as Request
}

describe('framing attacks are refused', () => {
  test.each<[string, string[], number]>([
    ['CL and TE', ['Content-Length: 6', 'Transfer-Encoding: chunked'], 400],
    ['TE and CL', ['Transfer-Encoding: chunked', 'Content-Length: 6'], 400],
    ['two TE lines', ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], 400],
    [
      'TE chunked and identity in two lines',
      ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'],
      400,
    ],
    ['unknown coding', ['Transfer-Encoding: xchunked'], 501],
    ['coding list', ['Transfer-Encoding: gzip, chunked'], 501],
    ['chunked not last', ['Transfer-Encoding: chunked, identity'], 501],
    ['chunked twice', ['Transfer-Encoding: chunked, chunked'], 501],
    ['coding with parameter', ['Transfer-Encoding: chunked;q=1'], 501],
    ['NBSP before the coding', ['Transfer-Encoding: \xa0chunked'], 400],
    ['vertical tab before the coding', ['Transfer-Encoding: \x0bchunked'], 400],
    ['quoted coding', ['Transfer-Encoding: "chunked"'], 400],
    ['empty coding', ['Transfer-Encoding:'], 400],
    ['identical lengths', ['Content-Length: 4', 'Content-Length: 4'], 400],
    ['different lengths', ['Content-Length: 4', 'Content-Length: 5'], 400],
    ['length list', ['Content-Length: 4, 4'], 400],
    ['plus sign', ['Content-Length: +5'], 400],
    ['minus sign', ['Content-Length: -5'], 400],
    ['hexadecimal', ['Content-Length: 0x5'], 400],
    ['empty length', ['Content-Length:'], 400],
    ['length with inner space', ['Content-Length: 1 2'], 400],
    ['length of 2^64 + 5', ['Content-Length: 18446744073709551621'], 400],
    ['length beyond exact numbers', ['Content-Length: 9007199254740993'], 400],
    ['exponent', ['Content-Length: 1e2'], 400],
    ['space before the colon', ['Transfer-Encoding : chunked'], 400],
    ['tab before the colon', ['Content-Length\t: 5'], 400],
    ['folded line', ['X-A: b', ' folded: c'], 400],
    ['tab-folded line', ['X-A: b', '\tfolded'], 400],
    ['empty name', [': x'], 400],
    ['line without colon', ['no colon here'], 400],
    ['NUL in a value', ['X-A: a\0b'], 400],
    ['CR in a value', ['X-A: a\rb'], 400],
    ['LF in a value', ['X-A: a\nContent-Length: 3'], 400],
    ['DEL in a value', ['X-A: a\x7f'], 400],
    ['high byte in a name', ['X-\xe9: a'], 400],
    ['parenthesis in a name', ['X(A): a'], 400],
    ['underscore twin', ['X_User: a'], 400],
    ['two Authorization', ['Authorization: a', 'Authorization: a'], 400],
    ['two Content-Type', ['Content-Type: a', 'content-type: b'], 400],
    ['unknown expectation', ['Expect: tea'], 417],
    ['expectation with prefix', ['Expect: y 100-continue'], 417],
    ['expectation list', ['Expect: 100-continue, x'], 417],
    [
      '65 connection options',
      [`Connection: ${Array.from({ length: 65 }, (_, i) => `h${i}`).join(',')}`],
      400,
    ],
    ['malformed connection option', ['Connection: a b'], 400],
  ])('%s', (_name, lines, status) => {
    expect(readInAllWays(withFields(...lines))).toBe(status)
  })
})

describe('start lines and heads as a whole are refused', () => {
  test.each<[string, string, number]>([
    ['two Hosts', withFields('Host: locked.test'), 400],
    ['two equal Hosts', withFields('Host: shop.test'), 400],
    ['no Host', 'GET / HTTP/1.1\r\nX: y\r\n\r\n', 400],
    ['no field at all', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 400],
    ['Host with userinfo', 'GET / HTTP/1.1\r\nHost: a@shop.test\r\n\r\n', 400],
    ['Host list', 'GET / HTTP/1.1\r\nHost: shop.test, locked.test\r\n\r\n', 400],
    ['Host with path', 'GET / HTTP/1.1\r\nHost: shop.test/x\r\n\r\n', 400],
    [
      'bad Host beside a good absolute-form',
      'GET http://shop.test/ HTTP/1.1\r\nHost: a b\r\n\r\n',
      400,
    ],
    ['HTTP/1.0', 'GET / HTTP/1.0\r\nHost: shop.test\r\n\r\n', 426],
    ['HTTP/0.9', 'GET /\r\n\r\n', 400],
    ['HTTP/2.0', 'GET / HTTP/2.0\r\nHost: shop.test\r\n\r\n', 505],
    ['lower-case version', 'GET / http/1.1\r\nHost: shop.test\r\n\r\n', 400],
    ['long version', 'GET / HTTP/1.10\r\nHost: shop.test\r\n\r\n', 400],
    ['version without dot', 'GET / HTTP/1-1\r\nHost: shop.test\r\n\r\n', 400],
    ['two spaces', 'GET  / HTTP/1.1\r\nHost: shop.test\r\n\r\n', 400],
    ['tab instead of space', 'GET\t/ HTTP/1.1\r\nHost: shop.test\r\n\r\n', 400],
    ['space in the target', 'GET /a b HTTP/1.1\r\nHost: shop.test\r\n\r\n', 400],
    ['trailing space', 'GET / HTTP/1.1 \r\nHost: shop.test\r\n\r\n', 400],
    ['leading space', ' GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n', 400],
    ['control in the target', 'GET /\x01 HTTP/1.1\r\nHost: shop.test\r\n\r\n', 400],
    ['fragment', 'GET /a#b HTTP/1.1\r\nHost: shop.test\r\n\r\n', 400],
    ['method that is no token', 'G[T / HTTP/1.1\r\nHost: shop.test\r\n\r\n', 400],
    ['space before the first field', 'GET / HTTP/1.1\r\n Host: shop.test\r\n\r\n', 400],
    ['bare LF', 'GET / HTTP/1.1\nHost: shop.test\n\n', 400],
    ['one bare LF', 'GET / HTTP/1.1\r\nHost: shop.test\nX: y\r\n\r\n', 400],
    ['bare CR at the end', 'GET / HTTP/1.1\r\nHost: shop.test\r\n\rX\r\n\r\n', 400],
    ['CR CR LF', 'GET / HTTP/1.1\r\r\nHost: shop.test\r\n\r\n', 400],
    ['two empty lines first', '\r\n\r\nGET / HTTP/1.1\r\nHost: shop.test\r\n\r\n', 400],
    ['lone CR first', '\rGET / HTTP/1.1\r\nHost: shop.test\r\n\r\n', 400],
    ['lone LF first', '\nGET / HTTP/1.1\r\nHost: shop.test\r\n\r\n', 400],
    ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    [
      'CONNECT with a body',
      'CONNECT a.test:1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\n',
      400,
    ],
    ['CONNECT without port', 'CONNECT a.test HTTP/1.1\r\nHost: a.test\r\n\r\n', 400],
    ['101 fields', withFields(...Array.from({ length: 100 }, (_, i) => `x${i}: y`)), 431],
    ['a head of more than 60 KiB', withFields(`X: ${'y'.repeat(61_440)}`), 431],
    ['an endless line', 'A'.repeat(61_441), 431],
  ])('%s', (_name, message, status) => {
    expect(readInAllWays(message)).toBe(status)
  })

  test('chunked in HTTP/1.0', () => {
    const message = 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n'
    expect(readInAllWays(message, LENIENT)).toBe(400)
  })
})

describe('what is accepted', () => {
  test('names are lower-case, values trimmed, order and repetition kept', () => {
    const request = accepted(
      withFields('X-B: \t two \t', 'Accept: a', 'accept:b', 'X-Empty:', 'X-High: \xe9'),
    )
    expect(request.headers.fields).toEqual([
      'x-b',
      'two',
      'accept',
      'a',
      'accept',
      'b',
      'x-empty',
      '',
      'x-high',
      '\xe9',
    ])
  })

  test('exactly 100 fields', () => {
    const lines = Array.from({ length: 99 }, (_, i) => `x${i}: y`)
    expect(accepted(withFields(...lines)).headers.size).toBe(99)
  })

  test('names that mean something to JavaScript are ordinary', () => {
    const request = accepted(
      withFields('__proto__: a', 'constructor: b', 'toString: c', 'hasOwnProperty: d'),
      LENIENT,
    )
    expect(request.headers.get('__proto__')).toBe('a')
    expect(request.headers.get('constructor')).toBe('b')
    expect(request.headers.get('valueof')).toBeNull()
  })

  test('fields of this hop and those Connection names are taken out', () => {
    const request = accepted(
      withFields(
        'Connection: keep-alive, X-Secret, Host, Content-Length',
        'X-Secret: 1',
        'Keep-Alive: timeout=5',
        'Proxy-Connection: close',
        'TE: gzip',
        'HTTP2-Settings: x',
        'Upgrade: foo',
        'Content-Length: 3',
        'X-Kept: 1',
      ),
    )
    expect(request.headers.fields).toEqual(['x-kept', '1'])
    expect(request.bodyLength).toBe(3)
    expect(request.authority).toBe('shop.test')
  })

  test('te: trailers stays, alone, even when Connection names it', () => {
    const request = accepted(withFields('TE: gzip;q=0.5, Trailers', 'Connection: TE'))
    expect(request.headers.fields).toEqual(['te', 'trailers'])
  })

  test.each<[string, string, Partial<Request>]>([
    [
      'chunked in any case',
      withFields('Transfer-Encoding: \tChunked '),
      { bodyLength: UNKNOWN_LENGTH },
    ],
    ['leading zeros of a length', withFields('Content-Length: 0005'), { bodyLength: 5 }],
    [
      'the largest length',
      withFields('Content-Length: 999999999999999'),
      { bodyLength: 999999999999999 },
    ],
    ['a body on GET', 'GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n', { bodyLength: 2 }],
    ['an unknown method', 'BREW /x HTTP/1.1\r\nHost: a\r\n\r\n', { method: 'BREW' }],
    ['a later minor version', 'GET /x HTTP/1.2\r\nHost: a\r\n\r\n', { protocol: 'HTTP/1.1' }],
    ['one empty line first', '\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n', { path: '/x' }],
    [
      'absolute-form: its authority wins over Host',
      'GET https://locked.test/admin?q HTTP/1.1\r\nHost: shop.test\r\n\r\n',
      { authority: 'locked.test', path: '/admin', query: '?q', absoluteForm: true, scheme: 'http' },
    ],
    [
      'CONNECT',
      'CONNECT db.test:443 HTTP/1.1\r\nHost: db.test:443\r\n\r\n',
      { authority: 'db.test:443', path: '', absoluteForm: false },
    ],
    [
      'expectation',
      withFields('Expect: 100-Continue', 'Content-Length: 1'),
      { expectsContinue: true },
    ],
    ['expectation without body', withFields('Expect: 100-continue'), { expectsContinue: false }],
    [
      'a WebSocket upgrade',
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n',
      { upgrade: 'websocket' },
    ],
    [
      'an upgrade that Connection does not name is none',
      'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n',
      { upgrade: null },
    ],
    [
      'an upgrade with a body is none',
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\n',
      { upgrade: null },
    ],
    [
      'an upgrade of POST is none',
      withFields('Connection: upgrade', 'Upgrade: websocket'),
      { upgrade: null },
    ],
  ])('%s', (_name, message, expected) => {
    expect(accepted(message)).toMatchObject(expected)
  })

  test('underscores can be dropped or allowed', () => {
    const message = withFields('X_User: a', 'X-B: b')
    const dropping = new HttpSettings({ underscoreNames: 'drop' })
    expect(accepted(message, dropping).headers.fields).toEqual(['x-b', 'b'])
    expect(accepted(message, LENIENT).headers.fields).toEqual(['x_user', 'a', 'x-b', 'b'])
  })

  test('HTTP/1.0 without Host, when the settings accept it', () => {
    const request = accepted('GET /x HTTP/1.0\r\n\r\n', LENIENT)
    expect(request).toMatchObject({ protocol: 'HTTP/1.0', authority: '' })
  })
})

describe('properties', () => {
  const piece = fc.constantFrom(
    'GET ',
    'POST ',
    '/',
    '*',
    ' HTTP/1.1',
    ' HTTP/1.0',
    '\r\n',
    '\r\n',
    '\r\n',
    '\r',
    '\n',
    '\r\n\r\n',
    'Host: a',
    'Host: b',
    'Content-Length: 3',
    'Transfer-Encoding: chunked',
    'Connection: x',
    'X: y',
    ': ',
    ':',
    ' ',
    '\t',
    '\0',
    '\xff',
    'x',
    'Expect: 100-continue',
    'Upgrade: websocket',
  )
  const noise = fc.array(piece, { maxLength: 24 }).map((pieces) => pieces.join(''))
  const likely = noise.map((text) => `GET / HTTP/1.1\r\nHost: a\r\n${text}\r\n\r\n`)

  test('never throws, and the way the bytes are cut changes nothing', () => {
    fc.assert(
      fc.property(
        fc.oneof(noise, likely),
        fc.array(fc.nat(300), { maxLength: 6 }),
        (text, cuts) => {
          const points = [...new Set(cuts)].sort((a, b) => a - b)
          const pieces: string[] = []
          let from = 0
          for (const point of points) {
            pieces.push(text.slice(from, point))
            from = Math.max(from, point)
          }
          pieces.push(text.slice(from))
          expect(readPieces(pieces)).toEqual(readPieces([text]))
          expect(readPieces([...text])).toEqual(readPieces([text]))
        },
      ),
      { numRuns: 3000 },
    )
  })

  test('no accepted request keeps a field of this hop', () => {
    const hop = [
      'connection',
      'keep-alive',
      'proxy-connection',
      'transfer-encoding',
      'upgrade',
      'expect',
      'host',
      'content-length',
      'http2-settings',
    ]
    const name = fc.constantFrom(...hop, 'x-a', 'x-b', 'te')
    const line = fc
      .tuple(name, fc.constantFrom('x-a', '3', 'chunked', 'close, x-b', 'trailers', ''))
      .map((pair) => pair.join(': '))
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
        const outcome = readPieces([withFields(...lines)])
        if (!(outcome instanceof Request)) return
        for (const banned of hop) expect(outcome.headers.has(banned)).toBe(false)
        const named = lines.some((it) => it === 'connection: close, x-b')
        if (named) expect(outcome.headers.has('x-b')).toBe(false)
      }),
      { numRuns: 2000 },
    )
  })

  test('controls are forbidden but tab and CRLF, whose halves are never alone', () => {
    const piece = fc.constantFrom(
      'a',
      '\t',
      '\r',
      '\n',
      '\r\n',
      '\0',
      '\x1f',
      '\x7f',
      '\x80',
      '\xff',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const text = pieces.join('')
        const rest = text.replaceAll('\r\n', '')
        const forbidden = [...rest].some((it) => (it < ' ' && it !== '\t') || it === '\x7f')
        expect(hasForbiddenControl(text)).toBe(forbidden)
      }),
      { numRuns: 5000 },
    )
  })
})
