import type { Socket } from 'node:net'
import type { Listed } from '../base/roster.ts'
import { MAX_CLIENT_HELLO_BYTES, parseClientHello } from '../tls/client-hello.ts'
import {
  METHOD_CHOSEN,
  NO_METHOD,
  parseGreeting,
  parseSocksRequest,
  parseSocksUser,
  SOCKS_VERSION,
  socksReply,
  USER_ACCEPTED,
  USER_ASKED,
  USER_REFUSED,
} from './socks5.ts'

const TLS_HANDSHAKE = 0x16
const PROXY_V1 = Buffer.from('PROXY ', 'latin1')
const PROXY_V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
/** What a refused client gets to read its reply in. */
const LINGER_MS = 1_000

export type SniffRefusal =
  | 'socks-malformed'
  | 'socks-no-acceptable-method'
  | 'socks-credentials-refused'
  | 'socks-request-refused'
  | 'tls-malformed'
  | 'tls-without-server-name'
  | 'first-bytes-timeout'

/** Where a connection goes once its first bytes are known. They are in the socket again. */
export interface SniffHandler {
  onHttp(socket: Socket): void
  /** A PROXY header comes first. */
  onProxySignature(socket: Socket): void
  /** `authority`: host and port. `credentials`: accepted ones, as Proxy-Authorization has them. */
  onSocks(socket: Socket, authority: string, credentials: string | null): void
  /** Whether these are a user's. */
  acceptsUser(credentials: string): boolean
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
  /** SOCKS clients that offer a name and a password are asked for them (RFC 1929). */
  readonly asksForUser: boolean
}

/** How far a SOCKS client is; `none`: nothing tells yet that it is one. */
type SocksPhase = 'none' | 'user' | 'request'

/**
 * Tells the ways into the egress proxy apart by the first byte: 5 is SOCKS (RFC 1928), 22 a TLS
 * record, everything else HTTP, whose engines know both versions. Reads no more than the messages
 * that lead to the tunnel.
 */
export class EgressSniffer implements Listed {
  rosterPlace = -1
  readonly socket: Socket
  readonly #handler: SniffHandler
  readonly #options: SniffOptions
  #timer: NodeJS.Timeout | null
  #received: Buffer | null
  #phase: SocksPhase
  #credentials: string | null
  #done: boolean

  constructor(socket: Socket, options: SniffOptions, handler: SniffHandler) {
    this.socket = socket
    this.#handler = handler
    this.#options = options
    this.#timer = null
    this.#received = null
    this.#phase = 'none'
    this.#credentials = null
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
    const isFirst = this.#received === null
    const bytes = this.#received === null ? chunk : Buffer.concat([this.#received, chunk])
    this.#received = bytes
    this.#judge(bytes)
    if (isFirst && !this.#done) this.#wait(this.#options.headMs)
  }

  #judge(bytes: Buffer): void {
    const announced = this.#options.readsProxyHeader ? matchesProxyHeader(bytes) : false
    if (announced === null) return
    if (announced) this.#pass(bytes, (socket) => this.#handler.onProxySignature(socket))
    else if (this.#phase === 'request') this.#readSocksRequest(bytes)
    else if (this.#phase === 'user') this.#readUser(bytes)
    else if (bytes[0] === SOCKS_VERSION) this.#readGreeting(bytes)
    else if (bytes[0] === TLS_HANDSHAKE) this.#readHello(bytes)
    else this.#pass(bytes, (socket) => this.#handler.onHttp(socket))
  }

  #readGreeting(bytes: Buffer): void {
    const greeting = parseGreeting(bytes)
    if (greeting.type === 'incomplete') return
    if (greeting.type === 'malformed') this.#refuse('socks-malformed', null)
    else if (greeting.offersUser && this.#options.asksForUser) {
      this.#readUser(this.#next('user', USER_ASKED, bytes.subarray(greeting.length)))
    } else if (greeting.acceptable) this.#expectRequest(METHOD_CHOSEN, greeting.length, bytes)
    else this.#refuse('socks-no-acceptable-method', NO_METHOD)
  }

  #readUser(bytes: Buffer): void {
    const user = parseSocksUser(bytes)
    if (user.type === 'incomplete') return
    if (user.type === 'malformed') this.#refuse('socks-malformed', USER_REFUSED)
    else if (this.#handler.acceptsUser(user.credentials)) {
      this.#credentials = user.credentials
      this.#expectRequest(USER_ACCEPTED, user.length, bytes)
    } else this.#refuse('socks-credentials-refused', USER_REFUSED)
  }

  #expectRequest(answer: Buffer, length: number, bytes: Buffer): void {
    this.#readSocksRequest(this.#next('request', answer, bytes.subarray(length)))
  }

  /** Answers a message; `rest` came behind it. */
  #next(phase: SocksPhase, answer: Buffer, rest: Buffer): Buffer {
    this.#phase = phase
    this.socket.write(answer)
    this.#received = rest
    return rest
  }

  #readSocksRequest(bytes: Buffer): void {
    const request = parseSocksRequest(bytes)
    if (request.type === 'incomplete') return
    if (request.type === 'refused') {
      this.#refuse('socks-request-refused', socksReply(request.reply))
      return
    }
    const { authority, length } = request
    this.#pass(bytes.subarray(length), (socket) =>
      this.#handler.onSocks(socket, authority, this.#credentials),
    )
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
