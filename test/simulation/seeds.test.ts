import { describe, expect, test } from 'vitest'
import { Simulation } from '../support/simulate.ts'

const ISTIO = 'apiVersion: networking.istio.io/v1alpha3'

/** A Service with one EndpointSlice; `endpoints` are `address` or `address label=value`. */
function service(
  name: string,
  ports: Record<string, number>,
  endpoints: readonly string[],
): string {
  const portList = Object.entries(ports)
  const pods = endpoints.map((endpoint, index) => {
    const [address = '', label = ''] = endpoint.split(' ')
    const [key = 'app', value = name] = label === '' ? [] : label.split('=')
    return { address, pod: `${name}-${index}`, labels: { [key]: value } }
  })
  const documents: unknown[] = [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name },
      spec: {
        ports: portList.map(([portName, port]) => ({ name: portName, port, targetPort: port })),
      },
    },
  ]
  if (pods.length > 0) {
    documents.push({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: portList.map(([portName, port]) => ({ name: portName, port })),
      endpoints: pods.map(({ address, pod }) => ({
        addresses: [address],
        targetRef: { kind: 'Pod', name: pod },
      })),
    })
  }
  for (const { address, pod, labels } of pods) {
    documents.push({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: pod, labels },
      status: { podIP: address },
    })
  }
  return documents.map((document) => `${JSON.stringify(document)}\n---\n`).join('')
}

const FQDN = (name: string): string => `${name}.default.svc.cluster.local`

describe('what the notes ask for', () => {
  test('S1 empty tcp, http and tls lists are the same as none', () => {
    const run = new Simulation(`${service('web-svc', { http: 8080 }, ['10.0.0.1'])}
${ISTIO}
kind: VirtualService
metadata: { name: web }
spec: { hosts: [web-svc], tcp: [], http: [], tls: [] }
`)
    expect(run.storeProblems.filter((problem) => problem.severity === 'error')).toEqual([])
    expect(run.egress({ port: 8080, host: 'web-svc:8080' }).to).toBe(
      `outbound|8080||${FQDN('web-svc')}`,
    )
  })

  test.each(['web-svc', 'web-svc.default', 'web-svc.default.svc', `${FQDN('web-svc')}:8080`])(
    'S2 a short host in a VirtualService answers to %s',
    (host) => {
      const run = new Simulation(`${service('web-svc', { http: 8080 }, ['10.0.0.1'])}
${ISTIO}
kind: VirtualService
metadata: { name: web }
spec: { hosts: [web-svc], http: [{ name: ruled, route: [{ destination: { host: web-svc } }] }] }
`)
      expect(run.egress({ port: 8080, host })).toMatchObject({
        virtualHost: `${FQDN('web-svc')}:8080`,
        route: 'ruled',
        to: `outbound|8080||${FQDN('web-svc')}`,
      })
    },
  )

  test.each([
    ['20 and 80', [20, 80], '20% outbound|80|v1|$, 80% outbound|80|v2|$'],
    ['75 and 25', [75, 25], '75% outbound|80|v1|$, 25% outbound|80|v2|$'],
    ['9 and 1', [9, 1], '90% outbound|80|v1|$, 10% outbound|80|v2|$'],
    ['100 and 0', [100, 0], 'outbound|80|v1|$'],
  ])('S3 weights %s', (_name, weights, expected) => {
    const run =
      new Simulation(`${service('reviews', { http: 80 }, ['10.0.0.1 version=v1', '10.0.0.2 version=v2'])}
${ISTIO}
kind: DestinationRule
metadata: { name: reviews }
spec:
  host: reviews
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]
---
${ISTIO}
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
  - route:
    - { destination: { host: reviews, subset: v1 }, weight: ${weights[0]} }
    - { destination: { host: reviews, subset: v2 }, weight: ${weights[1]} }
`)
    expect(run.egress({ port: 80, host: 'reviews' }).to).toBe(
      expected.replaceAll('$', FQDN('reviews')),
    )
  })

  describe('S4 a header match with port and subset', () => {
    const run =
      new Simulation(`${service('reviews', { http: 8088, admin: 80 }, ['10.0.0.1 version=v1', '10.0.0.2 version=v2'])}
${ISTIO}
kind: DestinationRule
metadata: { name: reviews }
spec:
  host: reviews
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]
---
${ISTIO}
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
  - match: [{ headers: { End-User: { exact: jason } } }]
    route: [{ destination: { host: reviews, port: { number: 8088 }, subset: v2 } }]
  - route: [{ destination: { host: reviews, port: { number: 8088 }, subset: v1 } }]
`)
    test.each([
      ['jason', 'outbound|8088|v2|', 'spec.http[0].match[0]'],
      ['mary', 'outbound|8088|v1|', 'spec.http[1]'],
    ])('%s', (user, cluster, rule) => {
      const found = run.egress({ port: 8088, host: 'reviews:8088', headers: { 'end-user': user } })
      expect(found).toMatchObject({ to: cluster + FQDN('reviews'), rule })
    })
  })

  describe('S5 a second VirtualService for the host', () => {
    const run = new Simulation(`${service('web', { http: 80 }, ['10.0.0.1'])}
${ISTIO}
kind: VirtualService
metadata: { name: late, creationTimestamp: "2024-02-01T00:00:00Z" }
spec: { hosts: [web], http: [{ name: loser, match: [{ uri: { prefix: /late } }], route: [{ destination: { host: web } }] }] }
---
${ISTIO}
kind: VirtualService
metadata: { name: early, creationTimestamp: "2024-01-01T00:00:00Z" }
spec: { hosts: [web], http: [{ name: winner, match: [{ uri: { prefix: /early } }], route: [{ destination: { host: web } }] }] }
`)
    test('inside the mesh the oldest one has the host alone', () => {
      expect(run.egress({ port: 80, host: 'web', path: '/early' }).route).toBe('winner')
      expect(run.egress({ port: 80, host: 'web', path: '/late' }).to).toBe('404 NR')
    })

    test('the loser is reported with the winner and its unused rules', () => {
      const [finding] = run.found('virtual-service-shadowed')
      expect(finding?.ref?.name).toBe('late')
      expect(finding?.message).toMatch(/default\/early \(test\.yaml:\d+\)/)
      expect(finding?.message).toContain('loser')
    })
  })

  test('S6 a VirtualService that lists a gateway leaves the mesh unless it lists mesh too', () => {
    const yaml = (gateways: string): string => `${service('web', { http: 80 }, ['10.0.0.1'])}
${ISTIO}
kind: Gateway
metadata: { name: gw }
spec: { servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }] }
---
${ISTIO}
kind: VirtualService
metadata: { name: web }
spec: { hosts: [web], gateways: ${gateways}, http: [{ name: ruled, route: [{ destination: { host: web } }] }] }
`
    const alone = new Simulation(yaml('[gw]'))
    expect(alone.egress({ port: 80, host: 'web' }).route).toBe('default')
    expect(new Simulation(yaml('[gw, mesh]')).egress({ port: 80, host: 'web' }).route).toBe('ruled')
  })

  describe('S7 destinations that are no service', () => {
    const yaml = (destination: string): string => `
${ISTIO}
kind: Gateway
metadata: { name: gw }
spec: { servers: [{ port: { number: 9000, name: tcp, protocol: TCP }, hosts: ["*"] }] }
---
${ISTIO}
kind: VirtualService
metadata: { name: tcp }
spec: { hosts: ["*"], gateways: [gw], tcp: [{ route: [{ destination: ${destination} }] }] }
`
    test('an address with a port gets a static cluster', () => {
      const run = new Simulation(yaml('{ host: 192.0.2.7, port: { number: 5000 } }'))
      expect(run.resolve({ port: 9000 }).to).toBe('outbound|5000||192.0.2.7')
      expect(run.cluster('outbound|5000||192.0.2.7')).toMatchObject({
        discovery: 'static',
        endpoints: [{ address: '192.0.2.7', port: 5000 }],
      })
      expect(run.found('destination-host-not-registered')[0]?.severity).toBe('info')
    })

    test('a name that DNS can resolve gets a DNS cluster', () => {
      const run = new Simulation(yaml('{ host: backend.test, port: { number: 5000 } }'))
      expect(run.cluster('outbound|5000||backend.test').discovery).toBe('dns')
    })

    test.each([
      [
        'REGISTRY_ONLY',
        { meshConfig: { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' as const } } },
      ],
      ['--compat', { compat: true }],
    ])('under %s it is 503 NC with a reason', (reason, options) => {
      const run = new Simulation(yaml('{ host: backend.test, port: { number: 5000 } }'), options)
      expect(run.resolve({ port: 9000 }).to).toBe('503 NC')
      expect(run.found('destination-host-not-found')[0]?.hint).toContain(reason)
    })

    test('a name of the cluster domain is never looked up outside', () => {
      const run = new Simulation(yaml(`{ host: ${FQDN('gone')}, port: { number: 5000 } }`))
      expect(run.resolve({ port: 9000 }).to).toBe('503 NC')
    })
  })

  test('S8 subsets by label, each with its own policy', () => {
    const run =
      new Simulation(`${service('reviews', { http: 80 }, ['10.0.0.1 app=one', '10.0.0.2 app=two', '10.0.0.3 app=two'])}
${ISTIO}
kind: DestinationRule
metadata: { name: reviews }
spec:
  host: reviews
  trafficPolicy: { loadBalancer: { simple: RANDOM } }
  subsets:
  - { name: v1, labels: { app: one } }
  - { name: v2, labels: { app: two }, trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN } } }
---
${ISTIO}
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
  - match: [{ uri: { prefix: /v2 } }]
    route: [{ destination: { host: reviews, subset: v2 } }]
  - route: [{ destination: { host: reviews, subset: v1 } }]
`)
    const v1 = run.cluster(`outbound|80|v1|${FQDN('reviews')}`)
    const v2 = run.cluster(`outbound|80|v2|${FQDN('reviews')}`)
    expect(v1.loadBalancer.policy).toBe('random')
    expect(v1.endpoints.map((endpoint) => endpoint.address)).toEqual(['10.0.0.1'])
    expect(v2.loadBalancer.policy).toBe('round-robin')
    expect(v2.endpoints.map((endpoint) => endpoint.address)).toEqual(['10.0.0.2', '10.0.0.3'])
  })

  test.each([
    ['RANDOM', 'random'],
    ['ROUND_ROBIN', 'round-robin'],
    ['LEAST_CONN', 'least-request'],
    ['LEAST_REQUEST', 'least-request'],
    ['PASSTHROUGH', 'least-request'],
    ['UNSPECIFIED', 'least-request'],
  ])('S9 load balancer %s is %s', (simple, policy) => {
    const run = new Simulation(`${service('web', { http: 80 }, ['10.0.0.1'])}
${ISTIO}
kind: DestinationRule
metadata: { name: web }
spec: { host: web, trafficPolicy: { loadBalancer: { simple: ${simple} } } }
`)
    expect(run.cluster(`outbound|80||${FQDN('web')}`).loadBalancer.policy).toBe(policy)
  })

  test('S10 S11 S12 the DestinationRule of the notes', () => {
    const run = new Simulation(`${service('foo', { http: 80 }, ['10.0.0.1'])}
${ISTIO}
kind: DestinationRule
metadata: { name: foo-default }
spec:
  host: foo.default.svc.cluster.local
  trafficPolicy:
    connectionPool: { tcp: { maxConnections: 4 }, http: { http2MaxRequests: 1000 } }
    loadBalancer:
      consistentHash:
        useSourceIp: True
    outlierDetection: { consecutiveErrors: 7, interval: 5m, baseEjectionTime: 15m }
`)
    const cluster = run.cluster(`outbound|80||${FQDN('foo')}`)
    expect(cluster.loadBalancer).toEqual({
      policy: 'ring-hash',
      key: { from: 'source-ip' },
      minimumRingSize: 1024,
    })
    expect(cluster.limits).toMatchObject({
      maxConnections: 4,
      maxRequests: 1000,
      maxPendingRequests: 0,
    })
    expect(cluster.outlier).toMatchObject({
      consecutive5xx: 0,
      consecutiveGatewayErrors: 7,
      intervalMs: 300_000,
      baseEjectionTimeMs: 900_000,
      maxEjectionPercent: 10,
      alwaysEjectOne: true,
    })
  })

  test('S12 with --compat consecutiveErrors is dropped, as in Istio', () => {
    const yaml = `${service('foo', { http: 80 }, ['10.0.0.1'])}
${ISTIO}
kind: DestinationRule
metadata: { name: foo }
spec: { host: foo, trafficPolicy: { outlierDetection: { consecutiveErrors: 7 } } }
`
    const cluster = new Simulation(yaml, { compat: true }).cluster(`outbound|80||${FQDN('foo')}`)
    expect(cluster.outlier).toMatchObject({
      consecutive5xx: 5,
      consecutiveGatewayErrors: 0,
      alwaysEjectOne: false,
    })
  })

  describe('S13 S14 selectors', () => {
    const yaml = `
${ISTIO}
kind: Gateway
metadata: { name: other }
spec:
  selector: { app: my-gateway-controller }
  servers: [{ port: { number: 81, name: http, protocol: HTTP }, hosts: ["*"] }]
---
${ISTIO}
kind: Gateway
metadata: { name: everywhere }
spec: { servers: [{ port: { number: 82, name: http, protocol: HTTP }, hosts: ["*"] }] }
`
    test('a Gateway whose selector does not match is left out and named', () => {
      const run = new Simulation(yaml, { ownLabels: [{ istio: 'ingressgateway' }] })
      expect(run.listener(81)).toBeNull()
      expect(run.found('gateway-ignored').map((finding) => finding.message)).toEqual([
        'gateway ignored: selector app=my-gateway-controller vs own labels istio=ingressgateway',
      ])
    })

    test('a Gateway without selector is served by every gateway', () => {
      const run = new Simulation(yaml, { ownLabels: [{ istio: 'ingressgateway' }] })
      expect(run.listener(82)?.key).toBe('*:82')
    })

    test('without own labels every Gateway is served, and that is said once', () => {
      const run = new Simulation(yaml)
      expect(run.snapshot.listeners.map((listener) => listener.key)).toEqual(['*:81', '*:82'])
      expect(run.found('every-gateway-served')).toHaveLength(1)
    })

    test('one process may stand for several gateways', () => {
      const ownLabels = [{ istio: 'ingressgateway' }, { app: 'my-gateway-controller' }]
      const run = new Simulation(yaml, { ownLabels })
      expect(run.snapshot.listeners).toHaveLength(2)
    })
  })

  test('S15 Gateway ports 80 and 8080 meet in one listener behind the classic Service', () => {
    const run = new Simulation(
      `${service('calcclient', { http: 8000 }, ['10.0.0.1'])}
apiVersion: v1
kind: Service
metadata: { name: istio-ingressgateway, namespace: istio-system }
spec:
  selector: { istio: ingressgateway }
  ports: [{ name: http2, port: 80, targetPort: 8080 }]
---
${ISTIO}
kind: Gateway
metadata: { name: gw-80 }
spec: { servers: [{ hosts: [calcclient.com], port: { number: 80, name: http, protocol: HTTP } }] }
---
${ISTIO}
kind: Gateway
metadata: { name: gw-8080 }
spec:
  selector: { istio: ingressgateway }
  servers: [{ hosts: [other.com], port: { number: 8080, name: http, protocol: HTTP } }]
---
${ISTIO}
kind: VirtualService
metadata: { name: vs-calcclient }
spec: { hosts: [calcclient.com], gateways: [gw-80], http: [{ route: [{ destination: { host: calcclient } }] }] }
---
${ISTIO}
kind: VirtualService
metadata: { name: vs-other }
spec: { hosts: [other.com], gateways: [gw-8080], http: [{ route: [{ destination: { host: calcclient } }] }] }
`,
      { ownLabels: [{ istio: 'ingressgateway', app: 'istio-ingressgateway' }] },
    )
    expect(run.snapshot.listeners).toHaveLength(1)
    expect(run.listener(8080)).toMatchObject({ key: '*:8080', gatewayPorts: [80, 8080] })
    expect(run.resolve({ port: 8080, host: 'calcclient.com' })).toMatchObject({
      table: 'http.8080',
      virtualHost: 'calcclient.com:80',
      to: `outbound|8000||${FQDN('calcclient')}`,
    })
    expect(run.resolve({ port: 8080, host: 'other.com' }).virtualHost).toBe('other.com:8080')
  })

  describe('S16 a destination without port', () => {
    const yaml = (
      ports: Record<string, number>,
    ): string => `${service('calcclient', ports, ['10.0.0.1'])}
${ISTIO}
kind: Gateway
metadata: { name: gw }
spec: { servers: [{ hosts: [calcclient.com], port: { number: 80, name: http, protocol: HTTP } }] }
---
${ISTIO}
kind: VirtualService
metadata: { name: vs }
spec: { hosts: [calcclient.com], gateways: [gw], http: [{ route: [{ destination: { host: calcclient } }] }] }
`
    test('goes to the only port of the service', () => {
      const run = new Simulation(yaml({ http: 8000 }))
      expect(run.resolve({ port: 80, host: 'calcclient.com' }).to).toBe(
        `outbound|8000||${FQDN('calcclient')}`,
      )
    })

    test('is an error when the service has several and none is the listener port', () => {
      const run = new Simulation(yaml({ http: 8000, admin: 9000 }))
      expect(run.resolve({ port: 80, host: 'calcclient.com' }).to).toBe('503 NC')
      expect(run.found('destination-port-ambiguous')[0]).toMatchObject({ severity: 'error' })
    })

    test('takes the listener port when the service has it, with a warning', () => {
      const run = new Simulation(yaml({ http: 80, admin: 9000 }))
      expect(run.resolve({ port: 80, host: 'calcclient.com' }).to).toBe(
        `outbound|80||${FQDN('calcclient')}`,
      )
      expect(run.found('destination-port-ambiguous')[0]).toMatchObject({ severity: 'warning' })
    })
  })

  test('S17 a Service without endpoints is a virtual name that a VirtualService moves', () => {
    const run = new Simulation(`${service('calcclient', { http: 8000 }, ['10.0.0.1'])}
${service('foo', { '': 8080 }, [])}
${ISTIO}
kind: VirtualService
metadata: { name: foo-identity }
spec: { hosts: [foo], http: [{ route: [{ destination: { host: calcclient } }] }] }
`)
    expect(run.egress({ port: 8080, host: 'foo:8080', path: '/calc' }).to).toBe(
      `outbound|8000||${FQDN('calcclient')}`,
    )
  })

  describe('S21 the ServiceEntry with addresses', () => {
    const run = new Simulation(`${ISTIO}
kind: ServiceEntry
metadata: { name: ext }
spec:
  hosts: [ext-svc.example.com]
  addresses: [192.192.192.192/24]
  ports: [{ number: 443, name: https, protocol: HTTPS }]
  location: MESH_EXTERNAL
  resolution: static
  endpoints: [{ address: 2.2.2.2 }, { address: 3.3.3.3 }]
`)
    test.each(['ext-svc.example.com', '192.192.192.57'])(
      'CONNECT %s:443 spreads over the endpoints',
      (host) => {
        expect(run.connect(host, 443)).toBe('outbound|443||ext-svc.example.com')
        const cluster = run.cluster('outbound|443||ext-svc.example.com')
        expect(cluster.endpoints.map(({ address, port }) => `${address}:${port}`)).toEqual([
          '2.2.2.2:443',
          '3.3.3.3:443',
        ])
      },
    )

    test('another port of the host is unknown', () => {
      expect(run.connect('ext-svc.example.com', 8443)).toBe('passthrough')
    })
  })

  test('S22 a public name with fixed endpoints needs no DNS', () => {
    const run = new Simulation(`${ISTIO}
kind: ServiceEntry
metadata: { name: svc-entry }
spec:
  hosts: [www.baidu.com]
  ports: [{ number: 8080, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 10.108.159.183 }]
`)
    expect(run.egress({ port: 8080, host: 'www.baidu.com:8080' }).to).toBe(
      'outbound|8080||www.baidu.com',
    )
    expect(run.cluster('outbound|8080||www.baidu.com')).toMatchObject({
      discovery: 'static',
      endpoints: [{ address: '10.108.159.183', port: 8080 }],
    })
  })

  describe('S23 a ServiceEntry for the names of a Service', () => {
    const yaml = `${service('my-service', { http: 80 }, ['10.0.0.1'])}
${ISTIO}
kind: ServiceEntry
metadata: { name: my-service-in-istio }
spec:
  hosts: [my-service, my-service.default, my-service.default.svc.cluster.local]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 1.2.3.4 }]
`
    const run = new Simulation(yaml)
    test.each(['my-service', 'my-service.default', 'my-service.default.svc', FQDN('my-service')])(
      '%s goes to its endpoint',
      (host) => {
        const { to } = run.egress({ port: 80, host })
        expect(run.cluster(to).endpoints.map((endpoint) => endpoint.address)).toEqual(['1.2.3.4'])
      },
    )

    test('the collision is reported', () => {
      expect(run.found('service-entry-overrides-service')).toHaveLength(1)
    })

    test('with --compat the Service stays, as in Istio', () => {
      const compat = new Simulation(yaml, { compat: true })
      const { to } = compat.egress({ port: 80, host: FQDN('my-service') })
      expect(compat.cluster(to).endpoints.map((endpoint) => endpoint.address)).toEqual(['10.0.0.1'])
    })
  })

  test.each([
    ['DNS', 'dns'],
    ['DNS_ROUND_ROBIN', 'dns-round-robin'],
  ])('S24 foo.bar.com forwarded to the addresses of baz.test with %s', (resolution, discovery) => {
    const run = new Simulation(`${ISTIO}
kind: ServiceEntry
metadata: { name: foo }
spec:
  hosts: [foo.bar.com]
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: 8080 }]
  resolution: ${resolution}
  endpoints: [{ address: baz.test }]
`)
    expect(run.egress({ port: 80, host: 'foo.bar.com' }).to).toBe('outbound|80||foo.bar.com')
    expect(run.cluster('outbound|80||foo.bar.com')).toMatchObject({
      discovery,
      endpoints: [{ address: 'baz.test', port: 8080 }],
    })
  })

  test.each([
    [undefined, 'allow_any', 'passthrough', 'passthrough'],
    [
      { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' as const } },
      'block_all',
      '502 block',
      'refused',
    ],
  ])('S25 unknown hosts under policy %o', (meshConfig, route, to, tunnel) => {
    const run = new Simulation('', { meshConfig: meshConfig ?? null })
    expect(run.egress({ port: 80, host: 'example.org' })).toMatchObject({
      virtualHost: route,
      route,
      to,
    })
    expect(run.connect('example.org', 443)).toBe(tunnel)
  })
})
