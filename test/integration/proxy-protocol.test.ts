import { connect as connectTls } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { proxyHeader } from '../../src/upstream/proxy-header.ts'
import { startGateway, type TestGateway, type TestGatewayOptions } from '../support/gateway.ts'
import { RawServer, RawSocket } from '../support/raw-socket.ts'
import { httpsGateway, tlsSecret } from '../support/secrets.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const TCP_PORT = 9000
const MESH = `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: '{ accessLogFile: /dev/stdout, defaultConfig: { gatewayTopology: { proxyProtocol: {} } } }'
---
`
const CLIENT = {
  remoteAddress: '203.0.113.9',
  remotePort: 4711,
  localAddress: '198.51.100.1',
  localPort: 8443,
}
const V1 = proxyHeader('V1', CLIENT).toString('latin1')
const V2 = proxyHeader('V2', CLIENT).toString('latin1')
const OTHER_V1 = proxyHeader('V1', { ...CLIENT, remoteAddress: '203.0.113.10' }).toString('latin1')
const LOCAL = proxyHeader('V2', null).toString('latin1')
const UNKNOWN = proxyHeader('V1', null).toString('latin1')
const KEPT_REQUEST = 'GET / HTTP/1.1\r\nHost: app.test\r\n\r\n'
const REQUEST = KEPT_REQUEST.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')
const ONE_PER_ADDRESS = new Map([['connections-per-address', 1]] as const)

const certificate = Authority.create('PROXY test').issue(['app.test'])

function yaml(httpPort: number, tcpPort: number): string {
  return (
    MESH +
    tlsSecret('app', certificate) +
    service('app', httpPort) +
    service('db', tcpPort, { port: TCP_PORT, portName: 'tcp' }) +
    gateway('gw', ['*']) +
    httpsGateway('secure', [{ hosts: ['*'], tls: '{ mode: SIMPLE, credentialName: app }' }]) +
    virtualService(
      'app',
      ['app.test'],
      ['gw', 'secure'],
      '  - { route: [{ destination: { host: app } }] }',
    ) +
    `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: tcp }
spec:
  servers: [{ port: { number: ${TCP_PORT}, name: tcp, protocol: TCP }, hosts: ["*"] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: tcp }
spec:
  hosts: ["*"]
  gateways: [tcp]
  tcp: [{ route: [{ destination: { host: db } }] }]
---
`
  )
}

const start = (
  httpPort: number,
  tcpPort: number,
  options: TestGatewayOptions = {},
): Promise<TestGateway> =>
  startGateway(yaml(httpPort, tcpPort), { ports: [80, 443, TCP_PORT], ...options })

async function metrics(gw: TestGateway): Promise<string> {
  return (await fetch(`${gw.admin}/stats/prometheus`)).text()
}

describe('a listener behind a proxy that sends PROXY headers', () => {
  test.each([
    ['version 1', V1],
    ['version 2', V2],
  ])('%s: the client announced is the one that is forwarded and logged', async (_name, header) => {
    await using app = await startUpstream('hello')
    await using gw = await start(app.port, 1)
    const client = await RawSocket.connect(gw.port(80))
    client.write(header + REQUEST)
    expect(await client.untilEnd()).toContain('hello')
    expect(app.seen[0]!.headers['x-forwarded-for']).toBe('203.0.113.9')
    await waitFor('the log', () => gw.accessLog().includes('198.51.100.1:8443 203.0.113.9:4711'))
  })

  test('the header may come byte by byte, and alone', async () => {
    await using app = await startUpstream('hello')
    await using gw = await start(app.port, 1)
    const client = await RawSocket.connect(gw.port(80))
    await client.drip(V2)
    client.write(REQUEST)
    expect(await client.untilEnd()).toContain('hello')
    expect(app.seen[0]!.headers['x-forwarded-for']).toBe('203.0.113.9')
  })

  test('TLS begins behind the header', async () => {
    await using app = await startUpstream('hello')
    await using gw = await start(app.port, 1)
    const raw = await RawSocket.connect(gw.port(443))
    raw.socket.removeAllListeners('data')
    raw.write(V2)
    const secure = connectTls({
      socket: raw.socket,
      servername: 'app.test',
      rejectUnauthorized: false,
    })
    const client = new RawSocket(secure)
    client.write(REQUEST)
    expect(await client.untilEnd()).toContain('hello')
    expect(app.seen[0]!.headers['x-forwarded-for']).toBe('203.0.113.9')
  })

  test('HTTP/2 by prior knowledge and bytes of a TCP server come behind it', async () => {
    await using db = await new RawServer((socket) => {
      socket.write('greeting ')
      socket.pipe(socket)
    }).listen()
    await using gw = await start(1, db.port)
    const h2 = await RawSocket.connect(gw.port(80))
    h2.write(V1 + 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0')
    await waitFor('SETTINGS', () => h2.text.length >= 9)
    expect(h2.text.charCodeAt(3)).toBe(4)
    h2.destroy()
    const tcp = await RawSocket.connect(gw.port(TCP_PORT))
    tcp.write(V2 + 'query')
    await tcp.until('greeting query')
    tcp.write(' and more')
    await tcp.until('greeting query and more')
    tcp.end()
    await waitFor('the log', () => gw.accessLog().includes('198.51.100.1:8443 203.0.113.9:4711'))
    expect(gw.accessLog()).toContain('"- - -" 0 - - - "-" 14 23 ')
  })

  test('LOCAL is the proxy itself, asking whether we are well', async () => {
    await using app = await startUpstream('hello')
    await using gw = await start(app.port, 1)
    const client = await RawSocket.connect(gw.port(80))
    client.write(LOCAL + REQUEST)
    expect(await client.untilEnd()).toContain('hello')
    expect(app.seen[0]!.headers['x-forwarded-for']).toBe('127.0.0.1')
  })

  test.each([
    ['no header', REQUEST, 'proxy-header-malformed'],
    ['a malformed header', 'PROXY TCP4 1.2.3.4 x 1 2\r\n' + REQUEST, 'proxy-header-malformed'],
    ['a line without end', 'PROXY ' + 'x'.repeat(200), 'proxy-header-malformed'],
  ])('%s: the connection is reset and counted', async (_name, bytes, reason) => {
    await using gw = await start(1, 1)
    const client = await RawSocket.connect(gw.port(80))
    client.write(bytes)
    await waitFor('the reset', () => client.closed)
    expect(client.text).toBe('')
    const counted = `tidegate_downstream_refused_total{stage="tcp",reason="${reason}"} 1`
    expect(await metrics(gw)).toContain(counted)
  })

  test('a client that ends before its header is counted as one without', async () => {
    await using gw = await start(1, 1)
    const client = await RawSocket.connect(gw.port(80))
    client.write('PROXY TCP4').end()
    await waitFor('the end', () => client.closed)
    expect(await metrics(gw)).toContain('reason="proxy-header-missing"} 1')
  })

  test('with --trusted-proxy only the proxies listed send one', async () => {
    await using app = await startUpstream('hello')
    await using gw = await start(app.port, 1, { trustedProxies: ['192.0.2.0/24'] })
    const plain = await RawSocket.connect(gw.port(80))
    plain.write(REQUEST)
    expect(await plain.untilEnd()).toContain('hello')
    const liar = await RawSocket.connect(gw.port(80))
    liar.write(V1 + REQUEST)
    expect(await liar.untilEnd()).toContain('400')
    expect(app.seen.map(({ headers }) => headers['x-forwarded-for'])).toEqual(['127.0.0.1'])
  })

  test('connections are counted for the client, not for the proxy', async () => {
    await using app = await startUpstream('hello')
    await using gw = await start(app.port, 1, { limits: ONE_PER_ADDRESS })
    const first = await RawSocket.connect(gw.port(80))
    const second = await RawSocket.connect(gw.port(80))
    first.write(V1 + KEPT_REQUEST)
    second.write(OTHER_V1 + KEPT_REQUEST)
    await first.until('hello')
    await second.until('hello')
    const third = await RawSocket.connect(gw.port(80))
    third.write(V1 + KEPT_REQUEST)
    await waitFor('the reset', () => third.closed)
    expect(await metrics(gw)).toContain('reason="address-connection-limit"} 1')
    first.destroy()
    second.destroy()
  })

  test.each([
    ['LOCAL', LOCAL],
    ['UNKNOWN', UNKNOWN],
  ])('%s counts for the address it comes from', async (_name, header) => {
    await using app = await startUpstream('hello')
    await using gw = await start(app.port, 1, { limits: ONE_PER_ADDRESS })
    const first = await RawSocket.connect(gw.port(80))
    first.write(header + KEPT_REQUEST)
    await first.until('hello')
    const second = await RawSocket.connect(gw.port(80))
    second.write(header + KEPT_REQUEST)
    await waitFor('the reset', () => second.closed)
    expect(second.text).toBe('')
    expect(await metrics(gw)).toContain('reason="address-connection-limit"} 1')
    const named = await RawSocket.connect(gw.port(80))
    named.write(V1 + REQUEST)
    expect(await named.untilEnd()).toContain('hello')
    first.destroy()
  })

  test('a load balancer is not one client while its headers are awaited', async () => {
    await using app = await startUpstream('hello')
    await using gw = await start(app.port, 1, { limits: ONE_PER_ADDRESS })
    const first = await RawSocket.connect(gw.port(80))
    const second = await RawSocket.connect(gw.port(80))
    const asking = await RawSocket.connect(gw.port(80))
    asking.write(LOCAL + REQUEST)
    expect(await asking.untilEnd()).toContain('hello')
    first.write(V1 + REQUEST)
    second.write(OTHER_V1 + REQUEST)
    expect(await first.untilEnd()).toContain('hello')
    expect(await second.untilEnd()).toContain('hello')
  })

  test('a proxy of --trusted-proxy may come as often as it likes', async () => {
    await using app = await startUpstream('hello')
    const options = { limits: ONE_PER_ADDRESS, trustedProxies: ['127.0.0.0/8'] }
    await using gw = await start(app.port, 1, options)
    const clients = [await RawSocket.connect(gw.port(80)), await RawSocket.connect(gw.port(80))]
    for (const client of clients) {
      client.write(LOCAL + KEPT_REQUEST)
      await client.until('hello')
    }
    for (const client of clients) client.destroy()
  })
})
