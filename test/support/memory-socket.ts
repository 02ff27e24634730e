import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'

/**
 * The server's end of a connection that exists only in memory: a test feeds what a client would
 * send and reads what the server wrote. Has the few methods of net.Socket that servers call.
 */
export class MemorySocket extends Duplex {
  readonly remoteAddress = '127.0.0.1'
  readonly remotePort = 1
  readonly localAddress = '127.0.0.1'
  readonly localPort = 80
  /** latin1 */
  written = ''
  wasReset = false

  constructor() {
    super({ allowHalfOpen: true, decodeStrings: true })
    this.on('error', () => {})
  }

  /** For servers, whose types ask for a net.Socket. */
  get asSocket(): Socket {
    return this as unknown as Socket
  }

  feed(bytes: string): void {
    if (!this.destroyed) this.push(Buffer.from(bytes, 'latin1'))
  }

  /** The client's FIN. */
  finish(): void {
    if (!this.destroyed) this.push(null)
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written += chunk.toString('latin1')
    done()
  }

  resetAndDestroy(): this {
    this.wasReset = true
    return this.destroy()
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  setTimeout(): this {
    return this
  }
}
