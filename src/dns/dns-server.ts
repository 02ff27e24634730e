import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, isIPv6, type Server, type Socket } from 'node:net'
import { AllowedClients } from './allowed-clients.ts'
import { DnsCounts, type DnsTransport } from './dns-counts.ts'
import {
  type BadQuery,
  type DnsQuery,
  encodeReply,
  failed,
  isTruncated,
  MAX_TCP_BYTES,
  parseQuery,
  RCODE,
} from './message.ts'
import type { Responder } from './responder.ts'

export const MAX_TCP_CONNECTIONS = 256
/** RFC 7766 6.2.3: a connection on which nothing happens. */
const IDLE_TIMEOUT_MS = 10_000
export const MAX_CONNECTION_MS = 120_000
const LENGTH_BYTES = 2
/** With port 0: the system's free TCP port may be taken for UDP. */
const BIND_TRIES = 5

export interface DnsServerOptions {
  /** null: all addresses, IPv6 and IPv4. */
  readonly host: string | null
  readonly port: number
  readonly responder: Responder
  /** CIDRs of clients that may ask, beside loopback and private addresses. */
  readonly clients: readonly string[]
}

/** DNS over UDP and TCP on one port. `close` ends both. */
export class DnsServer {
  readonly counts: DnsCounts
  readonly #responder: Responder
  readonly #allowed: AllowedClients
  readonly #tcp: Server
  readonly #connections: Set<Socket>
  #udp: UdpSocket | null

  private constructor(options: DnsServerOptions) {
    this.counts = new DnsCounts()
    this.#responder = options.responder
    this.#allowed = new AllowedClients(options.clients)
    this.#connections = new Set()
    this.#tcp = createServer((socket) => this.#accept(socket))
    this.#tcp.maxConnections = MAX_TCP_CONNECTIONS
    this.#udp = null
  }

  /** Rejects when the address cannot be bound for both. */
  static async start(options: DnsServerOptions): Promise<DnsServer> {
    for (let left = BIND_TRIES; ; left--) {
      const server = new DnsServer(options)
      try {
        await server.#bind(options)
        return server
      } catch (error) {
        await server.close()
        if (options.port !== 0 || left <= 1) throw error
      }
    }
  }

  /** As bound. */
  get address(): { readonly host: string; readonly port: number } {
    const { address, port } = this.#tcp.address() as AddressInfo
    return { host: address, port }
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.destroy()
    const udp = this.#udp
    this.#udp = null
    if (udp !== null) await new Promise<void>((resolve) => udp.close(() => resolve()))
    if (this.#tcp.listening) await new Promise<void>((resolve) => this.#tcp.close(() => resolve()))
  }

  async #bind({ host, port }: DnsServerOptions): Promise<void> {
    this.#tcp.listen(host === null ? { port } : { port, host })
    await once(this.#tcp, 'listening')
    const bound = this.address
    const udp = createSocket(isIPv6(bound.host) ? 'udp6' : 'udp4')
    try {
      udp.bind(bound.port, bound.host)
      await once(udp, 'listening')
    } catch (error) {
      udp.close()
      throw error
    }
    udp.on('message', (message, peer) => void this.#datagram(udp, message, peer))
    // Such as an ICMP error about an earlier answer: the socket goes on.
    udp.on('error', () => undefined)
    this.#udp = udp
  }

  async #datagram(socket: UdpSocket, message: Buffer, peer: RemoteInfo): Promise<void> {
    const reply = await this.#answer(message, 'udp', peer.address)
    if (reply === null || this.#udp !== socket) return
    // Whoever asked will ask again.
    socket.send(reply, peer.port, peer.address, () => undefined)
  }

  /** The reply on the wire, or null for what gets none. Never longer than the query for strangers. */
  async #answer(message: Buffer, transport: DnsTransport, peer: string): Promise<Buffer | null> {
    const query = parseQuery(message)
    if (isBad(query)) {
      this.counts.count(transport, 'malformed', query.rcode)
      return this.#allowed.has(peer) ? query.reply : null
    }
    const limit = transport === 'udp' ? query.payloadBytes : MAX_TCP_BYTES
    if (!this.#allowed.has(peer)) {
      this.counts.count(transport, 'stranger', RCODE.refused)
      const reply = encodeReply(query, failed(RCODE.refused), limit)
      return reply.length > message.length ? null : reply
    }
    const { answered, source } = await this.#responder.respond(query)
    const reply = encodeOrFail(query, answered, limit)
    this.counts.count(transport, source, answered.rcode)
    if (isTruncated(reply)) this.counts.truncated++
    return reply
  }

  #accept(socket: Socket): void {
    const { remoteAddress } = socket
    if (remoteAddress === undefined || !this.#allowed.has(remoteAddress)) {
      this.counts.count('tcp', 'stranger', RCODE.refused)
      socket.destroy()
      return
    }
    this.#connections.add(socket)
    const lifetime = setTimeout(() => socket.destroy(), MAX_CONNECTION_MS)
    socket.setTimeout(IDLE_TIMEOUT_MS, () => socket.destroy())
    socket.on('close', () => {
      clearTimeout(lifetime)
      this.#connections.delete(socket)
    })
    socket.on('error', () => undefined)
    void this.#serve(socket, remoteAddress).catch(() => socket.destroy())
  }

  /** One question after another: what comes meanwhile waits in the client's socket. */
  async #serve(socket: Socket, peer: string): Promise<void> {
    let held: Buffer = Buffer.alloc(0)
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
      for (;;) {
        const end = held.length < LENGTH_BYTES ? Infinity : LENGTH_BYTES + held.readUInt16BE(0)
        if (held.length < end) break
        const message = held.subarray(LENGTH_BYTES, end)
        held = held.subarray(end)
        const reply = await this.#answer(message, 'tcp', peer)
        if (reply === null || socket.destroyed) return
        const length = Buffer.alloc(LENGTH_BYTES)
        length.writeUInt16BE(reply.length, 0)
        await written(socket, Buffer.concat([length, reply]))
      }
    }
  }
}

/** Waits until the bytes are with the system: a client that does not read is not read from. */
function written(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => {
      if (error) reject(error)
      else resolve()
    })
  })
}

function isBad(query: DnsQuery | BadQuery): query is BadQuery {
  return 'reply' in query
}

/** Records of others may be such that they cannot be written again. */
function encodeOrFail(
  query: DnsQuery,
  answered: Parameters<typeof encodeReply>[1],
  limit: number,
): Buffer {
  try {
    return encodeReply(query, answered, limit)
  } catch {
    return encodeReply(query, failed(RCODE.servFail), limit)
  }
}
