import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer as createSecureServer, type Server } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { connect as connectSecure } from 'node:tls'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { metricOf } from '../support/admin-view.ts'
import { call } from '../support/call.ts'
import { startDnsServer } from '../support/dns-server.ts'
import { openTunnel } from '../support/egress.ts'
import { freePort } from '../support/free-port.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { H2Client } from '../support/h2-client.ts'
import { RawServer, RawSocket } from '../support/raw-socket.ts'
import { openSocks, type SocksAsk } from '../support/socks.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { service } from '../support/yaml.ts'

const EGRESS = { ports: [], egressProxy: true } as const

function mesh(settings: string): string {
  return `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    accessLogFile: /dev/stdout
    accessLogFormat: "%REQ(:METHOD)% %REQ(:AUTHORITY)% to %UPSTREAM_CLUSTER% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS%"
    ${settings}
---
`
}

const CLOSED = mesh('outboundTrafficPolicy: { mode: REGISTRY_ONLY }')

function entry(name: string, spec: string): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name} }
spec: { ${spec} }
---
`
}

/** Echoes, and says what it heard first. */
function echo(): RawServer {
  return new RawServer((socket) => socket.pipe(socket))
}

async function heard(socket: Socket, bytes: number): Promise<string> {
  let text = ''
  socket.setEncoding('latin1')
  for await (const chunk of socket) {
    text += String(chunk)
    if (text.length >= bytes) break
  }
  return text
}

interface SecureSite extends AsyncDisposable {
  readonly port: number
  readonly ca: string
}

async function secureSite(names: string[], body: string): Promise<SecureSite> {
  const authority = Authority.create('test')
  const leaf = authority.issue(names)
  const server: Server = createSecureServer(
    { cert: leaf.certificate, key: leaf.key },
    (_request, response) => response.end(body),
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

function secureEntry(host: string, port: number): string {
  return entry(
    host.split('.')[0]!,
    `hosts: [${host}], resolution: STATIC, ports: [{ number: 443, name: tls, protocol: TLS, targetPort: ${port} }], endpoints: [{ address: 127.0.0.1 }]`,
  )
}

describe('SOCKS5', () => {
  test('a name leads to its declared endpoint; bytes sent early and both halves pass', async () => {
    await using server = await echo().listen()
    await using gw = await startGateway(
      CLOSED + service('raw', server.port, { port: 9000, portName: 'tcp' }),
      EGRESS,
    )
    const { method, reply, socket } = await openSocks(gw.egressPort, {
      host: 'RAW.default',
      port: 9000,
      early: 'early ',
    })
    expect([method, reply]).toEqual([0, 0])
    socket.end('late')
    expect(await heard(socket, 100)).toBe('early late')
    await waitFor('the tunnel to end', () => gw.gateway.activeExchanges === 0)
    await waitFor('the access log', () => gw.accessLog().includes('\n'))
    expect(gw.accessLog().trim()).toBe(
      'CONNECT RAW.default:9000 to outbound|9000||raw.default.svc.cluster.local 200 via_upstream',
    )
  })

  test('messages in single bytes are understood', async () => {
    await using server = await echo().listen()
    await using gw = await startGateway(
      service('raw', server.port, { port: 9000, portName: 'tcp' }),
      EGRESS,
    )
    const client = await RawSocket.connect(gw.egressPort)
    await client.drip('\x05\x02\x00\x02\x05\x01\x00\x03\x03raw\x23\x28')
    await client.until('\x05\x00\x05\x00\x00\x01\0\0\0\0\0\0')
    client.write('hello')
    await client.until('hello')
    client.destroy()
  })

  const addresses: [name: string, host: Buffer][] = [
    ['IPv4', Buffer.from([198, 51, 100, 7])],
    ['IPv6', Buffer.from('20010db8000000000000000000000007', 'hex')],
  ]
  test.each(addresses)('a declared %s address leads to its endpoint', async (_name, host) => {
    await using server = await echo().listen()
    const yaml =
      CLOSED +
      entry(
        'fixed',
        `hosts: [fixed.test], addresses: [198.51.100.0/24, "2001:db8::/64"], resolution: STATIC, ports: [{ number: 9000, name: tcp, protocol: TCP, targetPort: ${server.port} }], endpoints: [{ address: 127.0.0.1 }]`,
      )
    await using gw = await startGateway(yaml, EGRESS)
    const { reply, socket } = await openSocks(gw.egressPort, { host, port: 9000, early: 'x' })
    expect(reply).toBe(0)
    expect(await heard(socket, 1)).toBe('x')
  })

  test('why there is no tunnel is told by the reply', async () => {
    const nobody = await freePort()
    await using dns = await startDnsServer({ 'rebound.test': { a: ['127.0.0.1'] } })
    const yaml =
      mesh('outboundTrafficPolicy: { mode: ALLOW_ANY }') +
      service('dead', nobody, { port: 9000, portName: 'tcp' })
    await using gw = await startGateway(yaml, { ...EGRESS, resolvers: [dns.address] })
    await using closed = await startGateway(CLOSED, { ...EGRESS, resolvers: [dns.address] })
    const reply = async (port: number, ask: SocksAsk): Promise<number> => {
      const answer = await openSocks(port, ask)
      answer.socket.destroy()
      return answer.reply
    }
    const open = gw.egressPort
    expect(await reply(open, { host: 'dead', port: 9000 })).toBe(5)
    expect(await reply(open, { host: 'gone.test', port: 443 })).toBe(4)
    expect(await reply(open, { host: 'rebound.test', port: 443 })).toBe(2)
    expect(await reply(open, { host: 'mail.test', port: 25 })).toBe(2)
    expect(await reply(closed.egressPort, { host: 'gone.test', port: 443 })).toBe(2)
    expect(await reply(open, { host: 'dead', port: 9000, command: 2 })).toBe(7)
    expect(await reply(open, { host: 'dead', port: 9000, addressType: 9 })).toBe(8)
    expect(await reply(open, { host: 'no host', port: 9000 })).toBe(1)
    expect(await reply(open, { host: 'dead', port: 0 })).toBe(1)
    const refused = await openSocks(open, { host: 'dead', port: 9000, methods: [2] })
    expect(refused.method).toBe(255)
    refused.socket.destroy()
    await waitFor('all to end', () => gw.gateway.activeExchanges === 0)
  })
})

describe('TLS that was redirected to the proxy', () => {
  test('goes by its server name, end to end', async () => {
    await using site = await secureSite(['bank.test'], 'secret')
    await using gw = await startGateway(CLOSED + secureEntry('bank.test', site.port), EGRESS)
    const socket = connectSecure({
      port: gw.egressPort,
      host: '127.0.0.1',
      servername: 'bank.test',
      ca: site.ca,
    })
    await once(socket, 'secureConnect')
    expect(socket.authorized).toBe(true)
    socket.write('GET / HTTP/1.1\r\nhost: bank.test\r\nconnection: close\r\n\r\n')
    expect(await heard(socket, 1000)).toContain('secret')
    await waitFor('the tunnel to end', () => gw.gateway.activeExchanges === 0)
    await waitFor('the access log', () => gw.accessLog().includes('\n'))
    expect(gw.accessLog()).toContain('CONNECT bank.test:443 to outbound|443||bank.test 200')
  })

  test('to an undeclared name ends without a byte, counted for BlackHoleCluster', async () => {
    await using gw = await startGateway(CLOSED, EGRESS)
    const socket = connectSecure({ port: gw.egressPort, host: '127.0.0.1', servername: 'x.test' })
    const error = await new Promise<NodeJS.ErrnoException>((resolve) =>
      socket.once('error', resolve),
    )
    expect(error.code).toBe('ECONNRESET')
    expect(
      await metricOf(gw, 'istio_requests_total', {
        destination_service_name: 'BlackHoleCluster',
        response_code: '502',
      }),
    ).toBe(1)
  })

  test('without a server name, or malformed, is refused', async () => {
    await using gw = await startGateway(mesh('outboundTrafficPolicy: { mode: ALLOW_ANY }'), EGRESS)
    const nameless = connectSecure({ port: gw.egressPort, host: '127.0.0.1' })
    await new Promise<void>((resolve) => nameless.once('error', () => resolve()))
    const broken = await RawSocket.connect(gw.egressPort)
    broken.write('\x16\x03\x01\x00\x05\x02\x00\x00\x00\x00')
    await broken.untilEnd()
    expect(broken.text).toBe('')
  })

  test('the port it had before, announced by a PROXY header, decides with the name', async () => {
    await using site = await secureSite(['bank.test'], 'secret')
    const yaml =
      mesh(
        'outboundTrafficPolicy: { mode: REGISTRY_ONLY }\n    defaultConfig: { gatewayTopology: { proxyProtocol: {} } }',
      ) +
      entry(
        'bank',
        `hosts: [bank.test], resolution: STATIC, ports: [{ number: 8443, name: tls, protocol: TLS, targetPort: ${site.port} }], endpoints: [{ address: 127.0.0.1 }]`,
      )
    await using gw = await startGateway(yaml, EGRESS)
    const plain = connect({ port: gw.egressPort, host: '127.0.0.1' })
    plain.write('PROXY TCP4 192.0.2.9 203.0.113.5 40000 8443\r\n')
    const socket = connectSecure({ socket: plain, servername: 'bank.test', ca: site.ca })
    await once(socket, 'secureConnect')
    socket.destroy()
    // Nobody has to announce anything here.
    const { status, socket: tunnel } = await openTunnel(gw.egressPort, 'bank.test:8443')
    expect(status).toBe(200)
    tunnel.destroy()
  })
})

describe('HTTP/2', () => {
  test('CONNECT over prior knowledge opens tunnels side by side', async () => {
    await using server = await echo().listen()
    await using gw = await startGateway(
      CLOSED + service('raw', server.port, { port: 9000, portName: 'tcp' }),
      EGRESS,
    )
    await using client = new H2Client(gw.egressPort)
    const open = (): ReturnType<H2Client['open']> =>
      client.open({ ':method': 'CONNECT', ':authority': 'raw:9000' }, { endStream: false })
    const [one, two] = [open(), open()]
    for (const answer of await Promise.all([once(one, 'response'), once(two, 'response')])) {
      expect(answer[0]).toMatchObject({ ':status': 200 })
    }
    for (const [stream, text] of [
      [one, 'first'],
      [two, 'second'],
    ] as const) {
      stream.write(text)
      const [chunk] = (await once(stream, 'data')) as [Buffer]
      expect(chunk.toString()).toBe(text)
    }
    one.end()
    two.end()
    await waitFor('the tunnels to end', () => gw.gateway.activeExchanges === 0)
    const refused = await client.fetch({ ':method': 'CONNECT', ':authority': 'other.test:443' })
    expect(refused.status).toBe(502)
    expect(refused.body).toContain('REGISTRY_ONLY')
  })

  test('requests go by authority as in absolute form', async () => {
    await using web = await startUpstream('web')
    await using gw = await startGateway(CLOSED + service('web', web.port), EGRESS)
    await using client = new H2Client(gw.egressPort)
    const request = { ':method': 'GET', ':scheme': 'http', ':path': '/', ':authority': 'web:8080' }
    expect(await client.fetch(request)).toMatchObject({ status: 200, body: 'web' })
  })
})

test('HTTP that was redirected goes by Host, on port 80 or the one it had before', async () => {
  await using web = await startUpstream('web')
  const port = `protocol: HTTP, targetPort: ${web.port}`
  const yaml =
    mesh(
      'outboundTrafficPolicy: { mode: REGISTRY_ONLY }\n    defaultConfig: { gatewayTopology: { proxyProtocol: {} } }',
    ) +
    entry(
      'site',
      `hosts: [site.test], resolution: STATIC, ports: [{ number: 80, name: http, ${port} }], endpoints: [{ address: 127.0.0.1 }]`,
    ) +
    entry(
      'other',
      `hosts: [other.test], resolution: STATIC, ports: [{ number: 8080, name: http, ${port} }], endpoints: [{ address: 127.0.0.1 }]`,
    )
  await using gw = await startGateway(yaml, EGRESS)
  const plain = { port: gw.egressPort, path: '/' }
  expect((await call({ ...plain, host: 'site.test' })).body).toBe('web')
  expect((await call({ ...plain, host: 'other.test' })).status).toBe(502)
  expect((await call({ ...plain, host: 'other.test:8080' })).body).toBe('web')
  const client = await RawSocket.connect(gw.egressPort)
  client.write('PROXY TCP4 192.0.2.9 203.0.113.5 40000 8080\r\n')
  client.write('GET / HTTP/1.1\r\nhost: other.test\r\nconnection: close\r\n\r\n')
  expect(await client.untilEnd()).toMatch(/^HTTP\/1\.1 200 [^]*web$/)
})

describe('real clients', () => {
  const run = promisify(execFile)
  const curl = async (args: string[]): Promise<string> => {
    const { stdout } = await run('curl', ['--silent', '--show-error', '--max-time', '10', ...args])
    return stdout
  }

  async function site(): Promise<{ gw: TestGateway } & AsyncDisposable & { ca: string }> {
    const web = await startUpstream('plain')
    const secure = await secureSite(['bank.test'], 'secret')
    const yaml =
      CLOSED +
      secureEntry('bank.test', secure.port) +
      entry(
        'web',
        `hosts: [web.test], resolution: STATIC, ports: [{ number: 80, name: http, protocol: HTTP, targetPort: ${web.port} }], endpoints: [{ address: 127.0.0.1 }]`,
      )
    const gw = await startGateway({ 'config.yaml': yaml, 'ca.crt': secure.ca }, EGRESS)
    return {
      gw,
      ca: `${gw.folder}/ca.crt`,
      async [Symbol.asyncDispose]() {
        await gw[Symbol.asyncDispose]()
        await secure[Symbol.asyncDispose]()
        await web[Symbol.asyncDispose]()
      },
    }
  }

  test.each([
    ['http', []],
    ['http', ['--proxytunnel']],
    ['socks5h', []],
  ])('curl through %s %j', async (scheme, flags) => {
    await using up = await site()
    const proxy = ['--proxy', `${scheme}://127.0.0.1:${up.gw.egressPort}`, ...flags]
    expect(await curl([...proxy, 'http://web.test/'])).toBe('plain')
    expect(await curl([...proxy, '--cacert', up.ca, 'https://bank.test/'])).toBe('secret')
    await expect(curl([...proxy, '--fail', 'http://nobody.test/'])).rejects.toThrow('curl')
  })

  test('curl with a redirected connection', async () => {
    await using up = await site()
    const to = (host: string, port: number): string[] => [
      '--connect-to',
      `${host}:${port}:127.0.0.1:${up.gw.egressPort}`,
    ]
    expect(await curl([...to('web.test', 80), 'http://web.test/'])).toBe('plain')
    const secure = [...to('bank.test', 443), '--cacert', up.ca, 'https://bank.test/']
    expect(await curl(secure)).toBe('secret')
  })

  test('fetch of undici with a ProxyAgent', async () => {
    await using up = await site()
    const { fetch: fetchThrough, ProxyAgent } = await import('undici')
    const agent = new ProxyAgent({ uri: `http://127.0.0.1:${up.gw.egressPort}` })
    try {
      const answer = await fetchThrough('http://web.test/', { dispatcher: agent })
      expect(await answer.text()).toBe('plain')
      await expect(fetchThrough('http://nobody.test/', { dispatcher: agent })).rejects.toThrow()
    } finally {
      await agent.destroy()
    }
  })
})
