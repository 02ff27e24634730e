import type { Socket } from 'node:net'
import type { PeerAddresses } from './accepted-peer.ts'
import type { DownstreamConnection, DownstreamExchange } from './exchange.ts'
import type { HttpSettings } from './http-settings.ts'
import type { Refusal } from './refusal.ts'
import { ServerConnection } from './server-connection.ts'
import type { ServerExchange } from './server-exchange.ts'
import { TimerWheel } from './timer-wheel.ts'

export interface HttpServerOptions {
  /** Called once per request; sets `exchange.handler` before it returns. */
  onExchange(exchange: DownstreamExchange): void
  /** What the accepted sockets speak. */
  readonly scheme: 'http' | 'https'
  readonly settings: HttpSettings
  /** Timer shared with other servers; without it the engine has its own. */
  readonly wheel?: TimerWheel
  /**
   * Takes a connection that began with HTTP/2's client preface. `firstBytes` holds all that was
   * read; the socket is paused and has no listeners of ours. Without it such clients get 505.
   */
  readonly onHttp2Preface?: (socket: Socket, firstBytes: Buffer, context: unknown) => void
  /** A message was refused by the codec: nothing above the wire saw it. */
  readonly onRefusal?: (refusal: Refusal, connection: DownstreamConnection) => void
}

/** What the acceptor already knows of, or read from, a socket. */
export interface AcceptedBytes {
  /** Bytes taken off the socket before (protocol sniffing), or null. */
  readonly firstBytes?: Buffer | null
  /** Addresses of a PROXY header, or null. */
  readonly peer?: PeerAddresses | null
}

/** Serves HTTP/1.1 on sockets that others accept. One per listener, or per chain of a listener. */
export class HttpServerEngine {
  readonly settings: HttpSettings
  readonly scheme: 'http' | 'https'
  readonly wheel: TimerWheel
  readonly onHttp2Preface: ((socket: Socket, firstBytes: Buffer, context: unknown) => void) | null
  /** Answers carry `Connection: close` from now on. */
  draining = false

  readonly #options: HttpServerOptions
  readonly #ownsWheel: boolean
  readonly #connections = new Set<ServerConnection>()
  #activeExchanges = 0
  #onEmpty: (() => void)[] = []

  constructor(options: HttpServerOptions) {
    this.#options = options
    this.settings = options.settings
    this.scheme = options.scheme
    this.#ownsWheel = options.wheel === undefined
    this.wheel = options.wheel ?? new TimerWheel()
    this.onHttp2Preface = options.onHttp2Preface ?? null
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  get activeExchanges(): number {
    return this.#activeExchanges
  }

  /** Takes over a connected net.Socket or a tls.TLSSocket whose handshake is done. */
  accept(socket: Socket, context: unknown, accepted: AcceptedBytes | null = null): void {
    if (socket.destroyed) return
    const connection = new ServerConnection(this, socket, context, accepted?.peer ?? null)
    this.#connections.add(connection)
    connection.start(accepted?.firstBytes ?? null)
  }

  /** Idle connections close now, others after their current answer. */
  drain(): void {
    this.draining = true
    for (const connection of this.#connections) connection.closeIfIdle()
  }

  /** Drains; resolves when the last connection is gone. */
  async close(): Promise<void> {
    this.drain()
    if (this.#connections.size > 0) {
      await new Promise<void>((resolve) => this.#onEmpty.push(resolve))
    }
    if (this.#ownsWheel) this.wheel.close()
  }

  /** Destroys every connection; open exchanges end with `shutdown`. */
  destroyAll(): void {
    this.draining = true
    for (const connection of this.#connections) connection.destroy()
  }

  /** For connections only. */
  onExchangeBegin(exchange: ServerExchange): void {
    this.#activeExchanges++
    this.#options.onExchange(exchange)
  }

  /** For connections only. */
  onExchangeOver(): void {
    this.#activeExchanges--
  }

  /** For connections only. */
  onRefused(refusal: Refusal, connection: DownstreamConnection): void {
    this.#options.onRefusal?.(refusal, connection)
  }

  /** For connections only. */
  onConnectionOver(connection: ServerConnection): void {
    this.#connections.delete(connection)
    if (this.#connections.size > 0) return
    for (const resolve of this.#onEmpty.splice(0)) resolve()
  }
}
