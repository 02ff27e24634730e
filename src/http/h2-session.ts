import {
  constants,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2'
import type { Socket } from 'node:net'
import { Roster } from '../base/roster.ts'
import { AcceptedPeer, type PeerAddresses } from './accepted-peer.ts'
import { H2ControlBudget } from './h2-control-budget.ts'
import { H2Exchange } from './h2-exchange.ts'
import { H2Line } from './h2-line.ts'
import { H2InputBudget } from './h2-input-budget.ts'
import { buildH2Request } from './h2-request.ts'
import { isFloodError, isViolation } from './h2-reset.ts'
import { H2ResetBudget } from './h2-reset-budget.ts'
import { isVolatile } from './socket-reads.ts'
import type { H2Settings } from './h2-settings.ts'
import { Refusal } from './refusal.ts'

/** What a session needs from its server. */
export interface H2SessionOwner {
  readonly settings: H2Settings
  /** Coarse monotonic clock, milliseconds. */
  readonly nowMs: number
  /** The server drains: every session ends with its next answers. */
  readonly draining: boolean
  /** Another number in every turn of the event loop in which streams came. */
  readonly turn: number
  /** Part of the usual budgets that this client's new session gets. */
  budgetShare(session: H2Session): number
  /** The session is ended because of its resets or control frames. */
  onFlood(session: H2Session): void
  /** Offers the exchange to the proxy in the next turn of the event loop. */
  announce(exchange: H2Exchange): void
  /** A head was refused: nothing above the wire sees it. */
  onRefused(refusal: Refusal, session: H2Session): void
  /** An announced exchange is over. */
  onExchangeEnd(): void
  onSessionClose(session: H2Session): void
}

/** What the acceptor already knows of, or read from, a socket. */
export interface H2AcceptedBytes {
  readonly firstBytes?: Buffer | null
  /** Addresses of a PROXY header. */
  readonly peer?: PeerAddresses | null
}

/** Pseudo fields, and some room above our own limit so that 431 can be said before a reset. */
const EXTRA_HEADER_PAIRS = 32

/** A frame's head and one octet: what a stream costs its sender at least. */
const LEAST_STREAM_BYTES = 10

/** A session ends at an age of this part of the limit, or up to all of it. */
const LEAST_AGE = 0.9

/** One HTTP/2 connection of a client: its limits, its timers and its streams. */
export class H2Session extends AcceptedPeer {
  rosterPlace = -1
  readonly settings: H2Settings
  readonly exchanges: Roster<H2Exchange>
  readonly line: H2Line

  readonly #owner: H2SessionOwner
  readonly #socket: Socket
  readonly #session: ServerHttp2Session
  readonly #budget: H2ResetBudget
  readonly #controlBudget: H2ControlBudget
  readonly #inputBudget: H2InputBudget
  readonly #onPong: () => void
  readonly #openedAtMs: number
  readonly #tooOldAtMs: number
  #idleSinceMs: number
  #heardAtMs: number
  #bytesRead: number
  #pingSentAtMs: number
  #headSinceMs: number
  #lastStreamId: number
  #requests: number
  /** Streams that were reset before anybody told of them. */
  #untold: number
  #confirmed: boolean
  #closingSinceMs: number

  constructor(socket: Socket, context: unknown, accepted: H2AcceptedBytes, owner: H2SessionOwner) {
    super(socket, context, accepted.peer ?? null)
    this.settings = owner.settings
    this.exchanges = new Roster()
    this.line = new H2Line(socket)
    this.#owner = owner
    this.#socket = socket
    const share = owner.budgetShare(this)
    this.#budget = new H2ResetBudget(owner.settings, performance.now(), share)
    this.#controlBudget = new H2ControlBudget(owner.settings, performance.now(), share)
    this.#inputBudget = new H2InputBudget(owner.settings, performance.now())
    this.#onPong = this.#takePong.bind(this)
    const now = owner.nowMs
    this.#openedAtMs = now
    this.#tooOldAtMs = now + owner.settings.maxAgeMs * (LEAST_AGE + (1 - LEAST_AGE) * Math.random())
    this.#idleSinceMs = now
    this.#heardAtMs = now
    this.#bytesRead = 0
    this.#pingSentAtMs = 0
    this.#headSinceMs = 0
    this.#lastStreamId = 0
    this.#requests = 0
    this.#untold = 0
    this.#confirmed = false
    this.#closingSinceMs = 0
    this.#session = startSession(socket, owner.settings, accepted.firstBytes ?? null)
    this.#listen()
  }

  get nowMs(): number {
    return this.#owner.nowMs
  }

  /** GOAWAY: the streams there are finish, new ones are refused and may be retried elsewhere. */
  closeGracefully(): void {
    if (this.#closingSinceMs !== 0 || this.#session.destroyed) return
    this.#closingSinceMs = this.nowMs || 1
    this.#session.close()
  }

  /** Ends every stream and the connection at once. */
  destroy(): void {
    for (const exchange of this.exchanges) {
      exchange.abortBecause('shutdown')
    }
    this.#session.destroy()
    this.#socket.destroy()
  }

  /** Called by an exchange that is over, announced or not. */
  endExchange(exchange: H2Exchange): void {
    if (!this.exchanges.delete(exchange)) return
    if (this.exchanges.size === 0) this.#idleSinceMs = this.nowMs
    if (exchange.announced) this.#owner.onExchangeEnd()
  }

  /** A piece of a body left. */
  noteBodySent(): void {
    this.line.roundAtMs = this.nowMs
    this.#controlBudget.earn()
    this.#inputBudget.earnPiece()
  }

  /** So much of a request's body came. */
  noteBodyReceived(bytes: number): void {
    this.#inputBudget.earnBody(bytes)
  }

  /** Counts streams that the client's conduct made us reset. */
  countProvokedReset(count: number = 1): void {
    if (!this.#budget.spendProvokedReset(performance.now(), count)) this.#calm()
  }

  /** Fires timers of the session and of its streams. */
  checkTimers(nowMs: number): void {
    if (this.exchanges.size > 0) this.line.watch(nowMs)
    for (const exchange of this.exchanges) exchange.checkTimers(nowMs)
    if (this.#session.destroyed) this.#checkLinger(nowMs)
    else if (this.#closingSinceMs !== 0) this.#checkClosing(nowMs)
    else this.#checkOpen(nowMs)
  }

  #listen(): void {
    const session = this.#session
    session.on('stream', this.#takeStream.bind(this))
    session.on('remoteSettings', this.#takeSettings.bind(this))
    session.on('ping', this.#countControlFrame.bind(this))
    session.once('goaway', this.#takeGoaway.bind(this))
    session.on('error', this.#takeError.bind(this))
    session.on('frameError', ignore)
    this.#socket.on('error', ignore)
    this.#socket.once('close', this.#takeClose.bind(this))
  }

  #takeStream(
    stream: ServerHttp2Stream,
    _headers: unknown,
    _flags: number,
    rawHeaders: readonly string[],
  ): void {
    stream.on('error', ignore)
    this.#confirmed = true
    this.#headSinceMs = 0
    this.#lastStreamId = Math.max(this.#lastStreamId, stream.id ?? 0)
    this.#requests++
    this.#inputBudget.earnRequests(1)
    const scheme = this.tls === null ? 'http' : 'https'
    const request = buildH2Request(rawHeaders, stream.endAfterHeaders, scheme, this.settings)
    if (request instanceof Refusal) this.#refuse(stream, request)
    else {
      const exchange = new H2Exchange(stream, request, this, this.nowMs)
      this.exchanges.add(exchange)
      this.#owner.announce(exchange)
    }
    if (this.#owner.draining || this.#requests >= this.settings.maxRequestsPerConnection) {
      this.closeGracefully()
    }
  }

  #refuse(stream: ServerHttp2Stream, refusal: Refusal): void {
    stream.on('close', this.#takeRefusedClose.bind(this, stream))
    this.#idleSinceMs = this.nowMs
    this.#owner.onRefused(refusal, this)
    if (stream.destroyed || stream.closed) return
    stream.respond([':status', String(refusal.status), 'content-length', '0'], { endStream: true })
    if (!stream.endAfterHeaders) stream.close(constants.NGHTTP2_NO_ERROR)
  }

  #takeRefusedClose(stream: ServerHttp2Stream): void {
    this.countReset(stream.rstCode ?? constants.NGHTTP2_NO_ERROR, true)
  }

  /**
   * Counts a stream that closed with `code` against the session's budgets. Not `seen`: in the turn
   * of the event loop in which it came.
   */
  countReset(code: number, seen: boolean): void {
    if (code === constants.NGHTTP2_NO_ERROR || this.#session.destroyed) return
    // What the client's frames forced on us carries a code of its own; our aborts are not its fault.
    if (isViolation(code)) this.countProvokedReset()
    else if (code !== constants.NGHTTP2_INTERNAL_ERROR) {
      const affordable = this.#budget.spendClientReset(performance.now())
      if (!affordable || (!seen && !this.#budget.spendUnseenReset(this.#owner.turn))) this.#calm()
    }
  }

  #calm(): void {
    if (this.#session.destroyed) return
    this.#owner.onFlood(this)
    this.#session.destroy(new Error('flood'), constants.NGHTTP2_ENHANCE_YOUR_CALM)
  }

  #takeSettings(): void {
    this.#confirmed = true
    this.#countControlFrame()
  }

  /** PING and SETTINGS: of the frames outside of streams, node:http2 tells of these alone. */
  #countControlFrame(): void {
    if (!this.#controlBudget.spend(performance.now())) this.#calm()
  }

  #takeError(error: Error): void {
    if (isFloodError(error)) this.#owner.onFlood(this)
  }

  #takePong(): void {
    this.#heardAtMs = this.nowMs
    this.#pingSentAtMs = 0
  }

  #takeGoaway(): void {
    if (this.#closingSinceMs === 0) this.#closingSinceMs = this.nowMs || 1
  }

  #takeClose(): void {
    this.#session.destroy()
    this.#owner.onSessionClose(this)
  }

  #checkOpen(nowMs: number): void {
    const settings = this.settings
    const bytesRead = this.#socket.bytesRead
    if (bytesRead !== this.#bytesRead) {
      const begun = this.#session.state.lastProcStreamID ?? 0
      this.#takePong()
      this.#checkHeadBegun(begun, nowMs)
      const newBytes = bytesRead - this.#bytesRead
      this.#bytesRead = bytesRead
      this.#countUntold(begun, newBytes)
      if (!this.#inputBudget.spend(newBytes, performance.now())) this.#calm()
    }
    if (this.#session.destroyed) return
    if (this.#headSinceMs !== 0 && nowMs - this.#headSinceMs > settings.headTimeoutMs) {
      this.#headSinceMs = 0
      if (this.exchanges.size === 0) this.#session.destroy()
      else this.closeGracefully()
    } else if (!this.#confirmed && nowMs - this.#openedAtMs > settings.headTimeoutMs) {
      this.#session.destroy()
    } else if (nowMs > this.#tooOldAtMs) this.closeGracefully()
    else if (this.exchanges.size > 0) this.#checkPing(nowMs)
    else if (nowMs - this.#idleSinceMs > settings.idleTimeoutMs) this.closeGracefully()
  }

  /**
   * node:http2 tells nothing of a header block before it is whole, but nghttp2 counts the stream
   * from its first frame: a newer id than the last stream event means that the rest is owed.
   */
  #checkHeadBegun(begun: number, nowMs: number): void {
    if (begun <= this.#lastStreamId) this.#headSinceMs = 0
    else if (this.#headSinceMs === 0) this.#headSinceMs = nowMs
  }

  /**
   * Streams whose head has too many fields, or is too long, are reset by node:http2 before it tells
   * of them: what their ids leave open. Ids the client has left out look the same, but cost no bytes.
   */
  #countUntold(begun: number, newBytes: number): void {
    // The newest may still be on its way.
    const settled = begun > this.#lastStreamId ? begun - 2 : begun
    const untold = Math.floor((settled + 1) / 2) - this.#requests
    if (untold <= this.#untold) return
    const most = Math.floor(newBytes / LEAST_STREAM_BYTES)
    const count = Math.min(untold - this.#untold, most)
    this.#untold = untold
    this.#inputBudget.earnRequests(count)
    this.countProvokedReset(count)
  }

  #checkPing(nowMs: number): void {
    if (this.#pingSentAtMs !== 0) {
      if (nowMs - this.#pingSentAtMs > this.settings.pingTimeoutMs) this.#vanish()
    } else if (nowMs - this.#heardAtMs > this.settings.pingIntervalMs) {
      this.#pingSentAtMs = nowMs
      this.#session.ping(this.#onPong)
    }
  }

  #checkClosing(nowMs: number): void {
    if (this.exchanges.size > 0) this.#checkPing(nowMs)
    else if (nowMs - this.#idleSinceMs > this.settings.lingerTimeoutMs) this.#checkLinger(nowMs)
  }

  /** After GOAWAY and our FIN the client may take its time, but not for ever. */
  #checkLinger(nowMs: number): void {
    const since = Math.max(this.#closingSinceMs, this.#idleSinceMs)
    if (nowMs - since > this.settings.lingerTimeoutMs) this.#socket.destroy()
  }

  #vanish(): void {
    this.#session.destroy()
    this.#socket.destroy()
  }
}

function startSession(
  socket: Socket,
  settings: H2Settings,
  firstBytes: Buffer | null,
): ServerHttp2Session {
  // A client that closes its side of an HTTP/2 connection is gone: no answer can be useful to it.
  socket.allowHalfOpen = false
  // node:http2 takes over the handle below the socket; bytes read before come from its buffer.
  socket.pause()
  if (firstBytes !== null && firstBytes.length > 0) {
    socket.unshift(isVolatile(firstBytes) ? Buffer.from(firstBytes) : firstBytes)
  }
  const session = performServerHandshake(socket, sessionOptions(settings))
  session.setLocalWindowSize(settings.connectionWindowBytes)
  // Reading may not have begun, or was stopped by pause(): the handle must be told.
  socket.read(0)
  return session
}

function sessionOptions(settings: H2Settings): ServerOptions {
  return {
    settings: {
      maxConcurrentStreams: settings.maxConcurrentStreams,
      initialWindowSize: settings.streamWindowBytes,
      maxHeaderListSize: settings.maxHeadBytes,
      enablePush: false,
      // WebSockets over HTTP/2 (RFC 8441).
      enableConnectProtocol: true,
    },
    maxHeaderListPairs: settings.maxHeaderFields + EXTRA_HEADER_PAIRS,
    maxSessionInvalidFrames: settings.serverResetLimit,
    // nghttp2's own bucket is the coarser net below ours: it answers INTERNAL_ERROR.
    streamResetBurst: settings.clientResetBurst * 2,
    streamResetRate: settings.clientResetsPerSecond * 2,
    // A response is passed on as it came, repeated fields too.
    strictSingleValueFields: false,
  }
}

function ignore(): void {}
