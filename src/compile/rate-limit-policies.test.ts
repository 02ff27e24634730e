import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Simulation } from '../../test/support/simulate.ts'
import { gateway, service, virtualService } from '../../test/support/yaml.ts'
import { BuiltInFilters } from '../process/built-in-filters.ts'

const ROUTES = `  - { name: api, match: [{ name: v1, uri: { prefix: /v1 } }, { uri: { prefix: /v2 } }], route: [{ destination: { host: app } }] }
  - { name: old, redirect: { uri: /v2 } }`

const BASE =
  service('app', 8080) +
  gateway('gw', ['app.test']) +
  gateway('idle', ['idle.test'], 8081) +
  virtualService('app', ['app.test'], ['gw'], ROUTES) +
  virtualService('unbound', ['app.test'], ['nowhere'], ROUTES) +
  `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: api }
spec: { hosts: [api.test], resolution: DNS, ports: [{ number: 80, name: http, protocol: HTTP }] }
---
`

function simulate(target: string, namespace = 'default'): Simulation {
  const policy = `apiVersion: tidegate.dev/v1alpha1
kind: RateLimitPolicy
metadata: { name: limits, namespace: ${namespace} }
spec:
  targetRef: ${target}
  rules: [{ name: all, limits: [{ requests: 1, per: 1s }] }]
`
  const { factories } = BuiltInFilters.forCompilation()
  return new Simulation(BASE + policy, { filterFactories: factories })
}

/** Routes with a limit: `name` of each, of all listeners. */
function limited({ snapshot }: Simulation): string[] {
  const names: string[] = []
  for (const { accept } of snapshot.listeners) {
    if (accept.type !== 'http') continue
    for (const route of accept.http.hosts.lookup('app.test')?.routes ?? []) {
      if (route.filters.some(({ name }) => name === 'rate-limit-policy')) names.push(route.name)
    }
  }
  return names
}

test.each<[string, string, string[]]>([
  ['a Gateway: all its routes', '{ kind: Gateway, name: gw }', ['api.v1', 'api', 'old']],
  ['a VirtualService', '{ kind: VirtualService, name: app }', ['api.v1', 'api', 'old']],
  [
    'a route with all its matches',
    '{ kind: VirtualService, name: app, sectionName: api }',
    ['api.v1', 'api'],
  ],
  [
    'one named match of a route',
    '{ kind: VirtualService, name: app, sectionName: api.v1 }',
    ['api.v1'],
  ],
  ['a ServiceEntry: no route of a Gateway', '{ kind: ServiceEntry, name: api }', []],
])('a policy reaches %s', (_name, target, routes) => {
  const simulation = simulate(target)
  expect(limited(simulation)).toEqual(routes)
  expect(simulation.storeProblems.filter(({ severity }) => severity !== 'info')).toEqual([])
  expect(simulation.found('rate-limit-policy-unmatched')).toEqual([])
})

test('Gateways that share a port do not share policies', () => {
  const neighbour =
    gateway('next', ['next.test']) +
    virtualService(
      'next',
      ['next.test'],
      ['next'],
      '  - { route: [{ destination: { host: app } }] }',
    )
  const policy = (target: string): string => `apiVersion: tidegate.dev/v1alpha1
kind: RateLimitPolicy
metadata: { name: limits }
spec:
  targetRef: { kind: Gateway, name: ${target} }
  rules: [{ name: all, limits: [{ requests: 1, per: 1s }] }]
`
  const { factories } = BuiltInFilters.forCompilation()
  const of = (target: string): string[] =>
    limited(new Simulation(BASE + neighbour + policy(target), { filterFactories: factories }))
  expect(of('next')).toEqual([])
  expect(of('gw')).toEqual(['api.v1', 'api', 'old'])
})

test.each<[string, string, string, string, string]>([
  [
    'a name that does not exist',
    '{ kind: VirtualService, name: ap }',
    'spec.targetRef.name',
    'there is no VirtualService "ap" in namespace "default": nothing is limited',
    'Did you mean "app"?',
  ],
  [
    'a route that does not exist',
    '{ kind: VirtualService, name: app, sectionName: apo }',
    'spec.targetRef.sectionName',
    'VirtualService "app" has no served route "apo": nothing is limited',
    'Did you mean "api"?',
  ],
  [
    'a host that the ServiceEntry does not have',
    '{ kind: ServiceEntry, name: api, sectionName: apt.test }',
    'spec.targetRef.sectionName',
    'ServiceEntry "api" has no served host "apt.test": nothing is limited',
    'Did you mean "api.test"?',
  ],
  [
    'a Gateway without routes',
    '{ kind: Gateway, name: idle }',
    'spec.targetRef.name',
    'no route of Gateway "idle" is served here: nothing is limited',
    'Bind a VirtualService to the Gateway, and see that its selector matches --labels.',
  ],
  [
    'a VirtualService that is bound nowhere',
    '{ kind: VirtualService, name: unbound }',
    'spec.targetRef.name',
    'no route of VirtualService "unbound" is served here: nothing is limited',
    'Bind it to a served Gateway or to mesh; routes of a delegate belong to the delegate.',
  ],
])('%s is a finding', (_name, target, path, message, hint) => {
  const [found, ...others] = simulate(target).found('rate-limit-policy-unmatched')
  expect(others).toEqual([])
  expect(found).toMatchObject({ severity: 'warning', path: path.split('.'), message, hint })
  expect(found?.line).not.toBeNull()
})

test('a target of another namespace is not reached', () => {
  const simulation = simulate('{ kind: VirtualService, name: app }', 'other')
  expect(limited(simulation)).toEqual([])
  expect(simulation.found('rate-limit-policy-unmatched')).toMatchObject([
    { hint: 'A policy stands in the namespace of its target.' },
  ])
})

test('the policy of the documentation is one', () => {
  const page = readFileSync(new URL('../../docs/rate-limiting.md', import.meta.url), 'utf8')
  const example = /```yaml\n(apiVersion: tidegate\.dev[^]*?)```/.exec(page)?.[1] ?? ''
  const shop = virtualService('shop', ['app.test'], ['gw'], ROUTES)
  const simulation = new Simulation(
    service('app', 8080) + gateway('gw', ['app.test']) + shop + example,
    { filterFactories: BuiltInFilters.forCompilation().factories },
  )
  expect(simulation.storeProblems.filter(({ severity }) => severity !== 'info')).toEqual([])
  expect(limited(simulation)).toEqual(['api.v1', 'api'])
})
