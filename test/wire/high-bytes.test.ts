import { createServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { startGateway } from '../support/gateway.ts'
import { H2Client } from '../support/h2-client.ts'
import { RawSocket } from '../support/raw-socket.ts'
import { RecordingBackend } from '../support/recording-backend.ts'
import { routedTo } from '../support/routed.ts'

/**
 * obs-text (RFC 9110 5.5): bytes above 0x7F in values, one character each here, as on the wire of
 * HTTP/1.1. What passes between it and node:http2 says that node:http2 does so too.
 */
const HIGH = String.fromCharCode(...Array.from({ length: 128 }, (_, i) => 0x80 + i))
const VALUES: readonly (readonly [string, string])[] = [
  ['one of latin1', '\xe9'],
  ['two of UTF-8', '\xc3\xa9'],
  ['within ASCII', 'caf\xe9 \t cr\xe8me'],
  ['no UTF-8', '\xff\xc3\x80\x80'],
  ['all there are', HIGH],
]

interface Backend extends AsyncDisposable {
  readonly port: number
  readonly portName: string
  /** `x-ask` of each request. Answers have `x-answer` with the same. */
  readonly asked: readonly string[]
}

async function startH1(): Promise<Backend> {
  const asked: string[] = []
  const backend = await RecordingBackend.start(({ fields }) => {
    const value = fields.find((line) => line.startsWith('x-ask: '))?.slice('x-ask: '.length) ?? ''
    asked.push(value)
    return `HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Answer: ${value}\r\n\r\n`
  })
  const dispose = (): Promise<void> => backend[Symbol.asyncDispose]()
  return { port: backend.port, portName: 'http', asked, [Symbol.asyncDispose]: dispose }
}

async function startH2(): Promise<Backend> {
  const asked: string[] = []
  const server = createServer()
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', (session) => sessions.add(session))
  server.on('stream', (stream: ServerHttp2Stream, _headers, _flags, raw: string[]) => {
    const value = valueOf(raw, 'x-ask')
    asked.push(value)
    stream.respond([':status', '200', 'x-answer', value], { endStream: true })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    portName: 'grpc',
    asked,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

function valueOf(raw: readonly string[], name: string): string {
  return raw[raw.indexOf(name) + 1] ?? ''
}

interface Client extends AsyncDisposable {
  /** Asks with `x-ask` on the one connection there is, and gives `x-answer`. */
  ask(value: string): Promise<string>
}

async function h1Client(port: number): Promise<Client> {
  const socket = await RawSocket.connect(port)
  return {
    async ask(value) {
      socket.text = ''
      socket.write(`GET / HTTP/1.1\r\nHost: app.test\r\nX-Ask: ${value}\r\n\r\n`)
      const text = await socket.until('\r\n\r\n')
      return /\r\nx-answer: (.*)\r\n/i.exec(text)?.[1] ?? text
    },
    async [Symbol.asyncDispose]() {
      socket.destroy()
    },
  }
}

async function h2Client(port: number): Promise<Client> {
  const client = new H2Client(port)
  const head = [':method', 'GET', ':scheme', 'http', ':authority', 'app.test', ':path', '/']
  return {
    async ask(value) {
      return valueOf((await client.fetch([...head, 'x-ask', value])).rawHeaders, 'x-answer')
    },
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  }
}

describe.each([
  ['HTTP/1.1 to HTTP/1.1', h1Client, startH1],
  ['HTTP/1.1 to HTTP/2', h1Client, startH2],
  ['HTTP/2 to HTTP/1.1', h2Client, startH1],
  ['HTTP/2 to HTTP/2', h2Client, startH2],
] as const)('bytes above 0x7F pass both ways, %s', (_name, openClient, startBackend) => {
  test.each(VALUES)('%s', async (_what, value) => {
    await using backend = await startBackend()
    await using gw = await startGateway(routedTo(backend.port, backend), { ports: [80] })
    await using client = await openClient(gw.port(80))
    // Heads that come again are read and written in ways of their own.
    for (let i = 0; i < 4; i++) expect(await client.ask(value)).toBe(value)
    expect(backend.asked).toEqual([value, value, value, value])
  })
})
