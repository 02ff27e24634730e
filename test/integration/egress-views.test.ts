import { describe, expect, test } from 'vitest'
import { decisions } from '../../src/cli/egress-ledger-reader.ts'
import { callProxy, openTunnel } from '../support/egress.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'

const SHOP = '127.0.0.2'
const DATA = '127.0.0.3'
/** Nothing tells who stands here. */
const UNKNOWN = '127.0.0.4'

const pod = (namespace: string, address: string): string => `apiVersion: v1
kind: Pod
metadata: { name: client, namespace: ${namespace} }
status: { podIP: ${address} }
---
`
const MESH = `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "outboundTrafficPolicy: { mode: REGISTRY_ONLY }" }
---
${pod('shop', SHOP)}${pod('data', DATA)}`

function resource(kind: string, name: string, spec: string): string {
  const [namespace = '', own = ''] = name.split('/')
  return `apiVersion: networking.istio.io/v1
kind: ${kind}
metadata: { name: ${own}, namespace: ${namespace} }
spec: { ${spec} }
---
`
}

function entry(host: string, port: number): string {
  return resource(
    'ServiceEntry',
    `platform/${host}`,
    `hosts: [${host}], resolution: STATIC, endpoints: [{ address: 127.0.0.1 }],
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: ${port} }]`,
  )
}

function leads(name: string, exportTo: string, host: string, to: string): string {
  const http = `http: [{ route: [{ destination: { host: ${to} } }] }]`
  return resource('VirtualService', name, `hosts: [${host}], exportTo: ${exportTo}, ${http}`)
}

const PLACES = [SHOP, DATA, UNKNOWN]

async function bodies(gw: TestGateway, url: string): Promise<string[]> {
  const answers = PLACES.map((localAddress) => callProxy(gw.egressPort, url, { localAddress }))
  return (await Promise.all(answers)).map(({ status, body }) =>
    status === 200 ? body : `${status}`,
  )
}

describe('a VirtualService applies to the clients that see it', () => {
  test.each([
    ['["*"]', ['two', 'two', 'two']],
    ['["."]', ['two', 'one', 'one']],
    ['[data]', ['one', 'two', 'one']],
    ['[data, istio-system]', ['one', 'two', 'two']],
  ])('exported to %s', async (exportTo, expected) => {
    await using one = await startUpstream('one')
    await using two = await startUpstream('two')
    const yaml =
      MESH +
      entry('one.test', one.port) +
      entry('two.test', two.port) +
      leads('shop/vs', exportTo, 'one.test', 'two.test')
    await using gw = await startGateway(yaml, { ports: [], egressProxy: true })
    expect(await bodies(gw, 'http://one.test/')).toEqual(expected)
    expect(await bodies(gw, 'http://two.test/')).toEqual(['two', 'two', 'two'])
  })

  test('a host that only others see is refused by name, and the ledger and explain say so', async () => {
    using folder = new TemporaryFolder()
    const ledger = folder.join('egress.jsonl')
    await using one = await startUpstream('one')
    const hiddenBy = 'exportTo of VirtualService platform/vs'
    const yaml =
      MESH +
      entry('one.test', one.port) +
      leads('platform/vs', '[istio-system, data]', 'made-up.test', 'one.test')
    {
      await using gw = await startGateway(yaml, {
        ports: [],
        egressProxy: true,
        egressLedger: { path: ledger, maxBytes: 1e9 },
      })
      expect(await bodies(gw, 'http://made-up.test/')).toEqual(['403', 'one', 'one'])
      const { body } = await callProxy(gw.egressPort, 'http://made-up.test/', {
        localAddress: SHOP,
      })
      expect(body).toContain(`${hiddenBy} leaves out the namespace of this client`)
      const query = 'method=GET&url=http://made-up.test/&egress=true&from=shop/client'
      const explained = await (await fetch(`${gw.admin}/explain?${query}`)).text()
      expect(explained).toContain(`${hiddenBy} leaves out`)
    }
    const blocked: unknown[] = []
    for await (const line of decisions([ledger], { unreadable: 0 })) {
      if (line.verdict === 'blocked') blocked.push(line)
    }
    expect(blocked).toMatchObject([{ hiddenBy }, { hiddenBy }])
  })

  test('a change of who sees it counts for the next request', async () => {
    await using one = await startUpstream('one')
    await using two = await startUpstream('two')
    const yaml = (exportTo: string): string =>
      MESH +
      entry('one.test', one.port) +
      entry('two.test', two.port) +
      leads('shop/vs', exportTo, 'one.test', 'two.test')
    await using gw = await startGateway(yaml('["."]'), { ports: [], egressProxy: true })
    expect(await bodies(gw, 'http://one.test/')).toEqual(['two', 'one', 'one'])
    gw.write('config.yaml', yaml('[data]'))
    await gw.reload()
    expect(await bodies(gw, 'http://one.test/')).toEqual(['one', 'two', 'one'])
  })
})

describe('a DestinationRule in the namespace of the client is for its clients only', () => {
  test('requests and tunnels', async () => {
    await using first = await startUpstream('first')
    await using second = await startUpstream('second')
    const balanced = (name: string, version: string): string =>
      resource(
        'DestinationRule',
        name,
        `host: api.test, subsets: [{ name: mine, labels: { v: ${version} } }]`,
      )
    const yaml =
      MESH +
      resource(
        'ServiceEntry',
        'platform/api',
        `hosts: [api.test], resolution: STATIC, ports: [{ number: 80, name: http, protocol: HTTP }],
  endpoints: [{ address: 127.0.0.1, ports: { http: ${first.port} }, labels: { v: one } },
              { address: 127.0.0.1, ports: { http: ${second.port} }, labels: { v: two } }]`,
      ) +
      resource(
        'VirtualService',
        'platform/vs',
        'hosts: [api.test], http: [{ route: [{ destination: { host: api.test, subset: mine } }] }]',
      ) +
      balanced('platform/dr', 'one') +
      balanced('shop/dr', 'two')
    await using gw = await startGateway(yaml, { ports: [], egressProxy: true })
    expect(await bodies(gw, 'http://api.test/')).toEqual(['second', 'first', 'first'])
    const dump = (await (await fetch(`${gw.admin}/config_dump?resource=egress`)).json()) as {
      egress: { clients: { namespaces: string[]; http: { port: number }[] }[] }
    }
    expect(dump.egress.clients).toMatchObject([{ namespaces: ['shop'], http: [{ port: 80 }] }])
  })

  test('a limit of connections that one namespace sets holds for it alone', async () => {
    await using web = await startUpstream('web')
    const spec =
      'host: api.test, trafficPolicy: { connectionPool: { tcp: { maxConnections: 1 }, http: { http1MaxPendingRequests: 1 } } }'
    const yaml = MESH + entry('api.test', web.port) + resource('DestinationRule', 'shop/dr', spec)
    await using gw = await startGateway(yaml, { ports: [], egressProxy: true })
    const opened = async (localAddress: string): Promise<number> => {
      const tunnels = await Promise.all(
        [1, 2].map(() => openTunnel(gw.egressPort, 'api.test:80', '', localAddress)),
      )
      for (const { socket } of tunnels) socket.destroy()
      return tunnels.filter(({ status }) => status === 200).length
    }
    expect(await opened(SHOP)).toBe(1)
    expect(await opened(DATA)).toBe(2)
  })

  test('explain tells the cluster and the rule of each client', async () => {
    await using web = await startUpstream('web')
    const spec = 'host: api.test, trafficPolicy: { loadBalancer: { simple: RANDOM } }'
    const yaml = MESH + entry('api.test', web.port) + resource('DestinationRule', 'shop/dr', spec)
    await using gw = await startGateway(yaml, { ports: [], egressProxy: true })
    const explained = async (from: string): Promise<string> => {
      const query = `method=GET&url=http://api.test/&egress=true&from=${from}`
      return (await fetch(`${gw.admin}/explain?${query}`)).text()
    }
    const shop = await explained('shop/client')
    expect(shop).toContain('outbound|80||api.test|shop')
    expect(shop).toContain('"kind":"DestinationRule","namespace":"shop"')
    const data = await explained('data/client')
    expect(data).toContain('outbound|80||api.test')
    expect(data).not.toContain('api.test|')
    expect(data).not.toContain('DestinationRule')
  })
})

test('a user of Proxy-Authorization sees what its namespace does', async () => {
  await using one = await startUpstream('one')
  await using two = await startUpstream('two')
  const yaml = `${MESH}apiVersion: v1
kind: Secret
metadata: { name: users, namespace: istio-system }
stringData: { users: "shop/ci:secret" }
---
${entry('one.test', one.port)}${entry('two.test', two.port)}${leads('shop/vs', '["."]', 'one.test', 'two.test')}`
  await using gw = await startGateway(yaml, {
    ports: [],
    egressProxy: true,
    egressControl: { reportOnly: false, refuseUnknown: false, users: 'istio-system/users' },
  })
  const authorization = `Basic ${Buffer.from('shop/ci:secret').toString('base64')}`
  const asked = (headers: Record<string, string>) =>
    callProxy(gw.egressPort, 'http://one.test/', { localAddress: UNKNOWN, headers })
  expect((await asked({ 'proxy-authorization': authorization })).body).toBe('two')
  expect((await asked({})).body).toBe('one')
})
