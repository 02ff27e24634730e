import { describe, expect, test } from 'vitest'
import { plainConnection } from '../../test/support/exchange-records.ts'
import { MESH } from '../../test/support/proxy-bench.ts'
import { requestOf } from '../../test/support/requests.ts'
import type { ClientView } from '../http/client-view.ts'
import type { Request } from '../http/request.ts'
import type { MeshSettings } from '../snapshot/mesh-settings.ts'
import { appendForwardedHost, ownForwardedHeaders } from './forwarded-headers.ts'

const PEER = plainConnection.remoteAddress

function owned(
  headers: readonly string[],
  mesh: Partial<MeshSettings> = {},
  scheme: 'http' | 'https' = 'http',
  direction: 'ingress' | 'egress' = 'ingress',
): { request: Request; client: ClientView } {
  const request = requestOf({ headers, scheme })
  const settings = { ...MESH, ...mesh }
  return { request, client: ownForwardedHeaders(request, plainConnection, settings, direction) }
}

function values(request: Request, name: string): string[] {
  const { fields } = request.headers
  return fields.filter((_, i) => i % 2 === 1 && fields[i - 1] === name)
}

describe('x-forwarded-for', () => {
  const cases: [name: string, incoming: string[], outgoing: string][] = [
    ['none', [], PEER],
    ['one entry', ['x-forwarded-for', '198.51.100.9'], `198.51.100.9,${PEER}`],
    [
      'several field lines become one',
      ['x-forwarded-for', '198.51.100.9', 'accept', '*/*', 'x-forwarded-for', '203.0.113.4, ::1'],
      `198.51.100.9,203.0.113.4, ::1,${PEER}`,
    ],
    ['garbage stays for the upstream to see', ['x-forwarded-for', 'x"y'], `x"y,${PEER}`],
    ['empty', ['x-forwarded-for', ''], `,${PEER}`],
  ]
  test.each(cases)('the peer is appended: %s', (_name, incoming, outgoing) => {
    const { request } = owned(incoming)
    expect(values(request, 'x-forwarded-for')).toEqual([outgoing])
  })
})

test('at egress an outside host does not learn the address of the pod', () => {
  const { request, client } = owned([], { trustedProxies: 1 }, 'http', 'egress')
  expect(values(request, 'x-forwarded-for')).toEqual([])
  expect(client.clientAddress).toBe(PEER)
})

describe('trusted client', () => {
  const list = '198.51.100.1, 198.51.100.2 ,198.51.100.3'
  const cases: [name: string, hops: number, incoming: string | null, client: string][] = [
    ['nobody is trusted', 0, list, PEER],
    ['one hop: the right-most entry', 1, list, '198.51.100.3'],
    ['two hops: the second from the right', 2, list, '198.51.100.2'],
    ['as many hops as entries: the left-most', 3, list, '198.51.100.1'],
    ['more hops than entries: the peer', 4, list, PEER],
    ['one entry, two hops', 2, '198.51.100.1', PEER],
    ['no list', 2, null, PEER],
    ['empty list', 1, '', PEER],
    ['only a comma', 2, ',', PEER],
    ['leading comma', 2, ',198.51.100.1', PEER],
    ['trailing comma', 1, '198.51.100.1,', PEER],
    ['a name', 1, 'evil.test', PEER],
    ['an address with port', 1, '198.51.100.1:80', PEER],
    ['IPv6', 1, '2001:db8::1', '2001:db8::1'],
    ['IPv6 in brackets', 1, '[2001:db8::1]', PEER],
    ['spoofed entries on the left do not count', 1, '127.0.0.1, 198.51.100.7', '198.51.100.7'],
  ]
  test.each(cases)('%s', (_name, trustedProxies, incoming, expected) => {
    const headers = incoming === null ? [] : ['x-forwarded-for', incoming]
    expect(owned(headers, { trustedProxies }).client.clientAddress).toBe(expected)
  })

  test('counts across field lines', () => {
    const headers = ['x-forwarded-for', '198.51.100.1', 'x-forwarded-for', '198.51.100.2']
    expect(owned(headers, { trustedProxies: 2 }).client.clientAddress).toBe('198.51.100.1')
  })
})

describe('x-forwarded-proto', () => {
  const cases: [
    name: string,
    hops: number,
    sent: string | null,
    scheme: 'http' | 'https',
    expected: string,
  ][] = [
    ['absent on clear text', 0, null, 'http', 'http'],
    ['absent on TLS', 1, null, 'https', 'https'],
    ['untrusted: overwritten', 0, 'https', 'http', 'http'],
    ['untrusted on TLS: overwritten', 0, 'http', 'https', 'https'],
    ['trusted: kept', 1, 'https', 'http', 'https'],
    ['trusted but nonsense: overwritten', 1, 'gopher', 'http', 'http'],
    ['trusted but a list: overwritten', 1, 'https,http', 'http', 'http'],
  ]
  test.each(cases)('%s', (_name, trustedProxies, sent, scheme, expected) => {
    const headers = sent === null ? [] : ['x-forwarded-proto', sent]
    const { request } = owned(headers, { trustedProxies }, scheme)
    expect(values(request, 'x-forwarded-proto')).toEqual([expected])
    expect(request.scheme).toBe(expected)
  })
})

describe('names that belong to the edge', () => {
  test.each([
    'x-envoy-retry-on',
    'x-envoy-retry-grpc-on',
    'x-envoy-max-retries',
    'x-envoy-retriable-status-codes',
    'x-envoy-upstream-rq-timeout-ms',
    'x-envoy-upstream-rq-per-try-timeout-ms',
    'x-envoy-upstream-alt-stat-name',
    'x-envoy-expected-rq-timeout-ms',
    'x-envoy-force-trace',
    'x-envoy-decorator-operation',
    'x-envoy-downstream-service-cluster',
    'x-envoy-downstream-service-node',
    'x-envoy-ip-tags',
    'x-envoy-internal',
    'x-envoy-attempt-count',
    'x-envoy-original-path',
    'x-envoy-external-address',
    'x-envoy-upstream-canary',
    'x-envoy-auth-partial-body',
    'x-envoy-some-day',
    'x-envoy-',
    'x-forwarded-client-cert',
  ])('%s of a client is dropped, every line of it', (name) => {
    const headers = [name, 'a', 'accept', '*/*', name, 'b', 'x-own', '1']
    const { request } = owned(headers, { trustedProxies: 1 })
    expect(request.headers.has(name)).toBe(false)
    expect(request.headers.fields.slice(0, 4)).toEqual(['accept', '*/*', 'x-own', '1'])
  })

  test('other names pass, however odd', () => {
    const headers = [
      '__proto__',
      'a',
      'x-envoy',
      'b',
      'constructor',
      'c',
      'x',
      'd',
      'x-envoys',
      'e',
    ]
    const { request } = owned(headers)
    expect(request.headers.fields.slice(0, 10)).toEqual(headers)
  })

  test('at egress the controls are dropped, other names with that prefix are the own business', () => {
    const { request } = owned(
      ['x-envoy-retry-on', '5xx', 'x-envoy-peer-metadata', 'a', 'x-envoy-some-day', 'b'],
      {},
      'http',
      'egress',
    )
    expect(request.headers.has('x-envoy-retry-on')).toBe(false)
    expect(request.headers.has('x-envoy-peer-metadata')).toBe(false)
    expect(values(request, 'x-envoy-some-day')).toEqual(['b'])
  })
})

describe('x-request-id', () => {
  const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

  test('a client cannot choose it', () => {
    const { request, client } = owned(['x-request-id', 'mine', 'x-request-id', 'too'])
    expect(client.requestId).toMatch(UUID)
    expect(values(request, 'x-request-id')).toEqual([client.requestId])
  })

  test('each request gets another one', () => {
    expect(owned([]).client.requestId).not.toBe(owned([]).client.requestId)
  })

  test('switched off: what the client sent passes', () => {
    const { request, client } = owned(['x-request-id', 'mine'], { requestIdHeader: false })
    expect(client.requestId).toBe('mine')
    expect(values(request, 'x-request-id')).toEqual(['mine'])
    expect(owned([], { requestIdHeader: false }).request.headers.has('x-request-id')).toBe(false)
  })
})

describe('x-forwarded-host before a rewrite of Host', () => {
  test.each<[name: string, sent: string[], expected: string]>([
    ['none yet', [], 'shop.test'],
    ['an empty one', ['x-forwarded-host', ''], 'shop.test'],
    ['another at the end', ['x-forwarded-host', 'www.test'], 'www.test,shop.test'],
    ['the same at the end', ['x-forwarded-host', 'www.test, shop.test'], 'www.test, shop.test'],
    ['several lines', ['x-forwarded-host', 'a', 'x-forwarded-host', 'b'], 'a,b,shop.test'],
  ])('%s', (_name, sent, expected) => {
    const request = requestOf({ headers: sent })
    appendForwardedHost(request.headers, 'shop.test')
    expect(values(request, 'x-forwarded-host')).toEqual([expected])
  })
})
