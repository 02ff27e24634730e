import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectSecure } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { metricOf } from '../support/admin-view.ts'
import { startDnsServer } from '../support/dns-server.ts'
import { callProxy, openTunnel, refusedTunnel } from '../support/egress.ts'
import { freePort } from '../support/free-port.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { RawServer, RawSocket } from '../support/raw-socket.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { service } from '../support/yaml.ts'

const EGRESS = { ports: [], egressProxy: true } as const

function mesh(mode: 'ALLOW_ANY' | 'REGISTRY_ONLY'): string {
  return `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    outboundTrafficPolicy: { mode: ${mode} }
    accessLogFile: /dev/stdout
    accessLogFormat: "%REQ(:METHOD)% %REQ(:AUTHORITY)% to %UPSTREAM_CLUSTER% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS%"
---
`
}

const OPEN = mesh('ALLOW_ANY')

function entry(name: string, spec: string, annotations = '{}'): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name}, annotations: ${annotations} }
spec: { ${spec} }
---
`
}

function echo(socket: Socket): void {
  socket.on('error', () => undefined)
  socket.pipe(socket)
}

function blackHoled(gw: TestGateway, status: string): Promise<number> {
  const labels = { destination_service_name: 'BlackHoleCluster', response_code: status }
  return metricOf(gw, 'istio_requests_total', labels)
}

/** A real ClientHello for `name` ('' for none), with nothing behind it. */
async function clientHello(name: string): Promise<Buffer> {
  await using taker = await new RawServer(() => undefined).listen()
  const socket = connectSecure({ port: taker.port, host: '127.0.0.1', servername: name })
  socket.on('error', () => undefined)
  await waitFor('the connection', () => taker.sockets.length === 1)
  const [hello] = (await once(taker.sockets[0]!, 'data')) as [Buffer]
  socket.destroy()
  return hello
}

describe('addresses nobody may ask for', () => {
  const metadata = [
    '169.254.169.254',
    '2852039166',
    '0xA9FEA9FE',
    '0251.0376.0251.0376',
    '169.254.43518',
    '[::ffff:169.254.169.254]',
    '[::ffff:a9fe:a9fe]',
    '[64:ff9b::a9fe:a9fe]',
    '169.254.169.254.',
  ]

  test('cloud metadata in nine spellings is refused, named and counted', async () => {
    await using gw = await startGateway(OPEN, EGRESS)
    for (const host of metadata) {
      const plain = await callProxy(gw.egressPort, `http://${host}/latest/meta-data/`)
      expect([host, plain.status]).toEqual([host, 403])
      expect(plain.body).toContain('(cloud metadata) is not allowed')
      const tunnel = await refusedTunnel(gw.egressPort, `${host}:443`)
      expect([host, tunnel.status]).toEqual([host, 403])
    }
    expect(await blackHoled(gw, '403')).toBe(2 * metadata.length)
    await waitFor('the access log', () => gw.accessLog().includes('CONNECT'))
    expect(gw.accessLog()).toContain(
      'GET 2852039166 to BlackHoleCluster 403 egress_address_refused',
    )
  })

  test.each([
    ['loopback by name', 'localhost', 'loopback'],
    ['loopback', '127.1', 'loopback'],
    ['private', '10.0.0.1', 'private'],
    ['private IPv6', '[fd00::1]', 'private'],
    ['link-local', '[fe80::1]', 'link-local'],
    ['unspecified', '0', 'unspecified'],
  ])('%s is refused', async (_name, host, what) => {
    await using gw = await startGateway(OPEN, EGRESS)
    const { status, body } = await callProxy(gw.egressPort, `http://${host}:8080/`)
    expect([status, body]).toEqual([403, expect.stringContaining(`(${what}) is not allowed`)])
  })

  test('neither admin API nor proxy is reached, whatever is allowed or declared', async () => {
    await using dns = await startDnsServer({ 'own.test': { a: ['127.0.0.1'] } })
    const admin = await freePort()
    const yaml =
      OPEN +
      entry(
        'own',
        `hosts: [own.test], resolution: NONE, ports: [{ number: ${admin}, name: tcp, protocol: TCP }]`,
      )
    await using gw = await startGateway(yaml, {
      ...EGRESS,
      admin: { host: '127.0.0.1', port: admin },
      egressAllow: ['127.0.0.0/8'],
      resolvers: [dns.address],
    })
    const own = [`127.0.0.1:${admin}`, `own.test:${admin}`, `127.0.0.1:${gw.egressPort}`]
    for (const authority of own) {
      const { status, body } = await refusedTunnel(gw.egressPort, authority)
      expect([authority, status]).toEqual([authority, 403])
      expect(body).toContain('(a port of this proxy) is not allowed')
    }
    expect(
      (await callProxy(gw.egressPort, `http://localhost:${admin}/quitquitquit`)).status,
    ).not.toBe(200)
  })

  test.each([
    '１６９.254.169.254',
    'ⓛocalhost',
    '127。0。0。1',
    'loc%61lhost',
    '127.0.0.1%00.test',
  ])('the host %s is no host', async (host) => {
    await using gw = await startGateway(OPEN, EGRESS)
    const socket = connect({ port: gw.egressPort, host: '127.0.0.1' })
    socket.write(`GET http://${host}/ HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString('latin1')).toMatch(/^HTTP\/1\.1 400 /)
    socket.destroy()
  })

  test('a name that turns to a guarded address between two requests is not followed', async () => {
    await using web = await startUpstream('inside')
    await using dns = await startDnsServer({ 'flips.test': { a: ['127.0.0.2'], ttl: 0 } })
    await using gw = await startGateway(OPEN, {
      ...EGRESS,
      egressAllow: ['127.0.0.2/32'],
      resolvers: [dns.address],
    })
    const url = `http://flips.test:${web.port}/`
    expect((await callProxy(gw.egressPort, url)).status).toBe(503)
    dns.records.set('flips.test', { a: ['127.0.0.1'], ttl: 0 })
    await waitFor('the change', async () => (await callProxy(gw.egressPort, url)).status === 403)
    expect(web.seen).toHaveLength(0)
  })
})

describe('ports of undeclared hosts', () => {
  test.each([
    ['common', { 22: 403, 25: 403, 80: 503, 443: 503, 8443: 503 }],
    ['web', { 22: 403, 443: 503, 8443: 403 }],
    ['any', { 22: 503, 443: 503 }],
  ] as const)('%s', async (choice, expected) => {
    await using dns = await startDnsServer({})
    const limits = new Map([['egress-connect-ports', choice]] as const)
    await using gw = await startGateway(OPEN, { ...EGRESS, limits, resolvers: [dns.address] })
    for (const [port, status] of Object.entries(expected)) {
      const refused = await refusedTunnel(gw.egressPort, `host.test:${port}`)
      expect([port, refused.status]).toEqual([port, status])
      if (status === 403) expect(refused.body).toContain('egress-connect-ports')
    }
  })

  test('a declared host is reached on whatever port it declares', async () => {
    await using server = await new RawServer(echo).listen()
    const yaml = OPEN + service('mail', server.port, { port: 25, portName: 'tcp' })
    await using gw = await startGateway(yaml, EGRESS)
    const { status, socket } = await openTunnel(gw.egressPort, 'mail:25')
    expect(status).toBe(200)
    socket.destroy()
  })
})

describe('the server name inside a tunnel', () => {
  const settings = (port: number): string =>
    OPEN +
    entry(
      'bank',
      `hosts: [bank.test, api.bank.test], resolution: STATIC, ports: [{ number: 443, name: tls, protocol: TLS, targetPort: ${port} }], endpoints: [{ address: 127.0.0.1 }]`,
    ) +
    entry(
      'cdn',
      `hosts: [cdn.test], resolution: STATIC, ports: [{ number: 443, name: tls, protocol: TLS, targetPort: ${port} }], endpoints: [{ address: 127.0.0.1 }]`,
      '{ tidegate.dev/egress-server-names: "*.customers.test" }',
    )

  /** What the server behind the tunnel read, and what came back. */
  async function through(
    gw: TestGateway,
    server: RawServer,
    authority: string,
    bytes: Buffer,
  ): Promise<{ heard: number; said: Buffer }> {
    const before = server.sockets.length
    const { status, socket } = await openTunnel(gw.egressPort, authority)
    expect(status).toBe(200)
    await waitFor('the tunnel', () => server.sockets.length > before)
    const upstream: Socket = server.sockets.at(-1)!
    let heard = 0
    let ended = false
    upstream.on('data', (chunk: Buffer) => (heard += chunk.length))
    upstream.on('close', () => (ended = true))
    upstream.on('end', () => upstream.end())
    upstream.on('error', () => undefined)
    const said: Buffer[] = []
    socket.on('data', (chunk: Buffer) => said.push(chunk))
    socket.on('error', () => undefined)
    socket.resume()
    // In two pieces: a name is judged only when it is complete.
    socket.write(bytes.subarray(0, 20))
    socket.write(bytes.subarray(20))
    await waitFor('a verdict', () => heard >= bytes.length || ended)
    socket.destroy()
    return { heard, said: Buffer.concat(said) }
  }

  test('must be the host asked for, or one declared with it', async () => {
    await using server = await new RawServer(() => undefined).listen()
    await using dns = await startDnsServer({ 'free.test': { a: ['127.0.0.1'] } })
    await using gw = await startGateway(settings(server.port), {
      ...EGRESS,
      egressAllow: ['127.0.0.1/32'],
      resolvers: [dns.address],
    })
    const passes: [authority: string, name: string][] = [
      ['bank.test:443', 'bank.test'],
      ['bank.test:443', 'api.bank.test'],
      ['bank.test:443', ''],
      ['cdn.test:443', 'shop.customers.test'],
      [`free.test:${server.port}`, 'free.test'],
      [`127.0.0.1:${server.port}`, 'whatever.test'],
    ]
    for (const [authority, name] of passes) {
      const hello = await clientHello(name)
      expect([name, (await through(gw, server, authority, hello)).heard]).toEqual([
        name,
        hello.length,
      ])
    }
    const fronted: [authority: string, name: string][] = [
      ['bank.test:443', 'evil.test'],
      ['cdn.test:443', 'evil.test'],
      [`free.test:${server.port}`, 'evil.test'],
    ]
    for (const [authority, name] of fronted) {
      const { heard, said } = await through(gw, server, authority, await clientHello(name))
      expect([authority, heard]).toEqual([authority, 0])
      expect(said).toEqual(Buffer.from([21, 3, 1, 0, 2, 2, 112]))
    }
    await waitFor('the tunnels to end', () => gw.gateway.activeExchanges === 0)
    expect(await blackHoled(gw, '200')).toBe(fronted.length)
    await waitFor('the access log', () => gw.accessLog().includes('egress_server_name_refused'))
  })

  test('cannot be hidden from us in a ClientHello that we cannot read', async () => {
    await using server = await new RawServer(() => undefined).listen()
    await using gw = await startGateway(settings(server.port), EGRESS)
    const hello = (await clientHello('evil.test')).subarray(5)
    const records = [...hello].map((byte) => Buffer.from([22, 3, 1, 0, 1, byte]))
    const { heard } = await through(gw, server, 'bank.test:443', Buffer.concat(records))
    expect(heard).toBe(0)
    // Not TLS at all: the second byte is no version.
    const other = Buffer.from('\x16something else that is no TLS record')
    expect((await through(gw, server, 'bank.test:443', other)).heard).toBe(other.length)
  })

  test('is free with --limit egress-server-name=any, and where the bytes are not TLS', async () => {
    await using server = await new RawServer(() => undefined).listen()
    await using gw = await startGateway(settings(server.port), EGRESS)
    const plain = Buffer.from('SSH-2.0-something longer than twenty\r\n')
    expect((await through(gw, server, 'bank.test:443', plain)).heard).toBe(plain.length)
    const limits = new Map([['egress-server-name', 'any']] as const)
    await using free = await startGateway(settings(server.port), { ...EGRESS, limits })
    const hello = await clientHello('evil.test')
    expect((await through(free, server, 'bank.test:443', hello)).heard).toBe(hello.length)
  })
})

describe('limits of tunnels', () => {
  test('one client has so many open; a closed one makes room', async () => {
    await using server = await new RawServer(echo).listen()
    const limits = new Map([['egress-tunnels-per-client', 2]] as const)
    const yaml = OPEN + service('raw', server.port, { port: 9000, portName: 'tcp' })
    await using gw = await startGateway(yaml, { ...EGRESS, limits })
    const first = await openTunnel(gw.egressPort, 'raw:9000')
    const second = await openTunnel(gw.egressPort, 'raw:9000')
    expect([first.status, second.status]).toEqual([200, 200])
    const third = await refusedTunnel(gw.egressPort, 'raw:9000')
    expect([third.status, third.body]).toEqual([
      429,
      '2 tunnels of this client are open: --limit egress-tunnels-per-client\n',
    ])
    first.socket.destroy()
    await waitFor('room', async () => {
      const { status, socket } = await openTunnel(gw.egressPort, 'raw:9000')
      socket.destroy()
      return status === 200
    })
    second.socket.destroy()
  })

  test.each([
    [
      'a silent SOCKS tunnel ends',
      'tunnel-idle-timeout',
      '\x05\x01\x00\x05\x01\x00\x03\x03raw\x23\x28',
    ],
    ['half a SOCKS greeting ends', 'header-timeout', '\x05\x02\x00'],
    ['half a ClientHello ends', 'header-timeout', '\x16\x03\x01\x00\x80\x01'],
    ['silence ends', 'idle-timeout', ''],
  ] as const)('%s in time', async (_name, limit, bytes) => {
    await using server = await new RawServer(echo).listen()
    const limits = new Map([[limit, 300]] as const)
    const yaml = OPEN + service('raw', server.port, { port: 9000, portName: 'tcp' })
    await using gw = await startGateway(yaml, { ...EGRESS, limits })
    const client = await RawSocket.connect(gw.egressPort)
    if (bytes !== '') client.write(bytes)
    await waitFor('the end', () => client.closed || client.ended)
    client.destroy()
    await waitFor('the exchange to end', () => gw.gateway.activeExchanges === 0)
  })

  test('a tunnel ends at its duration', async () => {
    await using server = await new RawServer(echo).listen()
    const limits = new Map([['egress-tunnel-duration', 300]] as const)
    const yaml = OPEN + service('raw', server.port, { port: 9000, portName: 'tcp' })
    await using gw = await startGateway(yaml, { ...EGRESS, limits })
    const { socket } = await openTunnel(gw.egressPort, 'raw:9000')
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    socket.on('error', () => undefined)
    socket.resume()
    await closed
    await waitFor('the log', () => gw.accessLog().includes('max_duration_timeout'))
  })
})

describe('loops', () => {
  test('a request that comes back through its own endpoint is 508 after one round', async () => {
    const egress = await freePort()
    await using gw = await startGateway(OPEN + service('self', egress), {
      ...EGRESS,
      egress: [{ host: '127.0.0.1', port: egress }],
    })
    const { status, body } = await callProxy(egress, 'http://self:8080/')
    expect([status, body]).toEqual([508, 'egress to self:8080 comes back to this proxy\n'])
    expect(gw.gateway.activeExchanges).toBe(0)
  })

  test('two proxies that send each other the same host notice it, or count the hops', async () => {
    const [one, two] = [await freePort(), await freePort()]
    await using first = await startGateway(OPEN + service('ring', two), {
      ...EGRESS,
      egress: [{ host: '127.0.0.1', port: one }],
    })
    await using second = await startGateway(OPEN + service('ring', one), {
      ...EGRESS,
      egress: [{ host: '127.0.0.1', port: two }],
    })
    expect((await callProxy(one, 'http://ring:8080/')).status).toBe(508)
    await using web = await startUpstream('web')
    await using honest = await startGateway(OPEN + service('web', web.port), EGRESS)
    const via = (hops: number): Record<string, string> => ({
      via: Array.from({ length: hops }, (_, i) => `1.1 p${i}`).join(', '),
    })
    const url = 'http://web:8080/'
    expect((await callProxy(honest.egressPort, url, { headers: via(33) })).status).toBe(508)
    expect((await callProxy(honest.egressPort, url, { headers: via(3) })).status).toBe(200)
    expect(web.seen[0]!.headers.via).toMatch(/^1\.1 p0, 1\.1 p1, 1\.1 p2, 1\.1 tidegate-\w{8}$/)
    expect([first, second].map((gw) => gw.gateway.activeExchanges)).toEqual([0, 0])
  })

  test('redirected TLS that leads back here ends instead of going round', async () => {
    const egress = await freePort()
    const yaml =
      OPEN +
      entry(
        'ring',
        `hosts: [ring.test], resolution: STATIC, ports: [{ number: 443, name: tls, protocol: TLS, targetPort: ${egress} }], endpoints: [{ address: 127.0.0.1 }]`,
      )
    await using gw = await startGateway(yaml, {
      ...EGRESS,
      egress: [{ host: '127.0.0.1', port: egress }],
    })
    const socket = connectSecure({ port: egress, host: '127.0.0.1', servername: 'ring.test' })
    await new Promise<void>((resolve) => socket.once('error', () => resolve()))
    await waitFor('all to end', () => gw.gateway.activeExchanges === 0)
    expect(await blackHoled(gw, '508')).toBe(1)
    expect(await metricOf(gw, 'istio_requests_total', {})).toBe(2)
  })
})
