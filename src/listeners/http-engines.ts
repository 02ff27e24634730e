import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ClientView } from '../http/client-view.ts'
import type { DownstreamConnection, DownstreamExchange } from '../http/exchange.ts'
import {
  createGatewayFastify,
  type GatewayFastify,
  type GatewayPlugin,
} from '../http/fastify-server.ts'
import { H2ServerEngine } from '../http/h2-server.ts'
import type { Refusal } from '../http/refusal.ts'
import { HttpServerEngine } from '../http/server-engine.ts'
import type { ConnectionSettings } from '../snapshot/connection-settings.ts'
import { announcedPeer } from './announced-peers.ts'
import { clientBlock } from './client-block.ts'
import { WireSettings } from './wire-settings.ts'

export interface HttpEnginesOptions {
  readonly scheme: 'http' | 'https'
  /** The settings of the moment: connections keep those they were accepted with. */
  connections(): ConnectionSettings
  readonly plugins: readonly GatewayPlugin[]
  /** Tunnels may be asked for over HTTP/2. Default: no. */
  readonly allowConnect?: boolean
  /** `client` is what findClient gave; null without plugins. */
  onRequest(exchange: DownstreamExchange, client: ClientView | null): void
  /** Before plugins see the exchange: makes its headers true. null: there are no plugins. */
  readonly findClient: ((exchange: DownstreamExchange) => ClientView) | null
  /** A plugin answers the exchange by itself. */
  onPluginAnswer(exchange: DownstreamExchange, client: ClientView | null): void
  /** A plugin failed, which cost its request a 5xx or a reset. */
  onPluginError(error: unknown): void
  /** The codec refused a message: it never became an exchange. */
  onRefused(reason: string, remoteAddress: string): void
}

/**
 * Turns connections into exchanges: HTTP/1.1 and HTTP/2 (by ALPN, or by prior knowledge on plain
 * sockets), each shown to one Fastify instance whose only route hands it to the proxy.
 */
export class HttpEngines {
  readonly #h1: HttpServerEngine
  readonly #h2: H2ServerEngine
  readonly #fastify: GatewayFastify
  readonly #connections: () => ConnectionSettings
  #settings: WireSettings

  private constructor(
    parts: { h1: HttpServerEngine; h2: H2ServerEngine; fastify: GatewayFastify },
    connections: () => ConnectionSettings,
    settings: WireSettings,
  ) {
    this.#h1 = parts.h1
    this.#h2 = parts.h2
    this.#fastify = parts.fastify
    this.#connections = connections
    this.#settings = settings
  }

  static async start(options: HttpEnginesOptions): Promise<HttpEngines> {
    const fastify = createGatewayFastify({
      onRequest: (exchange, client) => options.onRequest(exchange, client),
      findClient: options.findClient,
      onPluginAnswer: (exchange, client) => options.onPluginAnswer(exchange, client),
      onPluginError: (error) => options.onPluginError(error),
      plugins: options.plugins,
    })
    await fastify.ready()
    const dispatch = (exchange: DownstreamExchange): void => fastify.bridge.dispatch(exchange)
    const onRefusal = (refusal: Refusal, connection: DownstreamConnection): void =>
      options.onRefused(refusal.reason, connection.remoteAddress)
    const allowConnect = options.allowConnect === true
    const settings = new WireSettings(options.connections(), allowConnect)
    const h2 = new H2ServerEngine({
      onExchange: dispatch,
      onRefusal,
      settings: settings.h2,
      clientOf: clientBlock,
    })
    const h1 = new HttpServerEngine({
      onExchange: dispatch,
      onRefusal,
      scheme: options.scheme,
      settings: settings.h1,
      onHttp2Preface: (socket, firstBytes, context) =>
        h2.accept(socket, context, firstBytes, announcedPeer(socket)),
    })
    return new HttpEngines({ h1, h2, fastify }, () => options.connections(), settings)
  }

  /** `context` comes back as `exchange.connection.context`. */
  accept(socket: Socket | TLSSocket, context: unknown): void {
    this.#followSettings()
    const peer = announcedPeer(socket)
    if (socket instanceof TLSSocket && socket.alpnProtocol === 'h2')
      this.#h2.accept(socket, context, null, peer)
    else this.#h1.accept(socket, context, { peer, firstBytes: waitingBytes(socket) })
  }

  #followSettings(): void {
    const connections = this.#connections()
    if (connections === this.#settings.connections) return
    this.#settings = new WireSettings(connections, this.#settings.h2.allowConnect)
    this.#h1.configure(this.#settings.h1)
    this.#h2.configure(this.#settings.h2)
  }

  get activeExchanges(): number {
    return this.#h1.activeExchanges + this.#h2.activeExchanges
  }

  get connections(): number {
    return this.#h1.connectionCount + this.#h2.sessionCount
  }

  /** HTTP/1.1 connections for which a time runs. */
  get runningDeadlines(): number {
    return this.#h1.runningDeadlines
  }

  /** Connection: close and GOAWAY on what follows; idle connections go after a moment. */
  drain(): void {
    this.#h1.drain()
    this.#h2.drain()
  }

  /** Ends what is left. */
  async close(): Promise<void> {
    this.#h1.destroyAll()
    this.#h2.destroyAll()
    await this.#fastify.close()
  }
}

/** What came together with a PROXY header, or null. */
function waitingBytes(socket: Socket): Buffer | null {
  const waits = socket.readableLength > 0 && !(socket instanceof TLSSocket)
  const bytes: unknown = waits ? socket.read() : null
  return Buffer.isBuffer(bytes) ? bytes : null
}
