import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ClientCertificate, DownstreamConnection, TlsInfo } from './exchange.ts'

/** Addresses to report instead of the socket's (PROXY protocol). */
export interface PeerAddresses {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
}

/** Certificates that clients were verified by, as long as their connections live. */
const verified = new WeakMap<TLSSocket, ClientCertificate>()

/** The client of this connection was verified. Call before the connection is served. */
export function setClientCertificate(socket: TLSSocket, certificate: ClientCertificate): void {
  verified.set(socket, certificate)
}

/**
 * Who is at the other end of an accepted socket. The own address is asked of the kernel when
 * somebody wants to know it: while the connection is open, or it is ''.
 */
export class AcceptedPeer implements DownstreamConnection {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly tls: TlsInfo | null
  context: unknown
  readonly #accepted: Socket
  #localAddress: string | null
  #localPort: number | null

  /** `tls`: what is known of TLS that does not end here; null: as the socket has it. */
  constructor(
    socket: Socket,
    context: unknown,
    peer: PeerAddresses | null,
    tls: TlsInfo | null = null,
  ) {
    this.context = context
    this.#accepted = socket
    this.remoteAddress = peer?.remoteAddress ?? plainAddress(socket.remoteAddress)
    this.remotePort = peer?.remotePort ?? socket.remotePort ?? 0
    this.#localAddress = peer?.localAddress ?? null
    this.#localPort = peer?.localPort ?? null
    this.tls = socket instanceof TLSSocket ? tlsInfo(socket) : tls
  }

  get localAddress(): string {
    return (this.#localAddress ??= plainAddress(this.#accepted.localAddress))
  }

  get localPort(): number {
    return (this.#localPort ??= this.#accepted.localPort ?? 0)
  }
}

const MAPPED_IPV4 = '::ffff:'

function plainAddress(address: string | undefined): string {
  if (address === undefined) return ''
  return address.startsWith(MAPPED_IPV4) ? address.slice(MAPPED_IPV4.length) : address
}

function tlsInfo(socket: TLSSocket): TlsInfo {
  const name: unknown = Reflect.get(socket, 'servername')
  return {
    serverName: typeof name === 'string' ? name.toLowerCase() : null,
    protocol: socket.getProtocol() ?? '',
    cipher: socket.getCipher()?.name ?? '',
    clientCertificate: verified.get(socket) ?? null,
  }
}
