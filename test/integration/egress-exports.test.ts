import { describe, expect, test } from 'vitest'
import { decisions } from '../../src/cli/egress-ledger-reader.ts'
import type { EgressActivity } from '../../src/telemetry/egress-watch.ts'
import { startDnsServer } from '../support/dns-server.ts'
import { callProxy, openTunnel } from '../support/egress.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'

const SHOP = '127.0.0.2'
const DATA = '127.0.0.3'
/** Nothing tells who stands here. */
const UNKNOWN = '127.0.0.4'

function mesh(mode: 'ALLOW_ANY' | 'REGISTRY_ONLY'): string {
  const pod = (namespace: string, address: string): string => `apiVersion: v1
kind: Pod
metadata: { name: client, namespace: ${namespace} }
status: { podIP: ${address} }
---
`
  return `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "outboundTrafficPolicy: { mode: ${mode} }" }
---
${pod('shop', SHOP)}${pod('data', DATA)}`
}

/** `api.test:80` of namespace shop. */
function entry(targetPort: number, exportTo: string, name = 'api'): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name}, namespace: shop }
spec:
  hosts: [api.test]
  addresses: [198.51.100.7]
  exportTo: ${exportTo}
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: ${targetPort} }]
  endpoints: [{ address: 127.0.0.1 }]
---
`
}

async function statuses(gw: TestGateway, host = 'api.test'): Promise<number[]> {
  const found: number[] = []
  for (const localAddress of [SHOP, DATA, UNKNOWN]) {
    const { status } = await callProxy(gw.egressPort, `http://${host}/`, { localAddress })
    const tunnel = await openTunnel(gw.egressPort, `${host}:80`, '', localAddress)
    tunnel.socket.destroy()
    expect(tunnel.status).toBe(status)
    found.push(status)
  }
  return found
}

describe('exportTo of a ServiceEntry is judged by the namespace of each client', () => {
  const cases: [exportTo: string, shop: number, data: number, unknown: number][] = [
    ['["*"]', 200, 200, 200],
    ['[]', 200, 200, 200],
    // Who is not known counts as being where the gateway is.
    ['[".", istio-system]', 200, 403, 200],
    ['[data, istio-system]', 403, 200, 200],
    ['[istio-system]', 403, 403, 200],
    // Not even the gateway sees it.
    ['["."]', 502, 502, 502],
  ]
  test.each(cases)('%s', async (exportTo, ...expected) => {
    await using web = await startUpstream('web')
    const yaml = mesh('REGISTRY_ONLY') + entry(web.port, exportTo)
    await using gw = await startGateway(yaml, { ports: [], egressProxy: true })
    expect(await statuses(gw)).toEqual(expected)
    expect(await statuses(gw, '198.51.100.7')).toEqual(expected)
  })

  test('two entries of one namespace are exported to whom either is', async () => {
    await using web = await startUpstream('web')
    const two =
      entry(web.port, '[istio-system]') + entry(web.port, '[data, istio-system]', 'api-too')
    await using gw = await startGateway(mesh('REGISTRY_ONLY') + two, {
      ports: [],
      egressProxy: true,
    })
    expect(await statuses(gw)).toEqual([403, 200, 200])
  })

  test('the annotation of a Service counts alike', async () => {
    await using web = await startUpstream('web')
    const yaml = `${mesh('REGISTRY_ONLY')}apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
  annotations: { networking.istio.io/exportTo: "., istio-system" }
spec: { ports: [{ name: http, port: 80 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-1, namespace: shop, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ name: http, port: ${web.port} }]
endpoints: [{ addresses: [127.0.0.1] }]
`
    await using gw = await startGateway(yaml, { ports: [], egressProxy: true })
    expect(await statuses(gw, 'web.shop.svc.cluster.local')).toEqual([200, 403, 200])
    expect(await statuses(gw, 'web.shop')).toEqual([200, 403, 200])
  })

  test('under ALLOW_ANY a hidden host is reached as an undeclared one, guard included', async () => {
    await using inside = await startUpstream('declared')
    await using dns = await startDnsServer({ 'api.test': { a: ['127.0.0.1'] } })
    const yaml = mesh('ALLOW_ANY') + entry(inside.port, '[".", istio-system]')
    await using gw = await startGateway(yaml, {
      ports: [],
      egressProxy: true,
      resolvers: [dns.address],
    })
    expect(await statuses(gw)).toEqual([200, 403, 200])
    const localAddress = DATA
    const { body } = await callProxy(gw.egressPort, 'http://api.test/', { localAddress })
    expect(body).toContain('127.0.0.1 (loopback) is not allowed')
  })

  test('the client, the ledger, /egress and explain say what hides the host', async () => {
    using folder = new TemporaryFolder()
    const ledger = folder.join('egress.jsonl')
    const hiddenBy = 'exportTo of ServiceEntry shop/api'
    {
      const yaml = mesh('REGISTRY_ONLY') + entry(9, '[".", istio-system]')
      await using gw = await startGateway(yaml, {
        ports: [],
        egressProxy: true,
        egressLedger: { path: ledger, maxBytes: 1e9 },
      })
      const localAddress = DATA
      const { body } = await callProxy(gw.egressPort, 'http://api.test/', { localAddress })
      expect(body).toBe(
        `egress to api.test:80 is blocked: ${hiddenBy} leaves out the namespace of this client, and its policy is REGISTRY_ONLY\n`,
      )
      const activity = (await (await fetch(`${gw.admin}/egress`)).json()) as EgressActivity
      expect(activity.refused).toMatchObject([
        {
          host: 'api.test',
          client: 'data/client',
          remedy: `the namespace of the client in ${hiddenBy}`,
        },
      ])
      const query = 'method=GET&url=http://api.test/&egress=true&from='
      const explained = async (from: string): Promise<string> =>
        (await fetch(`${gw.admin}/explain?${query}${from}`)).text()
      expect(await explained('data/client')).toContain(`${hiddenBy} leaves out`)
      expect(await explained('shop/client')).not.toContain('leaves out')
    }
    for await (const line of decisions([ledger], { unreadable: 0 })) {
      expect(line).toMatchObject({ verdict: 'blocked', hiddenBy, declaredAs: '', ruleAt: '' })
    }
  })
})

test('an entry of a Sidecar with a port says what its clients see on that port', async () => {
  await using web = await startUpstream('web')
  const at = (port: number): string => `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: api-${port} }
spec:
  hosts: [a.test, b.test]
  resolution: STATIC
  ports: [{ number: ${port}, name: http, protocol: HTTP, targetPort: ${web.port} }]
  endpoints: [{ address: 127.0.0.1 }]
---
`
  const sidecar = `apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: ports, namespace: shop }
spec:
  egress:
  - port: { number: 8080, name: http, protocol: HTTP }
    hosts: ["*/a.test"]
  - hosts: ["*/b.test"]
`
  const yaml = mesh('REGISTRY_ONLY') + at(80) + at(8080) + sidecar
  await using gw = await startGateway(yaml, { ports: [], egressProxy: true })
  const seen: Record<string, number> = {}
  for (const place of ['a.test', 'b.test', 'a.test:8080', 'b.test:8080']) {
    const { status } = await callProxy(gw.egressPort, `http://${place}/`, { localAddress: SHOP })
    seen[place] = status
  }
  expect(seen).toEqual({ 'a.test': 403, 'b.test': 200, 'a.test:8080': 200, 'b.test:8080': 403 })
})
