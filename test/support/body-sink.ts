import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { createServer as createH2Server } from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import type { Readable } from 'node:stream'

/** What a sink received of one request. */
export interface Received {
  bytes: number
  sha256: string
  /** `ended` when it came whole, `aborted` when it broke off, '' before. */
  fate: '' | 'ended' | 'aborted'
  trailers: Readonly<Record<string, unknown>>
}

export interface BodySink extends AsyncDisposable {
  readonly port: number
  readonly received: Received[]
}

/** An upstream that reads whole bodies and answers `answer`; HTTP/2 with prior knowledge if asked. */
export async function startBodySink(
  protocol: 'HTTP/1.1' | 'HTTP/2',
  answer: string,
): Promise<BodySink> {
  const received: Received[] = []
  const connections = new Set<{ destroy(): void }>()
  const server: Server =
    protocol === 'HTTP/2'
      ? createH2Server((request, response) => {
          request.stream.on('error', () => {})
          receive(request, received, {
            // node:http2 ends a body that was reset as if it were whole.
            isWhole: () => !request.stream.aborted,
            answer: () => response.end(answer),
          })
        }).on('session', (session) => connections.add(session))
      : createServer((request, response) => {
          receive(request, received, { isWhole: () => true, answer: () => response.end(answer) })
        }).on('connection', (socket) => connections.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    received,
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

type Incoming = Readable & { readonly trailers: Readonly<Record<string, unknown>> }

function receive(
  body: Incoming,
  list: Received[],
  side: { isWhole(): boolean; answer(): void },
): void {
  const one: Received = { bytes: 0, sha256: '', fate: '', trailers: {} }
  list.push(one)
  const hash = createHash('sha256')
  body.on('data', (chunk: Buffer) => {
    one.bytes += chunk.length
    hash.update(chunk)
  })
  body.on('end', () => {
    if (!side.isWhole()) return
    one.sha256 = hash.digest('hex')
    one.trailers = { ...body.trailers }
    one.fate = 'ended'
    side.answer()
  })
  body.on('error', () => {})
  body.on('close', () => {
    if (one.fate === '') one.fate = 'aborted'
  })
}
