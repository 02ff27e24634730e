import {
  answered,
  get,
  lines,
  named,
  passes,
  refused,
  SILENT,
  SMUGGLED,
  table,
  type WireCase,
} from './case.ts'

/** Start lines that are none, or that two parsers would split differently. */
const START_LINES: readonly (readonly [string, string])[] = [
  ['two spaces before the target', 'GET  /a HTTP/1.1'],
  ['two spaces behind the target', 'GET /a  HTTP/1.1'],
  ['a tab before the target', 'GET\t/a HTTP/1.1'],
  ['a tab behind the target', 'GET /a\tHTTP/1.1'],
  ['a space at the end', 'GET /a HTTP/1.1 '],
  ['a tab at the end', 'GET /a HTTP/1.1\t'],
  ['a space at the beginning', ' GET /a HTTP/1.1'],
  ['no version', 'GET /a'],
  ['an empty version', 'GET /a '],
  ['no target', 'GET HTTP/1.1'],
  ['an empty target', 'GET  HTTP/1.1'],
  ['only a method', 'GET'],
  ['a space in the target', 'GET /a b HTTP/1.1'],
  ['a target that holds a version', 'GET /a HTTP/1.1 HTTP/1.1'],
  ['a lower-case version', 'GET /a http/1.1'],
  ['a mixed-case version', 'GET /a Http/1.1'],
  ['another protocol', 'GET /a ICE/1.1'],
  ['HTTPS', 'GET /a HTTPS/1.1'],
  ['no minor version', 'GET /a HTTP/1'],
  ['an empty minor version', 'GET /a HTTP/1.'],
  ['no major version', 'GET /a HTTP/.1'],
  ['two digits', 'GET /a HTTP/1.10'],
  ['a leading zero', 'GET /a HTTP/01.1'],
  ['a comma', 'GET /a HTTP/1,1'],
  ['no point', 'GET /a HTTP/11'],
  ['a space in the version', 'GET /a HTTP/ 1.1'],
  ['a letter in the version', 'GET /a HTTP/1.x'],
  ['a minus in the version', 'GET /a HTTP/-1.1'],
  ['a superscript in the version', 'GET /a HTTP/1.\xb9'],
  ['an empty method', ' /a HTTP/1.1'],
  ['a colon in the method', 'GET: /a HTTP/1.1'],
  ['a slash in the method', 'GE/T /a HTTP/1.1'],
  ['brackets in the method', '(GET) /a HTTP/1.1'],
  ['quotes around the method', '"GET" /a HTTP/1.1'],
  ['an at sign in the method', 'G@T /a HTTP/1.1'],
  ['a high byte in the method', 'G\xc9T /a HTTP/1.1'],
  ['a no-break space before the target', 'GET\xa0/a HTTP/1.1'],
  ['a comma in the method', 'GET,POST /a HTTP/1.1'],
  ['braces in the method', '{GET} /a HTTP/1.1'],
  ['a response', 'HTTP/1.1 200 OK'],
  ['PROXY protocol', 'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET /a HTTP/1.1'],
  ['an SSH banner', 'SSH-2.0-OpenSSH_9.9'],
]

/** Field lines whose name is not a token. */
const BAD_NAMES: readonly (readonly [string, string])[] = [
  ['empty', ': a'],
  ['no colon', 'X'],
  ['a space before the colon', 'X : a'],
  ['a tab before the colon', 'X\t: a'],
  ['a space within', 'X Y: a'],
  ['only a space', ' : a'],
  ['a folded line', 'X: a\r\n b'],
  ['a folded line with a tab', 'X: a\r\n\tb'],
  ['an empty folded line', 'X: a\r\n '],
  ['a high byte', 'X\xe9: a'],
  ['a no-break space behind', 'X\xa0: a'],
  ['an underscore', 'X_A: a'],
  ['only an underscore', '_: a'],
  ['another underscore twin', 'X_Forwarded_For: 1.1.1.1'],
]

const SEPARATORS = '()<>@,;\\"/[]?={}'
const TOKEN_MARKS = "!#$%&'*+-.^`|~"

const codes = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i)

/** Every control but CR, LF and tab, and DEL. */
const CONTROLS = [...codes(0x00, 0x08), 0x0b, 0x0c, ...codes(0x0e, 0x1f), 0x7f]

function start(line: string): string {
  return lines(line, 'Host: shop.test', '') + SMUGGLED
}

export const heads: readonly WireCase[] = [
  ...table(
    START_LINES.map(([name, line]) => [`start line with ${name}`, start(line), refused(400)]),
  ),
  ...table(
    BAD_NAMES.map(([name, line]) => [`field name: ${name}`, get(line) + SMUGGLED, refused(400)]),
  ),
  ...table(
    BAD_NAMES.slice(0, 9).map(([name, line]) => [
      `first field name: ${name}`,
      lines('GET /a HTTP/1.1', line, 'Host: shop.test', '') + SMUGGLED,
      refused(400),
    ]),
  ),
  ...table(
    [...SEPARATORS].map((mark) => [
      `field name with ${mark}`,
      get(`X${mark}Y: a`) + SMUGGLED,
      refused(400),
    ]),
  ),
  ...table(
    CONTROLS.flatMap((code) => {
      const byte = String.fromCharCode(code)
      return [
        [`field name with ${named(code)}`, get(`X${byte}: a`) + SMUGGLED, refused(400)],
        [`field value with ${named(code)}`, get(`X: a${byte}b`) + SMUGGLED, refused(400)],
        [`target with ${named(code)}`, start(`GET /a${byte} HTTP/1.1`), refused(400)],
        [`method with ${named(code)}`, start(`G${byte}T /a HTTP/1.1`), refused(400)],
      ] as const
    }),
  ),
  ...table(
    [...TOKEN_MARKS].map((mark) => [
      `field name with ${mark}`,
      get(`X${mark}Y: a`),
      passes({ has: [`x${mark}y: a`] }),
    ]),
  ),
  ...table([
    ['two empty lines first', `\r\n\r\n${get()}`, refused(400)],
    ['one empty line first', `\r\n${get()}`, passes({ target: '/a' })],
    ['bare LF first', `\n${get()}`, refused(400)],
    ['bare CR first', `\r${get()}`, refused(400)],
    ['a space first', ` ${get()}`, refused(400)],
    ['NUL first', `\0${get()}`, refused(400)],
    ['an empty line between two requests', `${get()}\r\n${get()}`, answered([200, 200], 2)],
    [
      'two empty lines between two requests',
      `${get()}\r\n\r\n${get()}`,
      { answers: [[200], [400]], forwarded: 1 },
    ],
    ['LF between two requests', `${get()}\n${get()}`, { answers: [[200], [400]], forwarded: 1 }],
    ['every line ends with LF', get().replaceAll('\r\n', '\n') + SMUGGLED, refused(400)],
    ['every line ends with CR', get().replaceAll('\r\n', '\r') + SMUGGLED, refused(400)],
    ['every line ends with CR CR LF', get().replaceAll('\r\n', '\r\r\n'), refused(400)],
    ['every line ends with LF CR', get().replaceAll('\r\n', '\n\r'), refused(400)],
    ['the start line ends with LF', get().replace('\r\n', '\n') + SMUGGLED, refused(400)],
    [
      'a field line ends with LF',
      'GET /a HTTP/1.1\r\nHost: shop.test\n\r\n' + SMUGGLED,
      refused(400),
    ],
    [
      'the head ends with CR LF LF',
      'GET /a HTTP/1.1\r\nHost: shop.test\r\n\n' + SMUGGLED,
      refused(400),
    ],
    ['the head ends with LF LF', 'GET /a HTTP/1.1\r\nHost: shop.test\n\n' + SMUGGLED, refused(400)],
    ['the head ends with LF CR LF', 'GET /a HTTP/1.1\r\nHost: shop.test\n\r\n', refused(400)],
    [
      'the head ends with CR LF CR x',
      'GET /a HTTP/1.1\r\nHost: shop.test\r\n\rX' + SMUGGLED,
      refused(400),
    ],
    [
      'the head ends with CR LF CR CR LF',
      'GET /a HTTP/1.1\r\nHost: shop.test\r\n\r\r\n',
      refused(400),
    ],
    ['a bare CR in a value', get('X: a\rb') + SMUGGLED, refused(400)],
    ['a bare LF in a value', get('X: a\nY: b') + SMUGGLED, refused(400)],
    ['a response split in a value', get('X: a\nHTTP/1.1 200 OK') + SMUGGLED, refused(400)],
    ['a folded Host', lines('GET /a HTTP/1.1', 'Host:', ' shop.test', ''), refused(400)],
    [
      'a folded line before any field',
      lines('GET /a HTTP/1.1', ' Host: shop.test', ''),
      refused(400),
    ],
    ['nothing', '', SILENT],
    ['an empty line', '\r\n', SILENT],
    ['half a start line', 'GET /a HT', SILENT],
    ['a head without its end', 'GET /a HTTP/1.1\r\nHost: shop.test\r\n', SILENT],
    ['a head cut within its end', 'GET /a HTTP/1.1\r\nHost: shop.test\r\n\r', SILENT],
    ['bytes of TLS', '\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n', refused(400)],
    ['a minor version to come', lines('GET /a HTTP/1.2', 'Host: shop.test', ''), passes()],
    ['HTTP/1.9', lines('GET /a HTTP/1.9', 'Host: shop.test', ''), passes()],
    ['HTTP/1.0', start('GET /a HTTP/1.0'), refused(426)],
    ['HTTP/0.9', start('GET /a HTTP/0.9'), refused(505)],
    ['HTTP/2.0', start('GET /a HTTP/2.0'), refused(505)],
    ['HTTP/3.0', start('GET /a HTTP/3.0'), refused(505)],
    [
      'a preface that turns into something else',
      'PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n',
      refused(400, 505),
    ],
    ['PRI as a method of HTTP/1.1', start('PRI * HTTP/1.1'), refused(400)],
    ['PRI with a path', start('PRI /a HTTP/1.1'), refused(400)],
    ['a lower-case method', start('get /a HTTP/1.1'), answered([200, 403], 1)],
    ['a method nobody knows', start('FROB /a HTTP/1.1'), answered([200, 403], 1)],
    ['a method of marks', start("!#$%&'*+-.^_`|~ /a HTTP/1.1"), answered([200, 403], 1)],
    ['a value of high bytes', get('X: \x80\xe9\xff'), passes({ has: ['x: \x80\xe9\xff'] })],
    ['a tab in a value', get('X: a\tb'), passes({ has: ['x: a\tb'] })],
    ['an empty value', get('X:'), passes({ has: ['x: '] })],
    ['blanks around a value', get('X: \t a \t '), passes({ has: ['x: a'] })],
    ['colons in a value', get('X: a:b::c'), passes({ has: ['x: a:b::c'] })],
    ['no blank before a value', get('X:a'), passes({ has: ['x: a'] })],
  ]),
]
