import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { fieldOf, readStrictly } from './request-readers.ts'
import { okAnswer } from './recording-backend.ts'
import { NONCE } from './wire-gateway.ts'

/** One connection of the gateway, in the hands of a script. */
export class HostilePeer {
  readonly socket: Socket
  /** latin1 */
  received = ''
  /** A script has run here: the connection must never carry another request. */
  spoiled = false
  /** The gateway closed its side, or reset the connection. */
  left = false
  closed = false
  next = 0

  constructor(socket: Socket) {
    this.socket = socket
  }

  send(text: string): this {
    if (this.socket.writable) this.socket.write(text, 'latin1')
    return this
  }

  /** Byte by byte, each in a turn of the event loop of its own. */
  drip(text: string): void {
    let at = 0
    const next = (): void => {
      if (at < text.length && this.socket.writable) this.socket.write(text[at++]!, 'latin1', later)
    }
    const later = (): void => void setImmediate(next)
    next()
  }

  end(): void {
    this.socket.end()
  }

  reset(): void {
    this.socket.resetAndDestroy()
  }
}

export type Script = (peer: HostilePeer) => void

/**
 * Answers requests with a nonce as it should, and lets a script loose on all others. Both come
 * over the same pool of connections, so whatever a script leaves behind could reach somebody else.
 */
export class HostileBackend implements AsyncDisposable {
  readonly peers: HostilePeer[] = []
  /** Requests that came over a connection after a script had run on it. */
  readonly reused: string[] = []
  script: Script = (peer) => void peer.send(okAnswer('ok'))
  /** Where the script ran last. */
  struck: HostilePeer | null = null
  /** Whether the script leaves its connection unfit for others. */
  spoils = true
  readonly #server: Server

  private constructor() {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const peer = new HostilePeer(socket)
      this.peers.push(peer)
      socket.on('error', () => {})
      socket.on('close', () => {
        peer.left = true
        peer.closed = true
      })
      socket.on('end', () => {
        peer.left = true
        socket.end()
      })
      socket.on('data', (chunk: Buffer) => {
        peer.received += chunk.toString('latin1')
        this.#serve(peer)
      })
    })
  }

  static async start(): Promise<HostileBackend> {
    const backend = new HostileBackend()
    await new Promise<void>((resolve) => backend.#server.listen(0, '127.0.0.1', resolve))
    return backend
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get open(): number {
    return this.peers.filter(({ closed }) => !closed).length
  }

  #serve(peer: HostilePeer): void {
    if (peer.spoiled) {
      if (/^[A-Z]+ \S+ HTTP\/1\.1\r\n/.test(peer.received.slice(peer.next))) {
        this.reused.push(peer.received.slice(peer.next, peer.next + 100))
      }
      return
    }
    const reading = readStrictly(peer.received, peer.next)
    for (const request of reading.requests) {
      const nonce = fieldOf(request, NONCE)
      if (nonce === null) {
        if (request.method === '') return
        this.struck = peer
        peer.spoiled = this.spoils
        peer.next = peer.received.length
        this.script(peer)
        return
      }
      if (!request.complete) return
      peer.send(okAnswer(nonce))
    }
    peer.next = reading.end
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.peers) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}
