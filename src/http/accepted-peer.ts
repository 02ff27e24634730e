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

/** Who is at the other end of an accepted socket. */
export class AcceptedPeer implements DownstreamConnection {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  readonly tls: TlsInfo | null
  context: unknown

  /** `tls`: what is known of TLS that does not end here; null: as the socket has it. */
  constructor(
    socket: Socket,
    context: unknown,
    peer: PeerAddresses | null,
    tls: TlsInfo | null = null,
  ) {
    this.context = context
    this.remoteAddress = peer?.remoteAddress ?? plainAddress(socket.remoteAddress)
    this.remotePort = peer?.remotePort ?? socket.remotePort ?? 0
    this.localAddress = peer?.localAddress ?? plainAddress(socket.localAddress)
    this.localPort = peer?.localPort ?? socket.localPort ?? 0
    this.tls = socket instanceof TLSSocket ? tlsInfo(socket) : tls
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
