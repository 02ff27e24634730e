import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { type Listed, Roster } from '../base/roster.ts'
import type { BindAddress } from './bind-address.ts'
import type { Accepting, ConnectionGate } from './connection-gate.ts'
import { bequeathOptions, setOptions } from './inherited-options.ts'

export const BACKLOG = 1024
/** TCP keep-alive on accepted connections: a client that vanished is noticed. */
export const KEEP_ALIVE_DELAY_MS = 60_000

export interface SocketServerOptions {
  readonly gate: ConnectionGate
  /** Unsent bytes per connection before its writers are told to wait: for those accepted now. */
  bufferBytes(): number
  /** Connections of the whole listener, which may have several servers. */
  connections(): number
  onConnection(socket: Socket): void
  /** Will a PROXY header say who the client is (see announce)? Absent: never. */
  expectsAnnouncement?(socket: Socket): boolean
  /** May one say so, though none need come? Absent: never. */
  allowsAnnouncement?(socket: Socket): boolean
}

/** An accepted connection and the block its client counts for. */
class Admitted implements Listed {
  rosterPlace = -1
  readonly socket: Socket
  block: string

  constructor(socket: Socket, block: string) {
    this.socket = socket
    this.block = block
  }
}

/** One bound TCP socket and the connections it accepted. Half-open connections are allowed. */
export class SocketServer implements Accepting {
  readonly #server: Server
  readonly #options: SocketServerOptions
  readonly #admitted = new Roster<Admitted>()
  /** Those whose client a PROXY header will name, or may. */
  readonly #unnamed = new Map<Socket, Admitted>()
  #wanted = true
  /** Connections still to be accepted that may be older than the options they should inherit. */
  #withoutOptions = Infinity
  address: BindAddress

  private constructor(server: Server, address: BindAddress, options: SocketServerOptions) {
    this.#server = server
    this.address = address
    this.#options = options
    server.on('connection', (socket) => this.#accept(socket))
    server.on('error', ignore)
  }

  /** Binds, or rejects with node's error (EADDRINUSE, EACCES ...). */
  static async bind(address: BindAddress, options: SocketServerOptions): Promise<SocketServer> {
    const server = createServer({
      allowHalfOpen: true,
      highWaterMark: options.bufferBytes(),
      pauseOnConnect: false,
    })
    const bound = new SocketServer(server, address, options)
    await bound.#listen()
    bound.address = { host: address.host, port: (server.address() as AddressInfo).port }
    options.gate.add(bound)
    return bound
  }

  get connections(): number {
    return this.#admitted.size
  }

  #listen(): Promise<void> {
    const server = this.#server
    this.#withoutOptions = Infinity
    const { host, port } = this.address
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    server.once('listening', resolve)
    server.once('error', reject)
    server.listen({ port, ...(host === null ? {} : { host }), backlog: BACKLOG })
    return promise
      .then(() => this.#bequeath())
      .finally(() => {
        server.removeListener('listening', resolve)
        server.removeListener('error', reject)
      })
  }

  /** Those that wait in the kernel's queue already are as they were made. */
  #bequeath(): void {
    const done = bequeathOptions(this.#server, KEEP_ALIVE_DELAY_MS)
    this.#withoutOptions = done ? BACKLOG + 1 : Infinity
  }

  #accept(socket: Socket): void {
    const options = this.#options
    if (this.#withoutOptions > 0) {
      this.#withoutOptions--
      setOptions(socket, KEEP_ALIVE_DELAY_MS)
    }
    const announced = options.expectsAnnouncement?.(socket) === true
    const block = options.gate.admit(socket, options.connections(), announced)
    if (block === null) return
    const admitted = new Admitted(socket, block)
    this.#admitted.add(admitted)
    if (announced || options.allowsAnnouncement?.(socket) === true)
      this.#unnamed.set(socket, admitted)
    socket.on('close', () => this.#release(admitted))
    this.#setBuffer(socket, options.bufferBytes())
    options.onConnection(socket)
  }

  /** The mark may have changed since the server was made; node:net has no door for that. */
  #setBuffer(socket: Socket, bytes: number): void {
    if (socket.writableHighWaterMark === bytes) return
    Reflect.set(this.#server, 'highWaterMark', bytes)
    const state: unknown = Reflect.get(socket, '_writableState')
    if (typeof state === 'object' && state !== null) Reflect.set(state, 'highWaterMark', bytes)
  }

  /**
   * A PROXY header was read, the client is at `address`. False: too many of its connections are
   * open, it was reset.
   */
  announce(socket: Socket, address: string): boolean {
    const admitted = this.#unnamed.get(socket)
    if (admitted === undefined) return false
    this.#unnamed.delete(socket)
    const moved = this.#options.gate.move(socket, admitted.block, address)
    if (moved !== null) admitted.block = moved
    return moved !== null
  }

  /** Accepted here, and its client is still to be named. */
  awaitsAnnouncement(socket: Socket): boolean {
    return this.#unnamed.has(socket)
  }

  #release(admitted: Admitted): void {
    this.#admitted.delete(admitted)
    this.#unnamed.delete(admitted.socket)
    this.#options.gate.release(admitted.block)
  }

  pause(): void {
    if (this.#server.listening) this.#server.close()
  }

  async resume(): Promise<void> {
    if (this.#wanted && !this.#server.listening) await this.#listen()
  }

  /** Accepts no more; connections stay. */
  stopAccepting(): void {
    this.#wanted = false
    this.#options.gate.remove(this)
    this.pause()
  }

  destroyConnections(): void {
    for (const { socket } of this.#admitted) socket.destroy()
  }
}

function ignore(): void {}
