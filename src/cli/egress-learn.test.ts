import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { egressDecision } from '../../test/support/egress-lines.ts'
import { TemporaryFolder } from '../../test/support/folder.ts'
import type { EgressLine } from '../telemetry/egress-line.ts'
import { resourcesFor, yamlOf } from './egress-learn.ts'
import { SeenTraffic } from './egress-seen.ts'
import type { Written } from './egress-service-entries.ts'
import { loadOffline } from './offline-configuration.ts'

const LAYOUT = { namespace: 'istio-system', perNamespace: false, wildcards: null }

function learned(
  lines: readonly Partial<EgressLine>[],
  layout: Partial<Parameters<typeof resourcesFor>[1]> = {},
): readonly Written[] {
  const traffic = new SeenTraffic()
  for (const line of lines) {
    traffic.add({ type: 'decision', ...egressDecision(line) })
  }
  return resourcesFor(traffic, { ...LAYOUT, ...layout })
}

/** `host port/protocol ...` of each ServiceEntry. */
function shape(resources: readonly Written[]): readonly string[] {
  return resources
    .filter(({ kind }) => kind === 'ServiceEntry')
    .map(({ spec }) => {
      // `spec` is what is written to YAML: of a ServiceEntry it has these.
      const { hosts, ports, resolution } = spec as unknown as {
        hosts: string[]
        ports: { number: number; protocol: string }[]
        resolution: string
      }
      const listed = ports.map(({ number, protocol }) => `${number}/${protocol}`)
      return [...hosts, ...listed, resolution].join(' ')
    })
}

const MIXED: readonly Partial<EgressLine>[] = [
  { host: 'api.test' },
  { host: 'api.test', kind: 'http', port: 80 },
  { host: 'db.test', port: 5432 },
  { host: 'both.test', port: 8080, kind: 'http' },
  { host: 'both.test', port: 8080 },
  { host: 'raw.test', port: 8443, kind: 'tls' },
  { host: '203.0.113.7', port: 443 },
  { host: '2001:db8::', port: 9000, kind: 'http' },
  { host: '::1', port: 9000, kind: 'socks' },
  { host: `${'long-name-'.repeat(5)}x.a-very-long-domain.test`, port: 443 },
  { host: 'intranet', port: 80, kind: 'http' },
  { host: 'a-b.test', verdict: 'passthrough' },
  { host: 'a.b.test', verdict: 'passthrough' },
]

describe('ServiceEntries', () => {
  test('one for each host, with what was seen on each port', () => {
    expect(shape(learned(MIXED.slice(0, 9)))).toEqual(
      [
        'ip6-2001-db8--0.egress.invalid 9000/HTTP STATIC',
        'ip4-203-0-113-7.egress.invalid 443/TLS STATIC',
        'ip6---1.egress.invalid 9000/TCP STATIC',
        'api.test 80/HTTP 443/TLS DNS',
        'both.test 8080/HTTP DNS',
        'db.test 5432/TCP DNS',
        'raw.test 8443/TLS DNS',
      ].toSorted((a, b) => order(a) - order(b)),
    )
  })

  /** By the host that was asked for: addresses first. */
  function order(text: string): number {
    return ['2001', '203', '-1.egress', 'api', 'both', 'db', 'raw'].findIndex((part) =>
      text.includes(part),
    )
  }

  test.each<[name: string, line: Partial<EgressLine>]>([
    ['what was refused', { verdict: 'blocked' }],
    ['what the guard refused', { verdict: 'guarded' }],
    ['what is declared already', { verdict: 'allowed', declaredAs: 'shop/api.test' }],
    ['a name that no ServiceEntry can have', { host: 'under_score.test' }],
    ['a bare wildcard', { host: '*' }],
  ])('are not written for %s', (_name, line) => {
    expect(learned([line])).toEqual([])
  })

  test('names are unique and valid, whatever the hosts are', () => {
    const names = learned(MIXED).map(({ metadata }) => metadata.name)
    expect(new Set(names).size).toBe(names.length)
    for (const name of names) expect(name).toMatch(/^[a-z][a-z0-9-]{0,61}[a-z0-9]$/)
  })
})

describe('wildcards', () => {
  const three = ['a', 'b', 'c'].map((label) => ({ host: `${label}.cdn.test` }))

  test('only when asked for, and only with enough hosts', () => {
    expect(shape(learned(three))).toHaveLength(3)
    expect(shape(learned(three, { wildcards: 4 }))).toHaveLength(3)
    expect(shape(learned(three, { wildcards: 3 }))).toEqual(['*.cdn.test 443/TLS DYNAMIC_DNS'])
  })

  test.each<[name: string, lines: readonly Partial<EgressLine>[]]>([
    ['other ports', [...three.slice(1), { host: 'a.cdn.test', port: 8443, kind: 'tls' }]],
    ['raw TCP', three.map((line) => ({ ...line, port: 5432 }))],
    ['a top-level domain', ['a.test', 'b.test', 'c.test'].map((host) => ({ host }))],
    ['addresses', ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((host) => ({ host }))],
  ])('not for %s', (_name, lines) => {
    expect(shape(learned(lines, { wildcards: 3 })).some((text) => text.startsWith('*'))).toBe(false)
  })
})

describe('per namespace', () => {
  const lines = [
    { host: 'api.test', clientNamespace: 'shop' },
    { host: 'shared.test', clientNamespace: 'shop' },
    { host: 'shared.test', clientNamespace: 'billing' },
    { host: 'open.test', clientNamespace: '' },
    {
      host: 'db.test',
      clientNamespace: 'billing',
      verdict: 'allowed' as const,
      declaredAs: 'data/*.test',
    },
  ]

  test('a host of one namespace stays there, others go to the gateway', () => {
    const entries = learned(lines, { perNamespace: true }).filter(
      ({ kind }) => kind === 'ServiceEntry',
    )
    expect(
      entries.map(({ metadata, spec }) => [metadata.namespace, spec['hosts'], spec['exportTo']]),
    ).toEqual([
      ['shop', ['api.test'], ['.', 'istio-system']],
      ['istio-system', ['open.test'], undefined],
      ['istio-system', ['shared.test'], ['.', 'billing', 'shop']],
    ])
  })

  test('Sidecars import what each namespace used, the root one what unknown clients did', () => {
    const sidecars = learned(lines, { perNamespace: true }).filter(({ kind }) => kind === 'Sidecar')
    expect(sidecars.map(({ metadata, spec }) => [metadata.namespace, spec['egress']])).toEqual([
      ['istio-system', [{ hosts: ['istio-system/open.test'] }]],
      ['billing', [{ hosts: ['data/*.test', 'istio-system/shared.test'] }]],
      ['shop', [{ hosts: ['./api.test', 'istio-system/shared.test'] }]],
    ])
  })
})

test.each([
  ['plain', {}],
  ['with wildcards', { wildcards: 2 }],
  ['per namespace', { perNamespace: true }],
])('validate finds nothing to say: %s', async (_name, layout) => {
  const text = yamlOf(learned(MIXED, layout))
  expect(parseAllDocuments(text).length).toBeGreaterThan(5)
  using folder = new TemporaryFolder({ 'learned.yaml': text })
  const { problems } = await loadOffline([folder.path], 'test', {
    labels: [],
    namespace: 'istio-system',
    domain: 'cluster.local',
    meshConfig: null,
    compat: false,
  })
  expect(problems.map(({ code, message }) => `${code}: ${message}`)).toEqual([])
})
