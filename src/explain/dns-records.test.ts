import { expect, test } from 'vitest'
import { ResourceStore } from '../config/store.ts'
import { settingsOf } from '../compile/compile-input.ts'
import { type DnsHost, dnsReport, type DnsReport } from './dns-records.ts'
import { dnsText } from './dns-text.ts'

interface Options {
  readonly labels?: readonly Readonly<Record<string, string>>[]
  readonly advertise?: readonly string[]
  readonly namespace?: string
}

function reportOf(yaml: string, options: Options = {}): DnsReport {
  const { set } = new ResourceStore({ compat: false }).load([
    { path: 'gw.yaml', text: yaml, error: null },
  ])
  const settings = settingsOf({
    set,
    generation: 1,
    ownLabels: options.labels ?? [],
    namespace: options.namespace ?? 'istio-system',
    domain: 'cluster.local',
    meshConfig: null,
    compat: false,
    filterFactories: [],
  })
  return dnsReport({ set, settings, advertise: options.advertise ?? [] })
}

function gateway(hosts: readonly string[], selector = '{ istio: ingressgateway }'): string {
  return `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw-client }
spec:
  selector: ${selector}
  servers:
  - hosts: ${JSON.stringify(hosts)}
    port: { number: 80, name: http, protocol: HTTP }
---
`
}

function service(
  spec: string,
  status = '{ loadBalancer: {} }',
  namespace = 'istio-system',
): string {
  return `apiVersion: v1
kind: Service
metadata: { name: istio-ingressgateway, namespace: ${namespace} }
spec:
  selector: { app: istio-ingressgateway, istio: ingressgateway }
  ports: [{ name: http2, port: 80, nodePort: 31380 }]
${spec}
status: ${status}
---
`
}

function node(name: string, addresses: string): string {
  return `apiVersion: v1
kind: Node
metadata: { name: ${name} }
status: { addresses: [${addresses}] }
---
`
}

const HOST = 'calcclient.com'
const balancer = '  type: LoadBalancer'
const seed = gateway([HOST])

function only(report: DnsReport): DnsHost {
  expect(report.hosts).toHaveLength(1)
  return report.hosts[0]!
}

const values: readonly {
  name: string
  yaml: string
  options?: Options
  records: readonly string[]
  from: string
}[] = [
  {
    name: 'the address a load balancer assigned is an A record',
    yaml: seed + service(balancer, '{ loadBalancer: { ingress: [{ ip: 203.0.113.7 }] } }'),
    records: ['A 203.0.113.7'],
    from: 'Service istio-system/istio-ingressgateway status.loadBalancer.ingress',
  },
  {
    name: 'several addresses of both families are A and AAAA records',
    yaml:
      seed +
      service(
        balancer,
        "{ loadBalancer: { ingress: [{ ip: 203.0.113.7 }, { ip: '2001:db8::7' }, { ip: 203.0.113.7 }] } }",
      ),
    records: ['A 203.0.113.7', 'AAAA 2001:db8::7'],
    from: 'Service istio-system/istio-ingressgateway status.loadBalancer.ingress',
  },
  {
    name: 'a host name of a load balancer is a CNAME record',
    yaml: seed + service(balancer, '{ loadBalancer: { ingress: [{ hostname: lb.example.net }] } }'),
    records: ['CNAME lb.example.net'],
    from: 'Service istio-system/istio-ingressgateway status.loadBalancer.ingress',
  },
  {
    name: 'an address wins over a host name, for a CNAME stands alone',
    yaml:
      seed +
      service(
        balancer,
        '{ loadBalancer: { ingress: [{ hostname: lb.example.net }, { ip: 203.0.113.7 }] } }',
      ),
    records: ['A 203.0.113.7'],
    from: 'Service istio-system/istio-ingressgateway status.loadBalancer.ingress',
  },
  {
    name: 'externalIPs are used where no load balancer answered',
    yaml: seed + service(`${balancer}\n  externalIPs: [198.51.100.4]`),
    records: ['A 198.51.100.4'],
    from: 'Service istio-system/istio-ingressgateway spec.externalIPs',
  },
  {
    name: 'a NodePort Service is reached at the external addresses of the nodes',
    yaml:
      seed +
      service('  type: NodePort') +
      node(
        'a',
        '{ type: InternalIP, address: 10.0.0.1 }, { type: ExternalIP, address: 198.51.100.1 }',
      ) +
      node('b', '{ type: InternalIP, address: 10.0.0.2 }'),
    records: ['A 198.51.100.1'],
    from: 'node ports of Service istio-system/istio-ingressgateway',
  },
  {
    name: 'nodes without external addresses are reached at their internal ones',
    yaml: seed + service('  type: NodePort') + node('a', '{ type: InternalIP, address: 10.0.0.1 }'),
    records: ['A 10.0.0.1'],
    from: 'node ports of Service istio-system/istio-ingressgateway',
  },
  {
    name: 'Pods on the network of their node are reached at the node',
    yaml: `${seed}${service('  type: ClusterIP')}${node('a', '{ type: ExternalIP, address: 198.51.100.1 }')}
apiVersion: v1
kind: Pod
metadata: { name: gw, namespace: istio-system, labels: { app: istio-ingressgateway, istio: ingressgateway } }
spec: { nodeName: a, hostNetwork: true }
status: { podIP: 10.0.0.1 }
`,
    records: ['A 198.51.100.1'],
    from: 'hostNetwork Pods of Service istio-system/istio-ingressgateway',
  },
  {
    name: 'what is advertised wins over what Services say',
    yaml: seed + service(balancer, '{ loadBalancer: { ingress: [{ ip: 203.0.113.7 }] } }'),
    options: { advertise: ['192.0.2.1', '2001:db8::1'] },
    records: ['A 192.0.2.1', 'AAAA 2001:db8::1'],
    from: '--advertise',
  },
  {
    name: 'own labels find the Service whose selector they carry',
    yaml: seed + service(balancer, '{ loadBalancer: { ingress: [{ ip: 203.0.113.7 }] } }'),
    options: { labels: [{ app: 'istio-ingressgateway', istio: 'ingressgateway' }] },
    records: ['A 203.0.113.7'],
    from: 'Service istio-system/istio-ingressgateway status.loadBalancer.ingress',
  },
]

test.each(values)('$name', ({ yaml, options, records, from }) => {
  const report = reportOf(yaml, options)
  const host = only(report)
  expect(host.records.map(({ type, value }) => `${type} ${value}`)).toEqual(records)
  expect(host.records.every(({ name }) => name === HOST)).toBe(true)
  expect(host).toMatchObject({ host: HOST, state: 'ready', from, gateway: 'default/gw-client' })
  expect(report).toMatchObject({ complete: true, waysOut: [] })
})

const missing: readonly {
  name: string
  yaml: string
  options?: Options
  state: string
  reason: RegExp
}[] = [
  {
    name: 'a pending load balancer',
    yaml: seed + service(balancer),
    state: 'pending-load-balancer',
    reason: /no load balancer has assigned an address/,
  },
  {
    name: 'a pending load balancer, although nodes are known',
    yaml: seed + service(balancer) + node('a', '{ type: ExternalIP, address: 198.51.100.1 }'),
    state: 'pending-load-balancer',
    reason: /no load balancer has assigned an address/,
  },
  {
    name: 'a Service inside the cluster only',
    yaml: seed + service('  clusterIP: 10.96.0.7'),
    state: 'cluster-only',
    reason: /of type ClusterIP: its address exists inside the cluster only/,
  },
  {
    name: 'node ports without a known node',
    yaml: seed + service('  type: NodePort'),
    state: 'node-addresses-unknown',
    reason: /no Node with an address/,
  },
  {
    name: 'no Service',
    yaml: seed,
    state: 'no-service',
    reason: /no Service selects Pods with the labels istio=ingressgateway/,
  },
  {
    name: 'own labels without the label the Service asks for',
    yaml: seed + service(balancer),
    options: { labels: [{ istio: 'ingressgateway' }] },
    state: 'no-service',
    reason: /no Service selects the labels istio=ingressgateway/,
  },
  {
    name: 'a Service in another namespace than the gateway',
    yaml: seed + service(balancer, '{}', 'edge'),
    options: { labels: [{ app: 'istio-ingressgateway', istio: 'ingressgateway' }] },
    state: 'no-service',
    reason: /give --namespace edge/,
  },
  {
    name: 'neither a selector nor own labels',
    yaml: gateway([HOST], '{}') + service(balancer),
    state: 'no-labels',
    reason: /give --labels/,
  },
]

test.each(missing)('no record, and why: $name', ({ yaml, options, state, reason }) => {
  const report = reportOf(yaml, options)
  const host = only(report)
  expect(host).toMatchObject({ state, records: [], from: null })
  expect(host.reason).toMatch(reason)
  expect(report.complete).toBe(false)
  expect(report.waysOut).toHaveLength(3)
  expect(dnsText(report)).toMatch(/ 1\. .*\n {2}2\. .*\n {2}3\. /)
})

const ready = service(balancer, '{ loadBalancer: { ingress: [{ ip: 203.0.113.7 }] } }')

test('a Gateway for other labels is listed, and does not keep the rest from being complete', () => {
  const other = gateway(['other.example.com'], '{ istio: other }').replace('gw-client', 'gw-other')
  const labels = [{ app: 'istio-ingressgateway', istio: 'ingressgateway' }]
  const report = reportOf(seed + other + ready, { labels })
  expect(report.hosts.map(({ host, state }) => `${host} ${state}`)).toEqual([
    'calcclient.com ready',
    'other.example.com not-served',
  ])
  expect(report).toMatchObject({ complete: true, waysOut: [] })
  expect(reportOf(other + ready, { labels }).complete).toBe(false)
})

test('namespaces are cut off hosts, addresses need no record, wildcards keep their star', () => {
  const hosts = ['shop/Web.example.com', './api.example.com', '*.example.com', '192.0.2.9']
  const report = reportOf(gateway(hosts) + ready)
  expect(report.hosts.map(({ records }) => records[0]?.name)).toEqual([
    'web.example.com',
    'api.example.com',
    '*.example.com',
  ])
  expect(report.hosts[2]?.notes).toEqual([
    'the wildcard record does not stand for example.com itself',
  ])
})

test('a server for any name has the hosts of the VirtualServices bound to it', () => {
  const bound = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web }
spec:
  hosts: [web.example.com, reviews]
  gateways: [gw-client, mesh]
  http: [{ route: [{ destination: { host: web } }] }]
---
`
  expect(only(reportOf(gateway(['*']) + bound + ready)).host).toBe('web.example.com')
  const nameless = only(reportOf(gateway(['*']) + ready))
  expect(nameless).toMatchObject({ host: '*', state: 'ready', records: [] })
  expect(nameless.notes[0]).toMatch(/any name is taken: point those you use at 203\.0\.113\.7/)
})

test('a server port that the Service does not have, and node ports, are said', () => {
  const port = seed.replace('number: 80', 'number: 8080')
  expect(only(reportOf(port + ready)).notes).toEqual([
    'Service istio-system/istio-ingressgateway has no port 8080: clients do not reach it there',
  ])
  const ports = service('  type: NodePort') + node('a', '{ type: ExternalIP, address: 192.0.2.1 }')
  expect(only(reportOf(seed + ports)).notes).toEqual([
    'clients name port 31380 for Gateway port 80',
  ])
})

test('the text has the records as lines of a zone and a command that needs no DNS', () => {
  const text = dnsText(reportOf(seed + ready))
  expect(text).toContain('  calcclient.com. 300 IN A 203.0.113.7\n')
  expect(text).toContain('curl --resolve calcclient.com:80:203.0.113.7 http://calcclient.com:80/')
})

test('the place of a host is that of its line', () => {
  expect(only(reportOf(seed + ready))).toMatchObject({ file: 'gw.yaml', line: 7, ports: [80] })
})

test('a Service that shares a Pod with the Gateway leads to it, whatever the selectors have in common', () => {
  const pod = `apiVersion: v1
kind: Pod
metadata: { name: gw, namespace: istio-system, labels: { app: edge, istio: ingressgateway } }
spec: { nodeName: a }
---
`
  const other = ready.replace('app: istio-ingressgateway, istio: ingressgateway', 'app: edge')
  expect(only(reportOf(seed + other)).state).toBe('no-service')
  expect(only(reportOf(seed + pod + other)).state).toBe('ready')
  const elsewhere = pod.replace('istio-system', 'shop')
  expect(only(reportOf(seed + elsewhere + other)).state).toBe('no-service')
})

test('a host that is advertised itself is no alias of itself', () => {
  const host = only(reportOf(seed, { advertise: [HOST] }))
  expect(host).toMatchObject({ state: 'ready', records: [] })
  expect(host.notes).toContain(
    'calcclient.com is the host name that clients use already: nothing to create',
  )
})
