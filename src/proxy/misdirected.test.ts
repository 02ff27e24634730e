import { describe, expect, test } from 'vitest'
import { HostTable } from '../routing/host-table.ts'
import { TlsChainPlan } from '../snapshot/listener-plan.ts'
import { servingChain, sharesCertificates } from './misdirected.ts'

type Init = ConstructorParameters<typeof TlsChainPlan>[0]

const rules = {
  required: true,
  acceptsUntrusted: false,
  ca: { kind: 'pem', name: 'kubernetes://ns/ca', text: 'CA' },
  crl: null,
  subjectAltNames: ['a'],
  spki: [],
  hashes: [],
} as const

function chain(
  host: string,
  tls: Partial<Init['tls']> = {},
  more: Partial<Pick<Init, 'mode' | 'opaque'>> = {},
): TlsChainPlan {
  const certificate = { kind: 'files', name: 'file://c', certificate: 'c', key: 'k' } as const
  return new TlsChainPlan({
    name: host,
    gateway: 'ns/gw',
    hosts: [host],
    http: { name: host, hosts: new HostTable([]), gateways: [], authenticator: null },
    tls: {
      certificates: [certificate],
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      ciphers: null,
      alpn: [],
      ...tls,
    },
    ...more,
  })
}

/** Where a request for b.test goes on a connection of a.test. */
function outcome(held: TlsChainPlan, owner: TlsChainPlan, covered = true): string {
  const table = {
    bySni: new HostTable([
      ['a.test', held],
      ['b.test', owner],
    ]),
    all: [held, owner],
  }
  return servingChain(table, held, 'B.test:443', () => covered)?.name ?? '421'
}

describe('a request for the host of another server', () => {
  const plain = chain('a.test')
  const verified = chain('a.test', { client: rules })
  const rows: [what: string, held: TlsChainPlan, owner: TlsChainPlan, outcome: string][] = [
    ['equal settings', plain, chain('b.test'), 'b.test'],
    ['a newer minimum', plain, chain('b.test', { minVersion: 'TLSv1.3' }), '421'],
    ['an older minimum', chain('a.test', { minVersion: 'TLSv1.3' }), chain('b.test'), 'b.test'],
    ['ciphers of its own', plain, chain('b.test', { ciphers: 'X' }), '421'],
    ['client certificates', plain, chain('b.test', { client: rules }), '421'],
    ['the same client rules', verified, chain('b.test', { client: { ...rules } }), 'b.test'],
    ['no client rules, from a verified one', verified, chain('b.test'), 'b.test'],
    ['no certificate', plain, chain('b.test', { certificates: [] }), '421'],
    ['TLS that passes through', plain, chain('b.test', {}, { mode: 'PASSTHROUGH' }), '421'],
    ['opaque bytes', plain, chain('b.test', {}, { opaque: true }), '421'],
  ]
  test.each(rows)('%s', (_what, held, owner, expected) => {
    expect(outcome(held, owner)).toBe(expected)
  })

  const differing: [field: string, client: Partial<typeof rules> | object][] = [
    ['required', { required: false }],
    ['acceptsUntrusted', { acceptsUntrusted: true }],
    ['ca', { ca: { kind: 'pem', name: 'kubernetes://ns/ca', text: 'other' } }],
    ['ca as a file', { ca: { kind: 'file', path: '/ca' } }],
    ['crl', { crl: { kind: 'file', path: '/crl' } }],
    ['subjectAltNames', { subjectAltNames: ['b'] }],
    ['spki', { spki: ['x'] }],
    ['hashes', { hashes: ['x'] }],
  ]
  test.each(differing)('other client rules in %s', (_field, client) => {
    expect(outcome(verified, chain('b.test', { client: { ...rules, ...client } }))).toBe('421')
  })

  test('that the shown certificate does not cover', () => {
    expect(outcome(plain, chain('b.test'), false)).toBe('421')
  })

  test('certificates are shared when they come from the same places', () => {
    const other = { kind: 'files', name: 'file://d', certificate: 'd', key: 'k' } as const
    expect(sharesCertificates(plain, chain('b.test'))).toBe(true)
    expect(sharesCertificates(plain, chain('b.test', { certificates: [other] }))).toBe(false)
  })
})
