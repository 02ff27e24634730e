import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import {
  type ClientHttp2Session,
  connect,
  createServer as createH2Server,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { parseLimits } from '../../src/cli/limit-flags.ts'
import type { LimitFlags } from '../../src/compile/limits/limit-table.ts'
import { startGateway } from '../support/gateway.ts'
import { heldBufferBytes, untilHeldBelow } from '../support/held-memory.ts'
import { drainedBytes, Pump } from '../support/pump.ts'
import { routedTo } from '../support/routed.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { meshConfig } from '../support/wire-gateway.ts'

const TOTAL = 64 * 1024 * 1024
/** What two loopback connections' kernel buffers may take, with room. */
const MOST_TAKEN = 40 * 1024 * 1024
/** What the gateway may hold for one exchange, test's own block included. */
const MOST_HELD = 2 * 1024 * 1024

interface BodyUpstream extends AsyncDisposable {
  readonly port: number
  /** The service port name that makes the gateway speak this protocol. */
  readonly portName: string
}

/** `onBody` gets the request body, `onAnswer` the begun response. */
interface BodyHandlers {
  onUpload(body: Readable, answer: (text: string) => void): void
  onDownload(pump: Pump): void
}

async function startH1(handlers: BodyHandlers): Promise<BodyUpstream> {
  const upstream = await startUpstream((incoming, response) => {
    if (incoming.method === 'POST') handlers.onUpload(incoming, (text) => response.end(text))
    else handlers.onDownload(new Pump(response, TOTAL))
  })
  return { ...upstream, portName: 'http' }
}

async function startH2(handlers: BodyHandlers): Promise<BodyUpstream> {
  const server = createH2Server()
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', (session) => sessions.add(session))
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    stream.respond({ ':status': 200 })
    if (headers[':method'] === 'POST') handlers.onUpload(stream, (text) => stream.end(text))
    else handlers.onDownload(new Pump(stream, TOTAL))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    portName: 'grpc',
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

interface BodyClient extends AsyncDisposable {
  /** Begins a download and gives its body, not yet read. */
  download(): Promise<Readable>
  upload(): { readonly pump: Pump; readonly answer: Promise<string> }
}

function h1Client(port: number): BodyClient {
  const agent = new Agent()
  const open = (method: string): ReturnType<typeof request> =>
    request({ host: '127.0.0.1', port, method, headers: { host: 'app.test' }, agent })
  return {
    async download() {
      const sent = open('GET')
      sent.end()
      const [response] = (await once(sent, 'response')) as [IncomingMessage]
      return response
    },
    upload() {
      const sent = open('POST')
      const answer = once(sent, 'response').then(async ([response]) =>
        (await buffer(response as IncomingMessage)).toString(),
      )
      answer.catch(() => undefined)
      return { pump: new Pump(sent, TOTAL), answer }
    },
    async [Symbol.asyncDispose]() {
      agent.destroy()
    },
  }
}

function h2Client(port: number): BodyClient {
  const session: ClientHttp2Session = connect(`http://127.0.0.1:${port}`)
  const open = (method: string): ReturnType<ClientHttp2Session['request']> =>
    session.request({ ':method': method, ':authority': 'app.test', ':path': '/' })
  return {
    async download() {
      const stream = open('GET')
      await once(stream, 'response')
      return stream
    },
    upload() {
      const stream = open('POST')
      const answer = buffer(stream).then((body) => body.toString())
      answer.catch(() => undefined)
      return { pump: new Pump(stream, TOTAL), answer }
    },
    async [Symbol.asyncDispose]() {
      const closed = once(session, 'close')
      session.destroy()
      await closed
    },
  }
}

const PAIRS = [
  ['h1 to h1', h1Client, startH1],
  ['h1 to h2', h1Client, startH2],
  ['h2 to h1', h2Client, startH1],
  ['h2 to h2', h2Client, startH2],
] as const

describe.each(PAIRS)('64 MiB from %s', (_what, openClient, startServer) => {
  test('a client that does not read stops the upstream; all of it arrives once it does', async () => {
    const begun = Promise.withResolvers<Pump>()
    await using upstream = await startServer({
      onUpload: () => undefined,
      onDownload: begun.resolve,
    })
    await using gw = await startGateway(routedTo(upstream.port, upstream), { ports: [80] })
    await using client = openClient(gw.port(80))
    const before = heldBufferBytes()
    const body = await client.download()
    const pump = await begun.promise
    await pump.untilStalled()
    expect(pump.taken).toBeLessThan(MOST_TAKEN)
    await untilHeldBelow(before + MOST_HELD)
    expect(await drainedBytes(body)).toBe(TOTAL)
  }, 40_000)

  test('an upstream that does not read stops the client; all of it arrives once it does', async () => {
    const begun = Promise.withResolvers<{ body: Readable; answer: (text: string) => void }>()
    await using upstream = await startServer({
      onUpload: (body, answer) => begun.resolve({ body, answer }),
      onDownload: () => undefined,
    })
    await using gw = await startGateway(routedTo(upstream.port, upstream), { ports: [80] })
    await using client = openClient(gw.port(80))
    const before = heldBufferBytes()
    const { pump, answer } = client.upload()
    const { body, answer: reply } = await begun.promise
    await pump.untilStalled()
    expect(pump.taken).toBeLessThan(MOST_TAKEN)
    await untilHeldBelow(before + MOST_HELD)
    reply(String(await drainedBytes(body)))
    expect(await answer).toBe(String(TOTAL))
  }, 40_000)
})

/** More than the buffers of the kernel take. */
const BUFFER_BYTES = 48 * 1024 * 1024
const LIMITS = parseLimits([`upstream-buffer-bytes=${BUFFER_BYTES}`])
const MESH = meshConfig(
  `defaultConfig: { connectionSettings: { clusterPerConnectionBufferLimitBytes: ${BUFFER_BYTES} } }`,
)

describe.each([
  ['h1', startH1],
  ['h2', startH2],
] as const)('an upload to %s that does not read', (_what, startServer) => {
  test.each<[string, LimitFlags, string]>([
    ['--limit upstream-buffer-bytes', LIMITS, meshConfig('accessLogFile: ""')],
    ['clusterPerConnectionBufferLimitBytes', new Map(), MESH],
  ])(
    'is held as far as %s says',
    async (_name, limits, mesh) => {
      const begun = Promise.withResolvers<{ body: Readable; answer: (text: string) => void }>()
      await using upstream = await startServer({
        onUpload: (body, answer) => begun.resolve({ body, answer }),
        onDownload: () => undefined,
      })
      const files = { 'routes.yaml': routedTo(upstream.port, upstream), 'mesh.yaml': mesh }
      await using gw = await startGateway(files, { ports: [80], limits })
      await using client = h1Client(gw.port(80))
      const { pump, answer } = client.upload()
      const { body, answer: reply } = await begun.promise
      await waitFor('the buffer to fill', () => pump.taken > BUFFER_BYTES)
      reply(String(await drainedBytes(body)))
      expect(await answer).toBe(String(TOTAL))
    },
    40_000,
  )
})
