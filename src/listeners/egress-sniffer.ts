import type { Socket } from 'node:net'
import { MAX_CLIENT_HELLO_BYTES, parseClientHello } from '../tls/client-hello.ts'
import {
  METHOD_CHOSEN,
  NO_METHOD,
  parseGreeting,
  parseSocksRequest,
  SOCKS_VERSION,
  socksReply,
} from './socks5.ts'

const TLS_HANDSHAKE = 0x16
const PROXY_V1 = Buffer.from('PROXY ', 'latin1')
const PROXY_V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
/** What a refused client gets to read its reply in. */
const LINGER_MS = 1_000

export type SniffRefusal =
  | 'socks-malformed'
  | 'socks-no-acceptable-method'
  | 'socks-request-refused'
  | 'tls-malformed'
  | 'tls-without-server-name'
  | 'first-bytes-timeout'

/** Where a connection goes once its first bytes are known. They are in the socket again. */
export interface SniffHandler {
  onHttp(socket: Socket): void
  /** A PROXY header comes first. */
  onProxySignature(socket: Socket): void
  /** `authority`: host and port. */
  onSocks(socket: Socket, authority: string): void
  /** `serverName` as the client said it, lower-case. */
  onTls(socket: Socket, serverName: string): void
  /** The connection is ending. */
  onSniffRefused(reason: SniffRefusal, socket: Socket): void
  /** Always, before any other callback: the sniffer forgets the socket. */
  onSniffed(sniffer: EgressSniffer): void
}

export interface SniffOptions {
  /** Until the first byte; Infinity: for ever. */
  readonly idleMs: number
  /** From there to the whole first message. */
  readonly headMs: number
  /** A PROXY header may come first. */
  readonly readsProxyHeader: boolean
}

/**
 * Tells the ways into the egress proxy apart by the first byte: 5 is SOCKS (RFC 1928), 22 a TLS
 * record, everything else HTTP, whose engines know both versions. Reads no more than the messages
 * that lead to the tunnel.
 */
export class EgressSniffer {
  readonly socket: Socket
  readonly #handler: SniffHandler
  readonly #options: SniffOptions
  #timer: NodeJS.Timeout | null
  #received: Buffer | null
  #greeted: boolean
  #done: boolean

  constructor(socket: Socket, options: SniffOptions, handler: SniffHandler) {
    this.socket = socket
    this.#handler = handler
    this.#options = options
    this.#timer = null
    this.#received = null
    this.#greeted = false
    this.#done = false
  }

  start(): void {
    const { socket } = this
    socket.on('error', ignore)
    this.#wait(this.#options.idleMs)
    socket.on('readable', this.#onReadable)
    socket.on('end', this.#onGone)
    socket.on('close', this.#onGone)
  }

  /** Nothing came so far: a moment for what may be on its way, then the end. */
  closeIfIdle(lingerMs: number): void {
    if (!this.#done && this.#received === null) this.#wait(lingerMs)
  }

  #wait(ms: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = ms === Infinity ? null : setTimeout(this.#onTimeout, ms)
  }

  readonly #onReadable = (): void => {
    const chunk: unknown = this.socket.read()
    if (!Buffer.isBuffer(chunk) || this.#done) return
    const bytes = this.#received === null ? chunk : Buffer.concat([this.#received, chunk])
    if (this.#received === null) this.#wait(this.#options.headMs)
    this.#received = bytes
    const announced = this.#options.readsProxyHeader ? matchesProxyHeader(bytes) : false
    if (announced === null) return
    if (announced) this.#pass(bytes, (socket) => this.#handler.onProxySignature(socket))
    else if (this.#greeted) this.#readSocksRequest(bytes)
    else if (bytes[0] === SOCKS_VERSION) this.#readGreeting(bytes)
    else if (bytes[0] === TLS_HANDSHAKE) this.#readHello(bytes)
    else this.#pass(bytes, (socket) => this.#handler.onHttp(socket))
  }

  #readGreeting(bytes: Buffer): void {
    const greeting = parseGreeting(bytes)
    if (greeting.type === 'incomplete') return
    if (greeting.type === 'malformed') this.#refuse('socks-malformed', null)
    else if (!greeting.acceptable) this.#refuse('socks-no-acceptable-method', NO_METHOD)
    else {
      this.#greeted = true
      this.socket.write(METHOD_CHOSEN)
      this.#received = bytes.subarray(greeting.length)
      this.#readSocksRequest(this.#received)
    }
  }

  #readSocksRequest(bytes: Buffer): void {
    const request = parseSocksRequest(bytes)
    if (request.type === 'incomplete') return
    if (request.type === 'refused') {
      this.#refuse('socks-request-refused', socksReply(request.reply))
      return
    }
    const { authority, length } = request
    this.#pass(bytes.subarray(length), (socket) => this.#handler.onSocks(socket, authority))
  }

  #readHello(bytes: Buffer): void {
    const hello = parseClientHello(bytes)
    if (hello.type === 'incomplete' && bytes.length <= MAX_CLIENT_HELLO_BYTES) return
    if (hello.type !== 'hello') this.#refuse('tls-malformed', null)
    else {
      const { serverName } = hello
      if (serverName === null) this.#refuse('tls-without-server-name', null)
      else this.#pass(bytes, (socket) => this.#handler.onTls(socket, serverName))
    }
  }

  #pass(rest: Buffer, next: (socket: Socket) => void): void {
    const { socket } = this
    this.#stop()
    if (rest.length > 0) socket.unshift(rest)
    // A stream that lost its 'readable' listener flows again only from the next tick on.
    process.nextTick(() => {
      socket.removeListener('error', ignore)
      if (!socket.destroyed) next(socket)
    })
  }

  readonly #onTimeout = (): void => {
    if (this.#received === null) {
      this.#stop()
      this.socket.destroy()
    } else this.#refuse('first-bytes-timeout', null)
  }

  readonly #onGone = (): void => {
    this.#stop()
    this.socket.destroy()
  }

  #refuse(reason: SniffRefusal, reply: Buffer | null): void {
    const { socket } = this
    this.#stop()
    if (reply === null) socket.destroy()
    else {
      socket.end(reply)
      process.nextTick(() => socket.resume())
      setTimeout(() => socket.destroy(), LINGER_MS).unref()
    }
    this.#handler.onSniffRefused(reason, socket)
  }

  #stop(): void {
    if (this.#done) return
    this.#done = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.socket.removeListener('readable', this.#onReadable)
    this.socket.removeListener('end', this.#onGone)
    this.socket.removeListener('close', this.#onGone)
    this.#handler.onSniffed(this)
  }
}

/** null: as far as the bytes go. */
function matchesProxyHeader(bytes: Buffer): boolean | null {
  for (const signature of [PROXY_V1, PROXY_V2]) {
    const length = Math.min(bytes.length, signature.length)
    if (bytes.compare(signature, 0, length, 0, length) !== 0) continue
    return length === signature.length ? true : null
  }
  return false
}

function ignore(): void {}
