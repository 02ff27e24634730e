import { answered, lines, passes, refused, SMUGGLED, table, type WireCase } from './case.ts'

function withHosts(...fields: readonly string[]): string {
  return lines('GET /a HTTP/1.1', ...fields, '')
}

function host(value: string): string {
  return withHosts(`Host: ${value}`)
}

const BAD_HOSTS: readonly (readonly [string, string])[] = [
  ['a list', 'shop.test, locked.test'],
  ['a list without a space', 'shop.test,locked.test'],
  ['two words', 'shop.test locked.test'],
  ['a tab within', 'shop.test\tlocked.test'],
  ['userinfo', 'user@shop.test'],
  ['userinfo with a password', 'user:pass@shop.test'],
  ['another host as userinfo', 'shop.test@locked.test'],
  ['a port that is none', 'shop.test:abc'],
  ['an empty port', 'shop.test:'],
  ['a port too large', 'shop.test:65536'],
  ['a port of six digits', 'shop.test:000080'],
  ['a negative port', 'shop.test:-80'],
  ['two ports', 'shop.test:80:80'],
  ['a port behind userinfo', 'shop.test:80@locked.test'],
  ['a path', 'shop.test/admin'],
  ['a backslash', 'shop.test\\admin'],
  ['a query', 'shop.test?x=1'],
  ['a fragment', 'shop.test#x'],
  ['a scheme', 'http://shop.test'],
  ['only a port', ':80'],
  ['empty', ''],
  ['blank', '  '],
  ['an escape', '%73hop.test'],
  ['an escaped dot', 'shop%2etest'],
  ['an escaped NUL', 'shop.test%00'],
  ['an empty label', 'shop..test'],
  ['a leading dot', '.shop.test'],
  ['only a dot', '.'],
  ['a semicolon', 'shop.test;locked.test'],
  ['an ampersand', 'shop.test&x'],
  ['a quote', "shop.test'"],
  ['double quotes', '"shop.test"'],
  ['an asterisk', '*'],
  ['a wildcard', '*.test'],
  ['brackets around a name', '[shop.test]'],
  ['an open bracket', '[::1'],
  ['bytes behind a bracket', '[::1]x'],
  ['a zone', '[fe80::1%25eth0]'],
  ['a short IPv6 address without brackets', '::1'],
  ['braces', '{shop.test}'],
  ['a pipe', 'shop.test|locked.test'],
  ['a dollar', '$host'],
  ['an equals sign', 'shop=test'],
  ['a high byte', 'sh\xf6p.test'],
  ['255 characters', `${'a.'.repeat(127)}a`],
  ['NUL behind', 'shop.test\0'],
  ['NUL within', 'shop.test\0.locked.test'],
  ['a vertical tab', 'shop.test\x0b'],
]

/** Well-formed names that nobody serves. */
const STRANGERS = [
  'nobody.test',
  'shop.test.locked.test',
  'xshop.test',
  'shop',
  'test',
  'shop_test',
  '127.0.0.1',
  '127.1',
  '0x7f.1',
  '2130706433',
  '[::1]',
  '[::1]:80',
  'xn--nxasmq6b.test',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '__proto__.test',
  'localhost',
  'a'.repeat(64),
  // Istio takes a trailing dot for a part of the name.
  'shop.test.',
]

const SAME = ['shop.test', 'SHOP.TEST', 'Shop.Test', 'shop.test:80', 'shop.test:8443']

export const hosts: readonly WireCase[] = [
  ...table(
    BAD_HOSTS.map(([name, value]) => [`Host with ${name}`, host(value) + SMUGGLED, refused(400)]),
  ),
  ...table(STRANGERS.map((name) => [`Host ${name} is not served`, host(name), answered([404], 0)])),
  ...table(
    SAME.map((name) => [`Host ${name} is served`, host(name), passes({ has: [`host: ${name}`] })]),
  ),
  ...table([
    ['no Host', withHosts('X: a') + SMUGGLED, refused(400)],
    ['no field at all', lines('GET /a HTTP/1.1', '') + SMUGGLED, refused(400)],
    ['two Hosts', withHosts('Host: shop.test', 'Host: locked.test'), refused(400)],
    ['two equal Hosts', withHosts('Host: shop.test', 'Host: shop.test'), refused(400)],
    ['two Hosts, one empty', withHosts('Host:', 'Host: shop.test'), refused(400)],
    [
      'two Hosts far apart',
      withHosts('Host: shop.test', 'X: a', 'hOsT: locked.test'),
      refused(400),
    ],
    [
      'a Host with a space before the colon',
      withHosts('Host : locked.test', 'Host: shop.test'),
      refused(400),
    ],
    ['a Host that is folded', withHosts('Host: shop.test', ' locked.test'), refused(400)],
    [
      'a Host folded behind a field',
      withHosts('X: a', ' Host: locked.test', 'Host: shop.test'),
      refused(400),
    ],
    [
      'a Host with an underscore twin',
      withHosts('Host: shop.test', 'H_ost: locked.test'),
      refused(400),
    ],
    [
      'X-Forwarded-Host is no Host',
      withHosts('X-Forwarded-Host: locked.test', 'Host: shop.test'),
      passes(),
    ],
    [
      'X-Original-URL does not route',
      withHosts('Host: shop.test', 'X-Original-URL: /admin'),
      passes({ target: '/a' }),
    ],
    [
      'X-Rewrite-URL does not route',
      withHosts('Host: shop.test', 'X-Rewrite-URL: /admin'),
      passes({ target: '/a' }),
    ],
    [
      'X-HTTP-Method-Override does nothing',
      withHosts('Host: shop.test', 'X-HTTP-Method-Override: PUT'),
      passes(),
    ],
    ['Forwarded is no Host', withHosts('Host: shop.test', 'Forwarded: host=locked.test'), passes()],
  ]),
]
