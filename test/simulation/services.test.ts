import { describe, expect, test } from 'vitest'
import { Simulation } from '../support/simulate.ts'

const WEB = 'web.default.svc.cluster.local'

function manifest(kind: string, metadata: string, body: string): string {
  const versions: Record<string, string> = {
    EndpointSlice: 'discovery.k8s.io/v1',
    ServiceEntry: 'networking.istio.io/v1',
    WorkloadEntry: 'networking.istio.io/v1',
    DestinationRule: 'networking.istio.io/v1',
    VirtualService: 'networking.istio.io/v1',
  }
  return `apiVersion: ${versions[kind] ?? 'v1'}\nkind: ${kind}\nmetadata: { ${metadata} }\n${body}\n---\n`
}

const slice = (body: string): string =>
  manifest(
    'EndpointSlice',
    'name: web-1, labels: { kubernetes.io/service-name: web }',
    `addressType: IPv4\n${body}`,
  )
const pod = (name: string, address: string, labels: string, more = ''): string =>
  manifest(
    'Pod',
    `name: ${name}, labels: { ${labels} }`,
    `spec: { containers: [{ name: c, ports: [{ name: web, containerPort: 9090 }] }] }\nstatus: { podIP: ${address}${more} }`,
  )
const service = (spec: string): string => manifest('Service', 'name: web', `spec: { ${spec} }`)

/** `address:port` of each endpoint of `outbound|80||web...`. */
function endpoints(yaml: string): readonly string[] {
  const cluster = new Simulation(yaml).cluster(`outbound|80||${WEB}`)
  return cluster.endpoints.map(({ address, port }) => `${address}:${port}`)
}

describe('endpoints of a Service', () => {
  const HTTP = 'ports: [{ name: http, port: 80, targetPort: 8080 }]'

  test.each([
    [
      'the EndpointSlice port of the same name',
      service(HTTP) +
        slice(
          'ports: [{ name: admin, port: 1 }, { name: http, port: 8081 }]\nendpoints: [{ addresses: [10.0.0.1, 10.0.0.2] }]',
        ),
      ['10.0.0.1:8081', '10.0.0.2:8081'],
    ],
    [
      'a nameless slice port when both have one',
      service(HTTP) + slice('ports: [{ port: 8081 }]\nendpoints: [{ addresses: [10.0.0.1] }]'),
      ['10.0.0.1:8081'],
    ],
    [
      'only ready endpoints',
      service(HTTP) +
        slice(
          'ports: [{ name: http, port: 8081 }]\nendpoints: [{ addresses: [10.0.0.1], conditions: { ready: false } }, { addresses: [127.0.0.1], conditions: {} }]',
        ),
      ['127.0.0.1:8081'],
    ],
    [
      'Endpoints of the same name',
      service(HTTP) +
        manifest(
          'Endpoints',
          'name: web',
          'subsets: [{ addresses: [{ ip: 10.0.0.3 }], notReadyAddresses: [{ ip: 10.0.0.4 }], ports: [{ name: http, port: 8082 }] }]',
        ),
      ['10.0.0.3:8082'],
    ],
    [
      'ready Pods by selector',
      service(`selector: { app: web }, ${HTTP}`) +
        pod('a', '10.0.0.5', 'app: web') +
        pod('b', '10.0.0.6', 'app: other'),
      ['10.0.0.5:8080'],
    ],
    [
      'a named targetPort of Pods',
      service('selector: { app: web }, ports: [{ port: 80, targetPort: web }]') +
        pod('a', '10.0.0.5', 'app: web'),
      ['10.0.0.5:9090'],
    ],
    [
      'no Pods that are not ready',
      service(`selector: { app: web }, ${HTTP}`) +
        pod('a', '10.0.0.5', 'app: web', ', conditions: [{ type: Ready, status: "False" }]') +
        pod('b', '10.0.0.6', 'app: web', ', phase: Pending'),
      [],
    ],
    [
      'WorkloadEntries by selector, with their own port',
      service(`selector: { app: web }, ${HTTP}`) +
        manifest(
          'WorkloadEntry',
          'name: vm',
          'spec: { address: 10.0.0.7, labels: { app: web }, ports: { http: 7070 } }',
        ),
      ['10.0.0.7:7070'],
    ],
  ])('%s', (_name, yaml, expected) => {
    expect(endpoints(yaml)).toEqual(expected)
  })

  test.each([
    ['the Pod it points to', 'targetRef: { kind: Pod, name: a }', pod('a', '10.9.9.9', 'v: pod')],
    ['the Pod at its address', '', pod('a', '10.0.0.1', 'v: pod')],
    [
      'the WorkloadEntry at its address',
      '',
      manifest(
        'WorkloadEntry',
        'name: vm, labels: { v: pod }',
        'spec: { address: 10.0.0.1, labels: { v: spec } }',
      ),
    ],
  ])('labels come from %s', (_name, targetRef, extra) => {
    const run = new Simulation(
      service(HTTP) +
        slice(
          `ports: [{ name: http, port: 80 }]\nendpoints: [{ addresses: [10.0.0.1]${targetRef === '' ? '' : `, ${targetRef}`} }]`,
        ) +
        extra,
    )
    expect(run.cluster(`outbound|80||${WEB}`).endpoints[0]?.labels['v']).toBe('pod')
  })

  test('an ExternalName Service is looked up in DNS', () => {
    const run = new Simulation(
      service('type: ExternalName, externalName: web.test, ports: [{ port: 80 }]'),
    )
    expect(run.cluster(`outbound|80||${WEB}`)).toMatchObject({
      discovery: 'dns',
      endpoints: [{ address: 'web.test', port: 80 }],
    })
  })

  test('a headless Service without known endpoints is looked up in DNS', () => {
    const run = new Simulation(service('clusterIP: None, ports: [{ port: 80, targetPort: 8080 }]'))
    expect(run.cluster(`outbound|80||${WEB}`)).toMatchObject({
      discovery: 'dns',
      endpoints: [{ address: WEB, port: 8080 }],
    })
  })

  test('UDP ports are nobody to HTTP', () => {
    const run = new Simulation(
      service('ports: [{ port: 53, protocol: UDP }, { port: 80, protocol: TCP }]'),
    )
    expect(run.snapshot.clusters.map((cluster) => cluster.name)).toEqual([`outbound|80||${WEB}`])
  })
})

describe('the protocol towards a service port', () => {
  test.each([
    ['{ name: http, port: 80 }', 'http1'],
    ['{ name: http-api, port: 80 }', 'http1'],
    ['{ name: http2, port: 80 }', 'http2'],
    ['{ name: grpc-api, port: 80 }', 'http2'],
    ['{ name: grpc-web, port: 80 }', 'http2'],
    ['{ port: 80 }', 'http1'],
    ['{ name: something, port: 80 }', 'http1'],
    ['{ name: https, port: 80 }', 'http1'],
    ['{ name: tcp-db, port: 80 }', 'tcp'],
    ['{ name: http, port: 80, appProtocol: grpc }', 'http2'],
    ['{ name: web, port: 80, appProtocol: kubernetes.io/h2c }', 'http2'],
    ['{ name: grpc, port: 80, appProtocol: acme.test/own }', 'http2'],
  ])('%s is %s', (port, protocol) => {
    expect(
      new Simulation(service(`ports: [${port}]`)).cluster(`outbound|80||${WEB}`).protocol,
    ).toBe(protocol)
  })
})

describe('endpoints of a ServiceEntry', () => {
  const entry = (spec: string): string =>
    manifest('ServiceEntry', 'name: web', `spec: { hosts: [${WEB}], ${spec} }`)
  const PORT = 'ports: [{ number: 80, name: http, protocol: HTTP, targetPort: 8080 }]'

  test.each([
    [
      'its own ports map goes before targetPort',
      `${PORT}, resolution: STATIC, endpoints: [{ address: 10.0.0.1, ports: { http: 7070 } }, { address: 10.0.0.2 }]`,
      '',
      ['10.0.0.1:7070', '10.0.0.2:8080'],
    ],
    [
      'the number stands in for targetPort',
      'ports: [{ number: 80, name: http, protocol: HTTP }], resolution: STATIC, endpoints: [{ address: 10.0.0.1 }]',
      '',
      ['10.0.0.1:80'],
    ],
    [
      'a unix socket has no port',
      `${PORT}, resolution: STATIC, endpoints: [{ address: "unix:///run/web.sock" }]`,
      '',
      ['/run/web.sock:0'],
    ],
    [
      'DNS without endpoints means the host itself',
      `${PORT}, resolution: DNS`,
      '',
      [`${WEB}:8080`],
    ],
    [
      'workloadSelector takes Pods and WorkloadEntries of the namespace',
      `${PORT}, resolution: STATIC, workloadSelector: { labels: { app: web } }`,
      pod('a', '10.0.0.5', 'app: web') +
        manifest('WorkloadEntry', 'name: vm', 'spec: { address: 10.0.0.7, labels: { app: web } }') +
        manifest(
          'WorkloadEntry',
          'name: vm, namespace: other',
          'spec: { address: 10.0.0.8, labels: { app: web } }',
        ),
      ['10.0.0.5:8080', '10.0.0.7:8080'],
    ],
  ])('%s', (_name, spec, extra, expected) => {
    expect(endpoints(entry(spec) + extra)).toEqual(expected)
  })

  test('weights and labels are kept', () => {
    const run = new Simulation(
      entry(
        `${PORT}, resolution: STATIC, endpoints: [{ address: 10.0.0.1, weight: 3, labels: { v: one }, locality: eu/a/1 }, { address: 10.0.0.2 }]`,
      ),
    )
    expect(run.cluster(`outbound|80||${WEB}`).endpoints).toEqual([
      { address: '10.0.0.1', port: 8080, weight: 3, labels: { v: 'one' }, locality: 'eu/a/1' },
      { address: '10.0.0.2', port: 8080, weight: 1, labels: {}, locality: '' },
    ])
  })

  test('two entries of one namespace for a host are united', () => {
    const second = manifest(
      'ServiceEntry',
      'name: more',
      `spec: { hosts: [${WEB}], ${PORT}, resolution: STATIC, endpoints: [{ address: 10.0.0.9 }] }`,
    )
    expect(
      endpoints(entry(`${PORT}, resolution: STATIC, endpoints: [{ address: 10.0.0.1 }]`) + second),
    ).toEqual(['10.0.0.1:8080', '10.0.0.9:8080'])
  })

  test('of two other namespaces the older one wins', () => {
    const dated = (namespace: string, year: number, address: string): string =>
      manifest(
        'ServiceEntry',
        `name: web, namespace: ${namespace}, creationTimestamp: "${year}-01-01T00:00:00Z"`,
        `spec: { hosts: [${WEB}], ${PORT}, resolution: STATIC, endpoints: [{ address: ${address} }] }`,
      )
    expect(endpoints(dated('a', 2025, '10.0.0.1') + dated('b', 2024, '10.0.0.2'))).toEqual([
      '10.0.0.2:8080',
    ])
    expect(endpoints(dated('a', 2024, '10.0.0.1') + dated('b', 2025, '10.0.0.2'))).toEqual([
      '10.0.0.1:8080',
    ])
  })

  test('of two namespaces the own one wins, and the other is reported', () => {
    const other = manifest(
      'ServiceEntry',
      'name: web, namespace: istio-system',
      `spec: { hosts: [${WEB}], ${PORT}, resolution: STATIC, endpoints: [{ address: 10.0.0.9 }] }`,
    )
    const yaml = entry(`${PORT}, resolution: STATIC, endpoints: [{ address: 10.0.0.1 }]`) + other
    expect(endpoints(yaml)).toEqual(['10.0.0.9:8080'])
    expect(new Simulation(yaml).found('service-entry-shadowed')[0]?.ref?.namespace).toBe('default')
  })
})
