import { describe, expect, test } from 'vitest'
import { Simulation, type SimulationOptions } from '../support/simulate.ts'

const API = 'outbound|80||api.test'

function simulate(yaml: string, options: SimulationOptions = {}): Simulation {
  return new Simulation(yaml, { egressOpen: true, ...options })
}

function resource(kind: string, name: string, spec: string): string {
  const [namespace = '', own = ''] = name.split('/')
  return `apiVersion: networking.istio.io/v1
kind: ${kind}
metadata: { name: ${own}, namespace: ${namespace} }
spec: { ${spec} }
---
`
}

/** `api.test:80` and `:443`, declared in namespace platform. */
const ENTRY = resource(
  'ServiceEntry',
  'platform/api',
  `hosts: [api.test], addresses: [198.51.100.7], resolution: STATIC, endpoints: [{ address: 192.0.2.1 }],
  ports: [{ number: 80, name: http, protocol: HTTP }, { number: 443, name: tls, protocol: TLS }]`,
)

function answers(name: string, status: number, exportTo: string, host = 'api.test'): string {
  const http = `http: [{ directResponse: { status: ${status} } }]`
  return resource('VirtualService', name, `hosts: [${host}], exportTo: ${exportTo}, ${http}`)
}

function balancer(name: string, simple: string, exportTo = '["*"]', host = 'api.test'): string {
  const policy = `trafficPolicy: { loadBalancer: { simple: ${simple} } }`
  return resource('DestinationRule', name, `host: ${host}, exportTo: ${exportTo}, ${policy}`)
}

describe('exportTo of a VirtualService is judged by the namespace of each client', () => {
  const to = (run: Simulation, host = 'api.test') =>
    ['shop', 'data', 'other', ''].map((namespace) => run.egress({ port: 80, host }, namespace).to)

  test.each([
    ['everybody', '["*"]', ['direct 201', 'direct 201', 'direct 201', 'direct 201']],
    ['its own namespace', '["."]', ['direct 201', API, API, API]],
    ['another one by name', '[data]', [API, 'direct 201', API, API]],
    ['both', '[".", data]', ['direct 201', 'direct 201', API, API]],
    ["the gateway's, where the unknown are", '[istio-system]', [API, API, API, 'direct 201']],
  ])('to %s', (_name, exportTo, expected) => {
    const run = simulate(ENTRY + answers('shop/vs', 201, exportTo))
    expect(to(run)).toEqual(expected)
    expect(to(run, '198.51.100.7')).toEqual(expected)
  })

  test('private ones go before those exported by name, these before public ones, whatever their age', () => {
    const run = simulate(
      ENTRY +
        answers('a/public', 201, '["*"]') +
        answers('b/named', 202, '[shop, data]') +
        answers('shop/own', 203, '["."]'),
    )
    expect(to(run)).toEqual(['direct 203', 'direct 202', 'direct 201', 'direct 201'])
    expect(run.found('virtual-service-shadowed')).toEqual([])
  })

  test('two of one namespace for one host are still a mistake', () => {
    const run = simulate(
      ENTRY + answers('shop/one', 201, '["."]') + answers('shop/two', 202, '["."]'),
    )
    expect(to(run)[0]).toBe('direct 201')
    expect(run.found('virtual-service-shadowed')).toHaveLength(1)
  })

  test('a host that is no service exists for those who see it', () => {
    const run = simulate(answers('shop/vs', 201, '["."]', 'made-up.test'), {
      meshConfig: { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } },
    })
    expect(to(run, 'made-up.test')).toEqual(['direct 201', '502 block', '502 block', '502 block'])
  })

  test('the mesh default stands in for one that says nothing', () => {
    const http = 'http: [{ directResponse: { status: 201 } }]'
    const run = simulate(
      ENTRY + resource('VirtualService', 'shop/vs', `hosts: [api.test], ${http}`),
      {
        meshConfig: { defaultVirtualServiceExportTo: ['.'] },
      },
    )
    expect(to(run)).toEqual(['direct 201', API, API, API])
  })

  test('tls rules lead tunnels alike', () => {
    const route =
      'match: [{ sniHosts: [api.test] }], route: [{ destination: { host: relay.test } }]'
    const run = simulate(
      ENTRY +
        resource(
          'ServiceEntry',
          'platform/relay',
          `hosts: [relay.test], resolution: STATIC, endpoints: [{ address: 192.0.2.2 }],
          ports: [{ number: 443, name: tls, protocol: TLS }]`,
        ) +
        resource(
          'VirtualService',
          'shop/vs',
          `hosts: [api.test], exportTo: ["."], tls: [{ ${route} }]`,
        ),
    )
    const tunnels = ['shop', 'data', ''].map((from) => run.connect('api.test', 443, from))
    const own = 'outbound|443||api.test'
    expect(tunnels).toEqual(['outbound|443||relay.test', own, own])
  })

  test('one that is for egress clients alone is no finding; a Gateway that misses it is', () => {
    const hidden = (gateways: string): number =>
      simulate(
        resource(
          'VirtualService',
          'shop/vs',
          `hosts: [api.test], exportTo: ["."], gateways: ${gateways}, http: [{ directResponse: { status: 200 } }]`,
        ),
      ).found('hidden-by-export-to').length
    expect(hidden('[mesh]')).toBe(0)
    expect(hidden('[mesh, edge]')).toBe(1)
  })
})

describe('DestinationRules are looked up from the namespace of each client', () => {
  /** Policy of the cluster that a client in this namespace is led to. */
  const policies = (run: Simulation, namespaces = ['shop', 'data', 'other', '']) =>
    namespaces.map((namespace) => {
      const name = run.egress({ port: 80, host: 'api.test' }, namespace).to
      expect(run.connect('api.test', 80, namespace)).toBe(name)
      return run.cluster(name).loadBalancer.policy
    })
  const LR = 'least-request'

  test('the one in the client namespace is for its clients only', () => {
    const run = simulate(ENTRY + balancer('shop/dr', 'RANDOM'))
    expect(policies(run)).toEqual(['random', LR, LR, LR])
    expect(run.egress({ port: 80, host: 'api.test' }, 'shop').to).toBe(`${API}|shop`)
    expect(run.egress({ port: 80, host: 'api.test' }, 'data').to).toBe(API)
    expect(run.cluster(`${API}|shop`).destination).toMatchObject({
      service: 'api.test',
      serviceNamespace: 'platform',
      clientNamespace: 'shop',
    })
  })

  test("client's namespace, then the service's, then the root", () => {
    const root = balancer('istio-system/dr', 'RANDOM')
    const home = balancer('platform/dr', 'ROUND_ROBIN')
    const own = balancer('shop/dr', 'RANDOM', '["*"]', '"*.test"')
    expect(policies(simulate(ENTRY + root))).toEqual(['random', 'random', 'random', 'random'])
    const both = policies(simulate(ENTRY + root + home))
    expect(both).toEqual(['round-robin', 'round-robin', 'round-robin', 'round-robin'])
    const all = simulate(ENTRY + root + home + own)
    expect(policies(all)).toEqual(['random', 'round-robin', 'round-robin', 'round-robin'])
  })

  test.each([
    ['["."]', ['random', LR, LR, LR]],
    ['[shop]', [LR, 'random', LR, LR]],
    ['[shop, data]', [LR, 'random', 'random', LR]],
    ['[istio-system]', [LR, LR, LR, 'random']],
  ])("of the service's namespace, exported to %s", (exportTo, expected) => {
    const run = simulate(ENTRY + balancer('platform/dr', 'RANDOM', exportTo))
    expect(policies(run, ['platform', 'shop', 'data', ''])).toEqual(expected)
  })

  test('namespaces for whom the same rule applies share a cluster', () => {
    const run = simulate(ENTRY + balancer('platform/dr', 'RANDOM', '[shop, data]'))
    const names = run.snapshot.clusters.map(({ name }) => name)
    expect(names.filter((name) => name.startsWith(API))).toEqual([API, `${API}|data`])
  })

  test('routes with subsets, weights and mirrors follow', () => {
    const subsets = 'host: api.test, exportTo: ["."], subsets: [{ name: v2, labels: { v: "2" } }]'
    const route = `http: [{ route: [{ destination: { host: api.test, subset: v2, port: { number: 80 } } }] }]`
    const run = simulate(
      resource(
        'ServiceEntry',
        'platform/api',
        `hosts: [api.test], resolution: STATIC, ports: [{ number: 80, name: http, protocol: HTTP }],
        endpoints: [{ address: 192.0.2.1, labels: { v: "2" } }]`,
      ) +
        resource('VirtualService', 'platform/vs', `hosts: [api.test], ${route}`) +
        resource('DestinationRule', 'shop/dr', subsets),
    )
    const to = (from: string): string => run.egress({ port: 80, host: 'api.test' }, from).to
    expect(to('shop')).toBe('outbound|80|v2|api.test|shop')
    expect(to('data')).toBe('503 NC')
    expect(to('')).toBe('503 NC')
    const texts = run.found('destination-subset-not-found').map(({ message }) => message)
    expect(texts).toHaveLength(1)
    expect(texts[0]).not.toContain('those of clients')
  })

  test('a finding that concerns the clients of one namespace names it', () => {
    const route = `http: [{ route: [{ destination: { host: api.test, subset: v2, port: { number: 80 } } }] }]`
    const run = simulate(
      ENTRY +
        resource('VirtualService', 'platform/vs', `hosts: [api.test], ${route}`) +
        resource(
          'DestinationRule',
          'platform/dr',
          'host: api.test, subsets: [{ name: v2, labels: {} }]',
        ) +
        balancer('shop/dr', 'RANDOM'),
    )
    const [finding, ...others] = run.found('destination-subset-not-found')
    expect(others).toEqual([])
    expect(finding?.message).toContain('(those of clients in namespace shop, at the egress proxy)')
    expect(run.egress({ port: 80, host: 'api.test' }, 'shop').to).toBe('503 NC')
    expect(run.egress({ port: 80, host: 'api.test' }, 'data').to).toBe('outbound|80|v2|api.test')
  })

  test('TLS that one namespace asks for does not reach the others, and is not lost for it', () => {
    const tls = 'host: api.test, trafficPolicy: { tls: { mode: SIMPLE, sni: api.test } }'
    const run = simulate(ENTRY + resource('DestinationRule', 'shop/dr', tls))
    const tlsOf = (from: string): boolean =>
      run.cluster(run.egress({ port: 80, host: 'api.test' }, from).to).tls !== null
    expect(['shop', 'data', ''].map(tlsOf)).toEqual([true, false, false])
  })

  test("a rule with a workloadSelector is the gateway's own, never of other namespaces' clients", () => {
    const selected = 'host: api.test, workloadSelector: { matchLabels: { app: egress } }'
    const spec = `${selected}, trafficPolicy: { loadBalancer: { simple: RANDOM } }`
    const run = simulate(ENTRY + resource('DestinationRule', 'istio-system/dr', spec), {
      ownLabels: [{ app: 'egress' }],
    })
    expect(policies(run)).toEqual([LR, LR, LR, 'random'])
  })
})

describe('what is shared', () => {
  const tablesOf = (run: Simulation) => run.snapshot.egress.control?.tables ?? null

  test('public resources beside their hosts need one table for all', () => {
    const run = simulate(
      ENTRY + answers('shop/vs', 201, '["*"]') + balancer('platform/dr', 'RANDOM'),
    )
    expect(tablesOf(run)).toBeNull()
  })

  test('no egress proxy, no tables for its clients', () => {
    const yaml = ENTRY + balancer('shop/dr', 'RANDOM')
    expect(tablesOf(simulate(yaml, { egressOpen: false }))).toBeNull()
    expect(
      tablesOf(simulate(yaml, { egressOpen: false, meshConfig: { proxyHttpPort: 15002 } })),
    ).not.toBeNull()
  })

  test('namespaces that see the same have one table; a port where nothing differs is shared by all', () => {
    const run = simulate(ENTRY + answers('shop/vs', 201, '[a, b, c]'))
    const tables = tablesOf(run)
    const [a, b, c] = ['a', 'b', 'c'].map((namespace) => tables?.get(namespace))
    expect(a).toBe(b)
    expect(b).toBe(c)
    expect(a?.http.get(80)).not.toBe(run.snapshot.egress.http.get(80))
    expect(a?.tunnels.get(443)).toBe(run.snapshot.egress.tunnels.get(443))
    expect(tables?.get('')?.http).toBe(run.snapshot.egress.http)
  })

  test('a virtual host that means the same is one object', () => {
    const other = ENTRY.replaceAll('api', 'web').replace('.7', '.8')
    const run = simulate(ENTRY + other + answers('shop/vs', 201, '[shop]'))
    const [own, shop] = [run.snapshot.egress, tablesOf(run)?.get('shop')].map((tables) =>
      tables?.http.get(80)?.find('web.test'),
    )
    expect(shop).toBeDefined()
    expect(shop).toBe(own)
  })

  test('a Gateway goes by its own namespace still', () => {
    const gateway = resource(
      'Gateway',
      'shop/edge',
      'servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }]',
    )
    const http = 'http: [{ route: [{ destination: { host: api.test, port: { number: 80 } } }] }]'
    const run = simulate(
      ENTRY +
        gateway +
        resource('VirtualService', 'shop/vs', `hosts: ["a.test"], gateways: [edge], ${http}`) +
        balancer('shop/dr', 'RANDOM'),
    )
    expect(run.resolve({ port: 80, host: 'a.test' }).to).toBe(API)
    expect(run.cluster(API).loadBalancer.policy).toBe('least-request')
  })
})
