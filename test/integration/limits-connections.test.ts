import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { call } from '../support/call.ts'
import { startGateway, type TestGateway, type TestGatewayOptions } from '../support/gateway.ts'
import { waitFor } from '../support/wait.ts'
import { meshConfig } from '../support/wire-gateway.ts'
import { gateway, virtualService } from '../support/yaml.ts'

const clients: Socket[] = []
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy()
})

const ROUTES =
  gateway('gw', ['app.test']) +
  gateway('other', ['app.test'], 8080) +
  virtualService('app', ['app.test'], ['gw', 'other'], '  - directResponse: { status: 204 }')

function start(
  proxyConfig: object,
  yaml = ROUTES,
  options: TestGatewayOptions = {},
): Promise<TestGateway> {
  const mesh = meshConfig(JSON.stringify({ defaultConfig: proxyConfig }))
  return startGateway({ 'mesh.yaml': mesh, 'routes.yaml': yaml }, options)
}

const REQUEST = 'GET / HTTP/1.1\r\nHost: app.test\r\n\r\n'

/** A kept connection that was answered once, or null when it was reset. */
async function keep(port: number, localAddress = '127.0.0.1'): Promise<Socket | null> {
  const client = connect({ port, host: '127.0.0.1', localAddress })
  clients.push(client)
  client.write(REQUEST)
  return new Promise((resolve) => {
    client.once('data', () => resolve(client))
    client.once('error', () => resolve(null))
    client.once('close', () => resolve(null))
  })
}

async function keepMany(count: number, port: number, from?: string): Promise<number> {
  const kept = await Promise.all(Array.from({ length: count }, () => keep(port, from)))
  return kept.filter((client) => client !== null).length
}

async function refusals(gw: TestGateway): Promise<Record<string, number>> {
  const text = await (await fetch(`${gw.admin}/stats/prometheus`)).text()
  const lines = text.matchAll(/^tidegate_downstream_refused_total\{(.*)\} (\d+)$/gm)
  return Object.fromEntries(
    [...lines].map(([, labels, count]) => [
      /reason="([^"]+)"/.exec(labels!)![1]! + (labels!.includes('stage="tcp"') ? '' : ' elsewhere'),
      Number(count),
    ]),
  )
}

describe('too many connections are reset and counted by reason', () => {
  test('listenerConnectionLimit counts each listener alone', async () => {
    await using gw = await start({ connectionSettings: { listenerConnectionLimit: 3 } })
    expect(await keepMany(5, gw.port(80))).toBe(3)
    expect(await keepMany(5, gw.port(8080))).toBe(3)
    expect(await refusals(gw)).toEqual({ 'listener-connection-limit': 4 })
  })

  test('globalDownstreamConnectionLimit counts them together, the egress proxy too', async () => {
    await using gw = await start(
      { connectionSettings: { globalDownstreamConnectionLimit: 4 } },
      ROUTES,
      { egressProxy: true },
    )
    expect(await keepMany(2, gw.port(80))).toBe(2)
    expect(await keepMany(1, gw.egressPort)).toBe(1)
    expect(await keepMany(3, gw.port(8080))).toBe(1)
    expect(await refusals(gw)).toEqual({ 'total-connection-limit': 2 })
  })

  test('one address may hold 1,000, however many come from elsewhere', async () => {
    await using gw = await start({})
    expect(await keepMany(1002, gw.port(80), '127.0.0.9')).toBe(1000)
    expect(await keepMany(3, gw.port(80), '127.0.0.10')).toBe(3)
    expect(await refusals(gw)).toEqual({ 'address-connection-limit': 2 })
    clients[0]!.destroy()
    await waitFor('its place', async () => (await keep(gw.port(8080), '127.0.0.9')) !== null)
  }, 20_000)

  test('proxies that are trusted may hold any number', async () => {
    await using gw = await start({ gatewayTopology: { numTrustedProxies: 1 } })
    expect(await keepMany(1005, gw.port(80), '127.0.0.9')).toBe(1005)
  }, 20_000)

  test('a limit that a reload lowers lets go of nobody and lets nobody in', async () => {
    await using gw = await start({})
    expect(await keepMany(4, gw.port(80))).toBe(4)
    const lower = { defaultConfig: { connectionSettings: { globalDownstreamConnectionLimit: 2 } } }
    gw.write('mesh.yaml', meshConfig(JSON.stringify(lower)))
    await gw.reload()
    expect(await keepMany(1, gw.port(80))).toBe(0)
    expect(gw.listener(80).connections).toBe(4)
    for (const client of clients.slice(0, 3)) client.destroy()
    await waitFor('room', async () => (await keep(gw.port(80))) !== null)
  })
})

test('a burst of TLS handshakes is served whole, those that stop do not hold it up', async () => {
  const authority = Authority.create('burst')
  const leaf = authority.issue(['app.test'])
  const encoded = (text: string): string => Buffer.from(text).toString('base64')
  const secure = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: secure }
spec:
  servers:
  - port: { number: 443, name: https, protocol: HTTPS }
    hosts: [app.test]
    tls: { mode: SIMPLE, credentialName: leaf }
---
apiVersion: v1
kind: Secret
metadata: { name: leaf, namespace: istio-system }
type: kubernetes.io/tls
data: { tls.crt: ${encoded(leaf.certificate)}, tls.key: ${encoded(leaf.key)} }
---
${virtualService('app', ['app.test'], ['secure'], '  - directResponse: { status: 204 }')}`
  await using gw = await start({}, secure)
  const stopped = connectTls({ port: gw.port(443), host: '127.0.0.1', servername: 'app.test' })
  clients.push(stopped)
  stopped.on('error', () => {})
  stopped.pause()
  const answers = await Promise.all(
    Array.from({ length: 60 }, () =>
      call({ port: gw.port(443), host: 'app.test', ca: authority.certificate }),
    ),
  )
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([204]))
})
