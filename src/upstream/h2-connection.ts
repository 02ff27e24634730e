import { connect, constants, type ClientHttp2Session, type ClientSessionOptions } from 'node:http2'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { UpstreamFailure } from './failure.ts'
import { failure, refusedRequest, remoteReset } from './failures.ts'
import type { H2ConnectionSettings } from './h2-connection-settings.ts'
import { H2UpstreamStream } from './h2-stream.ts'
import type {
  AttemptObserver,
  UpstreamHandler,
  UpstreamRequest,
  UpstreamStream,
} from './transport.ts'

/** The pool that owns a connection. */
export interface H2ConnectionOwner {
  /** A stream ended, or the peer allows more of them: availableStreams grew. */
  onConnectionStreamFreed(connection: H2Connection): void
  /** GOAWAY: streams there are may finish, availableStreams stays 0. */
  onConnectionDraining(connection: H2Connection): void
  /** Once; every stream has failed or ended before. */
  onConnectionClosed(connection: H2Connection): void
}

/** Streams that may be opened before the peer's SETTINGS say how many (RFC 9113 6.5.2). */
const STREAMS_BEFORE_SETTINGS = 100
/** Pseudo fields of a head, which node:http2 counts too. */
const EXTRA_HEADER_PAIRS = 8

/** One HTTP/2 connection to an upstream over a connected socket: TLS with h2, or clear text. */
export class H2Connection {
  readonly settings: H2ConnectionSettings
  /** Peer as `address:port`. */
  readonly remote: string
  readonly local: string

  readonly #socket: Socket
  readonly #session: ClientHttp2Session
  readonly #owner: H2ConnectionOwner
  readonly #pingTimer: NodeJS.Timeout
  #peerStreams: number
  #activeStreams: number
  #started: number
  #draining: boolean
  #closed: boolean
  /** Last stream the peer will process, once it said GOAWAY; -1 before. */
  #lastProcessedId: number
  #socketGone: boolean
  #socketError: unknown
  #bytesRead: number
  #awaitsPong: boolean

  constructor(socket: Socket, settings: H2ConnectionSettings, owner: H2ConnectionOwner) {
    this.settings = settings
    this.remote = addressText(socket.remoteAddress, socket.remotePort)
    this.local = addressText(socket.localAddress, socket.localPort)
    this.#socket = socket
    this.#owner = owner
    this.#peerStreams = STREAMS_BEFORE_SETTINGS
    this.#activeStreams = 0
    this.#started = 0
    this.#draining = false
    this.#closed = false
    this.#lastProcessedId = -1
    this.#socketGone = false
    this.#socketError = null
    this.#bytesRead = 0
    this.#awaitsPong = false
    // Before node:http2 adds its own: streams must find these facts when it closes them.
    socket.on('error', (error) => this.#noteSocketError(error))
    socket.once('close', () => this.#noteSocketGone())
    this.#session = startSession(socket, settings)
    this.#session.on('error', ignore)
    this.#session.on('frameError', ignore)
    this.#session.on('remoteSettings', () => this.#takeSettings())
    this.#session.once('goaway', (_code, lastStreamId) => this.#takeGoaway(lastStreamId))
    this.#session.once('close', () => this.#takeClose())
    this.#pingTimer = setInterval(() => this.#checkPing(), settings.pingIntervalMs)
    this.#pingTimer.unref()
  }

  /** Streams that may be started now. */
  get availableStreams(): number {
    if (this.#draining || this.#closed) return 0
    const limit = Math.min(this.settings.maxConcurrentStreams, this.#peerStreams)
    return Math.max(0, limit - this.#activeStreams)
  }

  get activeStreams(): number {
    return this.#activeStreams
  }

  /** Sends a request. Upgrades have no place here: they fail as protocol errors. */
  start(
    request: UpstreamRequest,
    handler: UpstreamHandler,
    observer: AttemptObserver,
  ): UpstreamStream {
    const stream = new H2UpstreamStream(this, request, handler, observer, this.#started > 0)
    observer.onAttemptStart()
    if (request.upgrade !== null) {
      setImmediate(failLater, stream, failure('protocol-error', 'http2.upgrade'))
    } else if (this.availableStreams === 0) {
      setImmediate(failLater, stream, failure('refused-stream'))
    } else {
      this.#started++
      this.#activeStreams++
      if (!stream.open(this.#session)) setImmediate(failUnopened, this, stream)
    }
    return stream
  }

  /** Ends the connection at once, with the streams it still carries. Harmless when closed. */
  close(): void {
    if (this.#closed) return
    this.#draining = true
    this.#session.destroy()
    const linger = setTimeout(destroySocket, this.settings.lingerTimeoutMs, this.#socket)
    linger.unref()
  }

  /** Called by a stream once node:http2 let go of it. */
  onStreamClosed(): void {
    this.#activeStreams--
    if (this.#closed) return
    this.#owner.onConnectionStreamFreed(this)
    if (this.#draining && this.#activeStreams === 0) this.close()
  }

  /** Why a stream closed before its response was complete. */
  classify(stream: H2UpstreamStream): UpstreamFailure {
    if (!stream.headSeen) {
      // Neither was ever processed by the peer (RFC 9113 8.7), whatever the method.
      const code = stream.rstCode
      if (code === constants.NGHTTP2_REFUSED_STREAM || this.#isUnprocessed(stream.id)) {
        return failure('refused-stream', '', stream.cause)
      }
      if (code === constants.NGHTTP2_PROTOCOL_ERROR || isProtocolError(stream.cause)) {
        return failure('protocol-error', 'http2.protocol_error', stream.cause)
      }
    }
    const type = stream.headSeen ? 'reset-after-headers' : 'reset-before-headers'
    const isLost = this.#socketGone || this.#socketError !== null || this.#session.destroyed
    return isLost ? failure(type, '', this.#socketError ?? stream.cause) : remoteReset(type)
  }

  #isUnprocessed(id: number): boolean {
    return id === 0 || (this.#lastProcessedId >= 0 && id > this.#lastProcessedId)
  }

  #takeSettings(): void {
    const streams = this.#session.remoteSettings.maxConcurrentStreams ?? STREAMS_BEFORE_SETTINGS
    const grew = streams > this.#peerStreams
    this.#peerStreams = streams
    if (grew && !this.#closed) this.#owner.onConnectionStreamFreed(this)
  }

  #takeGoaway(lastStreamId: number): void {
    this.#lastProcessedId = lastStreamId
    if (this.#draining) return
    this.#draining = true
    this.#owner.onConnectionDraining(this)
    // The peer may be waiting for us to close; streams that end later do it in onStreamClosed.
    if (this.#activeStreams === 0) this.close()
  }

  #noteSocketError(error: unknown): void {
    this.#socketError = error
  }

  #noteSocketGone(): void {
    this.#socketGone = true
  }

  #takeClose(): void {
    if (this.#closed) return
    this.#closed = true
    this.#draining = true
    clearInterval(this.#pingTimer)
    this.#owner.onConnectionClosed(this)
  }

  /** Runs every pingIntervalMs: a peer that sent nothing meanwhile is asked, then given up. */
  #checkPing(): void {
    const bytesRead = this.#socket.bytesRead
    const silent = bytesRead === this.#bytesRead
    this.#bytesRead = bytesRead
    const wanted = this.#activeStreams > 0 || this.settings.pingIdle
    if (!silent || !wanted || this.#awaitsPong || this.#session.destroyed) return
    this.#awaitsPong = true
    const timer = setTimeout(() => this.#vanish(), this.settings.pingTimeoutMs)
    timer.unref()
    this.#session.ping(() => {
      this.#awaitsPong = false
      clearTimeout(timer)
    })
  }

  #vanish(): void {
    if (this.#closed) return
    this.#noteSocketError(new Error('no answer to PING'))
    this.#session.destroy()
    this.#socket.destroy()
  }
}

function startSession(socket: Socket, settings: H2ConnectionSettings): ClientHttp2Session {
  const scheme = socket instanceof TLSSocket ? 'https' : 'http'
  // @types/node knows strictSingleValueFields for servers only.
  const options: ClientSessionOptions & { strictSingleValueFields: boolean } = {
    createConnection: () => socket,
    settings: {
      enablePush: false,
      initialWindowSize: settings.streamWindowBytes,
      maxHeaderListSize: settings.maxHeadBytes,
    },
    maxHeaderListPairs: settings.maxHeaderFields + EXTRA_HEADER_PAIRS,
    // A request is passed on as it came, repeated fields too.
    strictSingleValueFields: false,
  }
  // The URL only fills in an authority when a request has none; ours always do.
  const session = connect(`${scheme}://upstream.invalid`, options)
  session.setLocalWindowSize(settings.connectionWindowBytes)
  return session
}

function failLater(stream: H2UpstreamStream, reason: UpstreamFailure): void {
  stream.fail(reason)
}

function failUnopened(connection: H2Connection, stream: H2UpstreamStream): void {
  stream.fail(refusedRequest())
  connection.onStreamClosed()
}

function isProtocolError(cause: unknown): boolean {
  if (typeof cause !== 'object' || cause === null || !('code' in cause)) return false
  return cause.code === 'ERR_HTTP2_ERROR'
}

function addressText(address: string | undefined, port: number | undefined): string {
  if (address === undefined || port === undefined) return ''
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

function destroySocket(socket: Socket): void {
  socket.destroy()
}

function ignore(): void {}
