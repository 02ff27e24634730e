import type { Socket } from 'node:net'
import { resetSocket } from '../http/socket-close.ts'
import type { TcpDownstream, TcpDownstreamHandler } from '../proxy/tcp.ts'

/** An accepted TCP connection as the proxy splices it: bytes, half-closes, backpressure. */
export class TcpClient implements TcpDownstream {
  readonly remoteAddress: string
  readonly #socket: Socket
  #handler: TcpDownstreamHandler | null

  constructor(socket: Socket) {
    this.#socket = socket
    this.#handler = null
    this.remoteAddress = (socket.remoteAddress ?? '').replace(/^::ffff:/, '')
  }

  start(handler: TcpDownstreamHandler): void {
    this.#handler = handler
    const socket = this.#socket
    socket.on('data', (chunk: Buffer) => handler.onClientData(chunk))
    socket.on('end', () => handler.onClientEnd())
    socket.on('drain', () => handler.onClientDrain())
    socket.on('error', ignore)
    socket.on('close', () => this.#handler?.onClientClosed())
  }

  /** The socket's own high-water mark decides: below it there would be no 'drain' to wait for. */
  send(chunk: Buffer): boolean {
    return this.#socket.write(Buffer.from(chunk))
  }

  end(): void {
    this.#socket.end()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
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

function ignore(): void {}
