import { describe, expect, test } from 'vitest'
import { Simulation, type SimulationOptions } from '../support/simulate.ts'

const GATEWAY = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw }
spec: { servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }] }
---
`

function virtualService(name: string, hosts: string, http: string, more = ''): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}${more} }
spec: { hosts: ${hosts}, gateways: [gw], http: ${http} }
---
`
}

/** A rule that answers with a redirect to `/<name>`: which one was taken shows in the outcome. */
function rule(name: string, match = ''): string {
  return `{ name: ${name}, ${match === '' ? '' : `match: ${match}, `}redirect: { uri: /${name} } }`
}

function serviceEntry(host: string, ports: string, endpoints: string, more = ''): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${host.replaceAll(/[^a-z]/g, '-')}x${more} }
spec: { hosts: ["${host}"], ports: ${ports}, resolution: STATIC, endpoints: ${endpoints} }
---
`
}

function routeOf(
  yaml: string,
  call: { host: string; path?: string; headers?: Record<string, string> },
  options: SimulationOptions = {},
): string | null {
  return new Simulation(yaml, options).resolve({ port: 80, ...call }).route
}

describe('routes', () => {
  test('a prefix is a raw string prefix', () => {
    const yaml =
      GATEWAY + virtualService('a', '[a.com]', `[${rule('foo', '[{ uri: { prefix: /foo } }]')}]`)
    expect(routeOf(yaml, { host: 'a.com', path: '/foobar' })).toBe('foo')
  })

  test('the first matching route wins although a later one is longer', () => {
    const rules = `[${rule('short', '[{ uri: { prefix: /a } }]')}, ${rule('long', '[{ uri: { prefix: /a/b } }]')}]`
    expect(
      routeOf(GATEWAY + virtualService('a', '[a.com]', rules), { host: 'a.com', path: '/a/b' }),
    ).toBe('short')
  })

  test('each match entry is a route of its own, and carries its name behind the rule', () => {
    const yaml =
      GATEWAY +
      virtualService(
        'a',
        '[a.com]',
        `[${rule('r', '[{ name: one, uri: { exact: /1 } }, { name: two, uri: { exact: /2 } }]')}]`,
      )
    const found = new Simulation(yaml).resolve({ port: 80, host: 'a.com', path: '/2' })
    expect(found).toMatchObject({ route: 'r.two', rule: 'spec.http[0].match[1]' })
  })

  test('a chosen virtual host is final: no second attempt with *', () => {
    const yaml =
      GATEWAY +
      virtualService('a', '[a.com]', `[${rule('only', '[{ uri: { exact: /x } }]')}]`) +
      virtualService('any', '["*"]', `[${rule('any')}]`)
    expect(new Simulation(yaml).resolve({ port: 80, host: 'a.com' })).toMatchObject({
      virtualHost: 'a.com:80',
      to: '404 NR',
    })
    expect(routeOf(yaml, { host: 'b.com' })).toBe('any')
  })

  test.each([
    ['a.com', 'exact'],
    ['A.COM', 'exact'],
    ['a.com:80', 'exact'],
    ['x.a.com', 'wildcard'],
    ['y.x.a.com', 'wildcard'],
    ['b.com', 'any'],
    ['a.com.', 'any'],
  ])('host %s falls to the virtual host %s', (host, expected) => {
    const yaml =
      GATEWAY +
      virtualService('any', '["*"]', `[${rule('any')}]`) +
      virtualService('wild', '["*.a.com"]', `[${rule('wildcard')}]`) +
      virtualService('exact', '[a.com]', `[${rule('exact')}]`)
    expect(routeOf(yaml, { host })).toBe(expected)
  })

  test('an unknown host is 404, also when ALLOW_ANY lets egress go anywhere', () => {
    const yaml = GATEWAY + virtualService('a', '[a.com]', `[${rule('a')}]`)
    expect(new Simulation(yaml).resolve({ port: 80, host: 'b.com' })).toMatchObject({
      table: 'http.80',
      to: '404 NR',
    })
  })

  test('match.port is the number of the Gateway server, not of the socket', () => {
    const yaml = `apiVersion: v1
kind: Service
metadata: { name: ingress, namespace: istio-system }
spec: { selector: { app: gw }, ports: [{ port: 80, targetPort: 8080 }] }
---
${GATEWAY}${virtualService('a', '[a.com]', `[${rule('socket', '[{ port: 8080 }]')}, ${rule('server', '[{ port: 80 }]')}]`)}`
    const run = new Simulation(yaml, { ownLabels: [{ app: 'gw' }] })
    expect(run.resolve({ port: 8080, host: 'a.com' }).route).toBe('server')
  })

  test('sourceLabels and sourceNamespace are tested against the gateway itself', () => {
    const rules = `[${rule('theirs', '[{ sourceLabels: { app: client } }]')}, ${rule('ours', '[{ sourceLabels: { app: gw }, sourceNamespace: istio-system }]')}]`
    const options = { ownLabels: [{ app: 'gw' }] }
    expect(
      routeOf(GATEWAY + virtualService('a', '[a.com]', rules), { host: 'a.com' }, options),
    ).toBe('ours')
  })

  test('match.gateways overrides the list of the VirtualService', () => {
    const rules = `[${rule('mesh', '[{ gateways: [mesh] }]')}, ${rule('gw', '[{ gateways: [default/gw] }]')}]`
    expect(routeOf(GATEWAY + virtualService('a', '[a.com]', rules), { host: 'a.com' })).toBe('gw')
  })

  test('a rule behind one without conditions is never reached', () => {
    const rules = `[${rule('all')}, ${rule('late', '[{ uri: { exact: /late } }]')}]`
    expect(
      routeOf(GATEWAY + virtualService('a', '[a.com]', rules), { host: 'a.com', path: '/late' }),
    ).toBe('all')
  })

  test('FROM_REQUEST_PORT is the number of the Gateway server', () => {
    const yaml =
      GATEWAY.replace('number: 80', 'number: 8443') +
      virtualService('a', '[a.com]', '[{ redirect: { uri: /x, derivePort: FROM_REQUEST_PORT } }]')
    expect(new Simulation(yaml).resolve({ port: 8443, host: 'a.com' }).to).toBe(
      '301 http://a.com:8443/x',
    )
  })
})

describe('several VirtualServices for one host on a gateway', () => {
  const dated = (name: string, day: number, rules: string): string =>
    virtualService(name, '[a.com]', rules, `, creationTimestamp: "2024-01-0${day}T00:00:00Z"`)
  const yaml =
    GATEWAY +
    dated('new', 3, `[${rule('long', '[{ uri: { prefix: /a/b } }]')}]`) +
    dated('old', 1, `[${rule('short', '[{ uri: { prefix: /a } }]')}, ${rule('old-all')}]`) +
    dated(
      'mid',
      2,
      `[${rule('mid', '[{ uri: { prefix: /m } }]')}, ${rule('mid-all', '[{ uri: { prefix: / } }]')}]`,
    )
  const run = new Simulation(yaml)

  test.each([
    ['/a/b', 'short', 'the older rule comes first, however short'],
    ['/m', 'mid', 'a catch-all of an older VirtualService goes behind'],
    ['/zzz', 'old-all', 'of several catch-alls the oldest is taken'],
  ])('%s goes to %s: %s', (path, route) => {
    expect(run.resolve({ port: 80, host: 'a.com', path }).route).toBe(route)
  })
})

describe('hosts of servers and VirtualServices', () => {
  test.each([
    ['*', 'a.com', 'a.com', 'r'],
    ['a.com', '*', 'a.com', 'r'],
    ['a.com', '*', 'b.com', null],
    ['*.com', '*.b.com', 'x.b.com', 'r'],
    ['*.com', '*.b.com', 'x.c.com', null],
    ['other/a.com', 'a.com', 'a.com', null],
    ['default/a.com', 'a.com', 'a.com', 'r'],
    ['./a.com', 'a.com', 'a.com', 'r'],
    ['*/a.com', 'a.com', 'a.com', 'r'],
    ['b.com', 'a.com', 'a.com', null],
  ])('server %s with VirtualService %s asked for %s', (server, host, asked, route) => {
    const yaml =
      GATEWAY.replace('"*"', `"${server}"`) + virtualService('a', `["${host}"]`, `[${rule('r')}]`)
    expect(routeOf(yaml, { host: asked })).toBe(route)
  })

  test('a VirtualService whose hosts miss every server is reported', () => {
    const yaml = GATEWAY.replace('"*"', 'b.com') + virtualService('a', '[a.com]', `[${rule('r')}]`)
    expect(new Simulation(yaml).found('virtual-service-host-not-on-gateway')).toHaveLength(1)
  })

  test('a Gateway that does not exist is reported with its full name', () => {
    const yaml = virtualService('a', '[a.com]', `[${rule('r')}]`)
    expect(new Simulation(yaml).found('gateway-not-found')[0]?.message).toContain(
      'Gateway default/gw',
    )
  })

  test('short destinations belong to the namespace of the VirtualService', () => {
    const yaml =
      GATEWAY +
      serviceEntry(
        'web.team.svc.cluster.local',
        '[{ number: 80, name: http, protocol: HTTP }]',
        '[{ address: 10.0.0.1 }]',
      ) +
      virtualService(
        'a',
        '[a.com]',
        '[{ route: [{ destination: { host: web } }] }]',
        ', namespace: team',
      ).replace('[gw]', '[default/gw]')
    expect(new Simulation(yaml).resolve({ port: 80, host: 'a.com' }).to).toBe(
      'outbound|80||web.team.svc.cluster.local',
    )
  })
})

describe('exportTo is judged from the namespace of the gateway', () => {
  const rules = `[${rule('r')}]`
  test.each([
    ['["."]', 'istio-system', null],
    ['["."]', 'default', 'r'],
    ['["istio-system"]', 'istio-system', 'r'],
    ['["elsewhere"]', 'istio-system', null],
    ['["*"]', 'istio-system', 'r'],
  ])('%s with the gateway in %s', (exportTo, namespace, route) => {
    const yaml =
      GATEWAY +
      virtualService('a', '[a.com]', rules).replace('gateways:', `exportTo: ${exportTo}, gateways:`)
    const run = new Simulation(yaml, { namespace })
    expect(run.resolve({ port: 80, host: 'a.com' }).route).toBe(route)
    expect(run.found('hidden-by-export-to')).toHaveLength(route === null ? 1 : 0)
  })

  test('a hidden ServiceEntry is no destination, and the finding names it', () => {
    const entry = serviceEntry(
      'x.com',
      '[{ number: 80, name: http, protocol: HTTP }]',
      '[{ address: 10.0.0.1 }]',
    ).replace('hosts:', 'exportTo: ["."], hosts:')
    const run = new Simulation(
      GATEWAY +
        entry +
        virtualService('a', '[a.com]', '[{ route: [{ destination: { host: x.com } }] }]'),
    )
    expect(run.resolve({ port: 80, host: 'a.com' }).to).toBe('503 NC')
    expect(run.found('destination-host-not-found')[0]?.message).toContain('exportTo hides it')
  })
})

describe('destinations', () => {
  const entry = serviceEntry(
    'x.com',
    '[{ number: 80, name: http, protocol: HTTP }]',
    '[{ address: 10.0.0.1, labels: { v: one } }]',
  )
  const subsets = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: x }
spec: { host: x.com, subsets: [{ name: one, labels: { v: one } }, { name: two, labels: { v: two } }] }
---
`
  test.each([
    ['an unknown host', '{ host: gone }', '503 NC', 'destination-host-not-found'],
    [
      'an unknown port',
      '{ host: x.com, port: { number: 81 } }',
      '503 NC',
      'destination-port-not-found',
    ],
    [
      'an unknown subset',
      '{ host: x.com, subset: three }',
      '503 NC',
      'destination-subset-not-found',
    ],
    ['an empty subset', '{ host: x.com, subset: two }', '503 UH', 'subset-without-endpoints'],
    ['a subset', '{ host: x.com, subset: one }', 'outbound|80|one|x.com', null],
  ])('%s', (_name, destination, to, code) => {
    const run = new Simulation(
      GATEWAY +
        entry +
        subsets +
        virtualService('a', '[a.com]', `[{ route: [{ destination: ${destination} }] }]`),
    )
    expect(run.resolve({ port: 80, host: 'a.com' }).to).toBe(to)
    if (code !== null) expect(run.found(code)).toHaveLength(1)
  })

  test('a ServiceEntry without resolution has no endpoints on a gateway', () => {
    const none = entry.replace(
      'resolution: STATIC, endpoints: [{ address: 10.0.0.1, labels: { v: one } }]',
      'location: MESH_EXTERNAL',
    )
    const run = new Simulation(
      GATEWAY +
        none +
        virtualService('a', '[a.com]', '[{ route: [{ destination: { host: x.com } }] }]'),
    )
    expect(run.resolve({ port: 80, host: 'a.com' }).to).toBe('503 UH')
    expect(run.found('destination-without-endpoints')).toHaveLength(1)
  })

  test('weights need not add to 100, entries without weight vanish, a single one gets all', () => {
    const other = serviceEntry(
      'y.com',
      '[{ number: 80, name: http, protocol: HTTP }]',
      '[{ address: 10.0.0.2 }]',
    )
    const weights = (list: string): string =>
      new Simulation(
        GATEWAY + entry + other + virtualService('a', '[a.com]', `[{ route: ${list} }]`),
      ).resolve({ port: 80, host: 'a.com' }).to
    expect(
      weights(
        '[{ destination: { host: x.com }, weight: 1 }, { destination: { host: y.com }, weight: 3 }]',
      ),
    ).toBe('25% outbound|80||x.com, 75% outbound|80||y.com')
    expect(
      weights('[{ destination: { host: x.com } }, { destination: { host: y.com }, weight: 3 }]'),
    ).toBe('outbound|80||y.com')
    expect(weights('[{ destination: { host: x.com }, weight: 0 }]')).toBe('outbound|80||x.com')
  })

  test('default retries exist and are replaced whole', () => {
    const retry = (rules: string, options: SimulationOptions = {}): unknown => {
      const run = new Simulation(
        GATEWAY +
          entry +
          virtualService('a', '[a.com]', `[{ route: [{ destination: { host: x.com } }]${rules} }]`),
        options,
      )
      const accept = run.listener(80)?.accept
      const action =
        accept?.type === 'http' ? accept.http.hosts.find('a.com')?.routes[0]?.action : undefined
      if (action?.type !== 'forward') throw new Error('no forward action')
      const { timeoutMs, retry: plan } = action
      return {
        timeoutMs,
        plan: plan === null ? null : { ...plan, on: [...plan.on], statuses: [...plan.statuses] },
      }
    }
    const on = [
      'connect-failure',
      'refused-stream',
      'unavailable',
      'cancelled',
      'retriable-status-codes',
    ]
    expect(retry('')).toMatchObject({
      timeoutMs: 0,
      plan: { attempts: 2, perTryTimeoutMs: 0, on, statuses: [] },
    })
    expect(
      retry(', timeout: 3s, retries: { attempts: 1, perTryTimeout: 1s, retryOn: "5xx,409" }'),
    ).toMatchObject({
      timeoutMs: 3000,
      plan: {
        attempts: 1,
        perTryTimeoutMs: 1000,
        on: ['5xx', 'retriable-status-codes'],
        statuses: [409],
      },
    })
    expect(retry(', retries: { attempts: 0 }')).toEqual({ timeoutMs: 0, plan: null })
    expect(retry('', { meshConfig: { defaultHttpRetryPolicy: { attempts: 0 } } })).toEqual({
      timeoutMs: 0,
      plan: null,
    })
    expect(retry(', timeout: 1s, retries: { attempts: 1, perTryTimeout: 2s }')).toMatchObject({
      plan: { perTryTimeoutMs: 0 },
    })
  })
})
