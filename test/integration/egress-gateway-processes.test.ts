import { afterAll, beforeAll, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { call } from '../support/call.ts'
import { serve, type ServingCommand } from '../support/command.ts'
import { type DnsServer, startDnsServer } from '../support/dns-server.ts'
import { callProxy, openTunnel } from '../support/egress.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { openSocks } from '../support/socks.ts'
import { startTlsBackend, type TlsBackend } from '../support/tls-backend.ts'
import { readTls } from '../support/tls-client.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'

/**
 * Istio's task "Egress Gateways", and its wildcard sibling, across two processes: A stands for the
 * clients' sidecars (its egress port), B is istio-egressgateway. Both read the same resources, as
 * from one cluster; B's ports are the endpoints of its Service.
 */
const TIMEOUT_MS = 60_000

let folder: TemporaryFolder
let outside: Upstream
let bank: TlsBackend
let dns: DnsServer
let b: ServingCommand
let a: ServingCommand
const authority = Authority.create('outside')

beforeAll(async () => {
  folder = new TemporaryFolder()
  outside = await startUpstream('cnn')
  bank = await startTlsBackend('bank', authority.issue(['edition.cnn.test', '*.wiki.test']))
  dns = await startDnsServer({
    'edition.cnn.test': { a: ['127.0.0.1'] },
    'en.wiki.test': { a: ['127.0.0.1'] },
    'rebound.wiki.test': { a: ['169.254.169.254'] },
  })
  folder.write('istio/task.yaml', task(outside.port, bank.port))
  const common = ['-c', folder.join('istio'), '--resolver', dns.address, '--drain-delay', '0s']
  b = await serve([
    ...common,
    '--labels',
    'istio=egressgateway',
    '--egress-allow',
    '127.0.0.1/32',
    '--listen',
    '80=127.0.0.1:0',
    '--listen',
    '443=127.0.0.1:0',
  ])
  folder.write('istio/service.yaml', gatewayService(b.port('*:80'), b.port('*:443')))
  a = await serve([
    ...common,
    // In the namespace of the clients: its DestinationRule is theirs.
    '--labels',
    'app=client',
    '--namespace',
    'default',
    '--egress',
    '127.0.0.1:0',
    '--egress-ledger',
    folder.join('egress.jsonl'),
  ])
}, TIMEOUT_MS)

afterAll(async () => {
  await a[Symbol.asyncDispose]()
  await b[Symbol.asyncDispose]()
  await dns[Symbol.asyncDispose]()
  await bank[Symbol.asyncDispose]()
  await outside[Symbol.asyncDispose]()
  folder[Symbol.dispose]()
})

type Way = 'connect' | 'socks' | 'sni'

/** What a TLS client at the end of a tunnel of A reads. */
async function secret(host: string, way: Way, at = 443): Promise<string> {
  const tls = { ca: authority.certificate }
  const egress = a.port('egress')
  if (way === 'sni') return readTls(egress, host, tls)
  if (way === 'socks') {
    const { reply, socket } = await openSocks(egress, { host, port: at })
    return reply === 0 ? readTls(egress, host, { ...tls, socket }) : `reply ${reply}`
  }
  const { status, socket } = await openTunnel(egress, `${host}:${at}`)
  return status === 200 ? readTls(egress, host, { ...tls, socket }) : `status ${status}`
}

const untilLogged = (process: ServingCommand, line: RegExp): Promise<unknown> =>
  waitFor(`${String(line)} in the access log`, () => line.test(process.stdout))

test('HTTP goes from the mesh to the gateway and from there to the ServiceEntry', async () => {
  const answer = await callProxy(a.port('egress'), 'http://edition.cnn.test/politics')
  expect(answer).toMatchObject({ status: 200, body: 'cnn' })
  expect(outside.seen.at(-1)).toMatchObject({
    url: '/politics',
    headers: { host: 'edition.cnn.test' },
  })
  await untilLogged(a, /GET edition\.cnn\.test outbound\|80\|cnn\|istio-egressgateway\.\S+ 200/)
  await untilLogged(b, /GET edition\.cnn\.test outbound\|80\|\|edition\.cnn\.test 200/)
})

test.each(['connect', 'socks', 'sni'] as const)(
  'TLS passes both by its server name, end to end: %s',
  async (way) => {
    expect(await secret('edition.cnn.test', way)).toBe('bank for edition.cnn.test')
    expect(bank.seen.at(-1)).toBe('edition.cnn.test')
    await untilLogged(b, /outbound\|443\|\|edition\.cnn\.test/)
  },
)

test('wildcard hosts: B resolves and judges the name that each client asked for', async () => {
  const asked = dns.questions.length
  const plain = await callProxy(a.port('egress'), `http://en.wiki.test:${outside.port}/`)
  expect(plain).toMatchObject({ status: 200, body: 'cnn' })
  expect(outside.seen.at(-1)!.headers.host).toBe(`en.wiki.test:${outside.port}`)
  expect(await secret('en.wiki.test', 'connect', bank.port)).toBe('bank for en.wiki.test')
  expect(dns.questions.slice(asked)).toContain('A en.wiki.test')

  const rebound = await callProxy(a.port('egress'), `http://rebound.wiki.test:${outside.port}/`)
  expect(rebound.status).toBe(403)
  expect(rebound.body).toContain('169.254.169.254 (cloud metadata)')
  const seen = bank.seen.length
  expect(await secret('rebound.wiki.test', 'connect', bank.port)).not.toContain('bank')
  expect(bank.seen.length).toBe(seen)
})

test('what no ServiceEntry names passes neither: A blocks it, B knows no such host', async () => {
  expect((await callProxy(a.port('egress'), 'http://other.test/')).status).toBe(502)
  expect((await call({ port: b.port('*:80'), host: 'other.test' })).status).toBe(404)
  expect(await readTls(b.port('*:443'), 'other.test')).not.toContain('bank')
})

test('there is no way past the gateway: without it the same requests fail', async () => {
  b.signal('SIGKILL')
  await b.exit()
  const seen = [outside.seen.length, bank.seen.length]
  expect((await callProxy(a.port('egress'), 'http://edition.cnn.test/')).status).toBe(503)
  expect(await secret('edition.cnn.test', 'connect')).not.toContain('bank')
  expect([outside.seen.length, bank.seen.length]).toEqual(seen)
})

/** The endpoints of the Service are where B listens. */
function gatewayService(http: number, tls: number): string {
  return `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: istio-egressgateway-1
  namespace: istio-system
  labels: { kubernetes.io/service-name: istio-egressgateway }
addressType: IPv4
ports: [{ name: http2, port: ${http} }, { name: https, port: ${tls} }]
endpoints: [{ addresses: [127.0.0.1] }]
`
}

function task(httpPort: number, tlsPort: number): string {
  const gatewayHost = 'istio-egressgateway.istio-system.svc.cluster.local'
  return `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    outboundTrafficPolicy: { mode: REGISTRY_ONLY }
    accessLogFile: /dev/stdout
    accessLogFormat: "%REQ(:METHOD)% %REQ(:AUTHORITY)% %UPSTREAM_CLUSTER% %RESPONSE_CODE%"
---
apiVersion: v1
kind: Service
metadata: { name: istio-egressgateway, namespace: istio-system }
spec: { ports: [{ name: http2, port: 80 }, { name: https, port: 443 }] }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: cnn }
spec:
  hosts: [edition.cnn.test]
  ports:
  - { number: 80, name: http-port, protocol: HTTP, targetPort: ${httpPort} }
  - { number: 443, name: https, protocol: HTTPS, targetPort: ${tlsPort} }
  resolution: DNS
  endpoints: [{ address: 127.0.0.1 }]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: istio-egressgateway }
spec:
  selector: { istio: egressgateway }
  servers:
  - port: { number: 80, name: http, protocol: HTTP }
    hosts: [edition.cnn.test, "*.wiki.test"]
  - port: { number: 443, name: tls, protocol: TLS }
    hosts: [edition.cnn.test, "*.wiki.test"]
    tls: { mode: PASSTHROUGH }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: egressgateway-for-cnn }
spec:
  host: ${gatewayHost}
  subsets: [{ name: cnn }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: direct-cnn-through-egress-gateway }
spec:
  hosts: [edition.cnn.test]
  gateways: [istio-egressgateway, mesh]
  http:
  - match: [{ gateways: [mesh], port: 80 }]
    route: [{ destination: { host: ${gatewayHost}, subset: cnn, port: { number: 80 } }, weight: 100 }]
  - match: [{ gateways: [istio-egressgateway], port: 80 }]
    route: [{ destination: { host: edition.cnn.test, port: { number: 80 } }, weight: 100 }]
  tls:
  - match: [{ gateways: [mesh], port: 443, sniHosts: [edition.cnn.test] }]
    route: [{ destination: { host: ${gatewayHost}, subset: cnn, port: { number: 443 } } }]
  - match: [{ gateways: [istio-egressgateway], port: 443, sniHosts: [edition.cnn.test] }]
    route: [{ destination: { host: edition.cnn.test, port: { number: 443 } }, weight: 100 }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: wiki }
spec:
  hosts: ["*.wiki.test"]
  ports:
  - { number: ${httpPort}, name: http, protocol: HTTP }
  - { number: ${tlsPort}, name: tls, protocol: TLS }
  resolution: DYNAMIC_DNS
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: wiki-through-egress-gateway }
spec:
  hosts: ["*.wiki.test"]
  gateways: [istio-egressgateway, mesh]
  http:
  - match: [{ gateways: [mesh], port: ${httpPort} }]
    route: [{ destination: { host: ${gatewayHost}, port: { number: 80 } } }]
  - match: [{ gateways: [istio-egressgateway], port: 80 }]
    route: [{ destination: { host: "*.wiki.test", port: { number: ${httpPort} } } }]
  tls:
  - match: [{ gateways: [mesh], port: ${tlsPort}, sniHosts: ["*.wiki.test"] }]
    route: [{ destination: { host: ${gatewayHost}, port: { number: 443 } } }]
  - match: [{ gateways: [istio-egressgateway], port: 443, sniHosts: ["*.wiki.test"] }]
    route: [{ destination: { host: "*.wiki.test", port: { number: ${tlsPort} } } }]
`
}
