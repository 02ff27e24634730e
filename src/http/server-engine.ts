import type { Socket } from 'node:net'
import { Roster } from '../base/roster.ts'
import type { PeerAddresses } from './accepted-peer.ts'
import type { DownstreamConnection, DownstreamExchange } from './exchange.ts'
import type { HttpSettings } from './http-settings.ts'
import { PrefaceSniffer, type SnifferOwner } from './preface-sniffer.ts'
import type { Refusal } from './refusal.ts'
import { RepeatedHeads } from './repeated-head.ts'
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
export class HttpServerEngine implements SnifferOwner {
  settings: HttpSettings
  /** Those of connections that follow the settings. */
  heads = new RepeatedHeads()
  readonly scheme: 'http' | 'https'
  readonly wheel: TimerWheel
  /** Answers carry `Connection: close` from now on. */
  draining = false

  readonly #options: HttpServerOptions
  readonly #ownsWheel: boolean
  readonly #connections = new Roster<ServerConnection>()
  readonly #sniffers = new Roster<PrefaceSniffer>()
  #activeExchanges = 0
  #onEmpty: (() => void)[] = []

  constructor(options: HttpServerOptions) {
    this.#options = options
    this.settings = options.settings
    this.scheme = options.scheme
    this.#ownsWheel = options.wheel === undefined
    this.wheel = options.wheel ?? new TimerWheel()
  }

  /** Connections accepted from now on follow `settings`; those there are keep theirs. */
  configure(settings: HttpSettings): void {
    this.settings = settings
    this.heads = new RepeatedHeads()
  }

  get connectionCount(): number {
    return this.#connections.size + this.#sniffers.size
  }

  /** Connections for which a time runs; the wheel may be shared. */
  get runningDeadlines(): number {
    return this.wheel.size
  }

  get activeExchanges(): number {
    return this.#activeExchanges
  }

  /** Takes over a connected net.Socket or a tls.TLSSocket whose handshake is done. */
  accept(socket: Socket, context: unknown, accepted: AcceptedBytes | null = null): void {
    if (socket.destroyed) return
    const firstBytes = accepted?.firstBytes ?? null
    const peer = accepted?.peer ?? null
    if (this.#options.onHttp2Preface === undefined) {
      this.#serve(socket, context, peer, firstBytes)
      return
    }
    const sniffer = new PrefaceSniffer(this, socket, context, peer)
    this.#sniffers.add(sniffer)
    sniffer.start(firstBytes)
  }

  #serve(
    socket: Socket,
    context: unknown,
    peer: PeerAddresses | null,
    firstBytes: Buffer | null,
  ): void {
    const connection = new ServerConnection(this, socket, context, peer)
    this.#connections.add(connection)
    connection.start(firstBytes)
  }

  /** Every answer is its connection's last from now on; idle connections close after a moment. */
  drain(): void {
    this.draining = true
    for (const sniffer of this.#sniffers) sniffer.closeIfIdle()
    for (const connection of this.#connections) connection.closeIfIdle()
  }

  /** Drains; resolves when the last connection is gone. */
  async close(): Promise<void> {
    this.drain()
    if (this.connectionCount > 0) {
      await new Promise<void>((resolve) => this.#onEmpty.push(resolve))
    }
    if (this.#ownsWheel) this.wheel.close()
  }

  /** Destroys every connection; open exchanges end with `shutdown`. Accept nothing afterwards. */
  destroyAll(): void {
    this.draining = true
    for (const sniffer of this.#sniffers) sniffer.destroy()
    for (const connection of this.#connections) connection.destroy()
    if (this.#ownsWheel) this.wheel.close()
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
    this.#tellIfEmpty()
  }

  /** For sniffers only. */
  onHttp1(sniffer: PrefaceSniffer, firstBytes: Buffer): void {
    this.#sniffers.delete(sniffer)
    this.#serve(sniffer.socket, sniffer.context, sniffer.peer, firstBytes)
  }

  /** For sniffers only. */
  onHttp2(sniffer: PrefaceSniffer, firstBytes: Buffer): void {
    this.onSnifferOver(sniffer)
    this.#options.onHttp2Preface?.(sniffer.socket, firstBytes, sniffer.context)
  }

  /** For sniffers only. */
  onSnifferOver(sniffer: PrefaceSniffer): void {
    this.#sniffers.delete(sniffer)
    this.#tellIfEmpty()
  }

  #tellIfEmpty(): void {
    if (this.connectionCount > 0) return
    for (const resolve of this.#onEmpty.splice(0)) resolve()
  }
}
