import { describe, expect, test } from 'vitest'
import { Headers } from '../http/headers.ts'
import type { DownstreamConnection } from '../http/exchange.ts'
import { requestOf } from '../../test/support/requests.ts'
import {
  compileHeaders,
  compileRouteHeaders,
  type HeaderDirection,
  type HeaderOperations,
} from './header-mutation.ts'
import type { SubstitutionContext } from './substitution.ts'

const connection: DownstreamConnection = {
  remoteAddress: '192.0.2.7',
  remotePort: 40123,
  localAddress: '2001:db8::1',
  localPort: 8443,
  tls: {
    serverName: 'shop.test',
    protocol: 'TLSv1.3',
    cipher: 'TLS_AES_128_GCM_SHA256',
    clientCertificate: null,
  },
  context: null,
}

const context: SubstitutionContext = {
  request: requestOf({ authority: 'shop.test', headers: ['x-a', '1', 'x-a', '2', 'x-b', 'b'] }),
  connection,
  clientAddress: '192.0.2.7',
  startedAtMs: Date.UTC(2026, 10, 21, 8, 0, 0, 5),
  requestId: 'id-1',
  routeName: 'main',
  clusterName: 'outbound|80||web.default.svc.cluster.local',
  upstreamHost: '[2001:db8::2]:80',
  upstreamLocal: '10.0.0.1:5555',
  status: 200,
  flags: '-',
  details: 'via_upstream',
  originalPath: '/',
  responseHeaders: new Headers(['etag', '"x"']),
}

function applied(
  levels: readonly HeaderOperations[],
  fields: readonly string[],
  direction: HeaderDirection = 'request',
): string[] {
  const { mutation, errors } = compileHeaders(levels, direction)
  expect(errors).toEqual([])
  const headers = new Headers([...fields])
  mutation?.apply(headers, context)
  return headers.fields
}

describe('order', () => {
  test.each<{ name: string; levels: HeaderOperations[]; before: string[]; after: string[] }>([
    {
      name: 'set overwrites every line at the place of the first',
      levels: [{ set: { X: 'new' } }],
      before: ['x', '1', 'y', '2', 'x', '3'],
      after: ['x', 'new', 'y', '2'],
    },
    {
      name: 'add appends another line',
      levels: [{ add: { x: 'more' } }],
      before: ['x', '1'],
      after: ['x', '1', 'x', 'more'],
    },
    {
      name: 'remove comes first, then set, then add',
      levels: [{ add: { x: 'c' }, set: { x: 'b' }, remove: ['X'] }],
      before: ['x', 'a'],
      after: ['x', 'b', 'x', 'c'],
    },
    {
      name: 'a later level cannot remove what an earlier one set',
      levels: [{ set: { x: 'route' } }, { remove: ['x'] }],
      before: ['x', 'client'],
      after: ['x', 'route'],
    },
    {
      name: 'a later level sets over an earlier one',
      levels: [{ set: { x: 'route' } }, { set: { x: 'destination' } }],
      before: [],
      after: ['x', 'destination'],
    },
    {
      name: 'names are sorted within a level',
      levels: [{ add: { b: '2', a: '1' } }],
      before: [],
      after: ['a', '1', 'b', '2'],
    },
    {
      name: 'an empty value does nothing',
      levels: [{ set: { x: '' }, add: { y: '' } }],
      before: ['x', 'kept'],
      after: ['x', 'kept'],
    },
    {
      name: 'a value that comes out empty does nothing',
      levels: [{ set: { x: '%REQ(missing)%' } }],
      before: ['x', 'kept'],
      after: ['x', 'kept'],
    },
    {
      name: 'text beyond ASCII goes out as UTF-8 bytes',
      levels: [{ set: { x: 'é' } }],
      before: [],
      after: ['x', '\xc3\xa9'],
    },
    {
      name: 'removing framing fields does nothing',
      levels: [{ remove: ['TE'] }],
      before: ['te', 'trailers'],
      after: ['te', 'trailers'],
    },
  ])('$name', ({ levels, before, after }) => {
    expect(applied(levels, before)).toEqual(after)
  })
})

describe('command operators', () => {
  test.each([
    ['100%%', '100%'],
    ['%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%', '192.0.2.7'],
    ['%DOWNSTREAM_REMOTE_ADDRESS%', '192.0.2.7:40123'],
    ['%DOWNSTREAM_LOCAL_ADDRESS%', '[2001:db8::1]:8443'],
    ['%REQ(x-b)%', 'b'],
    ['%REQ(X-A)%', '1'],
    ['%REQ(missing?x-b)%', 'b'],
    ['%REQ(:authority)%', 'shop.test'],
    ['%REQ(x-b):0%x', 'x'],
    ['%RESP(etag)%', '"x"'],
    ['%START_TIME%', '2026-11-21T08:00:00.005Z'],
    ['%START_TIME(%s)%', '1795248000'],
    ['%START_TIME(%Y/%m/%dT%H:%M:%S.%3f)%', '2026/11/21T08:00:00.005'],
    ['%PROTOCOL%', 'HTTP/1.1'],
    ['%REQUESTED_SERVER_NAME%', 'shop.test'],
    ['a-%ROUTE_NAME%-%RESPONSE_CODE%', 'a-main-200'],
    ['%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%', '2001:db8::2'],
    ['%RESPONSE_FLAGS%|', '|'],
  ])('%s becomes %s', (value, expected) => {
    expect(applied([{ set: { x: value } }], [])).toEqual(['x', expected])
  })

  test('a client behind a trusted proxy has port 0', () => {
    const { mutation } = compileHeaders([{ set: { x: '%DOWNSTREAM_REMOTE_ADDRESS%' } }], 'request')
    const headers = new Headers()
    mutation!.apply(headers, { ...context, clientAddress: '198.51.100.1' })
    expect(headers.get('x')).toBe('198.51.100.1:0')
  })

  test('give nothing without values', () => {
    const { mutation } = compileHeaders([{ set: { x: '%PROTOCOL%', y: 'a%PROTOCOL%' } }], 'request')
    const headers = new Headers()
    mutation!.apply(headers, null)
    expect(headers.fields).toEqual(['y', 'a'])
  })
})

describe('errors', () => {
  test.each<{ operations: HeaderOperations; direction?: HeaderDirection; error: RegExp }>([
    { operations: { set: { x: '50%' } }, error: /begins no command operator/ },
    { operations: { set: { x: '%REQ(a%' } }, error: /begins no command operator/ },
    { operations: { set: { x: '%REQ%' } }, error: /needs a header name/ },
    { operations: { set: { x: '%NOT_THERE%' } }, error: /NOT_THERE/ },
    { operations: { set: { x: '%START_TIME(%Q)%' } }, error: /no time format/ },
    { operations: { set: { x: 'a\r\ny: b' } }, error: /control character/ },
    { operations: { set: { 'x y': 'a' } }, error: /no header name/ },
    { operations: { set: { ':path': '/' } }, error: /":" prefix/ },
    { operations: { remove: ['Host'] }, error: /not removable/ },
    { operations: { remove: [':authority'] }, error: /":" prefix/ },
    { operations: { set: { 'Transfer-Encoding': 'chunked' } }, error: /belongs to the connection/ },
    { operations: { add: { 'content-length': '0' } }, error: /belongs to the connection/ },
    { operations: { set: { host: 'a b' } }, error: /invalid host/ },
    { operations: { set: { host: 'a' } }, direction: 'response', error: /no host/ },
  ])('$operations', ({ operations, direction = 'request', error }) => {
    const compiled = compileHeaders([operations], direction)
    expect(compiled.errors).toHaveLength(1)
    expect(compiled.errors[0]).toMatch(error)
    expect(compiled.mutation).toBeNull()
    expect(compiled.authority).toBeNull()
  })

  test('do not take the other operations along', () => {
    const compiled = compileHeaders([{ set: { bad: '%', good: '1' } }], 'request')
    expect(compiled.errors).toHaveLength(1)
    expect(compiled.mutation!.sets.map(({ name }) => name)).toEqual(['good'])
  })
})

describe('authority', () => {
  test.each<{ levels: HeaderOperations[]; authority: string | null }>([
    { levels: [{ set: { Host: 'a' } }], authority: 'a' },
    { levels: [{ add: { ':authority': 'a:80' } }], authority: 'a:80' },
    { levels: [{ add: { host: 'added' }, set: { host: 'set' } }], authority: 'set' },
    { levels: [{ add: { host: 'route' } }, { set: { host: 'destination' } }], authority: 'route' },
    { levels: [{}, { set: { host: 'destination' } }], authority: 'destination' },
    { levels: [{ set: { host: '' } }], authority: null },
  ])('of $levels is $authority and no header', ({ levels, authority }) => {
    expect(compileHeaders(levels, 'request')).toEqual({ mutation: null, authority, errors: [] })
  })
})

describe('a route and its destinations', () => {
  const route: HeaderOperations = { set: { x: 'route', host: 'r' } }
  const first: HeaderOperations = { set: { x: 'first', host: 'd' }, remove: ['x'] }

  test('a single destination joins the route', () => {
    const compiled = compileRouteHeaders(route, [first], 'request')
    expect(compiled.destinations).toEqual([null])
    expect(compiled.authority).toBe('r')
    const headers = new Headers(['x', 'client'])
    compiled.route!.apply(headers, context)
    expect(headers.fields).toEqual(['x', 'first'])
  })

  test('several destinations run before the route, which wins', () => {
    const compiled = compileRouteHeaders(route, [first, undefined], 'request')
    expect(compiled.destinations[1]).toBeNull()
    expect(compiled.destinationAuthorities).toEqual(['d', null])
    expect(compiled.authority).toBe('r')
    const headers = new Headers(['x', 'client'])
    compiled.destinations[0]!.apply(headers, context)
    compiled.route!.apply(headers, context)
    expect(headers.fields).toEqual(['x', 'route'])
  })

  test('nothing configured is nothing to do', () => {
    expect(compileRouteHeaders(undefined, [undefined], 'response')).toEqual({
      route: null,
      destinations: [null],
      authority: null,
      destinationAuthorities: [null],
      errors: [],
    })
  })
})
