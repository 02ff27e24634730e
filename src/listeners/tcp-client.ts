import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { AcceptedPeer } from '../http/accepted-peer.ts'
import { DirectWrites } from '../http/direct-write.ts'
import { PassingBytes } from '../http/passing-bytes.ts'
import { pausedReads } from '../http/paused-reads.ts'
import { readShared, takeReads } from '../http/shared-read.ts'
import { ignoreError, resetSocket, strip } from '../http/socket-close.ts'
import type { ChunkReader } from '../http/socket-reads.ts'
import type { DownstreamConnection } from '../http/exchange.ts'
import { announcedPeer } from './announced-peers.ts'
import type { TcpDownstream, TcpDownstreamHandler } from '../proxy/tcp.ts'

/** An accepted TCP connection as the proxy splices it: bytes, half-closes, backpressure. */
export class TcpClient implements TcpDownstream, ChunkReader {
  readonly connection: DownstreamConnection
  readonly #socket: Socket
  readonly #passing: PassingBytes
  #handler: TcpDownstreamHandler | null
  #ended: boolean

  /** `connection`: who is there, when that is known already (a ClientHello was read). */
  constructor(
    socket: Socket,
    connection: DownstreamConnection = new AcceptedPeer(socket, null, announcedPeer(socket)),
  ) {
    this.#socket = socket
    this.#passing = new PassingBytes(socket, DirectWrites.of(socket))
    this.#handler = null
    this.#ended = false
    this.connection = connection
  }

  start(handler: TcpDownstreamHandler): void {
    this.#handler = handler
    const socket = this.#socket
    // What was read to look at it and put back: a stream that holds bytes cannot share its reads.
    const first: unknown = socket.readableLength > 0 ? socket.read() : null
    if (Buffer.isBuffer(first)) process.nextTick(() => this.onChunk(first))
    // 'data' stays: it makes the socket flow, and carries the bytes when they are not shared.
    socket.on('data', (chunk: Buffer) => this.onChunk(chunk))
    if (!takeReads(socket, this)) readShared(socket, this)
    socket.on('end', () => {
      this.#ended = true
      handler.onClientEnd()
    })
    socket.on('drain', () => {
      this.#passing.settle()
      handler.onClientDrain()
    })
    socket.on('error', ignoreError)
    socket.on('close', () => {
      strip(socket)
      this.#handler?.onClientClosed()
    })
  }

  onChunk(chunk: Buffer): void {
    this.#handler?.onClientData(chunk)
  }

  /** The socket's own high-water mark decides: below it there would be no 'drain' to wait for. */
  send(chunk: Buffer): boolean {
    this.#passing.write('', chunk)
    return !this.#socket.writableNeedDrain
  }

  end(): void {
    const socket = this.#socket
    // The client has ended too and the kernel has every byte: closing says so as well as a shutdown.
    if (this.#ended && socket.writableLength === 0 && !(socket instanceof TLSSocket))
      socket.destroy()
    else socket.end()
  }

  pause(): void {
    this.#socket.pause()
    pausedReads.add(this.#socket)
  }

  resume(): void {
    this.#socket.resume()
    pausedReads.delete(this.#socket)
  }

  close(): void {
    this.#handler = null
    this.#socket.destroy()
  }

  abort(): void {
    this.#handler = null
    resetSocket(this.#socket)
  }
}
