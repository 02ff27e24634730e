import { createServer as createH1Server } from 'node:http'
import { createServer as createH2Server, constants, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'

/** What a flaky upstream does with one request. `silence` never answers. */
export type Mood =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  | 'reset'
  | 'refuse'
  | 'silence'

export interface FlakyRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

export interface FlakyUpstream extends AsyncDisposable {
  readonly port: number
  readonly seen: FlakyRequest[]
}

/** Reads each request to its end; request n meets `moods[n]`, all after the list get 200 `ok`. */
export function startFlaky(protocol: 'h1' | 'h2', moods: readonly Mood[]): Promise<FlakyUpstream> {
  return protocol === 'h1' ? startFlakyH1(moods) : startFlakyH2(moods)
}

const OK: Mood = { status: 200 }

async function startFlakyH1(moods: readonly Mood[]): Promise<FlakyUpstream> {
  const seen: FlakyRequest[] = []
  const server = createH1Server((request, response) => {
    const { method = '', url: path = '', headers } = request
    const answer = (body: Buffer): void => {
      const mood = moods[seen.length] ?? OK
      seen.push({ method, path, headers, body: body.toString('latin1') })
      if (mood === 'silence') return
      if (mood === 'reset' || mood === 'refuse') request.socket.resetAndDestroy()
      else response.writeHead(mood.status, { ...mood.headers }).end('ok')
    }
    buffer(request).then(answer, () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

async function startFlakyH2(moods: readonly Mood[]): Promise<FlakyUpstream> {
  const seen: FlakyRequest[] = []
  const sockets = new Set<Socket>()
  const server = createH2Server()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    const answer = (body: Buffer): void => {
      const mood = moods[seen.length] ?? OK
      const { ':method': method = '', ':path': path = '' } = headers
      seen.push({ method, path, headers, body: body.toString('latin1') })
      if (mood === 'silence') return
      if (mood === 'reset') stream.close(constants.NGHTTP2_INTERNAL_ERROR)
      else if (mood === 'refuse') stream.close(constants.NGHTTP2_REFUSED_STREAM)
      else {
        stream.respond({ ...mood.headers, ':status': mood.status })
        stream.end('ok')
      }
    }
    buffer(stream).then(answer, () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
