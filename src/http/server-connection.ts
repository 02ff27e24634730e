import type { Socket } from 'node:net'
import { AcceptedPeer, type PeerAddresses } from './accepted-peer.ts'
import { BodyReader } from './body-reader.ts'
import { BODY, DISCARD, HEAD, HOLD, TUNNEL } from './connection-state.ts'
import { Deadlines, type DeadlineOwner } from './deadlines.ts'
import type { AbortReason } from './exchange.ts'
import { InputGate } from './input-gate.ts'
import type { HttpSettings } from './http-settings.ts'
import { statusLine } from './message-writer.ts'
import { abortReasonOf, REQUEST_TIMEOUT, Refusal } from './refusal.ts'
import type { Request } from './request.ts'
import { RequestReader } from './request-reader.ts'
import type { HttpServerEngine } from './server-engine.ts'
import { ServerExchange } from './server-exchange.ts'
import { readShared, takeReads } from './shared-read.ts'
import { GentleClose, ignoreError, resetSocket, strip } from './socket-close.ts'
import type { ChunkReader } from './socket-reads.ts'
import { SocketWriter } from './socket-writer.ts'
import { tickQueue, type Ticked } from './tick-queue.ts'
import { TunnelEnds } from './tunnel-ends.ts'

/** One accepted HTTP/1.1 connection: one exchange at a time, whatever the client pipelines. */
export class ServerConnection extends AcceptedPeer implements ChunkReader, DeadlineOwner, Ticked {
  queued = false
  rosterPlace = -1
  exchange: ServerExchange | null = null
  /** No further request after the current answer. */
  closing = false
  /** Requests begun on this connection. */
  requests = 0

  readonly #engine: HttpServerEngine
  readonly #settings: HttpSettings
  readonly #socket: Socket
  readonly #writer: SocketWriter
  readonly #reader: RequestReader
  readonly #body: BodyReader
  readonly #deadlines: Deadlines
  readonly #gate: InputGate
  readonly #close: GentleClose
  readonly #tunnel: TunnelEnds
  #state = HEAD
  /** Its request was read, and the server does not know of it yet. */
  #unbegun: ServerExchange | null = null
  #peerEnded = false
  #killed = false
  #abortReason: AbortReason = 'client-closed'

  constructor(
    engine: HttpServerEngine,
    socket: Socket,
    context: unknown,
    peer: PeerAddresses | null,
  ) {
    super(socket, context, peer)
    const settings = engine.settings
    this.#engine = engine
    this.#settings = settings
    this.#socket = socket
    this.#writer = new SocketWriter(socket)
    this.#reader = new RequestReader(settings, engine.scheme, engine.heads, this.remoteAddress)
    this.#body = new BodyReader(settings, settings.underscoreNames)
    this.#deadlines = new Deadlines(engine.wheel, this, socket, settings)
    this.#gate = new InputGate(socket)
    this.#close = new GentleClose(socket, this.#deadlines, settings)
    this.#tunnel = new TunnelEnds(socket, this.#gate)
  }

  start(firstBytes: Buffer | null): void {
    const socket = this.#socket
    // The client may close its side and still wait for the answer.
    socket.allowHalfOpen = true
    socket.on('data', (chunk: Buffer) => this.onChunk(chunk))
    socket.on('end', this.#onEnd)
    socket.on('drain', this.#onDrain)
    socket.on('error', ignoreError)
    socket.on('close', this.#onClose)
    if (firstBytes !== null) takeReads(socket, this)
    else if (this.#settings.sharedReads) readShared(socket, this)
    this.#deadlines.setPhase(this.#settings.idleTimeoutMs)
    if (firstBytes !== null && firstBytes.length > 0) this.onChunk(firstBytes)
  }

  onChunk(chunk: Buffer): void {
    if (this.#gate.holds) this.#gate.hold(chunk)
    else this.#consume(chunk)
  }

  #consume(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      switch (this.#state) {
        case HEAD:
          at = this.#readHead(chunk, at)
          break
        case BODY:
          // Paused within this chunk: the handler has no place for the rest yet.
          if (this.#gate.isStopped) {
            this.#gate.hold(chunk.subarray(at))
            return
          }
          at = this.#readBody(chunk, at)
          break
        case HOLD:
          this.#gate.hold(chunk.subarray(at))
          return
        case TUNNEL:
          this.#readTunnel(chunk, at)
          return
        default:
          this.#close.discard(chunk.length - at)
          return
      }
    }
  }

  #readHead(chunk: Buffer, at: number): number {
    const reader = this.#reader
    const begun = reader.partial
    const request = reader.read(chunk, at)
    if (request === null) {
      if (!begun && reader.partial) this.#deadlines.setPhase(this.#settings.headTimeoutMs)
      return chunk.length
    }
    if (request instanceof Refusal) {
      this.#refuse(request)
      return chunk.length
    }
    this.#begin(request)
    return reader.next
  }

  #begin(request: Request): void {
    const settings = this.#settings
    this.requests++
    this.closing = this.#reader.closes || this.requests >= settings.maxRequestsPerConnection
    const exchange = new ServerExchange(this, this.#writer, request, this.#reader.wantsTrailers)
    this.exchange = exchange
    this.#body.begin(request.bodyLength)
    this.#state = this.#body.done ? HOLD : BODY
    this.#deadlines.beginExchange(!this.#body.done)
    this.#unbegun = exchange
    // With all others of this iteration of the event loop, before which nothing more happens here.
    if (request.endsWithHead && tickQueue.isBusy && !this.queued) this.schedule()
    else this.begin()
  }

  begin(): void {
    const exchange = this.#unbegun
    if (exchange === null) return
    this.#unbegun = null
    this.#engine.onExchangeBegin(exchange)
    if (exchange.request.endsWithHead) exchange.receiveEnd(null)
  }

  #readBody(chunk: Buffer, at: number): number {
    const body = this.#body
    const valid = body.read(chunk, at)
    this.exchange?.receive(chunk, body.payloadStart, body.payloadEnd)
    // A callback on the way may have closed everything.
    if (this.#state !== BODY) return chunk.length
    if (!valid) {
      this.#refuse(body.refusal!)
      return chunk.length
    }
    if (body.done) this.#endRequest()
    return body.next
  }

  #endRequest(): void {
    this.#deadlines.endRequest()
    const exchange = this.exchange
    if (exchange === null) return this.#next()
    this.#state = HOLD
    exchange.receiveEnd(this.#body.trailers && this.#reader.passing(this.#body.trailers))
  }

  #readTunnel(chunk: Buffer, at: number): void {
    this.#deadlines.setPhase(this.#settings.tunnelIdleTimeoutMs)
    this.exchange?.receive(chunk, at, chunk.length)
  }

  pauseReading(): void {
    this.#gate.stop()
    this.#deadlines.stopRequestTime()
  }

  resumeReading(): void {
    this.#gate.go()
    this.#deadlines.resumeRequestTime()
    if (this.#gate.holds && this.#state !== HOLD) this.schedule()
  }

  readonly #onEnd = (): void => {
    this.#peerEnded = true
    this.#settleEnd()
  }

  /** The client says no more: what is unfinished stays so. */
  #settleEnd(): void {
    const exchange = this.exchange
    if (this.#state === TUNNEL && exchange !== null) return this.#settleTunnel(exchange)
    // Bytes held may complete the request, or be another one: judged once they were read.
    if (this.#gate.holds || this.#state === DISCARD) return
    if (exchange === null) this.#closeGently()
    else if (this.#state === BODY && !exchange.ended) this.kill('client-closed')
  }

  schedule(): void {
    tickQueue.schedule(this)
  }

  /** Whether the answer that begins now is the last one; then it says so. */
  announceClose(untilClose: boolean): boolean {
    const last = this.#peerEnded && !this.#gate.holds
    if (untilClose || last || this.#engine.draining || !this.#canDrainRequest()) this.closing = true
    else if (this.#deadlines.tooOld) this.closing = true
    return this.closing
  }

  /** An unread rest of the request is read to keep the connection only when it is known and small. */
  #canDrainRequest(): boolean {
    if (this.#state !== BODY) return true
    if (!this.#body.endsWithin(this.#settings.lingerBytes)) return false
    return !this.exchange!.owesContinue
  }

  startTunnel(): void {
    this.#state = TUNNEL
    this.#deadlines.setPhase(this.#settings.tunnelIdleTimeoutMs)
    this.schedule()
  }

  endTunnelOutput(): void {
    if (this.#tunnel.endOutput()) this.schedule()
  }

  /** Ends everything; the handler hears of it when the socket is closed. */
  kill(reason: AbortReason): void {
    this.#killed = true
    this.#abortReason = reason
    if (this.exchange !== null) this.exchange.ended = true
    this.#state = DISCARD
    this.#writer.discard()
    resetSocket(this.#socket)
  }

  /** The handler gave the exchange up. */
  abandon(exchange: ServerExchange): void {
    if (this.exchange !== exchange) return
    this.exchange = null
    this.#engine.onExchangeOver()
    this.kill('client-closed')
  }

  flush(): void {
    if (!this.#killed) this.#writer.flush()
  }

  onTick(): void {
    if (this.#killed) return
    const exchange = this.exchange
    this.#writer.flush()
    if (this.#writer.blocked) this.#deadlines.startStall()
    if (exchange === null) return
    if (exchange.isTunnel) this.#tickTunnel(exchange)
    else if (exchange.ended) this.#finish(exchange)
    else if (this.#state === BODY && !this.#gate.isStopped) this.#takeHeld()
  }

  /** Reads bytes that came before they were wanted. */
  #takeHeld(): void {
    const held = this.#gate.take()
    if (held === null) return
    this.#consume(held)
    if (this.#peerEnded) this.#settleEnd()
  }

  #tickTunnel(exchange: ServerExchange): void {
    if (this.#gate.holds && !this.#gate.isStopped) this.#readTunnel(this.#gate.take()!, 0)
    this.#tunnel.shutDown(this.#peerEnded)
    this.#settleTunnel(exchange)
  }

  #settleTunnel(exchange: ServerExchange): void {
    const ended = this.#tunnel.tell(exchange, this.#peerEnded)
    if (ended && this.exchange === exchange) this.#finish(exchange)
  }

  #finish(exchange: ServerExchange): void {
    exchange.ended = true
    this.exchange = null
    this.#gate.go()
    this.#engine.onExchangeOver()
    exchange.handler?.onResponseSent()
    this.#deadlines.endExchange()
    if (this.closing || this.#state === TUNNEL) this.#closeGently()
    else if (this.#state === BODY) {
      this.#deadlines.setPhase(this.#settings.lingerTimeoutMs)
      this.#takeHeld()
    } else this.#next()
  }

  /** Takes the next request, at once when the client pipelined one; not before output has room. */
  #next(): void {
    this.#gate.waitForDrain(this.#writer.blocked)
    if (this.#writer.blocked) {
      this.#state = HOLD
      this.#deadlines.setPhase(Infinity)
      return
    }
    this.#state = HEAD
    // For those whose first bytes came by events.
    const { sharedReads, idleTimeoutMs, lingerTimeoutMs } = this.#settings
    if (sharedReads && this.requests === 1) readShared(this.#socket, this)
    if (!this.#gate.holds && this.#peerEnded) return this.#closeGently()
    // Draining began after this answer's head, which did not announce the end.
    this.#deadlines.setIdle(this.#engine.draining ? lingerTimeoutMs : idleTimeoutMs)
    this.#takeHeld()
  }

  readonly #onDrain = (): void => {
    this.#writer.drained()
    this.#deadlines.clearStall()
    if (this.exchange !== null) this.exchange.drained()
    else if (this.#gate.waitsForDrain) this.#next()
  }

  /**
   * A local answer to a message that could not be read, then the end. None once bytes of another
   * answer are on the wire.
   */
  #refuse(refusal: Refusal): void {
    const exchange = this.exchange
    this.#engine.onRefused(refusal, this)
    if (exchange?.ended) {
      this.closing = true
      this.#state = DISCARD
      return
    }
    if (exchange?.headSent) return this.kill(abortReasonOf(refusal))
    if (exchange !== null) {
      exchange.ownStatus = refusal.status
      this.#failExchange(exchange, abortReasonOf(refusal))
    }
    this.#writer.text(`${statusLine(refusal.status)}content-length: 0\r\nconnection: close\r\n\r\n`)
    this.#closeGently()
  }

  /** Sends what is collected and our FIN, then gives the client a moment to read it. */
  #closeGently(): void {
    this.#writer.flush()
    this.#state = DISCARD
    this.#gate.open()
    this.#close.start()
  }

  /** Between two requests: a moment for the one that may be on its way, then the end. */
  closeIfIdle(): void {
    const isIdle = this.#state === HEAD && this.exchange === null && !this.#reader.partial
    if (isIdle) this.#deadlines.setPhase(this.#settings.lingerTimeoutMs)
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

  readonly #onClose = (): void => {
    this.#state = DISCARD
    strip(this.#socket)
    this.#deadlines.clear()
    this.#engine.onConnectionOver(this)
    if (this.exchange !== null) this.#failExchange(this.exchange, this.#abortReason)
  }

  onWriteStall(): void {
    this.kill('timeout')
  }

  onExchangeTimeout(refusal: Refusal): void {
    this.#refuse(refusal)
  }

  onPhaseTimeout(): void {
    if (this.#state === TUNNEL) this.kill('timeout')
    else if (this.#state === HEAD && this.#reader.partial) this.#refuse(REQUEST_TIMEOUT)
    else if (this.#state === HEAD) this.#closeGently()
    else this.#socket.destroy()
  }
}
