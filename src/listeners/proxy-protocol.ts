import type { Socket } from 'node:net'
import type { PeerAddresses } from '../http/accepted-peer.ts'
import type { MeshSettings } from '../snapshot/mesh-settings.ts'
import { MAX_V2_PAYLOAD_BYTES, parseProxyHeader } from './proxy-protocol-header.ts'

/** The first bytes of a connection, sent by a load balancer at once: what is not whole by then never comes. */
export const PROXY_HEADER_TIMEOUT_MS = 3_000
/** More than the longest header that is accepted. */
const MAX_HEADER_BYTES = MAX_V2_PAYLOAD_BYTES + 64

export type ProxyHeaderRefusal =
  'proxy-header-malformed' | 'proxy-header-timeout' | 'proxy-header-missing'

export interface ProxyHeaderHandler {
  /**
   * The header was read, and nothing behind it: what came with it was put back. `peer` null: the
   * connection is the sender's own (a health check).
   */
  onProxyHeader(socket: Socket, peer: PeerAddresses | null): void
  /** The connection is being reset. */
  onProxyHeaderRefused(reason: ProxyHeaderRefusal, socket: Socket): void
}

/**
 * Does a connection begin with a PROXY header? With `--trusted-proxy` only those of the proxies
 * listed do: everybody else is a client that speaks for itself.
 */
export function expectsProxyHeader(
  { proxyProtocol, trustedPeers }: Pick<MeshSettings, 'proxyProtocol' | 'trustedPeers'>,
  socket: Socket,
): boolean {
  if (!proxyProtocol) return false
  return trustedPeers === null || trustedPeers.trusts(socket, socket.remoteAddress ?? '')
}

/**
 * Reads the PROXY header that a connection must begin with, before anything else looks at its
 * bytes. A connection that has none, or a malformed one, is reset; one that is silent is, in time.
 */
export function readProxyHeader(socket: Socket, handler: ProxyHeaderHandler): void {
  new HeaderRead(socket, handler).start()
}

class HeaderRead {
  readonly #socket: Socket
  readonly #handler: ProxyHeaderHandler
  readonly #timer: NodeJS.Timeout
  #received: Buffer | null
  #peer: PeerAddresses | null

  constructor(socket: Socket, handler: ProxyHeaderHandler) {
    this.#socket = socket
    this.#handler = handler
    this.#received = null
    this.#peer = null
    this.#timer = setTimeout(this.#onTimeout, PROXY_HEADER_TIMEOUT_MS)
  }

  start(): void {
    this.#socket.on('readable', this.#onReadable)
    this.#socket.on('end', this.#onGone)
    this.#socket.on('error', ignore)
    this.#socket.on('close', this.#onClose)
  }

  readonly #onReadable = (): void => {
    const chunk: unknown = this.#socket.read()
    if (!Buffer.isBuffer(chunk)) return
    const bytes = this.#received === null ? chunk : Buffer.concat([this.#received, chunk])
    const header = parseProxyHeader(bytes)
    if (header.type === 'incomplete' && bytes.length <= MAX_HEADER_BYTES) {
      this.#received = bytes
      return
    }
    if (header.type !== 'header') {
      this.#refuse('proxy-header-malformed')
      return
    }
    this.#peer = header.peer
    this.#stop()
    if (bytes.length > header.length) this.#socket.unshift(bytes.subarray(header.length))
    // A stream that lost its 'readable' listener flows again only from the next tick on.
    process.nextTick(this.#handOver)
  }

  readonly #handOver = (): void => {
    const socket = this.#socket
    socket.removeListener('error', ignore)
    if (!socket.destroyed) this.#handler.onProxyHeader(socket, this.#peer)
  }

  readonly #onTimeout = (): void => {
    this.#refuse('proxy-header-timeout')
  }

  readonly #onGone = (): void => {
    this.#refuse('proxy-header-missing')
  }

  readonly #onClose = (): void => {
    this.#stop()
  }

  #refuse(reason: ProxyHeaderRefusal): void {
    this.#stop()
    this.#socket.resetAndDestroy()
    this.#handler.onProxyHeaderRefused(reason, this.#socket)
  }

  #stop(): void {
    clearTimeout(this.#timer)
    this.#socket.removeListener('readable', this.#onReadable)
    this.#socket.removeListener('end', this.#onGone)
    this.#socket.removeListener('close', this.#onClose)
  }
}

function ignore(): void {}
