import { constants, type ServerHttp2Stream } from 'node:http2'
import type { AbortReason, DownstreamExchange, ExchangeHandler } from './exchange.ts'
import { fieldObject, receivedTrailers, type H2FieldObject } from './h2-fields.ts'
import { H2Wait } from './h2-line.ts'
import { H2Outflow, type H2OutflowOwner } from './h2-outflow.ts'
import { cancelStream, failStream, isViolation } from './h2-reset.ts'
import { isBodiless, responseFields } from './h2-response-fields.ts'
import type { H2Session } from './h2-session.ts'
import type { Headers } from './headers.ts'
import { Refusal } from './refusal.ts'
import { UNKNOWN_LENGTH, type Request } from './request.ts'

const exchangeOf = Symbol('exchange')

/** A stream that knows its exchange: listeners are shared functions instead of closures. */
interface OwnedStream extends ServerHttp2Stream {
  [exchangeOf]: H2Exchange
}

/** `headers` on the wire keep the Date they came with; node:http2 must not add one. */
const HEAD_LAST = { endStream: true, sendDate: false } as const
const HEAD_OPEN = { endStream: false, sendDate: false } as const
const HEAD_TRAILERS = { endStream: false, sendDate: false, waitForTrailers: true } as const

/** One HTTP/2 stream as an exchange. */
export class H2Exchange implements DownstreamExchange, H2OutflowOwner {
  rosterPlace = -1
  readonly request: Request
  readonly connection: H2Session
  handler: ExchangeHandler | null
  bytesReceived: number
  bytesSent: number
  headSent: boolean
  ownStatus: number
  /** True from the moment the exchange was offered to the proxy. */
  announced: boolean

  readonly #stream: ServerHttp2Stream
  readonly #startedAtMs: number
  #progressAtMs: number
  #requestEnded: boolean
  #requestPaused: boolean
  #requestTrailers: Headers | null
  #answerEnded: boolean
  /** Trailers may come behind the answer's body, so END_STREAM waits for them. */
  #trailersOpen: boolean
  #trailers: H2FieldObject | null
  #outflow: H2Outflow | null
  #wait: H2Wait | null
  /** No callback and no effect any more. */
  #over: boolean

  constructor(stream: ServerHttp2Stream, request: Request, connection: H2Session, nowMs: number) {
    this.request = request
    this.connection = connection
    this.handler = null
    this.bytesReceived = 0
    this.bytesSent = 0
    this.headSent = false
    this.ownStatus = 0
    this.announced = false
    this.#stream = stream
    this.#startedAtMs = nowMs
    this.#progressAtMs = nowMs
    this.#requestEnded = stream.endAfterHeaders
    this.#requestPaused = false
    this.#requestTrailers = null
    this.#answerEnded = false
    this.#trailersOpen = false
    this.#trailers = null
    this.#outflow = null
    this.#wait = null
    this.#over = false
    const owned = stream as OwnedStream
    owned[exchangeOf] = this
    owned.on('close', onStreamClose)
    owned.on('aborted', onStreamAborted)
    // They may come in the very read that brought the head, before begin().
    if (!this.#requestEnded) owned.on('trailers', onStreamTrailers)
  }

  /** False when the client has reset the stream already. */
  get isAlive(): boolean {
    return !this.#over && !this.#stream.closed && !this.#stream.destroyed
  }

  /** Starts the flow of request body. Called once, right after the exchange was announced. */
  begin(): void {
    if (this.#over) return
    if (this.#requestEnded) {
      this.handler?.onRequestEnd(null)
      return
    }
    const owned = this.#stream as OwnedStream
    // An empty body may have ended in the very read that brought the head.
    if (owned.readableEnded) {
      this.takeEnd()
      return
    }
    owned.on('end', onStreamEnd)
    owned.on('data', onStreamData)
    if (this.#requestPaused) owned.pause()
  }

  pauseRequestBody(): void {
    if (this.#requestPaused || this.#over || this.#answerEnded) return
    this.#requestPaused = true
    this.#stream.pause()
  }

  resumeRequestBody(): void {
    if (!this.#requestPaused) return
    this.#requestPaused = false
    this.#progressAtMs = this.connection.nowMs
    if (!this.#over && !this.#requestEnded) this.#stream.resume()
  }

  sendInformational(status: number, headers: Headers): void {
    if (this.headSent || !this.isAlive || status === 101) return
    const fields = fieldObject(headers)
    fields[':status'] = String(status)
    this.#stream.additionalHeaders(fields)
  }

  sendHead(status: number, headers: Headers, bodyLength: number, last: boolean): boolean {
    if (this.headSent || !this.isAlive) return true
    const bodiless = this.request.method === 'HEAD' || isBodiless(status)
    // Without body there is nothing to wait for: gRPC tells trailers-only answers by END_STREAM.
    const ends = last || bodiless || bodyLength === 0
    const list = responseFields(status, headers)
    if (bodyLength > 0 || (bodyLength === 0 && !bodiless)) {
      if (status !== 204) list.push('content-length', String(bodyLength))
    }
    this.#sendHeadList(list, ends, !ends && this.#waitsForTrailers(headers, bodyLength))
    return true
  }

  sendWhole(status: number, headers: Headers, body: Buffer | string): void {
    if (this.headSent || !this.isAlive) return
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    if (bytes.length === 0 || this.request.method === 'HEAD' || isBodiless(status)) {
      this.sendHead(status, headers, bytes.length, true)
      return
    }
    const list = responseFields(status, headers)
    list.push('content-length', String(bytes.length))
    this.#sendHeadList(list, false, false)
    this.sendBody(bytes)
    this.sendEnd(null)
  }

  sendBody(chunk: Buffer): boolean {
    if (!this.#canSendBody() || chunk.length === 0) return true
    this.bytesSent += chunk.length
    if (this.#stream.writableLength === 0) this.#progressAtMs = this.connection.nowMs
    this.#outflow ??= new H2Outflow(this.#stream, this, this.connection.settings.highWaterBytes)
    return this.#outflow.write(chunk)
  }

  sendEnd(trailers: Headers | null): void {
    if (!this.#canSendBody()) return
    if (this.#trailersOpen) {
      this.#trailers = fieldObject(trailers)
      this.#stream.on('wantTrailers', onWantTrailers)
    }
    this.#stream.end()
    this.#endAnswer()
  }

  /** The 101 of a WebSocket is a 200 here, and its key has no counterpart (RFC 8441 5). */
  sendTunnelHead(status: number, headers: Headers): void {
    if (this.headSent || !this.isAlive) return
    const isWebSocket = this.request.upgrade !== null
    if (isWebSocket) headers.remove('sec-websocket-accept')
    this.#sendHeadList(responseFields(isWebSocket ? 200 : status, headers), false, false)
  }

  /** What follows a refused WebSocket is a matter of its stream alone. */
  closeAfter(): void {
    if (this.request.upgrade !== null) return
    this.connection.closeGracefully()
  }

  abort(): void {
    if (this.#over) return
    this.#finish()
    failStream(this.#stream)
  }

  /** Ends the exchange from the wire's side: `reason` goes to the handler, CANCEL to the client. */
  abortBecause(reason: AbortReason): void {
    if (this.#over) return
    this.#finish()
    cancelStream(this.#stream)
    this.handler?.onDownstreamAbort(reason)
  }

  /** Fires the stream's timers. Called by the sweep. */
  checkTimers(nowMs: number): void {
    if (this.#over || !this.announced) return
    const { connection } = this
    const { settings } = connection
    if (nowMs - this.#startedAtMs > settings.maxStreamDurationMs) {
      this.#timeOut('too-long')
      return
    }
    const silentMs = nowMs - this.#progressAtMs
    if (this.#stream.writableLength > 0 || this.#answerEnded) {
      // A whole answer may be one long write; one in pieces shows when a piece has left.
      const isIdle = !this.#answerEnded && silentMs > settings.streamIdleTimeoutMs
      this.#wait ??= new H2Wait()
      const heldMs = this.#wait.heldMs(connection.line, this.#progressAtMs, nowMs)
      if (isIdle || heldMs > settings.writeStallTimeoutMs) this.#stall()
      return
    }
    const owesRequest = !this.headSent && !this.#requestEnded && !this.#requestPaused
    const tooSlow = owesRequest && nowMs - this.#startedAtMs > settings.requestTimeoutMs
    if (tooSlow || silentMs > settings.streamIdleTimeoutMs) this.#timeOut('timeout')
  }

  onOutflowProgress(): void {
    this.#progressAtMs = this.connection.nowMs
    this.connection.noteBodySent()
  }

  onOutflowDrain(): void {
    if (!this.#over && !this.#answerEnded) this.handler?.onDownstreamDrain()
  }

  takeData(chunk: Buffer): void {
    this.#progressAtMs = this.connection.nowMs
    this.connection.noteBodyReceived(chunk.length)
    if (this.#over || this.#answerEnded) return
    this.bytesReceived += chunk.length
    this.handler?.onRequestBody(chunk)
  }

  takeTrailers(rawHeaders: readonly string[]): void {
    const trailers = receivedTrailers(rawHeaders, this.connection.settings)
    if (trailers instanceof Refusal) {
      this.abortBecause('protocol-error')
    } else this.#requestTrailers = trailers
  }

  takeEnd(): void {
    if (this.#over || this.#requestEnded) return
    // A reset ends the readable side too; only on a living stream does it mean END_STREAM.
    if (!this.isAlive) return
    this.#requestEnded = true
    if (!this.#answerEnded) this.handler?.onRequestEnd(this.#requestTrailers)
  }

  takeAbort(): void {
    if (!this.#over) this.#loseClient()
    // Let buffered request bytes go, or the stream would never close.
    this.#stream.resume()
  }

  takeClose(): void {
    this.connection.countReset(this.#stream.rstCode ?? constants.NGHTTP2_NO_ERROR, this.announced)
    if (this.#over) return
    if (this.#isAnswered()) {
      this.#finish()
      this.handler?.onResponseSent()
    } else this.#loseClient()
  }

  sendTrailers(): void {
    if (!this.isAlive) return
    this.#stream.sendTrailers(this.#trailers ?? {})
    this.#trailersOpen = false
    // The trailers leave in an immediate of their own; ours comes behind it.
    if (!this.#requestEnded) setImmediate(stopRequest, this.#stream)
  }

  /** The response left while the request is still coming: RFC 9113 8.1 asks for NO_ERROR. */
  takeFinish(): void {
    if (this.#answerEnded && !this.#trailersOpen && !this.#requestEnded) stopRequest(this.#stream)
  }

  #sendHeadList(list: string[], ends: boolean, trailers: boolean): void {
    this.headSent = true
    this.#progressAtMs = this.connection.nowMs
    this.#trailersOpen = trailers
    if (!ends) {
      this.#stream.respond(list, trailers ? HEAD_TRAILERS : HEAD_OPEN)
      return
    }
    this.#stream.respond(list, HEAD_LAST)
    this.#endAnswer()
  }

  /**
   * Waiting for trailers costs an empty DATA frame and two turns of the loop, so a body of known
   * length waits only when it comes over HTTP/2, or a Trailer field announces them (RFC 9110 6.6.2).
   */
  #waitsForTrailers(headers: Headers, bodyLength: number): boolean {
    if (bodyLength === UNKNOWN_LENGTH || headers.has('trailer')) return true
    return this.handler !== null && this.handler.trailersMayFollow === true
  }

  #endAnswer(): void {
    this.#answerEnded = true
    this.#progressAtMs = this.connection.nowMs
    if (this.#requestEnded) return
    // Nobody reads the rest of the request: let it run out instead of holding the window shut.
    if (this.#stream.writableFinished) this.takeFinish()
    else (this.#stream as OwnedStream).on('finish', onStreamFinish)
    this.#requestPaused = false
    this.#stream.resume()
  }

  #canSendBody(): boolean {
    return this.headSent && !this.#answerEnded && this.isAlive
  }

  /** 'close' may come ahead of 'finish' when both sides ended: then nothing is left to be written. */
  #isAnswered(): boolean {
    if (!this.#answerEnded || this.#trailersOpen) return false
    const { writableFinished, writableLength, rstCode } = this.#stream
    return writableFinished || (writableLength === 0 && rstCode === constants.NGHTTP2_NO_ERROR)
  }

  #loseClient(): void {
    const code = this.#stream.rstCode ?? constants.NGHTTP2_NO_ERROR
    this.#finish()
    this.handler?.onDownstreamAbort(isViolation(code) ? 'protocol-error' : 'client-closed')
  }

  /** 408 when the client owes the request, 504 when the answer does not come. */
  #timeOut(reason: AbortReason): void {
    if (!this.headSent && this.isAlive) {
      this.#finish()
      this.ownStatus = this.#requestEnded || reason === 'too-long' ? 504 : 408
      this.#stream.respond([':status', String(this.ownStatus)], HEAD_LAST)
      this.#stream.close(constants.NGHTTP2_NO_ERROR)
      this.handler?.onDownstreamAbort(reason)
    } else this.abortBecause(reason)
  }

  /** The client does not take the answer. That counts as a reset it forced on us. */
  #stall(): void {
    this.abortBecause('timeout')
    this.connection.countProvokedReset()
  }

  #finish(): void {
    this.#over = true
    this.connection.endExchange(this)
  }
}

function stopRequest(stream: ServerHttp2Stream): void {
  if (!stream.closed && !stream.destroyed) stream.close(constants.NGHTTP2_NO_ERROR)
}

function onStreamData(this: OwnedStream, chunk: Buffer): void {
  this[exchangeOf].takeData(chunk)
}

function onStreamTrailers(
  this: OwnedStream,
  _headers: unknown,
  _flags: number,
  rawHeaders: readonly string[],
): void {
  this[exchangeOf].takeTrailers(rawHeaders)
}

function onStreamEnd(this: OwnedStream): void {
  this[exchangeOf].takeEnd()
}

function onStreamAborted(this: OwnedStream): void {
  this[exchangeOf].takeAbort()
}

function onStreamClose(this: OwnedStream): void {
  this[exchangeOf].takeClose()
}

function onStreamFinish(this: OwnedStream): void {
  this[exchangeOf].takeFinish()
}

function onWantTrailers(this: OwnedStream): void {
  this[exchangeOf].sendTrailers()
}
