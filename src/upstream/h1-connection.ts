import type { Socket } from 'node:net'
import { BodyReader } from '../http/body-reader.ts'
import type { Headers } from '../http/headers.ts'
import { CLOSE_DELIMITED, FIXED_LENGTH } from '../http/response-head.ts'
import { ResponseReader } from '../http/response-reader.ts'
import { partOf } from '../http/read-buffers.ts'
import { readShared } from '../http/shared-read.ts'
import { strip } from '../http/socket-close.ts'
import type { ChunkReader } from '../http/socket-reads.ts'
import { SocketWriter } from '../http/socket-writer.ts'
import { tickQueue, type Ticked } from '../http/tick-queue.ts'
import { UNKNOWN_LENGTH } from '../http/request.ts'
import type { UpstreamFailure } from './failure.ts'
import { refusedRequest } from './failures.ts'
import { closedBeforeHead, closedWithinBody, malformedResponse } from './h1-failures.ts'
import { hasBodySemantics, writeRequestHead } from './h1-request-writer.ts'
import type { ConnectionOwner } from './h1-owner.ts'
import type { H1Settings } from './h1-settings.ts'
import { BODY, CLOSED, HEAD, IDLE, TUNNEL, UNSENT, UNTIL_CLOSE } from './h1-state.ts'
import { H1Stream } from './h1-stream.ts'
import { socketAddress } from './h1-tunnel.ts'
import { IdleWatch } from './idle-watch.ts'
import { InformationalBudget } from './informational-budget.ts'
import type {
  AttemptObserver,
  UpstreamHandler,
  UpstreamRequest,
  UpstreamStream,
} from './transport.ts'

/**
 * One connection to a backend that speaks HTTP/1.1: one request at a time, never pipelined. Any
 * doubt about where an answer ends, and any byte that nobody asked for, ends the connection.
 */
export class H1Connection implements ChunkReader, Ticked {
  /** Remote and local `address:port`. */
  readonly remote: string
  readonly local: string
  /** Requests started so far. */
  requests = 0
  /** `Keep-Alive: timeout` of the latest answer in milliseconds, or -1. */
  keepAliveMs = -1
  queued = false

  readonly #socket: Socket
  readonly #settings: H1Settings
  readonly #owner: ConnectionOwner
  readonly #writer: SocketWriter
  readonly #reader: ResponseReader
  readonly #body: BodyReader
  readonly #informational: InformationalBudget
  #stream: H1Stream | null = null
  /** Its head waits until others have begun too. */
  #isUnwritten = false
  #state = IDLE
  #receivedBytes = false
  #paused = false
  #peerEnded = false
  #outputEnded = false
  #reported = false
  #error: unknown = null
  /** Of a tunnel. */
  #idle: IdleWatch | null = null

  /** `socket` is connected (TLS: handshake done and peer verified); the connection owns it now. */
  constructor(socket: Socket, settings: H1Settings, owner: ConnectionOwner) {
    this.#socket = socket
    this.#settings = settings
    this.#owner = owner
    this.#writer = new SocketWriter(socket)
    const { maxHeadBytes, maxHeaderFields } = settings
    this.#reader = new ResponseReader(maxHeadBytes, maxHeaderFields, owner.heads)
    this.#body = new BodyReader(settings, 'allow')
    this.#informational = new InformationalBudget(settings)
    this.remote = socketAddress(socket.remoteAddress, socket.remotePort)
    this.local = socketAddress(socket.localAddress, socket.localPort)
    socket.allowHalfOpen = true
    socket.setNoDelay(true)
    // 'data' stays: it makes the socket flow, and carries the bytes when they are not shared.
    socket.on('data', (chunk: Buffer) => this.onChunk(chunk))
    if (settings.sharedReads) readShared(socket, this)
    socket.on('end', this.#onEnd)
    socket.on('drain', this.#onDrain)
    socket.on('error', this.#onError)
    socket.on('close', this.#onClose)
  }

  /** True when a request may be started. */
  get idle(): boolean {
    return this.#state === IDLE
  }

  /** Sends a request; only on an idle connection. */
  start(
    request: UpstreamRequest,
    handler: UpstreamHandler,
    observer: AttemptObserver,
  ): UpstreamStream {
    this.requests++
    const stream = new H1Stream(this, this.#writer, request, handler, observer)
    this.#stream = stream
    this.#state = UNSENT
    this.#informational.begin()
    this.#receivedBytes = false
    this.#reader.head.keepsSpellings = request.headers.spellings !== null
    observer.onAttemptStart()
    // At once where a body follows it, or where the turn of this connection to begin may be over.
    if (stream.requestEnded && !this.queued) this.#isUnwritten = true
    else if (!this.#writeHead(stream)) return stream
    this.schedule()
    handler.onUpstreamReady(stream)
    return stream
  }

  /** Closes the connection; a running attempt fails as if the peer had closed it. */
  close(): void {
    this.#socket.destroy()
    this.#report()
  }

  onChunk(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      switch (this.#state) {
        case HEAD:
          this.#receivedBytes = true
          at = this.#readHead(chunk, at)
          break
        case BODY:
          at = this.#readBody(chunk, at)
          break
        case UNTIL_CLOSE:
        case TUNNEL:
          this.#idle?.moved()
          this.#deliver(chunk, at, chunk.length)
          return
        default:
          // Bytes that belong to no request that was sent: another client's answer, or an attack on it.
          this.#fail(closedBeforeHead(null, false))
          return
      }
    }
  }

  #readHead(chunk: Buffer, at: number): number {
    const reader = this.#reader
    if (!reader.read(chunk, at)) {
      if (reader.refusal !== null) this.#fail(malformedResponse(reader.refusal.reason))
      else this.#informational.notes(chunk.length - at)
      return chunk.length
    }
    const { next } = reader
    if (reader.head.status < 200) this.#takeInformational(next - at)
    else this.#takeFinalHead(next < chunk.length)
    return next
  }

  #takeInformational(headBytes: number): void {
    const stream = this.#stream!
    const { status, headers, upgrade: offered } = this.#reader.head
    if (status === 101) {
      const upgrade = stream.request.upgrade
      if (upgrade !== null && offered === upgrade) this.#openTunnel(stream)
      else this.#fail(malformedResponse('unexpected-101'))
      return
    }
    if (!this.#informational.takes(headBytes)) {
      return this.#fail(malformedResponse('too-many-informational'))
    }
    if (status === 100 && !stream.request.expectsContinue) return
    stream.handler.onUpstreamInformational(status, headers)
  }

  #takeFinalHead(surplus: boolean): void {
    const stream = this.#stream!
    const { head } = this.#reader
    const { method } = stream.request
    const { status } = head
    if (method === 'CONNECT' && status < 300) {
      this.#openTunnel(stream)
      return
    }
    this.keepAliveMs = head.keepAliveMs
    const bodiless = method === 'HEAD' || status === 204 || status === 304
    const unknown = status === 204 || (status === 304 && head.framing !== FIXED_LENGTH)
    if (bodiless || head.framing !== CLOSE_DELIMITED) {
      this.#state = BODY
      this.#body.begin(bodiless ? 0 : head.length)
    } else this.#state = UNTIL_CLOSE
    stream.observer.onAttemptStatus(status)
    stream.handler.onUpstreamHead(status, head.headers, unknown ? 0 : head.length)
    const complete = this.#state === BODY && this.#body.done
    if (this.#stream === stream && complete) this.#complete(stream, null, surplus)
  }

  #readBody(chunk: Buffer, at: number): number {
    const stream = this.#stream!
    const body = this.#body
    const valid = body.read(chunk, at)
    this.#deliver(chunk, body.payloadStart, body.payloadEnd)
    if (this.#stream !== stream) return chunk.length
    if (!valid) {
      this.#fail(malformedResponse(body.refusal!.reason))
      return chunk.length
    }
    if (body.done) this.#complete(stream, body.trailers, body.next < chunk.length)
    return body.next
  }

  #deliver(chunk: Buffer, start: number, end: number): void {
    const stream = this.#stream
    if (start === end || stream === null) return
    stream.handler.onUpstreamBody(partOf(chunk, start, end))
  }

  /**
   * The answer is complete. The connection lives on only when both sides agree on where it ended:
   * `surplus` bytes behind it would become the answer to somebody else's request.
   */
  #complete(stream: H1Stream, trailers: Headers | null, surplus: boolean): void {
    const { method, bodyLength } = stream.request
    const reusable =
      !surplus &&
      stream.requestEnded &&
      this.#writer.isClear &&
      !this.#reader.head.closes &&
      this.keepAliveMs !== 0 &&
      !this.#peerEnded &&
      this.#state === BODY &&
      (bodyLength === 0 || hasBodySemantics(method))
    stream.over = true
    this.#stream = null
    this.resumeReading()
    if (reusable) this.#state = IDLE
    else this.#destroy()
    stream.observer.onAttemptEnd()
    stream.handler.onUpstreamEnd(trailers === null ? null : this.#reader.passing(trailers))
    if (this.#state === IDLE) this.#owner.onConnectionIdle(this)
  }

  #openTunnel(stream: H1Stream): void {
    this.#state = TUNNEL
    stream.isTunnel = true
    stream.requestEnded = true
    this.#idle = new IdleWatch(this.#socket, this.#settings.tunnelIdleTimeoutMs, () => {
      this.#socket.destroy()
    })
    const { status, headers } = this.#reader.head
    stream.observer.onAttemptStatus(status)
    stream.handler.onUpstreamHead(status, headers, UNKNOWN_LENGTH)
  }

  endTunnelOutput(): void {
    if (this.#outputEnded) return
    this.#outputEnded = true
    this.schedule()
  }

  sendToTunnel(chunk: Buffer): void {
    this.#idle?.moved()
    this.#writer.bytes(chunk)
  }

  schedule(): void {
    tickQueue.schedule(this)
  }

  begin(): void {
    if (!this.#isUnwritten) return
    this.#isUnwritten = false
    if (this.#stream !== null) this.#writeHead(this.#stream)
  }

  /** False: the last check refused it. */
  #writeHead(stream: H1Stream): boolean {
    const head = writeRequestHead(stream.request)
    if (head !== null) this.#writer.text(head)
    else process.nextTick(() => this.refuse(stream))
    return head !== null
  }

  /** The last check refused a part of this request. Not from within a call of who sends it. */
  refuse(stream: H1Stream): void {
    if (this.#stream === stream) this.#fail(refusedRequest())
  }

  flush(): void {
    this.#writer.flush()
  }

  onTick(): void {
    this.#writer.flush()
    if (this.#state === UNSENT) this.#state = HEAD
    if (this.#outputEnded && !this.#socket.writableEnded) {
      this.#socket.end()
      this.#endTunnelIfDone()
    }
  }

  readonly #onDrain = (): void => {
    this.#writer.drained()
    const stream = this.#stream
    if (stream === null || !stream.waitsForDrain) return
    stream.waitsForDrain = false
    stream.handler.onUpstreamDrain()
  }

  pauseReading(): void {
    if (this.#paused) return
    this.#paused = true
    this.#socket.pause()
  }

  resumeReading(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#socket.resume()
  }

  abandon(stream: H1Stream): void {
    stream.over = true
    this.#stream = null
    this.#destroy()
    stream.observer.onAttemptEnd()
  }

  /** The body does not have the announced length: the backend must not take the rest for more. */
  failLength(): void {
    this.#error = new Error('request body does not match its content-length')
    this.#socket.destroy()
  }

  #fail(failure: UpstreamFailure): void {
    const stream = this.#stream
    if (stream === null) {
      this.#destroy()
      return
    }
    stream.over = true
    this.#stream = null
    this.#destroy()
    stream.observer.onAttemptFailure(failure)
    stream.observer.onAttemptEnd()
    stream.handler.onUpstreamFailure(failure)
  }

  readonly #onEnd = (): void => {
    this.#peerEnded = true
    const stream = this.#stream
    if (stream === null) this.#destroy()
    else if (this.#state === UNTIL_CLOSE) this.#complete(stream, null, false)
    else if (this.#state !== TUNNEL) this.#fail(this.#closedFailure(null))
    else {
      stream.handler.onUpstreamEnd(null)
      this.#endTunnelIfDone()
    }
  }

  #endTunnelIfDone(): void {
    const stream = this.#stream
    if (stream === null || !this.#peerEnded || !this.#outputEnded) return
    stream.over = true
    this.#stream = null
    stream.observer.onAttemptEnd()
  }

  #closedFailure(cause: unknown): UpstreamFailure {
    return this.#state === HEAD || this.#state === UNSENT
      ? closedBeforeHead(cause, this.#receivedBytes)
      : closedWithinBody(cause)
  }

  readonly #onError = (error: Error): void => {
    this.#error = error
  }

  readonly #onClose = (): void => {
    this.#idle?.stop()
    strip(this.#socket)
    if (this.#stream !== null) this.#fail(this.#closedFailure(this.#error))
    this.#state = CLOSED
    this.#report()
  }

  #destroy(): void {
    this.#state = CLOSED
    this.#socket.destroy()
    this.#report()
  }

  #report(): void {
    if (this.#reported) return
    this.#reported = true
    this.#owner.onConnectionClosed(this)
  }
}
