import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { DownstreamConnection, DownstreamExchange } from '../http/exchange.ts'
import {
  createGatewayFastify,
  type GatewayFastify,
  type GatewayPlugin,
} from '../http/fastify-server.ts'
import { H2ServerEngine } from '../http/h2-server.ts'
import { H2Settings } from '../http/h2-settings.ts'
import { HttpSettings } from '../http/http-settings.ts'
import type { PathNormalization } from '../http/path-normalization.ts'
import type { Refusal } from '../http/refusal.ts'
import { HttpServerEngine } from '../http/server-engine.ts'

export interface HttpEnginesOptions {
  readonly scheme: 'http' | 'https'
  readonly pathNormalization: PathNormalization
  readonly plugins: readonly GatewayPlugin[]
  onRequest(exchange: DownstreamExchange): void
  /** A plugin threw; its request was answered 500. */
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

  private constructor(h1: HttpServerEngine, h2: H2ServerEngine, fastify: GatewayFastify) {
    this.#h1 = h1
    this.#h2 = h2
    this.#fastify = fastify
  }

  static async start(options: HttpEnginesOptions): Promise<HttpEngines> {
    const fastify = createGatewayFastify({
      onRequest: (exchange) => options.onRequest(exchange),
      onPluginError: (error) => options.onPluginError(error),
      plugins: options.plugins,
    })
    await fastify.ready()
    const dispatch = (exchange: DownstreamExchange): void => fastify.bridge.dispatch(exchange)
    const onRefusal = (refusal: Refusal, connection: DownstreamConnection): void =>
      options.onRefused(refusal.reason, connection.remoteAddress)
    const h2 = new H2ServerEngine({
      onExchange: dispatch,
      onRefusal,
      settings: new H2Settings({ pathNormalization: options.pathNormalization }),
    })
    const h1 = new HttpServerEngine({
      onExchange: dispatch,
      onRefusal,
      scheme: options.scheme,
      settings: new HttpSettings({ pathNormalization: options.pathNormalization }),
      onHttp2Preface: (socket, firstBytes, context) => h2.accept(socket, context, firstBytes),
    })
    return new HttpEngines(h1, h2, fastify)
  }

  /** `context` comes back as `exchange.connection.context`. */
  accept(socket: Socket | TLSSocket, context: unknown): void {
    if (socket instanceof TLSSocket && socket.alpnProtocol === 'h2')
      this.#h2.accept(socket, context)
    else this.#h1.accept(socket, context)
  }

  get activeExchanges(): number {
    return this.#h1.activeExchanges + this.#h2.activeExchanges
  }

  get connections(): number {
    return this.#h1.connectionCount + this.#h2.sessionCount
  }

  /** Connection: close and GOAWAY on what follows; idle connections go now. */
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
