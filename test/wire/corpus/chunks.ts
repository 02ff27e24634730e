import {
  brokenBody,
  get,
  named,
  passes,
  post,
  SMUGGLED,
  table,
  answered,
  UNFINISHED,
  type WireCase,
} from './case.ts'

const CHUNKED = ['Transfer-Encoding: chunked']
const END = '0\r\n\r\n'

function chunked(body: string): string {
  return post(CHUNKED, body)
}

/** Size lines that some parser reads as 5, or as the end. */
const SIZES: readonly (readonly [string, string])[] = [
  ['0x', '0x5'],
  ['0X', '0X5'],
  ['a plus', '+5'],
  ['a minus', '-5'],
  ['a leading space', ' 5'],
  ['a trailing space', '5 '],
  ['a trailing tab', '5\t'],
  ['no hexadecimal digit', 'g'],
  ['nothing', ''],
  ['only an extension', ';a=b'],
  ['an underscore', '0_5'],
  ['a comma', '5,5'],
  ['a point', '5.0'],
  ['a quote', '"5"'],
  ['9 digits', '000000005'],
  ['2^32', '100000000'],
  ['2^64 + 5', '10000000000000005'],
  ['17 digits', 'ffffffffffffffff5'],
  ['a colon', '5:'],
  ['NUL behind', '5\0'],
  ['NUL before', '\x005'],
  ['a no-break space', '5\xa0'],
  ['a vertical tab', '5\x0b'],
  ['a form feed', '5\x0c'],
  ['a high digit', '\xb5'],
  ['0o', '0o5'],
  ['a hash', '#5'],
  ['a percent', '%35'],
  ['a space before an extension', '5 ;a'],
  ['trailing letters', '5z'],
]

/** Line ends that are none. */
const LINE_ENDS: readonly (readonly [string, string])[] = [
  ['LF behind the size', '5\nhello\r\n0\r\n\r\n'],
  ['CR alone behind the size', '5\rhello\r\n0\r\n\r\n'],
  ['LF CR behind the size', '5\n\rhello\r\n0\r\n\r\n'],
  ['CR CR LF behind the size', '5\r\r\nhello\r\n0\r\n\r\n'],
  ['CR x behind the size', '5\rxhello\r\n0\r\n\r\n'],
  ['LF behind the data', '5\r\nhello\n0\r\n\r\n'],
  ['nothing behind the data', '5\r\nhello0\r\n\r\n'],
  ['CR alone behind the data', '5\r\nhello\r0\r\n\r\n'],
  ['two bytes too many', '5\r\nhelloXX0\r\n\r\n'],
  ['one byte too many', '5\r\nhellox\r\n0\r\n\r\n'],
  ['one byte too few', '5\r\nhell\r\n0\r\n\r\n'],
  ['CRLF CRLF behind the data', '5\r\nhello\r\n\r\n0\r\n\r\n'],
  ['LF behind the last size', '5\r\nhello\r\n0\n\r\n'],
  ['LF LF at the end', '5\r\nhello\r\n0\n\n'],
  ['LF for the last empty line', '5\r\nhello\r\n0\r\n\n'],
  ['CR x for the last empty line', '5\r\nhello\r\n0\r\n\rx'],
  ['CR CR LF at the end', '5\r\nhello\r\n0\r\n\r\r\n'],
  ['a space before the last empty line', '5\r\nhello\r\n0\r\n \r\n'],
  ['LF in an extension', '5;a\nb\r\nhello\r\n0\r\n\r\n'],
  ['LF ends an extension', '5;\nhello\r\n0\r\n\r\n'],
  ['CR in an extension', '5;a\rb\r\nhello\r\n0\r\n\r\n'],
  ['LF in a quoted extension', '5;a="\n"\r\nhello\r\n0\r\n\r\n'],
  ['CRLF in a quoted extension', '5;a="\r\n"\r\nhello\r\n0\r\n\r\n'],
]

const EXTENSIONS: readonly (readonly [string, string])[] = [
  ['a name', ';a'],
  ['a name and a value', ';a=b'],
  ['a quoted value', ';a="b c"'],
  ['a quoted semicolon', ';a=";"'],
  ['several', ';a;b=c;d="e"'],
  ['an empty one', ';'],
  ['blanks', '; a = b'],
  ['a tab', ';\ta'],
  ['high bytes', ';a=\xe9\xff'],
  ['a request', ';GET /admin HTTP/1.1'],
]

const HUNDRED = Array.from({ length: 100 }, (_, i) => `x-${i}: ${i}`)

/** Trailers that must change nothing, and what of them passes where trailers do. */
const TRAILERS: readonly (readonly [name: string, trailers: string, pass?: readonly string[]])[] = [
  ['an ordinary one', 'X-Sum: 1', ['x-sum: 1']],
  ['Content-Length', 'Content-Length: 100'],
  ['Transfer-Encoding', 'Transfer-Encoding: identity'],
  ['Host', 'Host: locked.test'],
  ['X-Forwarded-For', 'X-Forwarded-For: 1.1.1.1'],
  ['X-Forwarded-Proto', 'X-Forwarded-Proto: gopher'],
  ['X-Forwarded-Client-Cert', 'X-Forwarded-Client-Cert: By=me'],
  ['X-Envoy-External-Address', 'X-Envoy-External-Address: 1.1.1.1'],
  ['X-Request-Id', 'X-Request-Id: mine'],
  ['X-Real-IP', 'X-Real-IP: 1.1.1.1'],
  ['Forwarded', 'Forwarded: for=1.1.1.1'],
  ['Via', 'Via: 1.1 me'],
  ['Connection', 'Connection: close'],
  ['Keep-Alive', 'Keep-Alive: timeout=0'],
  ['TE', 'TE: trailers'],
  ['Expect', 'Expect: 100-continue'],
  ['Authorization', 'Authorization: Basic eA=='],
  ['two Authorizations', 'Authorization: Basic eA==\r\nAuthorization: Basic eQ=='],
  ['Proxy-Authorization', 'Proxy-Authorization: Basic eA=='],
  ['Cookie', 'Cookie: a=b'],
  ['Content-Type', 'Content-Type: text/html'],
  ['Trailer', 'Trailer: x'],
  ['Upgrade', 'Upgrade: websocket'],
  ['constructor', 'constructor: a', ['constructor: a']],
  ['an odd one in the middle', 'X-A: 1\r\nHost: b\r\nX-B: 2', ['x-a: 1', 'x-b: 2']],
  ['the same twice', 'X-Sum: 1\r\nX-Sum: 2', ['x-sum: 1', 'x-sum: 2']],
  ['a hundred', HUNDRED.join('\r\n'), HUNDRED],
]

const BAD_TRAILERS: readonly (readonly [string, string])[] = [
  ['no colon', 'X-Sum'],
  ['an empty name', ': a'],
  ['a space before the colon', 'X-Sum : 1'],
  ['a space in the name', 'X Sum: 1'],
  ['a folded line', 'X-Sum: 1\r\n 2'],
  ['a leading space', ' X-Sum: 1'],
  ['NUL', 'X-Sum: \0'],
  ['bare LF', 'X-Sum: 1\nX: 2'],
  ['bare CR', 'X-Sum: 1\rX: 2'],
  ['a request line', 'GET /admin HTTP/1.1\r\nHost: locked.test'],
  ['a high byte in the name', 'X\xe9: 1'],
  ['an underscore twin', 'X_Forwarded_For: 1.1.1.1'],
  ['__proto__', '__proto__: a'],
]

/** Bytes an extension may not hold. LF, CR and tab are cases of their own. */
const CONTROLS = [0x00, 0x01, 0x08, 0x0b, 0x0c, 0x0e, 0x1b, 0x1f, 0x7f]

export const chunks: readonly WireCase[] = [
  ...table(
    SIZES.map(([name, size]) => [
      `chunk size with ${name}`,
      chunked(`${size}\r\nhello\r\n${END}${SMUGGLED}`),
      brokenBody(400),
    ]),
  ),
  ...table(
    SIZES.map(([name, size]) => [
      `second chunk size with ${name}`,
      chunked(`3\r\nabc\r\n${size}\r\nhello\r\n${END}${SMUGGLED}`),
      brokenBody(400),
    ]),
  ),
  ...table(
    LINE_ENDS.map(([name, body]) => [
      `chunk line end: ${name}`,
      chunked(body + SMUGGLED),
      brokenBody(400),
    ]),
  ),
  ...table(
    EXTENSIONS.map(([name, extension]) => [
      `chunk extension: ${name}`,
      chunked(`5${extension}\r\nhello\r\n0${extension}\r\n\r\n`),
      passes({ body: 'hello' }),
    ]),
  ),
  ...table(
    CONTROLS.map((code) => [
      `chunk extension with ${named(code)}`,
      chunked(`5;a=${String.fromCharCode(code)}\r\nhello\r\n${END}${SMUGGLED}`),
      brokenBody(400),
    ]),
  ),
  ...table(
    TRAILERS.map(([name, trailer, trailers = []]) => [
      `trailer ${name}`,
      chunked(`5\r\nhello\r\n0\r\n${trailer}\r\n\r\n`),
      passes({ body: 'hello', trailers, has: ['host: shop.test', 'x-forwarded-for: 127.0.0.1'] }),
    ]),
  ),
  ...table(
    BAD_TRAILERS.map(([name, trailer]) => [
      `bad trailer: ${name}`,
      chunked(`5\r\nhello\r\n0\r\n${trailer}\r\n\r\n`),
      brokenBody(400),
    ]),
  ),
  ...table([
    ['upper-case digits', chunked(`A\r\n0123456789\r\n${END}`), passes({ body: '0123456789' })],
    ['lower-case digits', chunked(`a\r\n0123456789\r\n${END}`), passes({ body: '0123456789' })],
    ['leading zeros', chunked(`00000005\r\nhello\r\n${END}`), passes({ body: 'hello' })],
    ['many zeros at the end', chunked('5\r\nhello\r\n00000000\r\n\r\n'), passes({ body: 'hello' })],
    [
      'twenty chunks of one byte',
      chunked(`${'1\r\nx\r\n'.repeat(20)}${END}`),
      passes({ body: 'x'.repeat(20) }),
    ],
    [
      'a chunk that holds a request',
      chunked(`${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n${END}`),
      passes({ body: SMUGGLED }),
    ],
    ['a chunk that holds a last chunk', chunked(`5\r\n${END}\r\n${END}`), passes({ body: END })],
    [
      'a request behind trailers',
      chunked(`0\r\nX-Sum: 1\r\n\r\n${SMUGGLED}`),
      { ...answered([200, 403], 1), trailers: ['x-sum: 1'] },
    ],
    [
      'trailers that Connection names',
      post([...CHUNKED, 'Connection: X-Hop'], '0\r\nX-Hop: 1\r\nX-Sum: 1\r\n\r\n'),
      passes({ trailers: ['x-sum: 1'] }),
    ],
    ['a request where the trailers are', chunked(`0\r\n${SMUGGLED}`), brokenBody(400)],
    ['trailers that never end', chunked('0\r\nX-Sum: 1\r\n'), UNFINISHED],
    ['a size of 4 GiB, cut', chunked('ffffffff\r\nx'), UNFINISHED],
    [
      '101 trailers',
      chunked(`0\r\n${Array.from({ length: 101 }, (_, i) => `x-${i}: 1\r\n`).join('')}\r\n`),
      brokenBody(431),
    ],
    [
      'a chunked body, then another request',
      chunked(`5\r\nhello\r\n${END}`) + get(),
      answered([200, 200], 2),
    ],
  ]),
]
