import { describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { Simulation } from '../support/simulate.ts'
import { tlsSecret } from '../support/secrets.ts'
import { service, virtualService } from '../support/yaml.ts'

const pair = Authority.create('Simulated').issue(['a.com'])

interface ServerSketch {
  readonly hosts: string
  readonly tls: string
  readonly protocol?: string
}

function gateway(name: string, servers: readonly ServerSketch[], created = '2024-01-01'): string {
  const list = servers.map(
    ({ hosts, tls, protocol = 'TLS' }, index) =>
      `  - { port: { number: 443, name: s${index}, protocol: ${protocol} }, hosts: ${hosts}, tls: ${tls} }\n`,
  )
  return `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: ${name}, creationTimestamp: "${created}T00:00:00Z" }
spec:
  servers:
${list.join('')}---
`
}

/** Rules as pairs of SNI hosts and the Service they lead to. */
function tlsRoutes(
  name: string,
  hosts: string,
  rules: readonly (readonly [sni: string, to: string])[],
): string {
  const list = rules.map(
    ([sni, to]) =>
      `  - { match: [{ sniHosts: ${sni} }], route: [{ destination: { host: ${to} } }] }\n`,
  )
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name} }
spec:
  hosts: ${hosts}
  gateways: [gw, other]
  tls:
${list.join('')}---
`
}

const services = ['one', 'two', 'three']
  .map((name) => service(name, 9000, { port: 8443, portName: 'tls' }))
  .join('')
const PASS = '{ mode: PASSTHROUGH }'
const SIMPLE = '{ mode: SIMPLE, credentialName: good }'
const cluster = (name: string): string => `outbound|8443||${name}.default.svc.cluster.local`
const base = services + tlsSecret('good', pair)
const answer = virtualService('answers', ['*'], ['gw'], '  - { directResponse: { status: 204 } }')

describe('the server of a TLS port by SNI', () => {
  const run = new Simulation(
    base +
      answer +
      gateway('gw', [
        { hosts: '[ended.com, "*.ended.org"]', tls: SIMPLE, protocol: 'HTTPS' },
        { hosts: '["*.passed.com", one.com, dead.com]', tls: PASS },
        { hosts: '["*.deep.passed.com"]', tls: SIMPLE, protocol: 'HTTPS' },
        { hosts: '["*", ignored.com]', tls: PASS },
      ]) +
      tlsRoutes('routes', '["*"]', [
        ['[one.com]', 'one'],
        ['["x.passed.com"]', 'two'],
        ['["*.passed.com"]', 'one'],
        ['["*.deep.passed.com"]', 'two'],
        ['["wide.net"]', 'three'],
      ]),
  )

  const rows: [sni: string, to: string][] = [
    ['ended.com', 'direct 204'],
    ['a.ended.org', 'direct 204'],
    ['one.com', cluster('one')],
    ['x.passed.com', cluster('two')],
    ['y.passed.com', cluster('one')],
    ['y.x.passed.com', cluster('one')],
    ['y.deep.passed.com', 'direct 204'],
    ['wide.net', cluster('three')],
    ['dead.com', 'closed'],
    ['passed.com', 'closed'],
    ['anything.else', 'closed'],
    ['', 'closed'],
  ]
  test.each(rows)('%o goes to %s', (sni, to) => {
    expect(run.resolve({ port: 443, sni }).to).toBe(to)
  })

  test('a rule that asks for a name of a server that ends TLS is reported', () => {
    const [said] = run.found('sni-host-claimed')
    expect(said?.message).toContain('*.deep.passed.com')
  })
})

test('a name that two VirtualServices claim belongs to the first, with a finding', () => {
  const run = new Simulation(
    base +
      gateway('gw', [{ hosts: '[a.com]', tls: PASS }]) +
      tlsRoutes('a-first', '[a.com]', [['[a.com]', 'one']]) +
      tlsRoutes('b-second', '[a.com]', [['[a.com]', 'two']]),
  )
  expect(run.resolve({ port: 443, sni: 'a.com' }).to).toBe(cluster('one'))
  expect(run.found('sni-host-claimed').map(({ ref }) => ref?.name)).toEqual(['b-second'])
})

test('a duplicate host drops the whole later server, of whatever mode', () => {
  const run = new Simulation(
    base +
      answer +
      gateway('gw', [{ hosts: '[a.com]', tls: SIMPLE, protocol: 'HTTPS' }]) +
      gateway('other', [{ hosts: '[a.com, b.com]', tls: PASS }], '2024-02-01') +
      tlsRoutes('routes', '[a.com, b.com]', [['[a.com, b.com]', 'one']]),
  )
  expect(run.resolve({ port: 443, sni: 'a.com' }).to).toBe('direct 204')
  expect(run.resolve({ port: 443, sni: 'b.com' }).to).toBe('closed')
  expect(run.found('gateway-server-conflict')).toHaveLength(1)
})

test('http rules are not used where TLS passes, nor tls rules where it ends', () => {
  const run = new Simulation(
    base +
      answer +
      gateway('gw', [
        { hosts: '[passed.com]', tls: PASS },
        { hosts: '[ended.com]', tls: SIMPLE, protocol: 'HTTPS' },
      ]) +
      tlsRoutes('routes', '[ended.com]', [['[ended.com]', 'one']]),
  )
  expect(run.resolve({ port: 443, sni: 'passed.com' }).to).toBe('closed')
  expect(run.resolve({ port: 443, sni: 'ended.com' }).to).toBe('direct 204')
})

test('protocol TLS that ends here takes the first tcp rule', () => {
  const tcp = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: tcp }
spec:
  hosts: [a.com]
  gateways: [gw]
  tcp:
  - { match: [{ port: 444 }], route: [{ destination: { host: two } }] }
  - { route: [{ destination: { host: one }, weight: 1 }, { destination: { host: three }, weight: 3 }] }
---
`
  const server = gateway('gw', [{ hosts: '[a.com]', tls: SIMPLE }])
  expect(new Simulation(base + server + tcp).resolve({ port: 443, sni: 'a.com' }).to).toBe(
    `25% ${cluster('one')}, 75% ${cluster('three')}`,
  )
  const unrouted = new Simulation(base + server)
  expect(unrouted.resolve({ port: 443, sni: 'a.com' }).to).toBe('closed')
  expect(unrouted.found('tcp-server-without-route')[0]?.message).toContain('connections are closed')
})

test('AUTO_PASSTHROUGH: services among the hosts alone, by port and subset', () => {
  const rule = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: one }
spec: { host: one, subsets: [{ name: v1, labels: {} }] }
---
`
  const auto = { hosts: '[one.default.svc.cluster.local]', tls: '{ mode: AUTO_PASSTHROUGH }' }
  const run = new Simulation(base + rule + gateway('gw', [auto]))
  const to = (sni: string): string => run.resolve({ port: 443, sni }).to
  const name = (subset: string, host: string): string =>
    `outbound_.8443_.${subset}_.${host}.default.svc.cluster.local`
  expect(to(name('', 'one'))).toBe(name('', 'one'))
  expect(to(name('v1', 'one'))).toBe(name('v1', 'one'))
  expect(to(name('v2', 'one'))).toBe('closed')
  expect(to(name('', 'two'))).toBe('closed')
  expect(run.cluster(name('', 'one'))).toMatchObject({ tls: null, protocol: 'tcp' })
})
