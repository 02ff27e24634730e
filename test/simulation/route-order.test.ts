import { describe, expect, test } from 'vitest'
import { Simulation } from '../support/simulate.ts'

function gateway(name: string, hosts: string, port = 80, metadata = ''): string {
  return `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: ${name}${metadata} }
spec: { servers: [{ port: { number: ${port}, name: http, protocol: HTTP }, hosts: ${hosts} }] }
---
`
}

interface Service {
  readonly name: string
  readonly rules: string
  readonly hosts?: string
  readonly namespace?: string
  /** Day of January on which it was created; undated by default. */
  readonly day?: number
  readonly gateways?: string
}

function virtualService(service: Service): string {
  const { name, rules, hosts = '[a.com]', namespace = 'default', day, gateways = '[gw]' } = service
  const created = day === undefined ? '' : `, creationTimestamp: "2024-01-0${day}T00:00:00Z"`
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: ${namespace}${created} }
spec: { hosts: ${hosts}, gateways: ${gateways}, http: [${rules}] }
---
`
}

function rule(name: string, match = ''): string {
  return `{ name: ${name}, ${match === '' ? '' : `match: [${match}], `}redirect: { uri: /${name} } }`
}

const GATEWAY = gateway('gw', '["*"]')

function simulate(...services: readonly Service[]): Simulation {
  return new Simulation(GATEWAY + services.map(virtualService).join(''))
}

function routeOf(run: Simulation, path = '/', host = 'a.com', port = 80): string | null {
  return run.resolve({ port, host, path }).route
}

describe('VirtualServices that share a host are concatenated', () => {
  const prefix = (path: string): string => `{ uri: { prefix: ${path} } }`

  test.each<[string, readonly Service[], string]>([
    [
      'the older before the newer, however they are written',
      [
        { name: 'a', day: 2, rules: rule('newer', prefix('/x')) },
        { name: 'b', day: 1, rules: rule('older', prefix('/x')) },
      ],
      'older',
    ],
    [
      'dated before undated',
      [
        { name: 'a', rules: rule('undated', prefix('/x')) },
        { name: 'b', day: 9, rules: rule('dated', prefix('/x')) },
      ],
      'dated',
    ],
    [
      'of one age by name',
      [
        { name: 'b', day: 1, rules: rule('b', prefix('/x')) },
        { name: 'a', day: 1, rules: rule('a', prefix('/x')) },
      ],
      'a',
    ],
    [
      'of one name by namespace',
      [
        { name: 'a', namespace: 'two', gateways: '[default/gw]', rules: rule('two', prefix('/x')) },
        { name: 'a', namespace: 'one', gateways: '[default/gw]', rules: rule('one', prefix('/x')) },
      ],
      'one',
    ],
    [
      'a short old prefix before a long new one',
      [
        { name: 'a', day: 2, rules: rule('long', prefix('/x/y')) },
        { name: 'b', day: 1, rules: rule('short', prefix('/x')) },
      ],
      'short',
    ],
    [
      'rules for every request behind all others',
      [
        { name: 'a', day: 1, rules: rule('all') },
        { name: 'b', day: 2, rules: rule('narrow', prefix('/x')) },
      ],
      'narrow',
    ],
    [
      'the prefix / and the regex .* count as every request',
      [
        { name: 'a', day: 1, rules: rule('slash', prefix('/')) },
        { name: 'b', day: 2, rules: rule('regex', '{ uri: { regex: ".*" } }') },
        { name: 'c', day: 3, rules: rule('narrow', prefix('/x')) },
      ],
      'narrow',
    ],
    [
      'a rule for every path with a further condition stays in its place',
      [
        { name: 'a', day: 1, rules: rule('get', '{ uri: { prefix: / }, method: { exact: GET } }') },
        { name: 'b', day: 2, rules: rule('narrow', prefix('/x')) },
      ],
      'get',
    ],
    [
      'of several rules for every request the oldest is taken',
      [
        { name: 'a', day: 2, rules: rule('second') },
        { name: 'b', day: 1, rules: rule('first') },
      ],
      'first',
    ],
  ])('%s', (_name, services, route) => {
    expect(routeOf(simulate(...services), '/x/y')).toBe(route)
  })

  test('private ones come before exported ones, those before public ones', () => {
    const exported = (name: string, day: number, exportTo: string, namespace: string): string =>
      virtualService({
        name,
        day,
        namespace,
        gateways: '[default/gw]',
        rules: rule(name, prefix('/x')),
      }).replace('gateways:', `exportTo: ${exportTo}, gateways:`)
    const all = [
      exported('public', 1, '["*"]', 'default'),
      exported('named', 2, '[istio-system]', 'default'),
      exported('own', 3, '["."]', 'istio-system'),
    ]
    expect(routeOf(new Simulation(GATEWAY + all.join('')), '/x')).toBe('own')
    expect(routeOf(new Simulation(GATEWAY + all.slice(0, 2).join('')), '/x')).toBe('named')
  })

  test('across Gateways of one clear-text port, for they share a route table', () => {
    const yaml =
      gateway('gw', '[a.com]') +
      gateway('gw2', '["*.com"]', 80, ', namespace: other') +
      virtualService({ name: 'one', day: 2, rules: rule('one', '{ uri: { prefix: /x } }') }) +
      virtualService({
        name: 'two',
        day: 1,
        hosts: '[a.com]',
        gateways: '[other/gw2]',
        rules: rule('two'),
      })
    const run = new Simulation(yaml)
    expect(routeOf(run, '/x')).toBe('one')
    expect(routeOf(run, '/other')).toBe('two')
  })

  test('hosts of different patterns never meet: the narrower one is final', () => {
    const run = simulate(
      { name: 'wild', day: 1, hosts: '["*.a.com"]', rules: rule('wild') },
      { name: 'one', day: 2, hosts: '[x.a.com]', rules: rule('one', prefix('/only')) },
    )
    expect(run.resolve({ port: 80, host: 'x.a.com', path: '/other' }).to).toBe('404 NR')
    expect(routeOf(run, '/other', 'y.a.com')).toBe('wild')
  })

  test('a VirtualService of several hosts meets others on each of them alone', () => {
    const run = simulate(
      { name: 'both', day: 2, hosts: '[a.com, b.com]', rules: rule('both', prefix('/x')) },
      { name: 'a', day: 1, hosts: '[a.com]', rules: rule('a', prefix('/x')) },
    )
    expect(routeOf(run, '/x', 'a.com')).toBe('a')
    expect(routeOf(run, '/x', 'b.com')).toBe('both')
  })

  test('short hosts belong to the namespace of their VirtualService', () => {
    const run = simulate(
      { name: 'a', hosts: '[web]', rules: rule('a') },
      { name: 'b', hosts: '[web]', namespace: 'team', gateways: '[default/gw]', rules: rule('b') },
    )
    expect(routeOf(run, '/', 'web.default.svc.cluster.local')).toBe('a')
    expect(routeOf(run, '/', 'web.team.svc.cluster.local')).toBe('b')
    expect(run.resolve({ port: 80, host: 'web' }).to).toBe('404 NR')
  })
})

describe('a route behind one that takes all of its requests', () => {
  const prefix = (path: string): string => `{ uri: { prefix: ${path} } }`

  test('of another VirtualService is reported with both places', () => {
    const run = simulate(
      { name: 'new', day: 2, rules: rule('long', prefix('/x/y')) },
      { name: 'old', day: 1, rules: rule('short', prefix('/x')) },
    )
    expect(run.found('route-shadowed')).toMatchObject([
      {
        severity: 'warning',
        ref: { name: 'new' },
        path: ['spec', 'http', 0, 'match', 0],
        file: 'test.yaml',
        line: 9,
        message: expect.stringContaining(
          'no request for a.com comes here: spec.http[0].match[0] of VirtualService default/old (test.yaml:14)',
        ),
      },
    ])
  })

  test.each<[string, string, string, boolean]>([
    ['a later rule for every request', '', '', true],
    ['a later rule for every request, the older narrow', prefix('/x'), '', false],
    ['the same path', '{ uri: { exact: /x } }', '{ uri: { exact: /x } }', true],
    ['another path', '{ uri: { exact: /x } }', '{ uri: { exact: /y } }', false],
    ['a longer prefix', prefix('/x'), prefix('/xy'), true],
    ['a shorter prefix', prefix('/xy'), prefix('/x'), false],
    ['the same regex', '{ uri: { regex: "/x.*" } }', '{ uri: { regex: "/x.*" } }', true],
    [
      'letters of another case',
      '{ uri: { prefix: /X }, ignoreUriCase: true }',
      prefix('/x/y'),
      true,
    ],
    [
      'a condition more in the older one',
      '{ uri: { prefix: /x }, method: { exact: GET } }',
      prefix('/x'),
      false,
    ],
    [
      'a condition more in the later one',
      prefix('/x'),
      '{ uri: { prefix: /x }, headers: { k: { exact: v } } }',
      true,
    ],
    [
      'headers first',
      '{ headers: { k: {} } }',
      '{ uri: { prefix: /x }, headers: { k: { exact: v } } }',
      true,
    ],
    ['another port', '{ port: 81 }', '{ port: 80 }', false],
    ['the same port in one of them', '{ port: 80, uri: { prefix: /x } }', prefix('/x'), true],
    ['every path but a condition more', prefix('/'), '{ method: { exact: GET } }', false],
  ])('%s', (_name, older, later, shadowed) => {
    const run = simulate(
      { name: 'old', day: 1, rules: rule('old', older) },
      { name: 'new', day: 2, rules: rule('new', later) },
    )
    expect(run.found('route-shadowed').map(({ ref }) => ref?.name)).toEqual(shadowed ? ['new'] : [])
  })

  test('is told once for many hosts, with some of them', () => {
    const hosts = '[a.com, b.com, c.com, d.com, e.com]'
    const run = simulate(
      { name: 'old', day: 1, hosts, rules: rule('old') },
      { name: 'new', day: 2, hosts, rules: rule('new') },
    )
    expect(run.found('route-shadowed')).toHaveLength(1)
    expect(run.found('route-shadowed')[0]?.message).toContain(
      'a.com, b.com, c.com and 2 more hosts',
    )
  })

  test('is no finding where the hosts are different ones', () => {
    const run = simulate(
      { name: 'old', day: 1, hosts: '["*.a.com"]', rules: rule('old') },
      { name: 'new', day: 2, hosts: '[x.a.com]', rules: rule('new') },
    )
    expect(run.found('route-shadowed')).toEqual([])
  })

  test('is told of rules behind a delegate that takes everything', () => {
    const yaml =
      GATEWAY +
      virtualService({
        name: 'root',
        rules: `{ delegate: { name: all } }, ${rule('late', prefix('/x'))}`,
      }) +
      virtualService({ name: 'all', rules: rule('all') }).replace(
        'hosts: [a.com], gateways: [gw], ',
        '',
      )
    const run = new Simulation(yaml)
    expect(routeOf(run, '/x')).toBe('all')
    expect(run.found('route-shadowed')).toMatchObject([
      {
        ref: { name: 'root' },
        path: ['spec', 'http', 1],
        message: expect.stringContaining('VirtualService default/all (test.yaml:14)'),
      },
    ])
  })
})

describe('hosts of a Gateway server limit whose VirtualServices apply', () => {
  test.each([
    ['["other/*"]', 'default', null],
    ['["default/*"]', 'default', 'r'],
    ['["./*"]', 'default', null],
    ['["./*"]', 'edge', 'r'],
    ['["*/*"]', 'default', 'r'],
    ['["other/a.com", "default/a.com"]', 'default', 'r'],
    ['["other/a.com", "*/b.com"]', 'default', null],
  ])('%s with a VirtualService of %s', (hosts, namespace, route) => {
    const yaml =
      gateway('gw', hosts, 80, ', namespace: edge') +
      virtualService({ name: 'v', namespace, gateways: '[edge/gw]', rules: rule('r') })
    expect(routeOf(new Simulation(yaml))).toBe(route)
  })

  test.each([
    ['[gw]', 'edge', 'r'],
    ['[./gw]', 'edge', 'r'],
    ['[gw]', 'default', null],
    ['[edge/gw]', 'default', 'r'],
    ['[gw.edge.svc.cluster.local]', 'default', 'r'],
  ])('gateways: %s in namespace %s', (gateways, namespace, route) => {
    const yaml =
      gateway('gw', '["*"]', 80, ', namespace: edge') +
      virtualService({ name: 'v', namespace, gateways, rules: rule('r') })
    expect(routeOf(new Simulation(yaml))).toBe(route)
  })
})
