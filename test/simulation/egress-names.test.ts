import { describe, expect, test } from 'vitest'
import { knownTunnel } from '../../src/proxy/egress-decision.ts'
import { Simulation } from '../support/simulate.ts'
import { service } from '../support/yaml.ts'

function entry(name: string, spec: string, annotations = '{}'): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name}, annotations: ${annotations} }
spec: { ${spec} }
---
`
}

const TLS = 'ports: [{ number: 443, name: tls, protocol: TLS }]'

/** Which of these names a tunnel to `host` may carry besides its own; null: any. */
function allowed(yaml: string, host: string, names: readonly string[]): string[] | null {
  const { egress } = new Simulation(yaml).snapshot
  const tunnel = knownTunnel(egress, host, 443)
  expect(tunnel).not.toBeNull()
  const { serverNames } = tunnel!
  return serverNames === null ? null : names.filter((name) => serverNames.find(name) !== null)
}

describe('TLS server names inside a tunnel to a declared host', () => {
  const names = ['a.test', 'b.test', 'x.wild.test', 'wild.test', 'evil.test']
  test.each([
    [
      'all hosts of its ServiceEntry',
      entry('one', `hosts: [a.test, b.test], resolution: DNS, ${TLS}`),
      ['a.test', 'b.test'],
    ],
    [
      'those of every ServiceEntry that is united with it',
      entry('one', `hosts: [a.test], resolution: DNS, ${TLS}`) +
        entry('two', `hosts: [a.test, b.test], resolution: DNS, ${TLS}`),
      ['a.test', 'b.test'],
    ],
    [
      'what the annotation adds',
      entry(
        'one',
        `hosts: [a.test], resolution: DNS, ${TLS}`,
        '{ tidegate.dev/egress-server-names: "b.test, *.WILD.test" }',
      ),
      ['a.test', 'b.test', 'x.wild.test'],
    ],
    [
      'any, when the annotation says so',
      entry(
        'one',
        `hosts: [a.test], resolution: DNS, ${TLS}`,
        '{ tidegate.dev/egress-server-names: "*" }',
      ),
      null,
    ],
    [
      'any on an opaque port',
      entry(
        'one',
        'hosts: [a.test], resolution: DNS, ports: [{ number: 443, name: tcp, protocol: TCP }]',
      ),
      null,
    ],
  ])('%s', (_name, yaml, expected) => {
    expect(allowed(yaml, 'a.test', names)).toEqual(expected)
  })

  test('an address inside the addresses of a ServiceEntry stands for its hosts', () => {
    const yaml = entry(
      'one',
      `hosts: [a.test], addresses: [198.51.100.0/24], resolution: STATIC, ${TLS}, endpoints: [{ address: 192.0.2.1 }]`,
    )
    expect(allowed(yaml, '198.51.100.9', names)).toEqual(['a.test'])
  })

  test('a Service of the cluster may be asked for under any name', () => {
    expect(allowed(service('web', 9000, { port: 443, portName: 'tls' }), 'web', names)).toBeNull()
  })
})

describe('tls rules below a wildcard ServiceEntry', () => {
  const wild = entry('wild', `hosts: ["*.wild.test"], resolution: NONE, ${TLS}`)
  const rules = (matches: string): string => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: rules }
spec:
  hosts: ["*.wild.test"]
  tls:
${matches}
---
${service('one', 9000, { port: 443, portName: 'tls' })}${service('two', 9001, { port: 443, portName: 'tls' })}`
  const rule = (names: string, host: string): string =>
    `  - { match: [{ port: 443, sniHosts: [${names}] }], route: [{ destination: { host: ${host} } }] }\n`

  test('single names out; the first rule that covers a name wins', () => {
    const simulation = new Simulation(
      wild +
        rules(
          rule('a.wild.test', 'one') +
            rule('"*.b.wild.test"', 'two') +
            rule('c.b.wild.test', 'one'),
        ),
    )
    expect(simulation.connect('a.wild.test', 443)).toBe(
      'outbound|443||one.default.svc.cluster.local',
    )
    expect(simulation.connect('x.b.wild.test', 443)).toBe(
      'outbound|443||two.default.svc.cluster.local',
    )
    expect(simulation.connect('c.b.wild.test', 443)).toBe(
      'outbound|443||two.default.svc.cluster.local',
    )
    expect(simulation.connect('other.wild.test', 443)).toBe('asked host')
    expect(simulation.connect('a.wild.test', 8443)).toBe('passthrough')
  })
})

test('TLS that a DestinationRule wants for hosts without endpoints is never left out in silence', () => {
  const simulation = new Simulation(
    entry(
      'wild',
      'hosts: ["*.wild.test"], resolution: DYNAMIC_DNS, ports: [{ number: 80, name: http, protocol: HTTP }]',
    ) +
      `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: wild }
spec: { host: "*.wild.test", trafficPolicy: { tls: { mode: SIMPLE } } }
---
`,
  )
  expect(simulation.found('tls-without-endpoints')).toHaveLength(1)
  expect(simulation.egress({ port: 80, host: 'a.wild.test' }).to).toContain('503')
})
