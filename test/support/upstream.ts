import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

/** What an upstream saw of one request. */
export interface SeenRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly rawHeaders: readonly string[]
  readonly body: string
  readonly trailers: IncomingMessage['trailers']
}

export interface Upstream extends AsyncDisposable {
  readonly port: number
  readonly server: Server
  readonly seen: SeenRequest[]
}

/** A node:http upstream on a free loopback port that remembers what it saw and answers `answer`. */
export async function startUpstream(
  answer: string | RequestListener,
  host = '127.0.0.1',
  port = 0,
): Promise<Upstream> {
  const seen: SeenRequest[] = []
  const server = createServer((request, response) => {
    if (typeof answer === 'function') {
      answer(request, response)
      return
    }
    void buffer(request).then(
      (body) => {
        seen.push(seenRequest(request, body.toString('latin1')))
        response.setHeader('content-type', 'text/plain')
        response.end(answer)
      },
      () => response.destroy(),
    )
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(port, host, resolve))
  return {
    port: (server.address() as AddressInfo).port,
    server,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

export function seenRequest(request: IncomingMessage, body: string): SeenRequest {
  return {
    method: request.method ?? '',
    url: request.url ?? '',
    headers: request.headers,
    rawHeaders: request.rawHeaders,
    body,
    trailers: request.trailers,
  }
}
