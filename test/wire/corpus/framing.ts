import {
  answered,
  brokenBody,
  get,
  lines,
  passes,
  post,
  refused,
  request,
  SMUGGLED,
  table,
  UNFINISHED,
  type WireCase,
} from './case.ts'

const CHUNKED = 'Transfer-Encoding: chunked'
const HELLO = '5\r\nhello\r\n0\r\n\r\n'
const END = '0\r\n\r\n'

/** Every spelling that some parser takes for chunked, with a request behind the last chunk. */
const CODINGS: readonly (readonly [string, string])[] = [
  ['a prefix', 'xchunked'],
  ['a suffix', 'chunkedx'],
  ['identity behind', 'chunked, identity'],
  ['identity', 'identity'],
  ['identity before', 'identity, chunked'],
  ['gzip', 'gzip'],
  ['gzip before', 'gzip, chunked'],
  ['twice in a list', 'chunked, chunked'],
  ['a parameter', 'chunked;q=1'],
  ['an empty parameter', 'chunked;'],
  ['quotes', '"chunked"'],
  ['single quotes', "'chunked'"],
  ['cut', 'chunke'],
  ['empty', ''],
  ['an empty item behind', 'chunked,'],
  ['an empty item before', ',chunked'],
  ['a vertical tab before', '\x0bchunked'],
  ['a form feed before', '\x0cchunked'],
  ['a form feed behind', 'chunked\x0c'],
  ['a no-break space before', '\xa0chunked'],
  ['a no-break space behind', 'chunked\xa0'],
  ['NUL before', '\0chunked'],
  ['NUL behind', 'chunked\0'],
  ['a unit separator behind', 'chunked\x1f'],
  ['a word behind', 'chunked x'],
  ['twice with a space', 'chunked chunked'],
  ['a field in the value', 'x: chunked'],
  ['a tab within', 'chun\tked'],
  ['a high byte before', '\xffchunked'],
  ['an escape', 'chun%6bed'],
  ['a letter that folds to k', 'chun\u00e2\u0084\u00aaed'],
  ['trailers', 'trailers'],
  ['a minus', '-chunked'],
  ['brackets', '[chunked]'],
  ['a backslash', 'chunked\\'],
  ['compress', 'compress, chunked'],
  ['deflate behind', 'chunked, deflate'],
  ['x-chunked', 'x-chunked'],
]

const GOOD_CODINGS = ['chunked', 'Chunked', 'CHUNKED', ' chunked', '  chunked \t', '\tchunked']

/** Field lines that some parser reads as Transfer-Encoding: chunked. */
const CODING_LINES: readonly (readonly [string, string])[] = [
  ['a space before the colon', 'Transfer-Encoding : chunked'],
  ['a tab before the colon', 'Transfer-Encoding\t: chunked'],
  ['an underscore', 'Transfer_Encoding: chunked'],
  ['NUL in the name', 'Transfer-Encoding\0: chunked'],
  ['a leading space', ' Transfer-Encoding: chunked'],
  ['a leading tab', '\tTransfer-Encoding: chunked'],
  ['a no-break space in the name', 'Transfer-Encoding\xa0: chunked'],
  ['bare LF before', 'X: y\nTransfer-Encoding: chunked'],
  ['bare CR before', 'X: y\rTransfer-Encoding: chunked'],
  ['bare LF within', 'Transfer-Encoding:\n chunked'],
  ['folded', 'Transfer-Encoding:\r\n chunked'],
  ['folded with a tab', 'Transfer-Encoding:\r\n\tchunked'],
  ['no colon', 'Transfer-Encoding chunked'],
  ['a quoted name', '"Transfer-Encoding": chunked'],
  ['two codings on two lines', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity'],
  ['the same line twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked'],
  ['identity on the first line', 'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked'],
  ['an empty line value first', 'Transfer-Encoding:\r\nTransfer-Encoding: chunked'],
  ['gzip on the second line', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip'],
]

const LENGTHS: readonly (readonly [string, string])[] = [
  ['a plus', '+5'],
  ['a minus', '-5'],
  ['minus zero', '-0'],
  ['a list of equals', '5, 5'],
  ['a list without a space', '5,5'],
  ['a list of unequals', '5, 6'],
  ['empty', ''],
  ['blank', '   '],
  ['two numbers', '5 5'],
  ['a parameter', '5;x=1'],
  ['hexadecimal', '0x5'],
  ['hexadecimal digits', '5a'],
  ['octal prefix', '0o5'],
  ['binary prefix', '0b101'],
  ['a decimal point', '5.0'],
  ['an exponent', '5e0'],
  ['a separator', '1_0'],
  ['an underscore behind', '5_'],
  ['quotes', '"5"'],
  ['16 digits', '9999999999999999'],
  ['2^64 + 5', '18446744073709551621'],
  ['2^63', '9223372036854775808'],
  ['40 digits', '5'.repeat(40)],
  ['NUL behind', '5\0'],
  ['NUL before', '\x005'],
  ['a vertical tab behind', '5\x0b'],
  ['a no-break space before', '\xa05'],
  ['superscript digits', '\xb2\xb3'],
  ['NaN', 'NaN'],
  ['Infinity', 'Infinity'],
  ['a comma behind', '5,'],
  ['a comma before', ',5'],
  ['chunked', 'chunked'],
  ['brackets', '[5]'],
]

const LENGTH_LINES: readonly (readonly [string, readonly string[]])[] = [
  ['twice', ['Content-Length: 5', 'Content-Length: 5']],
  ['twice, unequal', ['Content-Length: 5', 'Content-Length: 6']],
  ['twice, another case', ['Content-Length: 5', 'CONTENT-LENGTH: 5']],
  ['twice, zero first', ['Content-Length: 0', 'Content-Length: 5']],
  ['a space before the colon', ['Content-Length : 5']],
  ['a tab before the colon', ['Content-Length\t: 5']],
  ['an underscore', ['Content_Length: 5']],
  ['an underscore beside the true one', ['Content-Length: 5', 'Content_Length: 0']],
  ['folded', ['Content-Length:', ' 5']],
  ['digits folded', ['Content-Length: 5', ' 0']],
  ['bare LF before', ['X: y\nContent-Length: 5']],
  ['bare CR before', ['X: y\rContent-Length: 5']],
  ['a leading space', [' Content-Length: 5']],
  ['no colon', ['Content-Length 5']],
]

/** Both framing fields in every order and shape. */
const BOTH: readonly (readonly [string, readonly string[]])[] = [
  ['length, then coding', ['Content-Length: 6', CHUNKED]],
  ['coding, then length', [CHUNKED, 'Content-Length: 6']],
  ['length zero, then coding', ['Content-Length: 0', CHUNKED]],
  ['coding and an empty length', [CHUNKED, 'Content-Length:']],
  ['coding and a bad length', [CHUNKED, 'Content-Length: x']],
  ['length and an unknown coding', ['Content-Length: 6', 'Transfer-Encoding: xchunked']],
  ['length and identity', ['Content-Length: 6', 'Transfer-Encoding: identity']],
  ['length and an empty coding', ['Content-Length: 6', 'Transfer-Encoding:']],
  ['fields between', [CHUNKED, 'X: a', 'Y: b', 'Content-Length: 6']],
  ['length, coding, length', ['Content-Length: 6', CHUNKED, 'Content-Length: 6']],
  ['another case', ['transfer-ENCODING: chunked', 'content-LENGTH: 6']],
]

const NO_BODY_METHODS = ['GET', 'HEAD', 'OPTIONS', 'DELETE', 'REPORT']
const length = SMUGGLED.length
const asChunk = `${length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`

export const framing: readonly WireCase[] = [
  ...table(
    CODINGS.map(([name, value]) => [
      `Transfer-Encoding with ${name}`,
      post([`Transfer-Encoding: ${value}`], END + SMUGGLED),
      refused(400, 501),
    ]),
  ),
  ...table(
    CODINGS.slice(0, 12).map(([name, value]) => [
      `Content-Length and Transfer-Encoding with ${name}`,
      post(['Content-Length: 4', `Transfer-Encoding: ${value}`], END + SMUGGLED),
      refused(400, 501),
    ]),
  ),
  ...table(
    GOOD_CODINGS.map((value) => [
      `chunked spelled ${JSON.stringify(value)}`,
      post([`Transfer-Encoding:${value}`], HELLO),
      passes({ body: 'hello', has: ['transfer-encoding: chunked'] }),
    ]),
  ),
  ...table(
    CODING_LINES.map(([name, line]) => [
      `Transfer-Encoding line with ${name}`,
      post([line], END + SMUGGLED),
      refused(400, 501),
    ]),
  ),
  ...table(
    LENGTHS.map(([name, value]) => [
      `Content-Length with ${name}`,
      post([`Content-Length: ${value}`], `hello${SMUGGLED}`),
      refused(400),
    ]),
  ),
  ...table(
    LENGTH_LINES.map(([name, fields]) => [
      `Content-Length line: ${name}`,
      post(fields, `hello${SMUGGLED}`),
      refused(400),
    ]),
  ),
  ...table(
    BOTH.map(([name, fields]) => [
      `both framings: ${name}`,
      post(fields, `0\r\n\r\nG${SMUGGLED}`),
      refused(400),
    ]),
  ),
  ...table(
    NO_BODY_METHODS.filter((method) => method !== 'HEAD').flatMap((method) => [
      [
        `CL.0: ${method} with a request as its body`,
        request(`${method} /a HTTP/1.1`, `Content-Length: ${length}`) + SMUGGLED,
        passes({ body: SMUGGLED, has: [`content-length: ${length}`] }),
      ],
      [
        `TE.0: ${method} with a request as its only chunk`,
        request(`${method} /a HTTP/1.1`, CHUNKED) + asChunk,
        passes({ body: SMUGGLED, has: ['transfer-encoding: chunked'] }),
      ],
    ]),
  ),
  ...table([
    ['POST of known length', post(['Content-Length: 5'], 'hello'), passes({ body: 'hello' })],
    [
      'leading zeros in a length',
      post(['Content-Length: 0005'], 'hello'),
      passes({ body: 'hello' }),
    ],
    [
      'a length with blanks around',
      post(['Content-Length: \t 5 '], 'hello'),
      passes({ body: 'hello' }),
    ],
    ['POST of length zero', post(['Content-Length: 0'], ''), passes({ body: '' })],
    ['POST without framing', post([], ''), passes({ body: '', has: ['content-length: 0'] })],
    ['POST chunked and empty', post([CHUNKED], END), passes({ body: '' })],
    ['a body shorter than its length', post(['Content-Length: 50'], 'hello'), UNFINISHED],
    ['a chunked body that never ends', post([CHUNKED], '5\r\nhello\r\n'), UNFINISHED],
    ['a chunk cut off', post([CHUNKED], '5\r\nhe'), UNFINISHED],
    ['no body at all', post(['Content-Length: 5'], ''), UNFINISHED],
    ['the largest length, never sent', post(['Content-Length: 999999999999999'], 'x'), UNFINISHED],
    [
      '0.CL: a body that looks like a request, to an unknown host',
      lines('POST /a HTTP/1.1', 'Host: nobody.test', `Content-Length: ${length}`, '') + SMUGGLED,
      answered([404], 0),
    ],
    [
      '0.CL: a body that looks like a request, to the guarded path',
      lines('POST /admin HTTP/1.1', 'Host: locked.test', `Content-Length: ${length}`, '') +
        SMUGGLED,
      answered([403], 0),
    ],
    [
      'a local answer keeps a connection whose body is read to its end',
      lines('POST /a HTTP/1.1', 'Host: nobody.test', `Content-Length: ${length}`, '') +
        SMUGGLED +
        get(),
      answered([404, 200], 1),
    ],
    [
      'a local answer to a chunked request ends the connection or reads it to its end',
      lines('POST /a HTTP/1.1', 'Host: nobody.test', CHUNKED, '') + asChunk,
      answered([404], 0),
    ],
    [
      'a guarded request behind a body of known length',
      post(['Content-Length: 5'], `hello${SMUGGLED}`),
      answered([200, 403], 1),
    ],
    [
      'a guarded request behind a chunked body',
      post([CHUNKED], HELLO + SMUGGLED),
      answered([200, 403], 1),
    ],
    ['a guarded request behind GET', get() + SMUGGLED, answered([200, 403], 1)],
    [
      'a length on HEAD',
      request('HEAD /a HTTP/1.1', 'Content-Length: 3') + 'abc',
      passes({ body: 'abc' }),
    ],
    [
      'bytes behind a body of known length',
      post(['Content-Length: 5'], 'helloworld\r\n\r\n'),
      { answers: [[200], [400]], forwarded: 1 },
    ],
    [
      'bytes behind a chunked body',
      post([CHUNKED], `${HELLO}\0\0\r\n\r\n`),
      { answers: [[200], [400]], forwarded: 1 },
    ],
    ['a chunked GET that lies', request('GET /a HTTP/1.1', CHUNKED) + SMUGGLED, brokenBody(400)],
    [
      'CONNECT with a length',
      lines('CONNECT shop.test:80 HTTP/1.1', 'Host: shop.test:80', 'Content-Length: 5', '') +
        'hello',
      refused(400, 405),
    ],
    [
      'CONNECT chunked',
      lines('CONNECT shop.test:80 HTTP/1.1', 'Host: shop.test:80', CHUNKED, '') + HELLO,
      refused(400, 405),
    ],
    [
      'HTTP/1.0 chunked',
      lines('POST /a HTTP/1.0', 'Host: shop.test', CHUNKED, '') + HELLO,
      refused(400, 426),
    ],
    [
      'TRACE with a body',
      request('TRACE /a HTTP/1.1', 'Content-Length: 5') + 'hello',
      passes({ body: 'hello' }),
    ],
  ]),
]
