import { answered, lines, passes, refused, SMUGGLED, table, type WireCase } from './case.ts'

function target(text: string, host = 'shop.test', method = 'GET'): string {
  return lines(`${method} ${text} HTTP/1.1`, `Host: ${host}`, '')
}

function locked(text: string): string {
  return target(text, 'locked.test')
}

/** Spellings of the guarded path: whatever a backend would take for it is answered 403 here. */
const GUARDED = [
  '/admin',
  '/admin/',
  '/admin?x',
  '/admin/x',
  '/admin;x',
  '/admin%2f',
  '/%61dmin',
  '/%61%64%6d%69%6e',
  '/admi%6e',
  '/adm%69n?x#'.slice(0, -1),
  '/ok/../admin',
  '/ok/%2e%2e/admin',
  '/ok/%2E%2E/admin',
  '/ok/.%2e/admin',
  '/ok/%2e./admin',
  '/./admin',
  '/%2e/admin',
  '/../admin',
  '/../../../admin',
  '/a/b/../../admin',
  '/a/./b/.././../admin',
  '/ok\\..\\admin',
  '/ok/..\\admin',
  '/.\\admin',
  '/admin/../admin',
  '/admin/.',
  '/admin/x/..',
]

/** Targets that are refused. */
const BAD_TARGETS: readonly (readonly [string, string])[] = [
  ['no leading slash', 'admin'],
  ['a leading backslash', '\\admin'],
  ['a leading dot', '../admin'],
  ['a leading escape', '%2fadmin'],
  ['a query only', '?x=1'],
  ['a fragment', '/a#b'],
  ['a fragment before a path', '#/admin'],
  ['a fragment behind a query', '/a?b#c'],
  ['an escaped NUL', '/a%00'],
  ['an escaped NUL before an extension', '/admin%00.png'],
  ['path parameters on dots', '/x/..;/admin'],
  ['path parameters on one dot', '/.;/admin'],
  ['path parameters on leading dots', '/..;/admin'],
  ['path parameters with a value', '/x/..;a=b/admin'],
  ['path parameters on escaped dots', '/x/%2e%2e;/admin'],
  ['an asterisk', '*'],
  ['an asterisk and a path', '*/admin'],
  ['an authority', 'shop.test:80'],
  ['a foreign scheme', 'ftp://shop.test/a'],
  ['file', 'file:///etc/passwd'],
  ['ws', 'ws://shop.test/a'],
  ['javascript', 'javascript:alert(1)'],
  ['a scheme with one slash', 'http:/shop.test/a'],
  ['a scheme without slashes', 'http:shop.test/a'],
  ['a scheme with a backslash', 'http:\\\\shop.test/a'],
  ['a scheme without an authority', 'http:///a'],
  ['a scheme alone', 'http://'],
  ['a scheme with only a port', 'http://:80/a'],
  ['userinfo', 'http://user@shop.test/a'],
  ['userinfo with a host', 'http://shop.test@locked.test/admin'],
  ['userinfo with a password', 'http://a:b@shop.test/'],
  ['an authority with a fragment', 'http://shop.test#@locked.test/admin'],
  ['an authority with a bad port', 'http://shop.test:port/a'],
  ['an authority with an empty port', 'http://shop.test:/a'],
  ['an authority with an escape', 'http://%73hop.test/a'],
  ['an authority that ends in a backslash', 'http://locked.test\\admin'],
  ['an authority with a list', 'http://shop.test,locked.test/a'],
  ['a path that has a dot parameter behind an authority', 'http://locked.test/x/..;/admin'],
]

/** Target sent and target forwarded (BASE normalisation). */
const FORWARDED: readonly (readonly [string, string])[] = [
  ['/', '/'],
  ['/a', '/a'],
  ['/a?b=c&d', '/a?b=c&d'],
  ['/a?', '/a?'],
  ['/?', '/?'],
  ['/a??b?c', '/a??b?c'],
  ['/%zz', '/%zz'],
  ['/a%', '/a%'],
  ['/a%4', '/a%4'],
  ['/%%36%31', '/%%361'],
  ['/%41', '/A'],
  ['/%2f', '/%2f'],
  ['/%2F', '/%2F'],
  ['/%5c', '/%5c'],
  ['/%20', '/%20'],
  ['/%252e%252e/admin', '/%252e%252e/admin'],
  ['/%c0%af', '/%c0%af'],
  ['/%c0%ae%c0%ae/admin', '/%c0%ae%c0%ae/admin'],
  ['/%u002e', '/%u002e'],
  ['//a', '//a'],
  ['//locked.test/admin', '//locked.test/admin'],
  ['/a//b', '/a//b'],
  ['/a\\b', '/a/b'],
  ['/\\locked.test/admin', '//locked.test/admin'],
  ['/a/../b', '/b'],
  ['/a/.', '/a/'],
  ['/a/..', '/'],
  ['/...', '/...'],
  ['/a..b', '/a..b'],
  ['/.a', '/.a'],
  ['/a;b=c', '/a;b=c'],
  ['/a;..', '/a;..'],
  ['/\xe9', '/%E9'],
  ['/\xff\x80', '/%FF%80'],
  ['/a?\xe9', '/a?%E9'],
  ['/"', '/%22'],
  ['/<a>', '/%3Ca%3E'],
  ['/{a}', '/%7Ba%7D'],
  ['/a|b', '/a%7Cb'],
  ['/a^b', '/a%5Eb'],
  ['/a`b', '/a%60b'],
  ['/[a]', '/[a]'],
  ["/!$&'()*+,;=:@", "/!$&'()*+,;=:@"],
  ['/a?/../admin', '/a?/../admin'],
  ['/a?%2e%2e/', '/a?%2e%2e/'],
  ['/a?\\', '/a?\\'],
  ['/a?"<>', '/a?"<>'],
  ['/__proto__', '/__proto__'],
  [
    '/constructor?__proto__=1&constructor[prototype]=2',
    '/constructor?__proto__=1&constructor[prototype]=2',
  ],
  ['/http://locked.test/admin', '/http://locked.test/admin'],
  ['/a:80', '/a:80'],
  ['/a@locked.test', '/a@locked.test'],
]

/** Absolute-form with Host shop.test: what is forwarded, and to which Host. */
const ABSOLUTE: readonly (readonly [string, string, string])[] = [
  ['http://shop.test/a', '/a', 'shop.test'],
  ['http://shop.test', '/', 'shop.test'],
  ['http://shop.test?x=1', '/?x=1', 'shop.test'],
  ['http://shop.test/', '/', 'shop.test'],
  ['HTTP://SHOP.TEST/a', '/a', 'SHOP.TEST'],
  ['https://shop.test/a', '/a', 'shop.test'],
  ['http://shop.test:80/a', '/a', 'shop.test:80'],
  ['http://shop.test/a/../b', '/b', 'shop.test'],
  ['http://locked.test/ok', '/ok', 'locked.test'],
  ['http://shop.test/http://locked.test/admin', '/http://locked.test/admin', 'shop.test'],
]

export const targets: readonly WireCase[] = [
  ...table(GUARDED.map((text) => [`guarded: ${text}`, locked(text), answered([403], 0)])),
  ...table(
    GUARDED.filter((text) => !text.startsWith('/..')).map((text) => [
      `guarded in absolute-form: ${text}`,
      target(`http://locked.test${text}`),
      answered([403], 0),
    ]),
  ),
  ...table(
    BAD_TARGETS.map(([name, text]) => [
      `target with ${name}`,
      target(text, 'locked.test') + SMUGGLED,
      refused(400),
    ]),
  ),
  ...table(
    FORWARDED.map(([sent, forwarded]) => [
      `target ${sent}`,
      target(sent),
      passes({ target: forwarded }),
    ]),
  ),
  ...table(
    ABSOLUTE.map(([sent, forwarded, host]) => [
      `absolute-form ${sent}`,
      target(sent),
      passes({ target: forwarded, has: [`host: ${host}`, 'x-forwarded-proto: http'] }),
    ]),
  ),
  ...table([
    ['OPTIONS *', target('*', 'shop.test', 'OPTIONS'), passes({ target: '*' })],
    [
      'OPTIONS about a whole server in absolute-form',
      target('http://shop.test', 'shop.test', 'OPTIONS'),
      passes({ target: '*' }),
    ],
    [
      'absolute-form wins over a Host nobody serves',
      target('http://shop.test/a', 'nobody.test'),
      passes({ has: ['host: shop.test'] }),
    ],
    ['absolute-form to a host nobody serves', target('http://nobody.test/a'), answered([404], 0)],
    ['absolute-form without Host', lines('GET http://shop.test/a HTTP/1.1', ''), refused(400)],
    ['absolute-form and a bad Host', target('http://shop.test/a', 'a@b'), refused(400)],
    [
      'another case of the guarded path is another path',
      locked('/ADMIN'),
      passes({ target: '/ADMIN' }),
    ],
    [
      'CONNECT to a backend',
      target('127.0.0.1:22', '127.0.0.1:22', 'CONNECT') + SMUGGLED,
      answered([405], 0),
    ],
    [
      'CONNECT to a served host',
      target('shop.test:80', 'shop.test:80', 'CONNECT') + SMUGGLED,
      answered([405], 0),
    ],
    [
      'CONNECT without a port',
      target('shop.test', 'shop.test', 'CONNECT') + SMUGGLED,
      refused(400),
    ],
    ['CONNECT with a path', target('/', 'shop.test', 'CONNECT') + SMUGGLED, refused(400)],
    [
      'CONNECT in absolute-form',
      target('http://shop.test/', 'shop.test', 'CONNECT') + SMUGGLED,
      refused(400),
    ],
    [
      'a target of 8 KiB',
      target(`/${'a'.repeat(8191)}`),
      passes({ target: `/${'a'.repeat(8191)}` }),
    ],
  ]),
]

/** `[mesh normalisation, target for locked.test, what is forwarded, or null for 403]`. */
export const NORMALIZED: readonly (readonly [string, string, string | null])[] = [
  ['MERGE_SLASHES', '//admin', null],
  ['MERGE_SLASHES', '/\\admin', null],
  ['MERGE_SLASHES', '///admin///', null],
  ['MERGE_SLASHES', '/a//..//admin', '/a/admin'],
  ['MERGE_SLASHES', '/%2fadmin', '/%2fadmin'],
  ['MERGE_SLASHES', '/a//b', '/a/b'],
  ['DECODE_AND_MERGE_SLASHES', '/%2fadmin', null],
  ['DECODE_AND_MERGE_SLASHES', '/%2Fadmin', null],
  ['DECODE_AND_MERGE_SLASHES', '/%5cadmin', null],
  ['DECODE_AND_MERGE_SLASHES', '/..%2fadmin', null],
  ['DECODE_AND_MERGE_SLASHES', '/ok%2f..%2fadmin', null],
  ['DECODE_AND_MERGE_SLASHES', '/ok%5c%2e%2e%5cadmin', null],
  ['DECODE_AND_MERGE_SLASHES', '/ok/..%5cadmin', null],
  ['DECODE_AND_MERGE_SLASHES', '/%252fadmin', '/%252fadmin'],
  ['DECODE_AND_MERGE_SLASHES', '/a%2fb', '/a/b'],
]
