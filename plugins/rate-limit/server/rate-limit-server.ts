import type { ConnectionInjector, Server as GrpcServer } from '@grpc/grpc-js'
import { once } from 'node:events'
import type { Server as HttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { grpcLibrary } from '../grpc-library.ts'
import { Decider, type DeciderParts } from './decider.ts'
import {
  HEALTH_METHODS,
  healthHandlers,
  RATE_LIMIT_METHODS,
  rateLimitHandlers,
} from './grpc-service.ts'
import { Health } from './health.ts'
import { createJsonServer } from './json-service.ts'

export interface RateLimitServerOptions {
  /** null: every address. */
  readonly host: string | null
  /** 0: any free one. */
  readonly port: number
  /** Milliseconds until a gRPC connection is asked to come again; absent: half an hour. */
  readonly maxConnectionAgeMs?: number
  /** Milliseconds a connection has to say what it speaks, and a request of POST /json to arrive; absent: ten seconds. */
  readonly requestTimeoutMs?: number
}

const MAX_CONNECTIONS = 4096
/** A connection says within this time what it speaks. */
const FIRST_BYTES_TIMEOUT_MS = 10_000
/** So that callers spread over replicas that came later. 10 % more or less for each. */
const MAX_CONNECTION_AGE_MS = 30 * 60_000
const CONNECTION_AGE_GRACE_MS = 10_000
const MAX_MESSAGE_BYTES = 1 << 20
const MAX_STREAMS = 1000
const KEEPALIVE_TIME_MS = 60_000
const KEEPALIVE_TIMEOUT_MS = 10_000

/** How every HTTP/2 connection begins (RFC 9113 3.4); no HTTP/1 method is PRI. */
const PREFACE = Buffer.from('PRI * HTTP/2.0', 'latin1')

/**
 * The rate limit service for others: gRPC and HTTP/1.1 on one port. What a connection speaks is seen
 * by its first bytes.
 */
export class RateLimitServer {
  readonly #health = new Health()
  readonly #grpc: GrpcServer
  readonly #injector: ConnectionInjector
  readonly #http: HttpServer
  readonly #listener: Server
  readonly #sockets = new Set<Socket>()
  readonly #decider: Decider
  readonly #firstBytesMs: number
  /** Connections since the start. */
  accepted = 0
  #host = ''
  #port = 0

  private constructor(parts: DeciderParts, options: RateLimitServerOptions) {
    const decider = new Decider(parts)
    this.#decider = decider
    const { Server, ServerCredentials } = grpcLibrary()
    this.#grpc = new Server({
      'grpc.max_connection_age_ms': options.maxConnectionAgeMs ?? MAX_CONNECTION_AGE_MS,
      'grpc.max_connection_age_grace_ms': CONNECTION_AGE_GRACE_MS,
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      'grpc.max_concurrent_streams': MAX_STREAMS,
      'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.enable_channelz': 0,
    })
    this.#grpc.addService(RATE_LIMIT_METHODS, rateLimitHandlers(decider))
    this.#grpc.addService(HEALTH_METHODS, healthHandlers(this.#health))
    this.#injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure())
    this.#firstBytesMs = options.requestTimeoutMs ?? FIRST_BYTES_TIMEOUT_MS
    this.#http = createJsonServer(decider, this.#health, this.#firstBytesMs)
    this.#listener = createServer({ noDelay: true }, (socket) => this.#accept(socket))
    this.#listener.maxConnections = MAX_CONNECTIONS
  }

  /** Rejects when the address cannot be bound. */
  static async start(
    parts: DeciderParts,
    options: RateLimitServerOptions,
  ): Promise<RateLimitServer> {
    const server = new RateLimitServer(parts, options)
    const { host, port } = options
    server.#listener.listen(host === null ? { port } : { port, host })
    await once(server.#listener, 'listening')
    const bound = server.#listener.address() as AddressInfo
    server.#host = bound.address
    server.#port = bound.port
    return server
  }

  get host(): string {
    return this.#host
  }

  /** The bound port. */
  get port(): number {
    return this.#port
  }

  get connections(): Iterable<Socket> {
    return this.#sockets
  }

  /** Requests that are not answered yet. */
  get openCalls(): number {
    return this.#decider.open
  }

  /** Says it is leaving, and goes on answering. */
  leave(): void {
    this.#health.leave()
  }

  /** Takes no new connections; calls that are open have `graceMs` to end. */
  drain(graceMs: number): void {
    this.leave()
    this.#listener.close()
    this.#http.closeIdleConnections()
    this.#health.endWatches()
    this.#injector.drain(graceMs)
  }

  async close(): Promise<void> {
    this.leave()
    const closed = this.#listener.listening ? once(this.#listener, 'close') : null
    this.#listener.close()
    this.#injector.destroy()
    this.#grpc.forceShutdown()
    this.#http.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #accept(socket: Socket): void {
    this.accepted++
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.setTimeout(this.#firstBytesMs, () => socket.destroy())
    let seen: Buffer = Buffer.alloc(0)
    const look = (): void => {
      const bytes = socket.read() as Buffer | null
      if (bytes === null) return
      seen = seen.length === 0 ? bytes : Buffer.concat([seen, bytes])
      const length = Math.min(seen.length, PREFACE.length)
      const isPreface = seen.subarray(0, length).equals(PREFACE.subarray(0, length))
      // A few bytes of the preface may come alone.
      if (isPreface && length < PREFACE.length) return
      socket.off('readable', look)
      socket.unshift(seen)
      socket.setTimeout(0)
      socket.removeAllListeners('timeout')
      if (isPreface) this.#injector.injectConnection(socket)
      else this.#http.emit('connection', socket)
    }
    socket.on('readable', look)
  }
}
