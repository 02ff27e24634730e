import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { resetSocket, strip } from '../http/socket-close.ts'
import { SocketWriter } from '../http/socket-writer.ts'
import { readShared } from '../http/shared-read.ts'
import type { ChunkReader } from '../http/socket-reads.ts'
import { tickQueue, type Ticked } from '../http/tick-queue.ts'
import { IdleWatch } from './idle-watch.ts'
import { TOO_OLD, TUNNEL_IDLE } from './failures.ts'
import { closedWithinBody } from './h1-failures.ts'
import type { AttemptObserver, UpstreamHandler, UpstreamStream } from './transport.ts'

const MAPPED_IPV4 = '::ffff:'

/** `address:port` of a socket's side, IPv6 in brackets; '' when the socket has none. */
export function socketAddress(address: string | undefined, port: number | undefined): string {
  if (address === undefined || port === undefined) return ''
  if (address.startsWith(MAPPED_IPV4)) return `${address.slice(MAPPED_IPV4.length)}:${port}`
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/**
 * A connected socket as a raw tunnel: bytes both ways, each side closed on its own. After the
 * peer's half-close (onUpstreamEnd) our side goes on: drain and failure are still reported.
 */
export class TunnelConnection implements UpstreamStream, ChunkReader, Ticked {
  readonly remote: string
  #local: string | null = null
  readonly reused = false
  queued = false

  readonly #socket: Socket
  readonly #handler: UpstreamHandler
  readonly #observer: AttemptObserver
  readonly #writer: SocketWriter
  #waitsForDrain = false
  #outputEnded = false
  #peerEnded = false
  #over = false
  readonly #idle: IdleWatch
  #error: unknown = null

  /**
   * `idleTimeoutMs` without a byte in either direction destroys the tunnel; 0 for never. `remote`:
   * `address:port` of the peer where that is known, else the socket is asked.
   */
  constructor(
    socket: Socket,
    idleTimeoutMs: number,
    handler: UpstreamHandler,
    observer: AttemptObserver,
    remote: string | null = null,
  ) {
    this.#socket = socket
    this.#handler = handler
    this.#observer = observer
    this.#writer = new SocketWriter(socket)
    this.remote = remote ?? socketAddress(socket.remoteAddress, socket.remotePort)
    socket.allowHalfOpen = true
    socket.setNoDelay(true)
    this.#idle = new IdleWatch(socket, idleTimeoutMs, this.#onIdle)
  }

  /** Counts the attempt, announces the tunnel to the handler and begins to read. */
  start(): void {
    const socket = this.#socket
    socket.on('data', (chunk: Buffer) => this.onChunk(chunk))
    readShared(socket, this, true)
    socket.on('end', this.#onEnd)
    socket.on('drain', this.#onDrain)
    socket.on('error', this.#onError)
    socket.on('close', this.#onClose)
    this.#observer.onAttemptStart()
    this.#observer.onAttemptStatus(200)
    this.#handler.onUpstreamReady(this)
  }

  /** Asked of the kernel while the connection is open. */
  get local(): string {
    const socket = this.#socket
    return (this.#local ??= socketAddress(socket.localAddress, socket.localPort))
  }

  sendBody(chunk: Buffer): boolean {
    if (this.#over || this.#outputEnded || chunk.length === 0) return true
    this.#idle.moved()
    this.#writer.bytes(chunk)
    tickQueue.schedule(this)
    if (!this.#writer.blocked) return true
    this.#waitsForDrain = true
    return false
  }

  sendEnd(): void {
    if (this.#over || this.#outputEnded) return
    this.#outputEnded = true
    tickQueue.schedule(this)
  }

  pauseResponse(): void {
    if (!this.#over) this.#socket.pause()
  }

  resumeResponse(): void {
    if (!this.#over) this.#socket.resume()
  }

  abort(): void {
    if (this.#over) return
    if (this.#outputEnded && this.#peerEnded) {
      // Both halves are complete and only our end is not sent yet: nothing is cut off.
      this.onTick()
      return
    }
    this.#finish()
    resetSocket(this.#socket)
  }

  /** Cuts both directions: the connection reached its maximum age. No fault of the endpoint's. */
  expire(): void {
    if (this.#over) return
    this.#finish()
    this.#socket.destroy()
    this.#handler.onUpstreamFailure(TOO_OLD)
  }

  begin(): void {}

  flush(): void {
    this.#writer.flush()
  }

  onTick(): void {
    this.#writer.flush()
    const socket = this.#socket
    if (!this.#outputEnded || socket.writableEnded) return
    // The peer has ended too and the kernel has every byte: closing says so as well as a shutdown.
    const isWhole = this.#peerEnded && socket.writableLength === 0
    if (isWhole && !(socket instanceof TLSSocket)) socket.destroy()
    else socket.end()
    if (this.#peerEnded && !this.#over) this.#finish()
  }

  #finish(): void {
    this.#over = true
    this.#observer.onAttemptEnd()
  }

  onChunk(chunk: Buffer): void {
    this.#idle.moved()
    if (!this.#over) this.#handler.onUpstreamBody(chunk)
  }

  readonly #onEnd = (): void => {
    if (this.#over) return
    this.#peerEnded = true
    this.#handler.onUpstreamEnd(null)
    if (this.#outputEnded && !this.#over) this.#finish()
  }

  readonly #onDrain = (): void => {
    this.#writer.drained()
    if (!this.#waitsForDrain || this.#over) return
    this.#waitsForDrain = false
    this.#handler.onUpstreamDrain()
  }

  /** No fault of the endpoint's. */
  readonly #onIdle = (): void => {
    this.#socket.destroy()
    if (this.#over) return
    this.#finish()
    this.#handler.onUpstreamFailure(TUNNEL_IDLE)
  }

  readonly #onError = (error: Error): void => {
    this.#error = error
  }

  readonly #onClose = (): void => {
    this.#idle.stop()
    strip(this.#socket)
    if (this.#over) return
    const failure = closedWithinBody(this.#error)
    this.#observer.onAttemptFailure(failure)
    this.#finish()
    this.#handler.onUpstreamFailure(failure)
  }
}
