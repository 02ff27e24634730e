import { describe, expect, test } from 'vitest'
import type { Route } from '../../src/routing/route.ts'
import { Simulation, type SimulationOptions } from '../support/simulate.ts'

function serviceEntry(
  host: string,
  ports = '[{ number: 80, name: http, protocol: HTTP }]',
): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${host.replaceAll('.', '-')}, namespace: shop }
spec: { hosts: [${host}], ports: ${ports}, resolution: STATIC, endpoints: [{ address: 10.0.0.1, labels: { version: v2 } }] }
---
`
}

const WORLD = `${serviceEntry('x.com')}${serviceEntry('y.com')}${serviceEntry('y.shop.svc.cluster.local')}${serviceEntry(
  'two.com',
  '[{ number: 80, name: http, protocol: HTTP }, { number: 81, name: http-b, protocol: HTTP }]',
)}apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: y, namespace: shop }
spec: { host: y.com, subsets: [{ name: v2, labels: { version: v2 } }] }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw, namespace: shop }
spec: { servers: [{ port: { number: 8080, name: http, protocol: HTTP }, hosts: ["*"] }] }
---
`

const TO_X = 'route: [{ destination: { host: x.com } }]'

function simulate(
  rule: string,
  options: SimulationOptions = {},
  more = '',
  route = TO_X,
  annotations = '{}',
): Simulation {
  const service = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: v, namespace: shop, annotations: ${annotations} }
spec: { hosts: [a.com], gateways: [gw], http: [{ ${route}, ${rule} }] }
---
`
  return new Simulation(WORLD + service + more, options)
}

function routeOf(run: Simulation): Route {
  const accept = run.listener(8080)?.accept
  const route = accept?.type === 'http' ? accept.http.hosts.find('a.com')?.routes[0] : undefined
  if (route === undefined) throw new Error('no route')
  return route
}

/** `cluster percent` of each mirror; behind it ` -` when there is no such cluster. */
function mirrorsOf(run: Simulation): readonly string[] | null {
  const { action } = routeOf(run)
  if (action.type !== 'forward' || action.mirrors === null) return null
  return action.mirrors.map(
    ({ clusterName, cluster, chance }) =>
      `${clusterName} ${chance * 100}${cluster === null ? ' -' : ''}`,
  )
}

const Y = 'outbound|80||y.com'
const ONE = 'mirror: { host: y.com }'

test.each<
  [name: string, rule: string, expected: readonly string[] | null, findings?: readonly string[]]
>([
  ['no mirror', 'name: plain', null],
  ['a mirror without percentage gets every request', ONE, [`${Y} 100`]],
  ['a percentage', `${ONE}, mirrorPercentage: { value: 12.5 }`, [`${Y} 12.5`]],
  ['a small percentage', `${ONE}, mirrorPercentage: { value: 0.001 }`, [`${Y} 0.001`]],
  ['zero turns it off', `${ONE}, mirrorPercentage: { value: 0 }`, null],
  ['a percentage without value is zero', `${ONE}, mirrorPercentage: {}`, null],
  ['the deprecated number', `${ONE}, mirrorPercent: 40`, [`${Y} 40`]],
  ['the deprecated number as zero', `${ONE}, mirrorPercent: 0`, null],
  [
    'the percentage wins over the deprecated number',
    `${ONE}, mirrorPercent: 40, mirrorPercentage: { value: 0.5 }`,
    [`${Y} 0.5`],
  ],
  [
    'several mirrors, each with its own share',
    'mirrors: [{ destination: { host: y.com } }, { destination: { host: x.com }, percentage: { value: 0 } }, { destination: { host: y.com, subset: v2 }, percentage: { value: 5 } }]',
    [`${Y} 100`, 'outbound|80|v2|y.com 5'],
  ],
  [
    'the percentage beside mirrors is not theirs',
    'mirrors: [{ destination: { host: y.com } }], mirrorPercentage: { value: 1 }',
    [`${Y} 100`],
    ['mirror-not-served spec.http.0.mirrorPercentage'],
  ],
  [
    'a short name belongs to the namespace of the VirtualService',
    'mirror: { host: y }',
    ['outbound|80||y.shop.svc.cluster.local 100'],
  ],
  ['a subset', 'mirror: { host: y.com, subset: v2 }', ['outbound|80|v2|y.com 100']],
  ['a port', 'mirror: { host: two.com, port: { number: 81 } }', ['outbound|81||two.com 100']],
])('%s', (_name, rule, expected, findings = []) => {
  const run = simulate(rule)
  expect(mirrorsOf(run)).toEqual(expected)
  const serious = run.problems.filter(({ severity }) => severity !== 'info')
  expect(serious.map(({ code, path }) => `${code} ${path.join('.')}`)).toEqual(findings)
})

test('mirror_percent is read as mirrorPercent with --compat, and refused without', () => {
  const rule = `${ONE}, mirror_percent: 30`
  expect(mirrorsOf(simulate(rule, { compat: true }))).toEqual([`${Y} 30`])
  expect(simulate(rule).storeProblems.map(({ severity }) => severity)).toContain('error')
})

test('a mirror among weighted destinations is resolved once for all of them', () => {
  const route =
    'route: [{ destination: { host: x.com }, weight: 1 }, { destination: { host: y.com }, weight: 1 }]'
  expect(mirrorsOf(simulate(ONE, {}, '', route))).toEqual([`${Y} 100`])
})

describe('a mirror that cannot be reached is reported, and the route stays as it is', () => {
  test.each<[name: string, mirror: string, code: string, path: string, cluster: string]>([
    [
      'unknown host',
      '{ host: gone }',
      'destination-host-not-found',
      'spec.http.0.mirror.host',
      'outbound|8080||gone.shop.svc.cluster.local',
    ],
    [
      'unknown subset',
      '{ host: y.com, subset: v9 }',
      'destination-subset-not-found',
      'spec.http.0.mirror.subset',
      'outbound|80|v9|y.com',
    ],
    [
      'unknown port',
      '{ host: y.com, port: { number: 81 } }',
      'destination-port-not-found',
      'spec.http.0.mirror.port',
      'outbound|81||y.com',
    ],
    [
      'no port of several',
      '{ host: two.com }',
      'destination-port-ambiguous',
      'spec.http.0.mirror',
      'outbound|8080||two.com',
    ],
  ])('%s', (_name, mirror, code, path, cluster) => {
    const run = simulate(`mirror: ${mirror}`)
    expect(mirrorsOf(run)).toEqual([`${cluster} 100 -`])
    const [finding, ...more] = run.found(code)
    expect(more).toEqual([])
    expect(finding!.path.join('.')).toBe(path)
    expect(finding!.message).toContain('nothing is mirrored')
    expect(finding!.message).not.toContain('503')
    expect(run.resolve({ port: 8080, host: 'a.com' }).to).toBe('outbound|80||x.com')
  })
})

describe('-shadow behind Host', () => {
  const TWO = 'mirror: { host: two.com, port: { number: 80 } }'
  const ASKED = '{ tidegate.dev/mirror-suffix: "true" }'

  function suffixes(run: Simulation): readonly boolean[] {
    const { action } = routeOf(run)
    return action.type === 'forward' && action.mirrors !== null
      ? action.mirrors.map(({ suffixesHost }) => suffixesHost)
      : []
  }

  function tlsTo(host: string, sni: string): string {
    return `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: tls, namespace: shop }
spec: { host: ${host}, trafficPolicy: { tls: { mode: SIMPLE${sni} } } }
---
`
  }

  test.each([false, true])('not by default, as in Istio since 1.28 (compat %s)', (compat) => {
    expect(suffixes(simulate(ONE, { compat }))).toEqual([false])
  })

  test.each([
    ['"true"', true],
    ['"false"', false],
  ])('with the annotation tidegate.dev/mirror-suffix: %s', (value, expected) => {
    const annotations = `{ tidegate.dev/mirror-suffix: ${value} }`
    expect(suffixes(simulate(ONE, {}, '', TO_X, annotations))).toEqual([expected])
  })

  test('not where TLS to the mirror takes its server name from Host', () => {
    expect(suffixes(simulate(TWO, {}, tlsTo('two.com', ''), TO_X, ASKED))).toEqual([false])
  })

  test('but where the server name is given', () => {
    expect(suffixes(simulate(TWO, {}, tlsTo('two.com', ', sni: two.com'), TO_X, ASKED))).toEqual([
      true,
    ])
  })
})

test('a mirror of a redirect is reported', () => {
  const run = simulate(ONE, {}, '', 'redirect: { uri: /b }')
  const [finding] = run.found('mirror-not-served')
  expect(finding!.path.join('.')).toBe('spec.http.0.mirror')
  expect(run.resolve({ port: 8080, host: 'a.com' }).to).toBe('301 http://a.com/b')
})

test('a mesh rule that goes where the request says mirrors nothing, and says so', () => {
  const anywhere = serviceEntry('any.com').replace(
    'resolution: STATIC, endpoints: [{ address: 10.0.0.1, labels: { version: v2 } }]',
    'resolution: NONE',
  )
  const rule = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: m, namespace: shop }
spec: { hosts: [any.com], http: [{ route: [{ destination: { host: any.com } }], mirror: { host: y.com } }] }
---
`
  const run = new Simulation(WORLD + anywhere + rule)
  const [finding] = run.found('mirror-not-served')
  expect(finding!.path.join('.')).toBe('spec.http.0.mirror')
})
