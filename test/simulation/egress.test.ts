import { describe, expect, test } from 'vitest'
import { Simulation } from '../support/simulate.ts'

const REGISTRY_ONLY = { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' as const } }

function entry(name: string, spec: string): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name} }
spec: { ${spec} }
---
`
}

function service(name: string, ports: string, namespace = 'default', clusterIP = ''): string {
  return `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec: { ports: [${ports}]${clusterIP === '' ? '' : `, clusterIP: ${clusterIP}`} }
---
apiVersion: v1
kind: Endpoints
metadata: { name: ${name}, namespace: ${namespace} }
subsets: [{ addresses: [{ ip: 10.0.0.1 }], ports: [${ports}] }]
---
`
}

function virtualService(name: string, hosts: string, body: string): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name} }
spec: { hosts: ${hosts}, ${body} }
---
`
}

const HTTP = '{ name: http, port: 80 }'

describe('names of services', () => {
  test('a short name belongs to the only namespace that has it', () => {
    const run = new Simulation(service('web', HTTP, 'team'))
    expect(run.egress({ port: 80, host: 'web' }).to).toBe('outbound|80||web.team.svc.cluster.local')
  })

  test('of several namespaces the short name belongs to default', () => {
    const run = new Simulation(service('web', HTTP, 'team') + service('web', HTTP))
    expect(run.egress({ port: 80, host: 'web' }).to).toBe(
      'outbound|80||web.default.svc.cluster.local',
    )
    expect(run.egress({ port: 80, host: 'web.team' }).to).toBe(
      'outbound|80||web.team.svc.cluster.local',
    )
  })

  test('of several namespaces without default nobody has the short name', () => {
    const run = new Simulation(service('web', HTTP, 'a') + service('web', HTTP, 'b'), {
      meshConfig: REGISTRY_ONLY,
    })
    expect(run.egress({ port: 80, host: 'web' }).to).toBe('502 block')
  })

  test('a host on a port it does not declare is unknown', () => {
    const run = new Simulation(service('web', HTTP), { meshConfig: REGISTRY_ONLY })
    expect(run.egress({ port: 81, host: 'web:81' }).to).toBe('502 block')
    expect(run.connect('web', 81)).toBe('refused')
  })

  test('a cluster IP is as good as the name', () => {
    const run = new Simulation(service('web', HTTP, 'default', '10.96.0.1'), {
      meshConfig: REGISTRY_ONLY,
    })
    expect(run.egress({ port: 80, host: '10.96.0.1' }).route).toBe('default')
    expect(run.connect('10.96.0.1', 80)).toBe('outbound|80||web.default.svc.cluster.local')
  })
})

describe('mesh-bound VirtualServices', () => {
  const redirect = (name: string, match = ''): string =>
    `http: [{ name: ${name}, ${match}redirect: { uri: /${name} } }]`

  test('apply on every port of the service', () => {
    const run = new Simulation(
      service('web', '{ name: http, port: 80 }, { name: http-admin, port: 81 }') +
        virtualService('v', '[web]', redirect('r')),
    )
    expect([80, 81].map((port) => run.egress({ port, host: `web:${port}` }).route)).toEqual([
      'r',
      'r',
    ])
  })

  test('with match.port leave the other ports of the service unknown, and say so', () => {
    const run = new Simulation(
      service('web', '{ name: http, port: 80 }, { name: http-admin, port: 81 }') +
        virtualService('v', '[web]', redirect('r', 'match: [{ port: 81 }], ')),
      { meshConfig: REGISTRY_ONLY },
    )
    expect(run.egress({ port: 81, host: 'web:81' }).route).toBe('r')
    expect(run.egress({ port: 80, host: 'web' }).to).toBe('502 block')
    expect(run.found('virtual-service-port-without-rule')).toHaveLength(1)
  })

  test('for a host that is no service apply on port 80', () => {
    const run = new Simulation(virtualService('v', '[www.example.com]', redirect('r')))
    expect(run.egress({ port: 80, host: 'www.example.com' }).route).toBe('r')
    expect(run.egress({ port: 8080, host: 'www.example.com:8080' }).route).toBe('allow_any')
  })

  test('with a wildcard take the services without one of their own', () => {
    const run = new Simulation(
      service('web', HTTP) +
        service('api', HTTP) +
        virtualService('wild', '["*.default.svc.cluster.local"]', redirect('wild')) +
        virtualService('web', '[web]', redirect('own')),
    )
    expect(run.egress({ port: 80, host: 'api' }).route).toBe('wild')
    expect(run.egress({ port: 80, host: 'web' }).route).toBe('own')
  })

  test.each([
    ['written first', ['long', 'short']],
    ['written last', ['short', 'long']],
  ])('the longest wildcard takes the service, %s', (_name, order) => {
    const hosts: Record<string, string> = {
      long: '["*.default.svc.cluster.local"]',
      short: '["*.local"]',
    }
    const rules = order.map((name, index) =>
      virtualService(`${index}-${name}`, hosts[name] ?? '', redirect(name)),
    )
    const run = new Simulation(service('web', HTTP) + rules.join(''))
    expect(run.egress({ port: 80, host: 'web' }).route).toBe('long')
  })

  test('that list a gateway only do not apply', () => {
    const run = new Simulation(
      service('web', HTTP) + virtualService('v', '[web]', `gateways: [gw], ${redirect('r')}`),
    )
    expect(run.egress({ port: 80, host: 'web' }).route).toBe('default')
  })

  test('default routes retry like any other', () => {
    const run = new Simulation(service('web', HTTP))
    const action = run.snapshot.egress.http.get(80)?.find('web')?.routes[0]?.action
    expect(action?.type === 'forward' ? action.retry?.attempts : null).toBe(2)
  })
})

describe('ServiceEntries', () => {
  test('resolution NONE goes where the client says, also under REGISTRY_ONLY', () => {
    const run = new Simulation(
      entry(
        'wiki',
        'hosts: ["*.wikipedia.org"], ports: [{ number: 443, name: tls, protocol: TLS }, { number: 80, name: http, protocol: HTTP }]',
      ),
      { meshConfig: REGISTRY_ONLY },
    )
    expect(run.connect('en.wikipedia.org', 443)).toBe('asked host')
    expect(run.connect('wikipedia.org', 443)).toBe('refused')
    expect(run.egress({ port: 80, host: 'en.wikipedia.org' })).toMatchObject({
      virtualHost: '*.wikipedia.org:80',
      to: 'passthrough',
    })
  })

  test('an exact host keeps its cluster beside a wildcard that passes through', () => {
    const run = new Simulation(
      entry(
        'wiki',
        'hosts: ["*.wikipedia.org"], ports: [{ number: 443, name: tls, protocol: TLS }]',
      ) +
        entry(
          'en',
          'hosts: [en.wikipedia.org], ports: [{ number: 443, name: tls, protocol: TLS }], resolution: DNS',
        ),
    )
    expect(run.connect('en.wikipedia.org', 443)).toBe('outbound|443||en.wikipedia.org')
    expect(run.connect('de.wikipedia.org', 443)).toBe('asked host')
  })

  test('a VirtualService may set rules for a host that passes through', () => {
    const run = new Simulation(
      entry('ext', 'hosts: [api.test], ports: [{ number: 80, name: http, protocol: HTTP }]') +
        virtualService(
          'v',
          '[api.test]',
          'http: [{ name: ruled, route: [{ destination: { host: api.test } }] }]',
        ),
    )
    expect(run.egress({ port: 80, host: 'api.test' })).toMatchObject({
      route: 'ruled',
      to: 'passthrough',
    })
    expect(run.found('destination-without-endpoints')).toEqual([])
  })

  test('addresses: the narrower block wins', () => {
    const block = (name: string, cidr: string): string =>
      entry(
        name,
        `hosts: [${name}.test], addresses: ["${cidr}"], ports: [{ number: 5432, name: tcp, protocol: TCP }], resolution: STATIC, endpoints: [{ address: 10.0.0.1 }]`,
      )
    const run = new Simulation(block('wide', '10.0.0.0/8') + block('narrow', '10.1.0.0/16'))
    expect(run.connect('10.1.2.3', 5432)).toBe('outbound|5432||narrow.test')
    expect(run.connect('10.2.2.3', 5432)).toBe('outbound|5432||wide.test')
  })

  test('plain HTTP to a TLS port is an unknown host', () => {
    const run = new Simulation(
      entry(
        'ext',
        'hosts: [api.test], ports: [{ number: 443, name: https, protocol: HTTPS }], resolution: DNS',
      ),
      { meshConfig: REGISTRY_ONLY },
    )
    expect(run.egress({ port: 443, host: 'api.test:443' }).to).toBe('502 block')
    expect(run.connect('api.test', 443)).toBe('outbound|443||api.test')
  })
})

describe('CONNECT under tls and tcp rules', () => {
  const hosts = ['one', 'two']
    .map((name) =>
      entry(
        name,
        `hosts: [${name}.test], ports: [{ number: 443, name: tls, protocol: TLS }], resolution: STATIC, endpoints: [{ address: 10.0.0.1 }]`,
      ),
    )
    .join('')

  test.each([
    [
      'a tls rule for the name',
      'tls: [{ match: [{ sniHosts: [one.test] }], route: [{ destination: { host: two.test } }] }]',
      'outbound|443||two.test',
    ],
    [
      'a tls rule for another port',
      'tls: [{ match: [{ port: 8443, sniHosts: [one.test] }], route: [{ destination: { host: two.test } }] }]',
      'outbound|443||one.test',
    ],
    [
      'weights',
      'tls: [{ match: [{ sniHosts: [one.test] }], route: [{ destination: { host: one.test }, weight: 1 }, { destination: { host: two.test }, weight: 1 }] }]',
      '50% outbound|443||one.test, 50% outbound|443||two.test',
    ],
    [
      'a rule for a gateway',
      'tls: [{ match: [{ gateways: [gw], sniHosts: [one.test] }], route: [{ destination: { host: two.test } }] }]',
      'outbound|443||one.test',
    ],
    [
      'a destination that does not exist',
      'tls: [{ match: [{ sniHosts: [one.test] }], route: [{ destination: { host: gone } }] }]',
      '503 NC',
    ],
  ])('%s', (_name, rules, expected) => {
    const run = new Simulation(hosts + virtualService('v', '[one.test]', rules))
    expect(run.connect('one.test', 443)).toBe(expected)
  })

  test('a tcp rule moves an opaque port', () => {
    const databases = ['one', 'two']
      .map((name) =>
        entry(
          name,
          `hosts: [${name}.test], ports: [{ number: 5432, name: tcp, protocol: TCP }], resolution: STATIC, endpoints: [{ address: 10.0.0.1 }]`,
        ),
      )
      .join('')
    const run = new Simulation(
      databases +
        virtualService(
          'v',
          '[one.test]',
          'tcp: [{ route: [{ destination: { host: two.test } }] }]',
        ),
    )
    expect(run.connect('one.test', 5432)).toBe('outbound|5432||two.test')
  })
})
