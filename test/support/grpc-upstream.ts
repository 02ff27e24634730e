import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

/** One gRPC message with its five bytes in front. */
export function grpcFrame(message: string | Buffer, flag = 0): Buffer {
  const bytes = Buffer.from(message)
  const head = Buffer.alloc(5)
  head[0] = flag
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}

export interface GrpcCall {
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface GrpcUpstream extends AsyncDisposable {
  readonly port: number
  readonly seen: GrpcCall[]
}

/** An h2c server on a free loopback port; `answer` gets the stream once its request is complete. */
export async function startGrpcUpstream(
  answer: (stream: ServerHttp2Stream, call: GrpcCall) => void,
): Promise<GrpcUpstream> {
  const seen: GrpcCall[] = []
  const server = createServer()
  const streams = new Set<ServerHttp2Stream>()
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    streams.add(stream)
    stream.on('close', () => streams.delete(stream))
    stream.on('error', () => {})
    buffer(stream).then(
      (body) => {
        seen.push({ headers, body })
        answer(stream, { headers, body })
      },
      () => {},
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    async [Symbol.asyncDispose]() {
      for (const stream of streams) stream.session?.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

/** Echoes the message and ends with `trailers`. */
export function echo(trailers: Record<string, string>) {
  return (stream: ServerHttp2Stream, call: GrpcCall): void => {
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc' },
      { waitForTrailers: true },
    )
    stream.on('wantTrailers', () => stream.sendTrailers(trailers))
    stream.end(call.body)
  }
}
