import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { BindAddress } from './bind-address.ts'

const BACKLOG = 1024
/** Unsent bytes per connection before its writers are told to wait. */
const HIGH_WATER_BYTES = 32 * 1024
/** TCP keep-alive on accepted connections: a client that vanished is noticed. */
const KEEP_ALIVE_DELAY_MS = 60_000

/** One bound TCP socket and the connections it accepted. Half-open connections are allowed. */
export class SocketServer {
  readonly #server: Server
  readonly #onConnection: (socket: Socket) => void
  readonly sockets = new Set<Socket>()
  address: BindAddress

  private constructor(
    server: Server,
    address: BindAddress,
    onConnection: (socket: Socket) => void,
  ) {
    this.#server = server
    this.address = address
    this.#onConnection = onConnection
    server.on('connection', (socket) => this.#accept(socket))
    server.on('error', ignore)
  }

  /** Binds, or rejects with node's error (EADDRINUSE, EACCES ...). */
  static async bind(
    address: BindAddress,
    onConnection: (socket: Socket) => void,
  ): Promise<SocketServer> {
    const server = createServer({
      allowHalfOpen: true,
      noDelay: true,
      highWaterMark: HIGH_WATER_BYTES,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
      pauseOnConnect: false,
    })
    const bound = new SocketServer(server, address, onConnection)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      const host = address.host === null ? {} : { host: address.host }
      server.listen({ port: address.port, ...host, backlog: BACKLOG }, () => {
        server.removeListener('error', reject)
        resolve()
      })
    })
    bound.address = { host: address.host, port: (server.address() as AddressInfo).port }
    return bound
  }

  #accept(socket: Socket): void {
    this.sockets.add(socket)
    socket.once('close', () => this.sockets.delete(socket))
    this.#onConnection(socket)
  }

  /** Accepts no more; connections stay. */
  stopAccepting(): void {
    if (this.#server.listening) this.#server.close()
  }

  destroyConnections(): void {
    for (const socket of this.sockets) socket.destroy()
  }
}

function ignore(): void {}
