import { describe, expect, test } from 'vitest'
import { type RequestSketch, requestOf } from '../../test/support/requests.ts'
import { httpsLocation, type RedirectInit, RedirectPlan } from './redirect.ts'
import { compileRouteMatch } from './route-match.ts'

const NOTHING: RedirectInit = {
  status: 301,
  uri: null,
  prefixRewrite: null,
  authority: null,
  port: null,
  derivePort: null,
  scheme: null,
}
const prefixFoo = compileRouteMatch({ uri: { prefix: '/foo' } }).match

function location(init: Partial<RedirectInit>, sketch: RequestSketch): string {
  const request = requestOf({ authority: 'a.com', target: '/foo/x?q=1', ...sketch })
  return new RedirectPlan({ ...NOTHING, ...init }).location(request, 8080, prefixFoo)
}

type Row = { name: string; init: Partial<RedirectInit>; request?: RequestSketch; expected: string }
const rows: Row[] = [
  {
    name: 'uri replaces the whole path and keeps the query',
    init: { uri: '/new' },
    expected: 'http://a.com/new?q=1',
  },
  {
    name: 'a query in uri replaces the query',
    init: { uri: '/new?z=2' },
    expected: 'http://a.com/new?z=2',
  },
  {
    name: 'uri without slash cannot extend the host',
    init: { uri: '.evil.test/' },
    expected: 'http://a.com/.evil.test/?q=1',
  },
  {
    name: 'prefixRewrite replaces the matched prefix',
    init: { prefixRewrite: '/bar' },
    expected: 'http://a.com/bar/x?q=1',
  },
  {
    name: 'prefixRewrite without slash cannot extend the host',
    init: { prefixRewrite: '' },
    request: { target: '/foo.evil.test' },
    expected: 'http://a.com/.evil.test',
  },
  {
    name: 'authority replaces host and port',
    init: { authority: 'b.com' },
    request: { authority: 'a.com:81' },
    expected: 'http://b.com/foo/x?q=1',
  },
  {
    name: 'the host keeps a port of its own',
    init: { uri: '/n' },
    request: { authority: 'a.com:8080' },
    expected: 'http://a.com:8080/n?q=1',
  },
  {
    name: 'a new scheme drops the old default port',
    init: { scheme: 'https' },
    request: { authority: 'a.com:80' },
    expected: 'https://a.com/foo/x?q=1',
  },
  {
    name: 'a new scheme keeps another port',
    init: { scheme: 'https' },
    request: { authority: 'a.com:8080' },
    expected: 'https://a.com:8080/foo/x?q=1',
  },
  {
    name: 'port replaces the port',
    init: { port: 8443, scheme: 'https' },
    request: { authority: 'a.com:80' },
    expected: 'https://a.com:8443/foo/x?q=1',
  },
  {
    name: 'the default port of the scheme is left out',
    init: { port: 443, scheme: 'https' },
    expected: 'https://a.com/foo/x?q=1',
  },
  {
    name: 'port 443 on http is written',
    init: { port: 443 },
    expected: 'http://a.com:443/foo/x?q=1',
  },
  {
    name: 'FROM_PROTOCOL_DEFAULT drops the port',
    init: { derivePort: 'FROM_PROTOCOL_DEFAULT' },
    request: { authority: 'a.com:81' },
    expected: 'http://a.com/foo/x?q=1',
  },
  {
    name: 'FROM_REQUEST_PORT takes the Gateway port',
    init: { derivePort: 'FROM_REQUEST_PORT' },
    request: { authority: 'a.com:32080' },
    expected: 'http://a.com:8080/foo/x?q=1',
  },
  {
    name: 'port goes behind a given authority',
    init: { authority: 'b.com', port: 81 },
    expected: 'http://b.com:81/foo/x?q=1',
  },
  {
    name: 'IPv6 literals keep their colons',
    init: { port: 81 },
    request: { authority: '[::1]:80' },
    expected: 'http://[::1]:81/foo/x?q=1',
  },
  {
    name: 'IPv6 literals without port stay whole',
    init: { scheme: 'https' },
    request: { authority: '[::1]' },
    expected: 'https://[::1]/foo/x?q=1',
  },
  {
    name: 'the scheme is the request’s',
    init: { uri: '/n' },
    request: { scheme: 'https' },
    expected: 'https://a.com/n?q=1',
  },
  {
    name: 'controls and white space are encoded',
    init: { uri: '/a b\r\nset-cookie: x' },
    expected: 'http://a.com/a%20b%0D%0Aset-cookie:%20x?q=1',
  },
]

describe('location', () => {
  test.each(rows)('$name', ({ init, request, expected }) => {
    expect(location(init, request ?? {})).toBe(expected)
  })

  test('prefixRewrite of a route for every path replaces the slash', () => {
    const plan = new RedirectPlan({ ...NOTHING, prefixRewrite: '/v2/' })
    expect(plan.location(requestOf({ target: '/a' }), 80, null)).toBe('http://example.com/v2/a')
  })
})

test.each([
  ['a.com', '/p?q=1', 'https://a.com/p?q=1'],
  ['a.com:8080', '/', 'https://a.com/'],
  ['[::1]:80', '//x', 'https://[::1]//x'],
])('https redirect of %s%s goes to %s', (authority, target, expected) => {
  expect(httpsLocation(requestOf({ authority, target }))).toBe(expected)
})
