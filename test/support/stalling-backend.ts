import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { okAnswer } from './recording-backend.ts'

const PART = 'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf of it'
/** More than the kernel's buffers between two sockets hold: 4 MiB to send (tcp_wmem) and what comes on top. */
export const LARGE_BYTES = 8 * 2 ** 20
/** More than the gateway holds for one stream. */
const MEDIUM_BYTES = 2 ** 18
const BODY = Buffer.alloc(LARGE_BYTES, 97)

/**
 * A backend for clients that leave: `/silent` is never answered, `/part` answered in part,
 * `/large` and `/medium` with more than a client takes that does not read, `/failing` with 503,
 * everything else with a nonce or `ok`. Only the request line is looked at, and each connection
 * serves one request that stalls.
 */
export class StallingBackend implements AsyncDisposable {
  readonly sockets = new Set<Socket>()
  /** Requests that stalled. */
  stalled = 0
  readonly #server: Server
  #onStall: () => void = () => {}

  private constructor() {
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => this.sockets.delete(socket))
      socket.on('data', (chunk: Buffer) => this.#serve(socket, chunk.toString('latin1')))
    })
  }

  static async start(): Promise<StallingBackend> {
    const backend = new StallingBackend()
    await new Promise<void>((resolve) => backend.#server.listen(0, '127.0.0.1', resolve))
    return backend
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Resolves with the next request that stalls. */
  async nextStall(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onStall = resolve
    })
  }

  #serve(socket: Socket, text: string): void {
    const path = /^[A-Z]+ (\/\w+)/.exec(text)?.[1]
    if (path === undefined) return
    if (path === '/part') socket.write(PART)
    else if (path === '/large') sendBytes(socket, LARGE_BYTES)
    else if (path === '/medium') sendBytes(socket, MEDIUM_BYTES)
    else if (path === '/failing') return this.#fail(socket)
    else if (path !== '/silent') {
      socket.write(okAnswer(/x-nonce: (\S+)/.exec(text)?.[1] ?? 'ok'))
      return
    }
    this.#stall()
  }

  /** Whoever got the answer closes the connection, and stalls if it is to ask again later. */
  #fail(socket: Socket): void {
    socket.once('close', () => this.#stall())
    socket.write(
      'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
    )
  }

  #stall(): void {
    this.stalled++
    this.#onStall()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}

function sendBytes(socket: Socket, bytes: number): void {
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`)
  socket.write(BODY.subarray(0, bytes))
}
