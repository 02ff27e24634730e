import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { AcceptedPeer, type PeerAddresses } from './accepted-peer.ts'
import { BodyReader } from './body-reader.ts'
import { Deadlines, type DeadlineOwner } from './deadlines.ts'
import type { AbortReason } from './exchange.ts'
import { HeadReader } from './head-reader.ts'
import { matchPreface, PREFACE_DIFFERS, PREFACE_MATCHES } from './http2-preface.ts'
import { statusLine } from './message-writer.ts'
import { REQUEST_TIMEOUT, Refusal } from './refusal.ts'
import { UNKNOWN_LENGTH, type Request } from './request.ts'
import { RequestHeadParser } from './request-head.ts'
import type { HttpServerEngine } from './server-engine.ts'
import { ServerExchange } from './server-exchange.ts'
import { readShared } from './shared-read.ts'
import { SocketWriter } from './socket-writer.ts'
import { tickQueue, type Ticked } from './tick-queue.ts'

/** What the next bytes from the client are. */
const FIRST_BYTES = 0
const HEAD = 1
const BODY = 2
/** The request is complete, or waits for a tunnel: bytes are held until the answer is out. */
const HOLD = 3
const TUNNEL = 4
/** Our side is closed: what still comes is thrown away. */
const DISCARD = 5

/** Empty lines before a request line, left behind by old clients after a body (RFC 9112 2.2). */
const MAX_EMPTY_LINES = 1

/** One accepted HTTP/1.1 connection: one exchange at a time, whatever the client pipelines. */
export class ServerConnection extends AcceptedPeer implements DeadlineOwner, Ticked {
  queued = false

  exchange: ServerExchange | null = null
  /** No further request after the current answer. */
  closing = false
  /** A 100 Continue went out for the current request. */
  continueSent = false
  /** Requests begun on this connection. */
  requests = 0

  readonly #engine: HttpServerEngine
  readonly #socket: Socket
  readonly #writer: SocketWriter
  readonly #reader: HeadReader
  readonly #parser: RequestHeadParser
  readonly #body: BodyReader
  readonly #deadlines: Deadlines
  #state = FIRST_BYTES
  /** Bytes that wait for the current answer, or for the rest of an HTTP/2 preface. */
  #held: Buffer | null = null
  #handlerPaused = false
  #socketPaused = false
  #peerEnded = false
  #outputEnded = false
  #killed = false
  #readsShared = false
  #waitsForDrain = false
  #discardBudget = 0
  #abortReason: AbortReason = 'client-closed'

  constructor(
    engine: HttpServerEngine,
    socket: Socket,
    context: unknown,
    peer: PeerAddresses | null,
  ) {
    super(socket, context, peer)
    this.#engine = engine
    this.#socket = socket
    this.#writer = new SocketWriter(socket)
    this.#reader = new HeadReader(engine.settings.maxHeadBytes, MAX_EMPTY_LINES)
    this.#parser = new RequestHeadParser(engine.settings, engine.scheme)
    this.#body = new BodyReader(engine.settings)
    this.#deadlines = new Deadlines(engine.wheel, this)
  }

  /** No exchange, no begun request, and at least one request served. */
  get isIdle(): boolean {
    return this.#state === HEAD && this.exchange === null && !this.#reader.partial
  }

  start(firstBytes: Buffer | null): void {
    const socket = this.#socket
    // The client may close its side and still wait for the answer.
    socket.allowHalfOpen = true
    socket.setNoDelay(true)
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('drain', this.#onDrain)
    socket.on('error', ignoreError)
    socket.on('close', this.#onClose)
    this.#deadlines.setPhase(this.#engine.settings.idleTimeoutMs)
    if (firstBytes !== null && firstBytes.length > 0) this.#onData(firstBytes)
  }

  // ---- reading

  readonly #onData = (chunk: Buffer): void => {
    if (this.#held === null) this.#consume(chunk)
    else if (this.#state === FIRST_BYTES) {
      const bytes = Buffer.concat([this.#held, chunk])
      this.#held = null
      this.#consume(bytes)
    } else this.#hold(chunk, 0)
  }

  #consume(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      switch (this.#state) {
        case FIRST_BYTES:
          if (this.#takeFirstBytes(chunk)) return
          break
        case HEAD:
          at = this.#readHead(chunk, at)
          break
        case BODY:
          // Paused within this chunk: the handler has no place for the rest yet.
          if (this.#handlerPaused) {
            this.#hold(chunk, at)
            return
          }
          at = this.#readBody(chunk, at)
          break
        case HOLD:
          this.#hold(chunk, at)
          return
        case TUNNEL:
          this.#readTunnel(at === 0 ? chunk : chunk.subarray(at))
          return
        default:
          this.#discard(chunk.length - at)
          return
      }
    }
  }

  /** True when the bytes are dealt with: an HTTP/2 client preface, or the beginning of one. */
  #takeFirstBytes(chunk: Buffer): boolean {
    const handOff = this.#engine.onHttp2Preface
    const match = handOff === null ? PREFACE_DIFFERS : matchPreface(chunk)
    if (match === PREFACE_DIFFERS || handOff === null) {
      this.#state = HEAD
      return false
    }
    if (match === PREFACE_MATCHES) {
      this.#detachSocket()
      handOff(this.#socket, Buffer.from(chunk), this.context)
      return true
    }
    this.#held = Buffer.from(chunk)
    this.#deadlines.setPhase(this.#engine.settings.headTimeoutMs)
    return true
  }

  #readHead(chunk: Buffer, at: number): number {
    const reader = this.#reader
    const begun = reader.partial
    if (!reader.read(chunk, at)) {
      if (reader.refusal !== null) this.#refuse(reader.refusal)
      else if (!begun && reader.partial)
        this.#deadlines.setPhase(this.#engine.settings.headTimeoutMs)
      return chunk.length
    }
    const next = reader.next
    const request = this.#parser.parse(reader.text, reader.end)
    reader.text = ''
    if (request instanceof Refusal) {
      this.#refuse(request)
      return chunk.length
    }
    this.#begin(request)
    return next
  }

  #begin(request: Request): void {
    const settings = this.#engine.settings
    this.requests++
    this.continueSent = false
    this.closing = this.#parser.closes || this.requests >= settings.maxRequestsPerConnection
    const exchange = new ServerExchange(this, this.#writer, request, this.#parser.wantsTrailers)
    this.exchange = exchange
    this.#body.begin(request.bodyLength)
    this.#state = this.#body.done ? HOLD : BODY
    this.#deadlines.setRequest(this.#body.done ? Infinity : settings.requestTimeoutMs)
    this.#engine.onExchangeBegin(exchange)
    if (request.bodyLength !== 0 || request.upgrade !== null || request.method === 'CONNECT') return
    if (this.exchange === exchange && !exchange.ended) exchange.handler?.onRequestEnd(null)
  }

  #readBody(chunk: Buffer, at: number): number {
    const body = this.#body
    const valid = body.read(chunk, at)
    this.#deliver(chunk, body.payloadStart, body.payloadEnd)
    // A callback on the way may have closed everything.
    if (this.#state !== BODY) return chunk.length
    if (!valid) {
      this.#refuse(body.refusal!)
      return chunk.length
    }
    if (body.done) this.#endRequest()
    return body.next
  }

  #deliver(chunk: Buffer, start: number, end: number): void {
    const exchange = this.exchange
    if (start === end || exchange === null || exchange.ended) return
    exchange.bytesReceived += end - start
    const whole = start === 0 && end === chunk.length
    exchange.handler?.onRequestBody(whole ? chunk : chunk.subarray(start, end))
  }

  #endRequest(): void {
    this.#deadlines.clearRequest()
    const exchange = this.exchange
    if (exchange === null) {
      this.#next()
      return
    }
    this.#state = HOLD
    if (exchange.ended) return
    const trailers = this.#engine.settings.forwardRequestTrailers ? this.#body.trailers : null
    exchange.handler?.onRequestEnd(trailers)
  }

  #readTunnel(chunk: Buffer): void {
    const exchange = this.exchange
    if (exchange === null || chunk.length === 0) return
    this.#deadlines.setPhase(this.#engine.settings.tunnelIdleTimeoutMs)
    exchange.bytesReceived += chunk.length
    exchange.handler?.onRequestBody(chunk)
  }

  #hold(chunk: Buffer, at: number): void {
    const rest = chunk.subarray(at)
    this.#held = this.#held === null ? Buffer.from(rest) : Buffer.concat([this.#held, rest])
    this.#updateFlow()
  }

  #discard(bytes: number): void {
    this.#discardBudget -= bytes
    if (this.#discardBudget < 0) this.#socket.destroy()
  }

  pauseReading(): void {
    this.#handlerPaused = true
    this.#updateFlow()
  }

  resumeReading(): void {
    if (!this.#handlerPaused) return
    this.#handlerPaused = false
    const holds = this.#held !== null && (this.#state === TUNNEL || this.#state === BODY)
    if (holds) this.schedule()
    else this.#updateFlow()
  }

  #updateFlow(): void {
    const held = this.#held !== null && this.#state !== FIRST_BYTES
    const pause = this.#handlerPaused || held || this.#waitsForDrain
    if (pause === this.#socketPaused) return
    this.#socketPaused = pause
    if (pause) this.#socket.pause()
    else this.#socket.resume()
  }

  readonly #onEnd = (): void => {
    this.#peerEnded = true
    const exchange = this.exchange
    if (this.#state === TUNNEL && exchange !== null) {
      exchange.handler?.onRequestEnd(null)
      if (this.#outputEnded) this.#finish(exchange)
    } else if (this.#state === BODY && this.#held !== null) {
      // The rest of the request may be among the bytes held: judged once they were read.
    } else if (this.#state === BODY && exchange !== null && !exchange.ended) {
      this.kill('client-closed')
    } else if (exchange === null && this.#held === null) this.#closeGently()
  }

  // ---- writing, called by the exchange

  schedule(): void {
    tickQueue.schedule(this)
  }

  /** Whether the answer that begins now is the last one; then it says so. */
  announceClose(untilClose: boolean): boolean {
    const last = this.#peerEnded && this.#held === null
    if (untilClose || last || this.#engine.draining || !this.#canDrainRequest()) this.closing = true
    return this.closing
  }

  /** An unread rest of the request is read to keep the connection only when it is known and small. */
  #canDrainRequest(): boolean {
    if (this.#state !== BODY) return true
    const { remaining } = this.#body
    if (remaining === UNKNOWN_LENGTH || remaining > this.#engine.settings.lingerBytes) return false
    return !this.exchange!.request.expectsContinue || this.continueSent
  }

  startTunnel(): void {
    this.#state = TUNNEL
    this.#deadlines.setPhase(this.#engine.settings.tunnelIdleTimeoutMs)
    this.schedule()
  }

  endTunnelOutput(): void {
    if (this.#outputEnded) return
    this.#outputEnded = true
    this.schedule()
  }

  /** Ends everything; the handler hears of it when the socket is closed. */
  kill(reason: AbortReason): void {
    this.#killed = true
    this.#abortReason = reason
    if (this.exchange !== null) this.exchange.ended = true
    this.#reset()
  }

  /** The handler gave the exchange up. */
  abandon(exchange: ServerExchange): void {
    if (this.exchange !== exchange) return
    this.exchange = null
    this.#engine.onExchangeOver()
    this.#reset()
  }

  /** A reset, where the transport has one: a plain close could look like the end of a body. */
  #reset(): void {
    this.#state = DISCARD
    if (this.#socket instanceof TLSSocket) this.#socket.destroy()
    else this.#socket.resetAndDestroy()
  }

  onTick(): void {
    const writer = this.#writer
    const exchange = this.exchange
    if (this.#killed) return
    writer.flush()
    if (writer.blocked) this.#deadlines.startStall(this.#engine.settings.writeStallTimeoutMs)
    if (exchange === null) return
    if (exchange.isTunnel) this.#tickTunnel(exchange)
    else if (exchange.ended) this.#finish(exchange)
    else if (this.#state === BODY && !this.#handlerPaused) this.#takeHeldBody()
  }

  /** Reads body bytes that came while the handler had paused. */
  #takeHeldBody(): void {
    const held = this.#held
    if (held === null) return
    this.#held = null
    this.#updateFlow()
    this.#consume(held)
    const unfinished = this.#state === BODY && this.#held === null
    if (this.#peerEnded && unfinished && this.exchange !== null) this.kill('client-closed')
  }

  #tickTunnel(exchange: ServerExchange): void {
    if (this.#outputEnded && !this.#socket.writableEnded) {
      this.#socket.end()
      if (this.#peerEnded) {
        this.#finish(exchange)
        return
      }
    }
    if (this.#held === null || this.#handlerPaused) return
    const held = this.#held
    this.#held = null
    this.#updateFlow()
    this.#readTunnel(held)
  }

  #finish(exchange: ServerExchange): void {
    exchange.ended = true
    this.exchange = null
    this.#handlerPaused = false
    this.#engine.onExchangeOver()
    exchange.handler?.onResponseSent()
    if (this.closing || this.#state === TUNNEL) this.#closeGently()
    else if (this.#state === BODY) {
      this.#deadlines.clearRequest()
      this.#deadlines.setPhase(this.#engine.settings.lingerTimeoutMs)
      this.#updateFlow()
      this.#takeHeldBody()
    } else this.#next()
  }

  /** Takes the next request, at once when the client pipelined one; not before output has room. */
  #next(): void {
    this.#waitsForDrain = this.#writer.blocked
    if (this.#waitsForDrain) {
      this.#state = HOLD
      this.#updateFlow()
      return
    }
    const held = this.#held
    this.#held = null
    this.#state = HEAD
    this.#shareReads()
    if (held === null && (this.#peerEnded || this.#engine.draining)) {
      this.#closeGently()
      return
    }
    this.#deadlines.setPhase(this.#engine.settings.idleTimeoutMs)
    this.#updateFlow()
    if (held !== null) this.#consume(held)
  }

  /** After the first answer: the connection is HTTP/1.1 for certain and likely to stay. */
  #shareReads(): void {
    if (this.#readsShared) return
    this.#readsShared = true
    if (this.#engine.settings.sharedReads) readShared(this.#socket, this.#onData)
  }

  readonly #onDrain = (): void => {
    this.#writer.drained()
    this.#deadlines.clearStall()
    const exchange = this.exchange
    if (exchange !== null && exchange.waitsForDrain) {
      exchange.waitsForDrain = false
      if (!exchange.ended) exchange.handler?.onDownstreamDrain()
    } else if (this.#waitsForDrain) this.#next()
  }

  // ---- ending

  /**
   * A local answer to a message that could not be read, then the end. None once bytes of another
   * answer are on the wire.
   */
  #refuse(refusal: Refusal): void {
    const exchange = this.exchange
    this.#engine.onRefused(refusal, this)
    if (exchange !== null && exchange.ended) {
      this.closing = true
      this.#state = DISCARD
      this.#discardBudget = this.#engine.settings.lingerBytes
      return
    }
    if (exchange !== null && exchange.headSent) {
      this.kill('protocol-error')
      return
    }
    const reason = refusal === REQUEST_TIMEOUT ? 'timeout' : 'protocol-error'
    if (exchange !== null) this.#failExchange(exchange, reason)
    this.#writer.text(`${statusLine(refusal.status)}content-length: 0\r\nconnection: close\r\n\r\n`)
    this.#closeGently()
  }

  /** Sends what is collected and our FIN, then gives the client a moment to read it. */
  #closeGently(): void {
    this.#writer.flush()
    this.#state = DISCARD
    this.#held = null
    this.#waitsForDrain = false
    this.#handlerPaused = false
    this.#discardBudget = this.#engine.settings.lingerBytes
    this.#deadlines.clear()
    this.#deadlines.startStall(this.#engine.settings.writeStallTimeoutMs)
    this.#updateFlow()
    if (this.#socket.writableFinished) this.#onFinished()
    else if (this.#socket.writableEnded) this.#socket.once('finish', this.#onFinished)
    else this.#socket.end(this.#onFinished)
  }

  readonly #onFinished = (): void => {
    if (this.#state !== DISCARD) return
    this.#deadlines.clearStall()
    this.#deadlines.setPhase(this.#engine.settings.lingerTimeoutMs)
  }

  /** Closes the connection unless it serves a request. */
  closeIfIdle(): void {
    if (this.isIdle) this.#closeGently()
    else if (this.#state === FIRST_BYTES)
      this.#deadlines.setPhase(this.#engine.settings.lingerTimeoutMs)
  }

  destroy(): void {
    this.#abortReason = 'shutdown'
    this.#socket.destroy()
  }

  #failExchange(exchange: ServerExchange, reason: AbortReason): void {
    exchange.ended = true
    this.exchange = null
    this.#engine.onExchangeOver()
    exchange.handler?.onDownstreamAbort(reason)
  }

  #detachSocket(): void {
    const socket = this.#socket
    socket.off('data', this.#onData)
    socket.off('end', this.#onEnd)
    socket.off('drain', this.#onDrain)
    socket.off('error', ignoreError)
    socket.off('close', this.#onClose)
    socket.pause()
    this.#deadlines.clear()
    this.#engine.onConnectionOver(this)
  }

  readonly #onClose = (): void => {
    this.#state = DISCARD
    this.#deadlines.clear()
    this.#engine.onConnectionOver(this)
    if (this.exchange !== null) this.#failExchange(this.exchange, this.#abortReason)
  }

  // ---- timers

  onWriteStall(): void {
    this.kill('timeout')
  }

  onRequestTimeout(): void {
    this.#refuse(REQUEST_TIMEOUT)
  }

  onPhaseTimeout(): void {
    if (this.#state === TUNNEL) this.kill('timeout')
    else if (this.#state === HEAD && this.#reader.partial) this.#refuse(REQUEST_TIMEOUT)
    else if (this.#state === HEAD) this.#closeGently()
    else this.#socket.destroy()
  }
}

/** 'close' follows and does the work. */
function ignoreError(): void {}
