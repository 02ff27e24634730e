import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { waitFor } from './wait.ts'

/** A TCP client that writes what it is told and keeps what it reads, as latin1 text. */
export class RawSocket {
  readonly socket: Socket
  text = ''
  ended = false
  closed = false
  error: Error | null = null

  constructor(socket: Socket) {
    this.socket = socket
    socket.allowHalfOpen = true
    socket.on('data', (chunk: Buffer) => (this.text += chunk.toString('latin1')))
    socket.on('end', () => (this.ended = true))
    socket.on('error', (error) => (this.error = error))
    socket.on('close', () => (this.closed = true))
  }

  static async connect(port: number): Promise<RawSocket> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new RawSocket(socket)
  }

  write(text: string): this {
    this.socket.write(text, 'latin1')
    return this
  }

  end(): this {
    this.socket.end()
    return this
  }

  /** Writes byte by byte, each in a segment of its own as far as the kernel allows. */
  async drip(pieces: Iterable<string>): Promise<void> {
    for (const piece of pieces) {
      if (this.closed) return
      this.write(piece)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Waits until all that was read holds `part` (or matches it). */
  async until(part: string | RegExp): Promise<string> {
    const found = (): boolean =>
      typeof part === 'string' ? this.text.includes(part) : part.test(this.text)
    try {
      await waitFor(String(part), found)
    } catch (cause) {
      throw new Error(`no ${String(part)} in ${JSON.stringify(this.text.slice(0, 500))}`, { cause })
    }
    return this.text
  }

  /** Waits for the peer's FIN, or a reset. */
  async untilEnd(): Promise<string> {
    await waitFor('the peer to close', () => this.ended || this.closed)
    return this.text
  }

  destroy(): void {
    this.socket.destroy()
  }
}

/** A TCP server on a free loopback port; every accepted socket goes to `onSocket`. */
export class RawServer implements AsyncDisposable {
  readonly server: Server
  readonly sockets: Socket[] = []

  constructor(onSocket: (socket: Socket) => void) {
    this.server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.sockets.push(socket)
      // A gateway that is disposed of resets what is open.
      socket.on('error', () => undefined)
      onSocket(socket)
    })
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    return this
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    await new Promise<void>((resolve) => this.server.close(() => resolve()))
  }
}
