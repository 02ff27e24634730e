import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { grpcFrame } from '../support/grpc-upstream.ts'
import { collect, H2Client } from '../support/h2-client.ts'
import { waitFor } from '../support/wait.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

/** Takes length-prefixed messages out of a stream of bytes, however they were cut. */
class MessageReader {
  #rest = Buffer.alloc(0)

  take(chunk: Buffer): string[] {
    this.#rest = Buffer.concat([this.#rest, chunk])
    const messages: string[] = []
    while (this.#rest.length >= 5) {
      const end = 5 + this.#rest.readUInt32BE(1)
      if (this.#rest.length < end) break
      messages.push(this.#rest.subarray(5, end).toString())
      this.#rest = this.#rest.subarray(end)
    }
    return messages
  }
}

interface Backend extends AsyncDisposable {
  readonly port: number
  /** Codes of streams that were reset by the gateway. */
  readonly resets: number[]
  readonly headers: IncomingHttpHeaders[]
  sent: number
}

const BIG = Buffer.alloc(64 * 1024, 'x')
/** More than every buffer and window on the way can hold. */
const FLOOD_BYTES = 64 * 1024 * 1024

/** One method of each kind; all end with status 0 and a trailer of their own. */
async function startBackend(): Promise<Backend> {
  const resets: number[] = []
  const headers: IncomingHttpHeaders[] = []
  const server = createServer()
  const backend = { port: 0, resets, headers, sent: 0 }
  const streams = new Set<ServerHttp2Stream>()
  server.on('stream', (stream: ServerHttp2Stream, fields: IncomingHttpHeaders) => {
    streams.add(stream)
    headers.push(fields)
    stream.on('error', () => {})
    stream.on('close', () => {
      streams.delete(stream)
      if (stream.rstCode !== 0) resets.push(stream.rstCode ?? 0)
    })
    stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-kind': 'last' }))
    const reader = new MessageReader()
    const got: string[] = []
    const method = fields[':path']!.split('/')[2]
    if (method === 'Flood') flood(stream, backend)
    if (method === 'Silent') return
    stream.on('data', (chunk: Buffer) => {
      for (const message of reader.take(chunk)) {
        got.push(message)
        if (method === 'Chat') stream.write(grpcFrame(`re: ${message}`))
      }
    })
    stream.on('end', () => {
      if (method === 'Unary') stream.write(grpcFrame(`hello ${got[0]}`))
      if (method === 'Collect') stream.write(grpcFrame(got.join('+')))
      if (method === 'List') for (const n of [1, 2, 3]) stream.write(grpcFrame(`${got[0]} ${n}`))
      if (method !== 'Flood') stream.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return Object.assign(backend, {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const stream of streams) stream.session?.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  })
}

function flood(stream: ServerHttp2Stream, backend: { sent: number }): void {
  const pump = (): void => {
    while (!stream.destroyed && backend.sent < FLOOD_BYTES) {
      backend.sent += BIG.length
      if (!stream.write(grpcFrame(BIG))) {
        stream.once('drain', pump)
        return
      }
    }
    stream.end()
  }
  pump()
}

let backend: Backend
let gw: TestGateway
let client: H2Client

beforeEach(async () => {
  backend = await startBackend()
  gw = await startGateway(
    service('cart', backend.port, { portName: 'grpc' }) +
      gateway('gw', ['shop.test']) +
      virtualService('v', ['shop.test'], ['gw'], '  - route: [{ destination: { host: cart } }]'),
    { ports: [80] },
  )
  client = new H2Client(gw.port(80))
})
afterEach(async () => {
  await client[Symbol.asyncDispose]()
  await gw[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
})

function begin(method: string, fields: Record<string, string> = {}) {
  return client.open({
    ':method': 'POST',
    ':path': `/shop.Cart/${method}`,
    ':authority': 'shop.test',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...fields,
  })
}

const messagesOf = (body: string): string[] => new MessageReader().take(Buffer.from(body))

describe('calls of each kind', () => {
  test.each([
    ['unary', 'Unary', ['Ann'], ['hello Ann']],
    ['client streaming', 'Collect', ['a', 'b', 'c'], ['a+b+c']],
    ['server streaming', 'List', ['n'], ['n 1', 'n 2', 'n 3']],
    ['bidirectional streaming', 'Chat', ['a', 'b'], ['re: a', 're: b']],
  ])('%s: messages arrive as sent, with the trailers', async (_kind, method, asked, expected) => {
    const stream = begin(method)
    const answer = collect(stream)
    for (const message of asked) stream.write(grpcFrame(message))
    stream.end()
    const { status, body, rawTrailers } = await answer
    expect(status).toBe(200)
    expect(messagesOf(body)).toEqual(expected)
    expect(rawTrailers).toEqual(['grpc-status', '0', 'x-kind', 'last'])
  })

  test('each message of a conversation is answered before the next is sent', async () => {
    const stream = begin('Chat')
    const reader = new MessageReader()
    const heard: string[] = []
    stream.on('data', (chunk: Buffer) => heard.push(...reader.take(chunk)))
    for (const word of ['one', 'two', 'three']) {
      stream.write(grpcFrame(word))
      await waitFor(`the answer to ${word}`, () => heard.at(-1) === `re: ${word}`)
    }
    stream.end()
    await new Promise((resolve) => stream.on('close', resolve))
    expect(heard).toHaveLength(3)
  })
})

test("a client's deadline is passed on and ends the call with DEADLINE_EXCEEDED", async () => {
  const stream = begin('Silent', { 'grpc-timeout': '200m' })
  const answer = await collect(stream.end(grpcFrame('?')) as typeof stream)
  const fields = [...answer.rawHeaders, ...answer.rawTrailers]
  // The upstream had answered its head: the call is cut off, else the status says it.
  if (answer.rstCode === 0) expect(fields).toContain('grpc-status')
  expect(backend.headers[0]!['grpc-timeout']).toMatch(/^\d+m$/)
  await waitFor('the upstream to be told', () => backend.resets.length === 1)
})

test('a call the client cancels is cancelled upstream', async () => {
  const stream = begin('Chat')
  stream.write(grpcFrame('a'))
  await waitFor('the call', () => backend.headers.length === 1)
  stream.close(8)
  await waitFor('the reset', () => backend.resets.length === 1)
  expect(backend.resets).toEqual([8])
})

test('a client that does not read stops the upstream from sending', async () => {
  const stream = begin('Flood')
  stream.pause()
  stream.end(grpcFrame('go'))
  let last = -1
  await waitFor('the upstream to stop', async () => {
    const before = backend.sent
    await new Promise((resolve) => setTimeout(resolve, 50))
    const still = backend.sent === before && before === last && before > 0
    last = backend.sent
    return still
  })
  expect(backend.sent).toBeLessThan(FLOOD_BYTES / 4)
  stream.close(8)
  await waitFor('the reset', () => backend.resets.length === 1)
})
