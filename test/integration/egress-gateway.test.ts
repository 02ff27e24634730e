import { once } from 'node:events'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { connect as connectSecure } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { problemsOf } from '../support/admin-view.ts'
import { startDnsServer } from '../support/dns-server.ts'
import { callProxy, openTunnel } from '../support/egress.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'
import { service } from '../support/yaml.ts'

const MESH = `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    outboundTrafficPolicy: { mode: REGISTRY_ONLY }
    accessLogFile: /dev/stdout
---
`

const GATEWAY = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: egress, namespace: istio-system }
spec:
  selector: { istio: egressgateway }
  servers:
  - port: { number: 80, name: http, protocol: HTTP }
    hosts: ["*.test"]
  - port: { number: 443, name: tls, protocol: TLS }
    hosts: ["*.test"]
    tls: { mode: PASSTHROUGH }
---
`

const EGRESS_GATEWAY = 'istio-egressgateway.istio-system.svc.cluster.local'

const NAME = 'istio-egressgateway'

/** The egress gateway as a Service whose endpoints are where it was bound. */
function gatewayService(gw: TestGateway): string {
  return `apiVersion: v1
kind: Service
metadata: { name: ${NAME}, namespace: istio-system }
spec: { ports: [{ name: http, port: 80 }, { name: tls, port: 443 }] }
---
${slices(gw, 'http', 80)}${slices(gw, 'tls', 443)}`
}

/** Of a port that was bound: one that no rule leads to is not opened. */
function slices(gw: TestGateway, portName: string, gatewayPort: number): string {
  return gw.gateway.boundListeners
    .filter(({ gatewayPorts }) => gatewayPorts.includes(gatewayPort))
    .map(
      ({ port }) => `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${NAME}-${portName}, namespace: istio-system, labels: { kubernetes.io/service-name: ${NAME} } }
addressType: IPv4
ports: [{ name: ${portName}, port: ${port} }]
endpoints: [{ addresses: [127.0.0.1] }]
---
`,
    )
    .join('')
}

interface Step {
  readonly host: string
  readonly kind: 'http' | 'tls'
  /** What clients ask for, and where the gateway leads to. */
  readonly port: number
}

/** Istio's egress gateway pattern: mesh to the gateway, gateway to the ServiceEntry. */
function twoSteps({ host, kind, port }: Step): string {
  const sni = kind === 'tls' ? `, sniHosts: ["${host}"]` : ''
  const gatewayPort = kind === 'tls' ? 443 : 80
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${kind}-through-egress, namespace: default }
spec:
  hosts: ["${host}"]
  gateways: [mesh, istio-system/egress]
  ${kind}:
  - match: [{ gateways: [mesh], port: ${port}${sni} }]
    route: [{ destination: { host: ${EGRESS_GATEWAY}, port: { number: ${gatewayPort} } } }]
  - match: [{ gateways: [istio-system/egress], port: ${gatewayPort}${sni} }]
    route: [{ destination: { host: "${host}", port: { number: ${port} } } }]
---
`
}

function entry(name: string, spec: string): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name}, namespace: default }
spec: { ${spec} }
---
`
}

interface Processes extends AsyncDisposable {
  /** Whom clients ask. */
  readonly client: TestGateway
  /** Who stands at the edge. */
  readonly gateway: TestGateway
}

/** The pattern within one process, or between two. */
async function start(
  where: 'one' | 'two',
  yaml: string,
  options: { resolvers: string[]; egressAllow: string[] },
): Promise<Processes> {
  const edge = await startGateway(
    { 'all.yaml': MESH + GATEWAY + yaml },
    {
      ...options,
      ports: [80, 443],
      labels: [{ istio: 'egressgateway' }],
      egressProxy: where === 'one',
    },
  )
  const client =
    where === 'one'
      ? edge
      : await startGateway(
          { 'all.yaml': MESH + GATEWAY + yaml, 'gateway.yaml': gatewayService(edge) },
          { ...options, ports: [], labels: [{ istio: 'none' }], egressProxy: true },
        )
  edge.write('gateway.yaml', gatewayService(edge))
  await edge.reload()
  return {
    client,
    gateway: edge,
    async [Symbol.asyncDispose]() {
      if (client !== edge) await client[Symbol.asyncDispose]()
      await edge[Symbol.asyncDispose]()
    },
  }
}

interface SecureSite extends AsyncDisposable {
  readonly port: number
  readonly ca: string
}

async function secureSite(name: string): Promise<SecureSite> {
  const authority = Authority.create('test')
  const leaf = authority.issue([name])
  const server = createSecureServer(
    { cert: leaf.certificate, key: leaf.key },
    (_request, response) => response.end(`secret of ${name}`),
  ).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    ca: authority.certificate,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

async function fetchSecret(port: number, host: string, at: number, ca: string): Promise<string> {
  const { status, socket } = await openTunnel(port, `${host}:${at}`)
  if (status !== 200) return String(status)
  const secure = connectSecure({ socket, servername: host, ca })
  await once(secure, 'secureConnect')
  secure.write(`GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`)
  let text = ''
  for await (const chunk of secure) text += String(chunk)
  return text
}

describe.each(['one', 'two'] as const)('the egress gateway pattern, processes: %s', (where) => {
  test('HTTP to a ServiceEntry passes the gateway', async () => {
    await using web = await startUpstream('outside')
    const yaml =
      entry(
        'ext',
        `hosts: [ext.test], resolution: STATIC, ports: [{ number: 8080, name: http, protocol: HTTP, targetPort: ${web.port} }], endpoints: [{ address: 127.0.0.1 }]`,
      ) + twoSteps({ host: 'ext.test', kind: 'http', port: 8080 })
    await using up = await start(where, yaml, { resolvers: [], egressAllow: [] })
    const answer = await callProxy(up.client.egressPort, 'http://ext.test:8080/page')
    expect(answer).toMatchObject({ status: 200, body: 'outside' })
    expect(web.seen[0]!.headers.host).toBe('ext.test:8080')
    expect(up.gateway.gateway.activeExchanges).toBe(0)
  })

  test('TLS by server name passes the gateway from end to end', async () => {
    await using site = await secureSite('bank.test')
    const yaml =
      entry(
        'bank',
        `hosts: [bank.test], resolution: STATIC, ports: [{ number: 443, name: tls, protocol: TLS, targetPort: ${site.port} }], endpoints: [{ address: 127.0.0.1 }]`,
      ) + twoSteps({ host: 'bank.test', kind: 'tls', port: 443 })
    await using up = await start(where, yaml, { resolvers: [], egressAllow: [] })
    const text = await fetchSecret(up.client.egressPort, 'bank.test', 443, site.ca)
    expect(text).toContain('secret of bank.test')
  })

  test('wildcard hosts reach their real targets (DYNAMIC_DNS), judged by the guard', async () => {
    await using web = await startUpstream('real')
    await using site = await secureSite('b.wild.test')
    await using dns = await startDnsServer({
      'a.wild.test': { a: ['127.0.0.1'] },
      'b.wild.test': { a: ['127.0.0.1'] },
      'evil.wild.test': { a: ['169.254.169.254'] },
    })
    const dynamic = (name: string, port: number, protocol: string): string =>
      entry(
        name,
        `hosts: ["*.wild.test"], resolution: DYNAMIC_DNS, ports: [{ number: ${port}, name: p-${name}, protocol: ${protocol} }]`,
      )
    const yaml =
      dynamic('plain', web.port, 'HTTP') +
      dynamic('secure', site.port, 'TLS') +
      twoSteps({ host: '*.wild.test', kind: 'http', port: web.port }) +
      twoSteps({ host: '*.wild.test', kind: 'tls', port: site.port })
    const options = { resolvers: [dns.address], egressAllow: ['127.0.0.1/32'] }
    await using up = await start(where, yaml, options)
    const { egressPort } = up.client
    const plain = await callProxy(egressPort, `http://a.wild.test:${web.port}/`)
    expect(plain).toMatchObject({ status: 200, body: 'real' })
    const secret = await fetchSecret(egressPort, 'b.wild.test', site.port, site.ca)
    expect(secret).toContain('secret of b.wild.test')
    const evil = await callProxy(egressPort, `http://evil.wild.test:${web.port}/`)
    expect(evil.status).toBe(403)
    expect(evil.body).toContain('169.254.169.254 (cloud metadata)')
    expect(await problemsOf(up.gateway, 'destination-without-endpoints')).toEqual([])
  })
})

test('a tls rule singles out one name below a wildcard ServiceEntry', async () => {
  await using real = await secureSite('a.wild.test')
  await using other = await secureSite('special.wild.test')
  await using dns = await startDnsServer({ 'a.wild.test': { a: ['127.0.0.1'] } })
  const yaml =
    MESH +
    entry(
      'wild',
      `hosts: ["*.wild.test"], resolution: DYNAMIC_DNS, ports: [{ number: ${real.port}, name: tls, protocol: TLS }]`,
    ) +
    service('inside', other.port, { port: 443, portName: 'tls' }) +
    `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: special, namespace: default }
spec:
  hosts: ["*.wild.test"]
  tls:
  - match: [{ port: ${real.port}, sniHosts: [special.wild.test] }]
    route: [{ destination: { host: inside, port: { number: 443 } } }]
---
`
  await using gw = await startGateway(yaml, {
    ports: [],
    egressProxy: true,
    resolvers: [dns.address],
    egressAllow: ['127.0.0.1/32'],
  })
  const { egressPort } = gw
  const secret = await fetchSecret(egressPort, 'special.wild.test', real.port, other.ca)
  expect(secret).toContain('secret of special.wild.test')
  const rest = await fetchSecret(egressPort, 'a.wild.test', real.port, real.ca)
  expect(rest).toContain('secret of a.wild.test')
})
