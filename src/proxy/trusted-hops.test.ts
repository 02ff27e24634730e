import { describe, expect, test } from 'vitest'
import { plainConnection } from '../../test/support/exchange-records.ts'
import { MESH } from '../../test/support/proxy-bench.ts'
import { requestOf } from '../../test/support/requests.ts'
import { TrustedPeers } from '../base/trusted-peers.ts'
import type { ClientView } from '../http/client-view.ts'
import type { ClientCertificate, DownstreamConnection } from '../http/exchange.ts'
import type { Request } from '../http/request.ts'
import type { ClientCertMode } from '../snapshot/client-cert-forwarding.ts'
import type { MeshSettings } from '../snapshot/mesh-settings.ts'
import { ownForwardedHeaders } from './forwarded-headers.ts'

const PROXY = '10.0.0.1'
const STRANGER = '192.0.2.66'
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

interface Case {
  readonly peer?: string
  readonly mesh?: Partial<MeshSettings>
  readonly connection?: Partial<DownstreamConnection>
}

function owned(
  headers: readonly string[],
  { peer = PROXY, mesh = {}, connection = {} }: Case = {},
): { request: Request; client: ClientView; value(name: string): string | null } {
  const request = requestOf({ headers })
  const from = { ...plainConnection, remoteAddress: peer, ...connection }
  const client = ownForwardedHeaders(request, from, { ...MESH, ...mesh }, 'ingress')
  return { request, client, value: (name) => request.headers.combined(name) }
}

/** As with `--trusted-proxy 10.0.0.0/8 --trusted-proxy 2001:db8::/32`. */
function listed(init: Partial<MeshSettings> = {}): Partial<MeshSettings> {
  return { trustedPeers: TrustedPeers.of(['10.0.0.0/8', '2001:db8::/32']), ...init }
}

describe('with a list of trusted peers', () => {
  const cases: [name: string, peer: string, sent: string | null, client: string, out: string][] = [
    ['the entry a proxy added', PROXY, '198.51.100.1', '198.51.100.1', `198.51.100.1,${PROXY}`],
    [
      'proxies are skipped',
      PROXY,
      '198.51.100.1, 10.9.9.9',
      '198.51.100.1',
      '198.51.100.1, 10.9.9.9,10.0.0.1',
    ],
    [
      'what a client forged stands left of it',
      PROXY,
      '10.1.1.1, 1.1.1.1, 198.51.100.1,10.2.2.2',
      '198.51.100.1',
      '10.1.1.1, 1.1.1.1, 198.51.100.1,10.2.2.2,10.0.0.1',
    ],
    [
      'all trusted: the left-most',
      PROXY,
      '10.3.3.3,10.2.2.2',
      '10.3.3.3',
      '10.3.3.3,10.2.2.2,10.0.0.1',
    ],
    ['no list', PROXY, null, PROXY, PROXY],
    ['an empty list', PROXY, '', PROXY, `,${PROXY}`],
    [
      'garbage ends the chain',
      PROXY,
      '198.51.100.1, x"y, 10.2.2.2',
      '10.2.2.2',
      '198.51.100.1, x"y, 10.2.2.2,10.0.0.1',
    ],
    [
      'IPv6',
      '2001:db8::1',
      '2001:db9::7, 2001:db8::2',
      '2001:db9::7',
      '2001:db9::7, 2001:db8::2,2001:db8::1',
    ],
    ['a stranger is the client, whatever it says', STRANGER, '198.51.100.1', STRANGER, STRANGER],
    ['a stranger that names a proxy', STRANGER, '198.51.100.1,10.0.0.1', STRANGER, STRANGER],
  ]
  test.each(cases)('x-forwarded-for: %s', (_name, peer, sent, expected, out) => {
    const headers = sent === null ? [] : ['x-forwarded-for', sent]
    const { client, value } = owned(headers, { peer, mesh: listed() })
    expect(client.clientAddress).toBe(expected)
    expect(value('x-forwarded-for')).toBe(out)
  })

  test('numTrustedProxies counts for nothing', () => {
    const mesh = listed({ trustedProxies: 1 })
    const headers = [
      'x-forwarded-for',
      '1.1.1.1,198.51.100.1,10.2.2.2',
      'x-forwarded-proto',
      'https',
    ]
    expect(owned(headers, { mesh }).client.clientAddress).toBe('198.51.100.1')
    const stranger = owned(headers, { mesh, peer: STRANGER })
    expect(stranger.client.clientAddress).toBe(STRANGER)
    expect(stranger.value('x-forwarded-proto')).toBe('http')
  })

  test('a list of many thousand trusted entries is walked for a while only', () => {
    const sent = Array.from({ length: 5_000 }, () => '10.2.2.2').join(',')
    const headers = ['x-forwarded-for', `198.51.100.1,${sent}`]
    expect(owned(headers, { mesh: listed() }).client.clientAddress).toBe('10.2.2.2')
  })

  test.each([
    ['a trusted peer', PROXY, 'https', 'https'],
    ['a trusted peer that shouts', PROXY, 'HTTPS', 'https'],
    ['a trusted peer that talks nonsense', PROXY, 'gopher', 'http'],
    ['a stranger', STRANGER, 'https', 'http'],
  ] as const)('x-forwarded-proto of %s', (_name, peer, sent, expected) => {
    const { request, value } = owned(['x-forwarded-proto', sent], { peer, mesh: listed() })
    expect(value('x-forwarded-proto')).toBe(expected)
    expect(request.scheme).toBe(expected)
  })

  test.each([
    ['one id of a trusted peer is kept', PROXY, ['x-request-id', 'abc-123'], 'abc-123'],
    ['a stranger cannot choose it', STRANGER, ['x-request-id', 'abc-123'], null],
    ['two of them', PROXY, ['x-request-id', 'a', 'x-request-id', 'b'], null],
    ['an empty one', PROXY, ['x-request-id', ''], null],
    ['a space in it', PROXY, ['x-request-id', 'a b'], null],
    ['a very long one', PROXY, ['x-request-id', 'a'.repeat(129)], null],
    ['none', PROXY, [], null],
  ] as const)('x-request-id: %s', (_name, peer, headers, kept) => {
    const { client, value } = owned(headers, { peer, mesh: listed() })
    expect(value('x-request-id')).toBe(client.requestId)
    if (kept === null) expect(client.requestId).toMatch(UUID)
    else expect(client.requestId).toBe(kept)
  })
})

describe('x-forwarded-host and x-forwarded-port', () => {
  const sent = ['x-forwarded-host', 'evil.test', 'x-forwarded-port', '1', 'x-own', '1']
  const cases: [name: string, init: Case, kept: boolean][] = [
    ['nobody is trusted', {}, false],
    ['numTrustedProxies', { mesh: { trustedProxies: 1 } }, true],
    ['a listed peer', { mesh: listed() }, true],
    ['a peer outside the list', { mesh: listed(), peer: STRANGER }, false],
    [
      'outside the list with numTrustedProxies',
      { mesh: listed({ trustedProxies: 1 }), peer: STRANGER },
      false,
    ],
    ["Istio's way", { mesh: { foreignForwardedHost: true } }, true],
  ]
  test.each(cases)('%s', (_name, init, kept) => {
    const { value } = owned(sent, init)
    expect(value('x-forwarded-host')).toBe(kept ? 'evil.test' : null)
    expect(value('x-forwarded-port')).toBe(kept ? '1' : null)
    expect(value('x-own')).toBe('1')
  })

  test.each([
    ['added', {}, [], '8080'],
    ['a stranger cannot choose it', {}, sent, '8080'],
    ['kept of a trusted peer', { trustedProxies: 1 }, sent, '1'],
    ['added where a trusted peer says nothing', { trustedProxies: 1 }, [], '8080'],
    ["overwritten in Istio's way too", { foreignForwardedHost: true }, sent, '8080'],
  ])('proxyHeaders.xForwardedPort: %s', (_name, mesh, headers, expected) => {
    const { value } = owned(headers, { mesh: { forwardedPort: true, ...mesh } })
    expect(value('x-forwarded-port')).toBe(expected)
  })
})

describe('x-forwarded-client-cert', () => {
  const certificate: ClientCertificate = {
    hash: 'ab12',
    subject: 'CN=web',
    uriSans: ['spiffe://corp.test/web'],
    dnsSans: [],
    certPem: '',
    chainPem: '',
    ownUri: null,
  }
  const OWN = 'Hash=ab12;Subject="CN=web";URI=spiffe://corp.test/web'
  const SENT = 'Hash=forged'
  const cases: [mode: ClientCertMode, without: string | null, withCertificate: string | null][] = [
    ['SANITIZE', null, null],
    ['FORWARD_ONLY', null, SENT],
    ['APPEND_FORWARD', null, `${SENT},${OWN}`],
    ['SANITIZE_SET', null, OWN],
    ['ALWAYS_FORWARD_ONLY', SENT, SENT],
  ]

  function forwarded(mode: ClientCertMode, init: Case, sent = true): string | null {
    const mesh = { ...init.mesh, clientCert: { ...MESH.clientCert, mode } }
    const headers = sent ? ['x-forwarded-client-cert', SENT] : []
    return owned(headers, { ...init, mesh }).value('x-forwarded-client-cert')
  }
  const secure = (clientCertificate: ClientCertificate | null): Case => ({
    connection: { tls: { serverName: null, protocol: 'TLSv1.3', cipher: '', clientCertificate } },
  })

  test.each(cases)('%s', (mode, without, withCertificate) => {
    expect(forwarded(mode, {})).toBe(without)
    expect(forwarded(mode, secure(null))).toBe(without)
    expect(forwarded(mode, secure(certificate))).toBe(withCertificate)
  })

  test.each(cases)('%s, when the client sends none', (mode) => {
    const own = mode === 'APPEND_FORWARD' || mode === 'SANITIZE_SET' ? OWN : null
    expect(forwarded(mode, {}, false)).toBeNull()
    expect(forwarded(mode, secure(certificate), false)).toBe(own)
  })

  test('a trusted proxy is no exception: only the mode decides', () => {
    expect(forwarded('SANITIZE_SET', { mesh: listed() })).toBeNull()
  })

  test('every line of it counts', () => {
    const headers = ['x-forwarded-client-cert', 'Hash=a', 'x-forwarded-client-cert', 'Hash=b']
    const mesh = { clientCert: { ...MESH.clientCert, mode: 'APPEND_FORWARD' } } as const
    const { request } = owned(headers, { mesh, ...secure(certificate) })
    expect(request.headers.fields.slice(0, 2)).toEqual([
      'x-forwarded-client-cert',
      `Hash=a,Hash=b,${OWN}`,
    ])
    expect(request.headers.size).toBe(4)
  })

  test('new settings make a new element of the same certificate', () => {
    const mesh = (uri: boolean): Partial<MeshSettings> => ({
      clientCert: { ...MESH.clientCert, uri },
    })
    const value = (uri: boolean): string | null =>
      owned([], { mesh: mesh(uri), ...secure(certificate) }).value('x-forwarded-client-cert')
    expect(value(true)).toBe(OWN)
    expect(value(false)).toBe('Hash=ab12;Subject="CN=web"')
  })
})

test.each(['x-envoy-peer-metadata', 'x-envoy-peer-metadata-id', 'x-envoy-original-dst-host'])(
  'nobody outside may say %s, be it a trusted proxy',
  (name) => {
    expect(owned([name, 'x'], { mesh: listed() }).value(name)).toBeNull()
  },
)
