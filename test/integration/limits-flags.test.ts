import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { parseLimits } from '../../src/cli/limit-flags.ts'
import { runCommand } from '../support/command.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { H2Client } from '../support/h2-client.ts'
import { RawServer, RawSocket } from '../support/raw-socket.ts'
import { okAnswer, RecordingBackend } from '../support/recording-backend.ts'
import { routedTo } from '../support/routed.ts'
import { waitFor } from '../support/wait.ts'
import { meshConfig } from '../support/wire-gateway.ts'

let backend: RecordingBackend
beforeAll(async () => {
  backend = await RecordingBackend.start(() => okAnswer('fine'))
})
afterAll(() => backend[Symbol.asyncDispose]())

interface StartOptions {
  readonly port?: number
  readonly mesh?: string
}

/** A gateway in front of the backend, started with `--limit` once for each of `limits`. */
function start(limits: readonly string[], options: StartOptions = {}): Promise<TestGateway> {
  const routes = routedTo(options.port ?? backend.port)
  const mesh = options.mesh ?? meshConfig('accessLogFile: ""')
  const files = { 'mesh.yaml': mesh, 'routes.yaml': routes }
  return startGateway(files, { ports: [80], limits: parseLimits(limits) })
}

const GET = 'GET / HTTP/1.1\r\nHost: app.test\r\n\r\n'

/** What a fresh connection reads until the gateway closes it. */
async function answersTo(gw: TestGateway, bytes: string): Promise<string> {
  const client = await RawSocket.connect(gw.port(80))
  const text = await client.write(bytes).untilEnd()
  client.destroy()
  return text
}

function head(...fields: readonly string[]): string {
  return ['GET / HTTP/1.1', 'Host: app.test', 'Connection: close', ...fields, '', ''].join('\r\n')
}

/** A kept connection that was answered once, or null when it was reset (maybe before it was told so). */
function keep(gw: TestGateway): Promise<Socket | null> {
  const client = connect({ port: gw.port(80), host: '127.0.0.1' })
  client.write(GET)
  return new Promise((resolve) => {
    client.once('data', () => resolve(client))
    client.once('error', () => resolve(null))
    client.once('close', () => resolve(null))
  })
}

test('connections-per-address: one more is reset, and there is room again when one goes', async () => {
  await using gw = await start(['connections-per-address=2'])
  const kept = [await keep(gw), await keep(gw)]
  expect(kept).not.toContain(null)
  expect(await keep(gw)).toBeNull()
  kept[0]!.destroy()
  await waitFor('room', async () => {
    const next = await keep(gw)
    next?.destroy()
    return next !== null
  })
  kept[1]!.destroy()
})

test('requests-per-connection: the last answer announces the end', async () => {
  await using gw = await start(['requests-per-connection=2'])
  const client = await RawSocket.connect(gw.port(80))
  await client.write(GET).until('fine')
  expect(client.text).not.toContain('connection: close')
  client.text = ''
  expect(await client.write(GET).untilEnd()).toMatch(/connection: close\r\n[\s\S]*fine$/i)
  client.destroy()
})

test.each([
  ['head-bytes=2k', 'of 1.5 KiB', head(`X: ${'a'.repeat(1_500)}`), 200],
  ['head-bytes=2k', 'of 2.5 KiB', head(`X: ${'a'.repeat(2_500)}`), 431],
  ['head-bytes=128KiB', 'of 100 KiB', head(`X: ${'a'.repeat(100_000)}`), 200],
  ['header-fields=4', 'of three fields', head('A: 1'), 200],
  ['header-fields=4', 'of five fields', head('A: 1', 'B: 1', 'C: 1'), 431],
  ['header-underscores=allow', 'with an underscore', head('x_user: 1'), 200],
  ['header-underscores=reject', 'with an underscore', head('x_user: 1'), 400],
  ['http10=accept', 'of HTTP/1.0', 'GET / HTTP/1.0\r\nHost: app.test\r\n\r\n', 200],
  ['http10=refuse', 'of HTTP/1.0', 'GET / HTTP/1.0\r\nHost: app.test\r\n\r\n', 426],
])('%s: a head %s', async (limit, _what, bytes, status) => {
  await using gw = await start([limit])
  expect(await answersTo(gw, bytes)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
})

test.each([
  [[], /0\r\n\r\n$/],
  [['request-trailers=forward'], /0\r\nx-sum: 7\r\n\r\n$/],
])('trailers of a request under %j', async (limits, ending) => {
  await using gw = await start(limits)
  const before = backend.connections.length
  const client = await RawSocket.connect(gw.port(80))
  const post = 'POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n'
  await client
    .write(`${post}3\r\nabc\r\n0\r\nX-Sum: 7\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n`)
    .until('fine')
  expect(backend.connections[before]!.text).toMatch(ending)
  client.destroy()
})

test('write-stall-timeout: a client that takes nothing is let go', async () => {
  await using large = await new RawServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n')
      socket.write(Buffer.alloc(50_000_000))
    })
  }).listen()
  await using gw = await start(['write-stall-timeout=300ms'], { port: large.port })
  const client = await RawSocket.connect(gw.port(80))
  client.write(GET)
  await client.until('200 OK')
  client.socket.pause()
  await waitFor('its end', () => gw.listener(80).connections === 0)
  client.destroy()
})

test('tunnel-idle-timeout: a tunnel whose client is silent ends', async () => {
  await using silent = await new RawServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () =>
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
      ),
    )
  }).listen()
  await using gw = await start(['tunnel-idle-timeout=300ms'], { port: silent.port })
  const client = await RawSocket.connect(gw.port(80))
  await client.write(head('Upgrade: websocket').replace('close', 'upgrade')).until('101 ')
  await client.untilEnd()
  client.destroy()
})

test('tls-handshake-timeout: who does not shake hands is let go', async () => {
  const { certificate, key } = Authority.create('handshakes').issue(['app.test'])
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
data: { tls.crt: ${encoded(certificate)}, tls.key: ${encoded(key)} }
`
  await using gw = await startGateway(secure, {
    ports: [443],
    limits: parseLimits(['tls-handshake-timeout=200ms']),
  })
  const client = await RawSocket.connect(gw.port(443))
  await client.untilEnd()
  client.destroy()
})

test('h2-*: what the client may do reaches it as SETTINGS', async () => {
  await using gw = await start(['h2-concurrent-streams=7', 'h2-stream-window=128k'])
  await using client = new H2Client(gw.port(80))
  await once(client.session, 'remoteSettings')
  expect(client.session.remoteSettings).toMatchObject({
    maxConcurrentStreams: 7,
    initialWindowSize: 131_072,
  })
})

test('h2-client-resets-per-second and -burst: more than that ends the connection', async () => {
  await using gw = await start(['h2-client-resets-per-second=1', 'h2-client-reset-burst=3'])
  await using client = new H2Client(gw.port(80))
  for (let count = 0; count < 8; count++) {
    const stream = client.open({ ':method': 'POST', ':path': '/', ':authority': 'app.test' })
    stream.close(8)
  }
  await waitFor('GOAWAY', () => client.goawayCode !== -1 || client.session.destroyed)
  expect(client.goawayCode).toBe(11)
})

describe('upstream-*: an answer beyond them is 502', () => {
  async function statusOf(limits: readonly string[], answer: string): Promise<number> {
    await using peer = await RecordingBackend.start(() => answer)
    await using gw = await start(limits, { port: peer.port })
    // Clients of Node refuse heads of more than 16 KiB.
    return Number(/^HTTP\/1\.1 ([2-5]\d\d) /m.exec(await answersTo(gw, head()))?.[1])
  }

  const WIDE = `HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ${'a'.repeat(70_000)}\r\n\r\n`
  const MANY = `HTTP/1.1 200 OK\r\nContent-Length: 0\r\n${'A: 1\r\n'.repeat(120)}\r\n`
  const EARLY = `HTTP/1.1 103 Early Hints\r\n\r\n`.repeat(2) + okAnswer('x')
  test.each([
    ['upstream-head-bytes=128k', WIDE, 200],
    ['upstream-head-bytes=64k', WIDE, 502],
    ['upstream-header-fields=200', MANY, 200],
    ['upstream-header-fields=100', MANY, 502],
    ['upstream-informational-responses=2', EARLY, 200],
    ['upstream-informational-responses=1', EARLY, 502],
  ])('%s', async (limit, answer, status) => {
    expect(await statusOf([limit], answer)).toBe(status)
  })
})

describe('what is in force', () => {
  interface Dump {
    readonly limits: Readonly<Record<string, { value: unknown; source: string }>>
    readonly fixedLimits: Readonly<Record<string, unknown>>
  }

  async function dumpOf(gw: TestGateway): Promise<Dump> {
    return (await (await fetch(`${gw.admin}/config_dump`)).json()) as Dump
  }

  test('/config_dump says every limit and where it comes from', async () => {
    const connectionSettings = { httpIdleTimeout: '7s', profile: 'EDGE' }
    const mesh = meshConfig(JSON.stringify({ defaultConfig: { connectionSettings } }))
    await using gw = await start(['idle-timeout=9s', 'head-bytes=8k', 'connections=unlimited'], {
      mesh,
    })
    const { limits, fixedLimits } = await dumpOf(gw)
    expect(limits).toMatchObject({
      'idle-timeout': { value: '7s', source: 'MeshConfig' },
      'head-bytes': { value: 8192, source: '--limit' },
      connections: { value: 'unlimited', source: '--limit' },
      'header-timeout': { value: '1m', source: 'profile EDGE' },
      'request-trailers': { value: 'drop', source: 'default' },
    })
    expect(fixedLimits).toMatchObject({ 'client-hello-bytes': 16_384, 'dns-timeout': '2s' })
    expect(JSON.stringify(limits)).not.toContain('null')
  })

  test('/server_info shows the flags', async () => {
    await using gw = await start(['write-stall-timeout=90s', 'http10=accept'])
    const info = (await (await fetch(`${gw.admin}/server_info`)).json()) as {
      options: { limits: string[] }
    }
    expect(info.options.limits).toEqual(['write-stall-timeout=90s', 'http10=accept'])
  })

  test('a reload that takes a field away gives the flag its place back', async () => {
    const withField = { defaultConfig: { connectionSettings: { httpIdleTimeout: '7s' } } }
    await using gw = await start(['idle-timeout=9s'], {
      mesh: meshConfig(JSON.stringify(withField)),
    })
    expect((await dumpOf(gw)).limits['idle-timeout']?.value).toBe('7s')
    gw.write('mesh.yaml', meshConfig('accessLogFile: ""'))
    await gw.reload()
    expect((await dumpOf(gw)).limits['idle-timeout']).toEqual({ value: '9s', source: '--limit' })
  })
})

test('the command refuses a limit there is not, with status 2', async () => {
  const args = ['run', '-c', '.', '--limit', 'connections-per-adress=5000']
  const { code, stderr } = await runCommand(args)
  expect(stderr).toContain('"connections-per-adress" is not a limit')
  expect(stderr).toContain('did you mean connections-per-address?')
  expect(code).toBe(2)
})
