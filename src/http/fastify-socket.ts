import type { DownstreamConnection } from './exchange.ts'
import type { FastifyReplyFacade } from './fastify-reply.ts'

/** The client's connection as Fastify and its plugins see it: addresses, TLS or not, a way out. */
export class FastifySocketFacade {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly remoteFamily: string
  readonly localAddress: string
  readonly localPort: number
  readonly encrypted: boolean
  readonly servername: string | null
  destroyed: boolean
  readonly #reply: FastifyReplyFacade

  constructor(connection: DownstreamConnection, reply: FastifyReplyFacade) {
    this.remoteAddress = connection.remoteAddress
    this.remotePort = connection.remotePort
    this.remoteFamily = connection.remoteAddress.includes(':') ? 'IPv6' : 'IPv4'
    this.localAddress = connection.localAddress
    this.localPort = connection.localPort
    this.encrypted = connection.tls !== null
    this.servername = connection.tls?.serverName ?? null
    this.destroyed = false
    this.#reply = reply
  }

  /** Ends the exchange unless the proxy has it; over HTTP/2 the connection stays. */
  destroy(): this {
    this.#reply.destroy()
    return this
  }

  /** Timers belong to the wire: the events of a real socket never come. */
  on(): this {
    return this
  }

  once(): this {
    return this
  }

  removeListener(): this {
    return this
  }

  setTimeout(): this {
    return this
  }
}
