import { describe, expect, test } from 'vitest'
import { Simulation } from '../support/simulate.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const WEB =
  service('web', 9000) +
  gateway('gw', ['shop.test']) +
  virtualService('web', ['shop.test'], ['gw'], '  - route: [{ destination: { host: web } }]')

function rule(name: string, spec: string, metadata = ''): string {
  return `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${name}${metadata} }
spec: ${spec}
---
`
}

const CLUSTER = 'outbound|8080||web.default.svc.cluster.local'
const ERROR = 'connectionPool: { tcp: { maxConnections: many } }'
const route = (yaml: string): Simulation => new Simulation(WEB + yaml)
const at = (run: Simulation): string => run.resolve({ port: 80, host: 'shop.test' }).to

describe('a DestinationRule with errors and no earlier good version', () => {
  test.each([
    ['tls of the policy', `{ host: web, trafficPolicy: { tls: { mode: SIMPLE }, ${ERROR} } }`],
    ['tls without a mode', `{ host: web, trafficPolicy: { tls: { mod: SIMPLE } } }`],
    ['tls of no shape', `{ host: web, trafficPolicy: { tls: SIMPLE } }`],
    [
      'tls of a port',
      `{ host: web, trafficPolicy: { portLevelSettings: [{ port: { number: 8080 }, tls: { mode: SIMPLE }, ${ERROR} }] } }`,
    ],
    ['a wildcard host', `{ host: "*.local", trafficPolicy: { tls: { mode: MUTUAL } } }`],
    ['an unknown field', `{ host: web, subset: x, trafficPolicy: { tls: { mode: SIMPLE } } }`],
  ])('%s: the host is not reached', (_what, spec) => {
    const run = route(rule('web', spec))
    expect(at(run)).toBe('503 NC')
    expect(run.found('destination-rule-withheld')).toMatchObject([
      { severity: 'error', ref: { kind: 'DestinationRule', name: 'web' } },
    ])
  })

  test.each([
    ['no tls', `{ host: web, trafficPolicy: { ${ERROR} } }`],
    ['tls that is off', `{ host: web, trafficPolicy: { tls: { mode: DISABLE }, ${ERROR} } }`],
    ['another host', `{ host: other, trafficPolicy: { tls: { mode: SIMPLE }, ${ERROR} } }`],
    [
      'exportTo elsewhere',
      `{ host: web, exportTo: [elsewhere], trafficPolicy: { tls: { mode: SIMPLE }, ${ERROR} } }`,
    ],
  ])('%s: it counts as absent', (_what, spec) => {
    const run = route(rule('web', spec))
    expect(at(run)).toBe(CLUSTER)
    expect(run.found('destination-rule-withheld')).toEqual([])
  })

  test('its subsets are unknown either way', () => {
    const spec = `{ host: web, subsets: [{ name: v1, trafficPolicy: { tls: { mode: SIMPLE }, ${ERROR} } }] }`
    const yaml = WEB.replace('host: web }', 'host: web, subset: v1 }') + rule('web', spec)
    expect(at(new Simulation(yaml))).toBe('503 NC')
  })

  test('an older rule for the host decides, as it would if this one were good', () => {
    const older = rule(
      'a',
      '{ host: web, trafficPolicy: { loadBalancer: { simple: RANDOM } } }',
      ', creationTimestamp: "2020-01-01T00:00:00Z"',
    )
    const broken = `{ host: web, trafficPolicy: { tls: { mode: SIMPLE }, ${ERROR} } }`
    expect(at(route(older + rule('b', broken)))).toBe(CLUSTER)
    const oldest = rule('b', broken, ', creationTimestamp: "2019-01-01T00:00:00Z"')
    expect(at(route(older + oldest))).toBe('503 NC')
  })
})
