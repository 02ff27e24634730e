import {
  Client,
  credentials,
  type ChannelCredentials,
  type ChannelOptions,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type MethodDefinition,
} from '@grpc/grpc-js'

/** Messages are plain bytes: what is tested is how they travel. */
const passThrough = (bytes: Buffer): Buffer => bytes

function method(
  name: string,
  streams: { request: boolean; response: boolean },
): MethodDefinition<Buffer, Buffer> {
  return {
    path: `/tidegate.test.Echo/${name}`,
    requestStream: streams.request,
    responseStream: streams.response,
    requestSerialize: passThrough,
    requestDeserialize: passThrough,
    responseSerialize: passThrough,
    responseDeserialize: passThrough,
  }
}

/** The four kinds of calls. */
export const ECHO = {
  unary: method('Unary', { request: false, response: false }),
  serverStream: method('ServerStream', { request: false, response: true }),
  clientStream: method('ClientStream', { request: true, response: false }),
  bidi: method('Bidi', { request: true, response: true }),
} satisfies ServiceDefinition

export interface EchoHandlers {
  readonly unary: handleUnaryCall<Buffer, Buffer>
  readonly serverStream: handleServerStreamingCall<Buffer, Buffer>
  readonly clientStream: handleClientStreamingCall<Buffer, Buffer>
  readonly bidi: handleBidiStreamingCall<Buffer, Buffer>
}

export interface GrpcServer extends AsyncDisposable {
  readonly port: number
}

/** A grpc-js server without TLS on a free loopback port. */
export async function startGrpcServer(handlers: Partial<EchoHandlers>): Promise<GrpcServer> {
  const server = new Server()
  server.addService(ECHO, { ...handlers })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound)
      else reject(error)
    })
  })
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.forceShutdown()
      await Promise.resolve()
    },
  }
}

/** A grpc-js client for a gateway's port; `host` becomes :authority, and the server name over TLS. */
export function grpcClient(port: number, host: string, ca: string | null = null): Client {
  const secure: ChannelCredentials =
    ca === null ? credentials.createInsecure() : credentials.createSsl(Buffer.from(ca))
  const options: ChannelOptions = {
    'grpc.default_authority': host,
    ...(ca === null ? {} : { 'grpc.ssl_target_name_override': host }),
  }
  return new Client(`127.0.0.1:${port}`, secure, options)
}
