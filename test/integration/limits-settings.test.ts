import { connect as connectH2 } from 'node:http2'
import type { IncomingHttpHeaders } from 'node:http2'
import { once } from 'node:events'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { call } from '../support/call.ts'
import { startGateway, type TestGateway, type TestGatewayOptions } from '../support/gateway.ts'
import { RawSocket } from '../support/raw-socket.ts'
import { okAnswer, RecordingBackend } from '../support/recording-backend.ts'
import { routedTo } from '../support/routed.ts'
import { waitFor } from '../support/wait.ts'
import { meshConfig } from '../support/wire-gateway.ts'

let backend: RecordingBackend
beforeAll(async () => {
  backend = await RecordingBackend.start(({ target }) =>
    okAnswer(target).replace('\r\n', '\r\nX-Answer-Id: 7\r\nServer: Backend\r\n'),
  )
})
afterAll(() => backend[Symbol.asyncDispose]())

function proxyConfig(config: object): string {
  return meshConfig(JSON.stringify({ defaultConfig: config }))
}

function withConnections(settings: object): string {
  return proxyConfig({ connectionSettings: settings })
}

function start(mesh: string, options: TestGatewayOptions = {}): Promise<TestGateway> {
  const files = { 'mesh.yaml': mesh, 'routes.yaml': routedTo(backend.port) }
  return startGateway(files, { ports: [80], ...options })
}

/** `200 /target-the-backend-saw`, or the status and Location of what the gateway answered. */
async function outcome(gw: TestGateway, path: string, header = 'x-plain'): Promise<string> {
  const answer = await call({
    port: gw.port(80),
    host: 'app.test',
    path,
    headers: { [header]: '1' },
  })
  return `${answer.status} ${answer.headers.location ?? answer.body}`.trimEnd()
}

describe('connectionSettings decide what paths and names may look like', () => {
  test.each([
    ['no settings', {}, '200 /a%2fb//c', '400'],
    ['profile SIDECAR', { profile: 'SIDECAR' }, '200 /a%2fb//c', '400'],
    ['profile EDGE', { profile: 'EDGE' }, '307 /a/b/c', '400'],
    [
      'EDGE with fields of its own',
      {
        profile: 'EDGE',
        httpPathWithEscapedSlashesAction: 'KEEP_UNCHANGED',
        httpHeadersWithUnderscoresAction: 'HEADERS_WITH_UNDERSCORES_ALLOW',
      },
      '200 /a%2fb/c',
      '200 /',
    ],
    [
      'unescape',
      { httpPathWithEscapedSlashesAction: 'UNESCAPE_AND_FORWARD' },
      '200 /a/b//c',
      '400',
    ],
    ['refuse', { httpPathWithEscapedSlashesAction: 'REJECT_REQUEST' }, '400', '400'],
    [
      'drop names with underscores',
      { httpHeadersWithUnderscoresAction: 'HEADERS_WITH_UNDERSCORES_DROP_HEADER' },
      '200 /a%2fb//c',
      '200 /',
    ],
  ])('%s', async (_what, settings, escaped, underscored) => {
    await using gw = await start(withConnections(settings))
    expect(await outcome(gw, '/a%2fb//c')).toBe(escaped)
    expect(await outcome(gw, '/', 'x_user')).toBe(underscored)
  })

  test('a redirect keeps the query and never leaves the host', async () => {
    await using gw = await start(
      withConnections({ httpPathWithEscapedSlashesAction: 'UNESCAPE_AND_REDIRECT' }),
    )
    expect(await outcome(gw, '/a%5Cb?x=%2F')).toBe('307 /a/b?x=%2F')
    expect(await outcome(gw, '/%2fevil.test')).toBe('400')
    const grpc = { 'content-type': 'application/grpc' }
    const answer = await call({
      port: gw.port(80),
      host: 'app.test',
      path: '/a%2fb',
      headers: grpc,
    })
    expect([answer.status, answer.headers['grpc-status']]).toEqual([200, '13'])
  })

  test('HTTP/2 is under the same rules', async () => {
    await using gw = await start(withConnections({ profile: 'EDGE' }))
    const session = connectH2(`http://127.0.0.1:${gw.port(80)}`)
    const status = async (fields: Record<string, string>): Promise<unknown> => {
      const stream = session.request({ ':authority': 'app.test', ...fields })
      const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders]
      stream.resume()
      return headers.location ?? headers[':status']
    }
    expect(await status({ ':path': '/a%2fb' })).toBe('/a/b')
    expect(await status({ ':path': '/', x_user: '1' })).toBe(400)
    session.close()
    await once(session, 'close')
  })

  test('--compat passes names with underscores on, as Istio does without a profile', async () => {
    await using gw = await start(meshConfig('accessLogFile: ""'), { compat: true })
    expect(await outcome(gw, '/', 'x_user')).toBe('200 /')
    gw.write('mesh.yaml', withConnections({ profile: 'EDGE' }))
    await gw.reload()
    expect(await outcome(gw, '/', 'x_user')).toBe('400')
  })
})

describe('settings of a new generation', () => {
  test('apply to new connections; those there are go on with what they have', async () => {
    const egress = { egressProxy: true, egressAllow: ['127.0.0.0/8'] }
    await using gw = await start(meshConfig('pathNormalization: { normalization: NONE }'), egress)
    const target = `http://127.0.0.1:${backend.port}/x/../y//z`
    const ask = (port: number): Promise<Session> =>
      Session.open(port, port === gw.egressPort ? target : '/x/../y//z')
    const before = [await ask(gw.port(80)), await ask(gw.egressPort)]
    for (const session of before) expect(await session.targetSeen()).toBe('/x/../y//z')
    gw.write('mesh.yaml', withConnections({ profile: 'EDGE', httpIdleTimeout: '7s' }))
    await gw.reload()
    const after = [await ask(gw.port(80)), await ask(gw.egressPort)]
    for (const session of after) expect(await session.targetSeen()).toBe('/y/z')
    for (const session of before) expect(await session.targetSeen()).toBe('/x/../y//z')
    const dump = (await (await fetch(`${gw.admin}/config_dump?resource=mesh`)).json()) as {
      mesh: { connections: Record<string, unknown> }
    }
    expect(dump.mesh.connections).toMatchObject({
      profile: 'EDGE',
      idleTimeoutMs: 7000,
      headTimeoutMs: 60_000,
      maxStreamDurationMs: 'unlimited',
      maxConnections: 'as many as open files allow',
      paths: { normalize: true, mergeSlashes: true, escapedSlashes: 'redirect' },
      http2: { maxConcurrentStreams: 100 },
    })
    for (const session of [...before, ...after]) session.client.destroy()
  })
})

/** A kept connection that asks for the same target again and again. */
class Session {
  readonly client: RawSocket
  readonly #target: string

  private constructor(client: RawSocket, target: string) {
    this.client = client
    this.#target = target
  }

  static async open(port: number, target: string): Promise<Session> {
    return new Session(await RawSocket.connect(port), target)
  }

  async targetSeen(): Promise<string> {
    this.client.text = ''
    const host = this.#target.startsWith('http') ? new URL(this.#target).host : 'app.test'
    this.client.write(`GET ${this.#target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    return /\r\n\r\n(\S+)$/.exec(await this.client.until(/\r\n\r\n\S+$/))![1]!
  }
}

test('HTTP/2 limits reach the client as SETTINGS', async () => {
  await using gw = await start(
    withConnections({
      httpMaxConcurrentStreams: 7,
      http2InitialStreamWindowSize: 70_000,
      http2InitialConnectionWindowSize: 80_000,
    }),
  )
  const session = connectH2(`http://127.0.0.1:${gw.port(80)}`)
  await once(session, 'remoteSettings')
  expect(session.remoteSettings).toMatchObject({
    maxConcurrentStreams: 7,
    initialWindowSize: 70_000,
  })
  await waitFor('the window', () => session.state.remoteWindowSize === 80_000)
  session.close()
  await once(session, 'close')
})

test('timers of a second end heads, exchanges and connections that take longer', async () => {
  await using silent = await RecordingBackend.start(() => null)
  const limits = {
    httpRequestHeadersTimeout: '1s',
    httpIdleTimeout: '1s',
    httpMaxStreamDuration: '1s',
  }
  const mesh = meshConfig(
    JSON.stringify({
      accessLogFile: '/dev/stdout',
      defaultConfig: { connectionSettings: limits },
    }),
  )
  const files = { 'mesh.yaml': mesh, 'routes.yaml': routedTo(silent.port) }
  await using gw = await startGateway(files, { ports: [80] })
  const [idle, head, answer] = await Promise.all([
    endOf(gw, ''),
    endOf(gw, 'GET / HTTP/1.1\r\nHost: app'),
    endOf(gw, 'GET / HTTP/1.1\r\nHost: app.test\r\n\r\n'),
  ])
  expect(idle).toBe('')
  expect(head).toMatch(/^HTTP\/1\.1 408 /)
  expect(answer).toMatch(/^HTTP\/1\.1 504 /)
  await gw.gateway.close()
  expect(gw.accessLog()).toMatch(/"GET \/ HTTP\/1\.1" 504 DT max_duration_timeout /)
})

async function endOf(gw: TestGateway, bytes: string): Promise<string> {
  const client = await RawSocket.connect(gw.port(80))
  const text = await client.write(bytes).untilEnd()
  client.destroy()
  return text
}

test('numbers out of range are reported and do not count', async () => {
  await using gw = await start(
    withConnections({ httpMaxConcurrentStreams: 0, http2InitialStreamWindowSize: 1000 }),
  )
  const found = gw.gateway.problems.filter(({ code }) => code === 'connection-setting-out-of-range')
  expect(found.map(({ message }) => /\.(\w+) /.exec(message)?.[1])).toEqual([
    'http2InitialStreamWindowSize',
    'httpMaxConcurrentStreams',
  ])
  expect(gw.gateway.snapshot!.mesh.connections.http2).toMatchObject({
    maxConcurrentStreams: 100,
    streamWindowBytes: 65_536,
  })
})

describe('the spelling of header names', () => {
  const REQUEST =
    'GET / HTTP/1.1\r\nHOST: app.test\r\nX-Custom-ID: 1\r\nx-Forwarded-FOR: 192.0.2.1\r\n\r\n'

  async function exchange(mesh: string): Promise<{ sent: string; received: string }> {
    await using gw = await start(mesh)
    const before = backend.connections.length
    const client = await RawSocket.connect(gw.port(80))
    await client.write(REQUEST).until('\r\n\r\n/')
    client.destroy()
    return { sent: backend.connections[before]!.text, received: client.text }
  }

  test('is kept both ways under preserveHttp1HeaderCase', async () => {
    const mesh = proxyConfig({ proxyHeaders: { preserveHttp1HeaderCase: true } })
    const { sent, received } = await exchange(mesh)
    expect(sent).toMatch(/^GET \/ HTTP\/1\.1\r\nHOST: app\.test\r\nX-Custom-ID: 1\r\n/)
    expect(sent).toContain('\r\nx-Forwarded-FOR: 192.0.2.1,127.0.0.1\r\n')
    expect(sent).toContain('\r\nx-forwarded-proto: http\r\n')
    expect(received).toContain('\r\nX-Answer-Id: 7\r\n')
    expect(received).toContain('\r\nServer: istio-envoy\r\n')
    expect(received).toContain('\r\nContent-Length: 1\r\n')
  })

  test('is lower case without it', async () => {
    const { sent, received } = await exchange(meshConfig('accessLogFile: ""'))
    expect(sent).toContain('\r\nx-custom-id: 1\r\n')
    expect(received).toContain('\r\nx-answer-id: 7\r\n')
    expect(sent.split('\r\n').slice(1).join('\n')).not.toMatch(/^\w*[A-Z].*:/m)
  })

  test('is lower case for HTTP/2 clients and backends with it, too', async () => {
    await using gw = await start(proxyConfig({ proxyHeaders: { preserveHttp1HeaderCase: true } }))
    const session = connectH2(`http://127.0.0.1:${gw.port(80)}`)
    const stream = session.request({ ':authority': 'app.test', ':path': '/' })
    const [, , raw] = (await once(stream, 'response')) as [unknown, unknown, string[]]
    expect((await buffer(stream)).toString()).toBe('/')
    expect(raw).toContain('x-answer-id')
    session.close()
    await once(session, 'close')
  })
})
