import { constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { Duplex } from 'node:stream'
import {
  fieldObject,
  isOverLimits,
  receivedFields,
  sectionBytes,
  type H2FieldObject,
} from '../http/h2-fields.ts'
import { H2Outflow, type H2OutflowOwner } from '../http/h2-outflow.ts'
import { cancelStream } from '../http/h2-reset.ts'
import type { Headers } from '../http/headers.ts'
import { UNKNOWN_LENGTH } from '../http/request.ts'
import type { UpstreamFailure } from './failure.ts'
import { failure } from './failures.ts'
import { grpcCodeOf, isGrpcAnswer } from './grpc-answer.ts'
import type { H2Connection } from './h2-connection.ts'
import { requestFields } from './h2-request-fields.ts'
import { readResponseHead } from './h2-response.ts'
import { InformationalBudget } from './informational-budget.ts'
import type {
  AttemptObserver,
  UpstreamHandler,
  UpstreamRequest,
  UpstreamStream,
} from './transport.ts'

const attemptOf = Symbol('attempt')

/** A stream that knows its attempt: listeners are shared functions instead of closures. */
interface OwnedStream extends ClientHttp2Stream {
  [attemptOf]: H2UpstreamStream
}

/**
 * node:http2 emits 'end' after END_STREAM and after a reset alike, and hides which it was when the
 * reset came with NO_ERROR. But it pushes null while the stream is open only for END_STREAM.
 */
function pushAndNoteEnd(this: OwnedStream, chunk: unknown, encoding?: BufferEncoding): boolean {
  if (chunk === null && !this.closed && !this.destroyed) this[attemptOf].takeEndStream()
  return Duplex.prototype.push.call(this, chunk, encoding)
}

/** One request on an HTTP/2 connection to an upstream. */
export class H2UpstreamStream implements UpstreamStream, H2OutflowOwner {
  readonly remote: string
  readonly local: string
  readonly reused: boolean
  readonly #connection: H2Connection
  readonly #request: UpstreamRequest
  readonly #handler: UpstreamHandler
  readonly #observer: AttemptObserver
  #stream: ClientHttp2Stream | null
  #outflow: H2Outflow | null
  #requestEnded: boolean
  #trailersOpen: boolean
  #requestTrailers: H2FieldObject | null
  #headSeen: boolean
  /** grpc-status of the trailers is the outcome. */
  #isGrpc: boolean
  /** null: none came. */
  #informational: InformationalBudget | null
  #trailers: Headers | null
  #endStream: boolean
  #paused: boolean
  #cause: unknown
  #over: boolean

  constructor(
    connection: H2Connection,
    request: UpstreamRequest,
    handler: UpstreamHandler,
    observer: AttemptObserver,
    reused: boolean,
  ) {
    this.remote = connection.remote
    this.local = connection.local
    this.reused = reused
    this.#connection = connection
    this.#request = request
    this.#handler = handler
    this.#observer = observer
    this.#stream = null
    this.#outflow = null
    this.#requestEnded = false
    this.#trailersOpen = false
    this.#requestTrailers = null
    this.#headSeen = false
    this.#isGrpc = false
    this.#informational = null
    this.#trailers = null
    this.#endStream = false
    this.#paused = false
    this.#cause = null
    this.#over = false
  }

  get trailersMayFollow(): boolean {
    return true
  }

  get headSeen(): boolean {
    return this.#headSeen
  }

  /** Stream id, or 0 when none was assigned: the request never left. */
  get id(): number {
    return this.#stream?.id ?? 0
  }

  get rstCode(): number {
    return this.#stream?.rstCode ?? constants.NGHTTP2_NO_ERROR
  }

  /** What node:http2 reported before it closed the stream, or null. */
  get cause(): unknown {
    return this.#cause
  }

  /** Writes the head and calls onUpstreamReady. False: the last check refused it. */
  open(session: ClientHttp2Session): boolean {
    const request = this.#request
    const fields = requestFields(request)
    if (fields === null) return false
    const isTunnel = request.method === 'CONNECT'
    const ends = request.bodyLength === 0 && !isTunnel
    // Waiting for trailers costs a frame of its own; HTTP/1.1 has none behind a Content-Length.
    const mayHaveTrailers = request.bodyLength === UNKNOWN_LENGTH || request.clientHttp2
    const waits = !ends && !isTunnel && mayHaveTrailers
    const stream = session.request(fields, { endStream: ends, waitForTrailers: waits })
    this.#stream = stream
    this.#requestEnded = ends
    this.#trailersOpen = waits
    const owned = stream as OwnedStream
    owned[attemptOf] = this
    owned.push = pushAndNoteEnd
    owned.on('error', onStreamError)
    owned.on('close', onStreamClose)
    owned.on('headers', onStreamHeaders)
    owned.on('response', onStreamResponse)
    owned.on('trailers', onStreamTrailers)
    this.#handler.onUpstreamReady(this)
    return true
  }

  sendBody(chunk: Buffer): boolean {
    const stream = this.#stream
    if (!this.#canSend() || stream === null || chunk.length === 0) return true
    this.#outflow ??= new H2Outflow(stream, this, this.#connection.settings.highWaterBytes)
    return this.#outflow.write(chunk)
  }

  sendEnd(trailers: Headers | null): void {
    const stream = this.#stream
    if (!this.#canSend() || stream === null) return
    this.#requestEnded = true
    if (this.#trailersOpen) {
      this.#requestTrailers = fieldObject(trailers)
      stream.on('wantTrailers', onWantTrailers)
    }
    stream.end()
  }

  pauseResponse(): void {
    if (this.#paused || this.#over) return
    this.#paused = true
    if (this.#headSeen) this.#stream?.pause()
  }

  resumeResponse(): void {
    if (!this.#paused) return
    this.#paused = false
    if (this.#headSeen && !this.#over) this.#stream?.resume()
  }

  abort(): void {
    if (this.#over) return
    this.#finish()
    this.#reset()
  }

  /** Ends the attempt with a failure. Nothing follows. */
  fail(reason: UpstreamFailure): void {
    if (this.#over) return
    this.#observer.onAttemptFailure(reason)
    this.#finish()
    this.#reset()
    this.#handler.onUpstreamFailure(reason)
  }

  onOutflowProgress(): void {}

  onOutflowDrain(): void {
    if (!this.#over && !this.#requestEnded) this.#handler.onUpstreamDrain()
  }

  takeInformational(rawHeaders: readonly string[]): void {
    if (this.#over || this.#headSeen) return
    const head = readResponseHead(rawHeaders)
    this.#informational ??= new InformationalBudget(this.#connection.settings)
    if (head === null || !this.#informational.takes(sectionBytes(rawHeaders))) {
      this.fail(failure('protocol-error', 'http2.informational'))
    } else if (head.status !== 100 || this.#request.expectsContinue) {
      this.#handler.onUpstreamInformational(head.status, head.headers)
    }
  }

  takeResponse(rawHeaders: readonly string[], endStream: boolean): void {
    if (this.#over) return
    const head = readResponseHead(rawHeaders)
    const owned = this.#stream as OwnedStream | null
    // One pair is `:status`.
    const mostEntries = (this.#connection.settings.maxHeaderFields + 1) * 2
    if (head === null || owned === null || rawHeaders.length > mostEntries) {
      this.fail(failure('protocol-error', 'http2.response.head'))
      return
    }
    const bodiless = this.#request.method === 'HEAD' || head.status === 304
    this.#headSeen = true
    this.#observeHead(head.status, head.headers, endStream)
    const length = endStream && !bodiless ? 0 : head.length
    this.#handler.onUpstreamHead(
      head.status,
      head.headers,
      endStream ? Math.max(length, 0) : length,
    )
    if (this.#over) return
    if (endStream) {
      this.#complete()
      return
    }
    owned.on('end', onStreamEnd)
    owned.on('data', onStreamData)
    if (this.#paused) owned.pause()
  }

  takeData(chunk: Buffer): void {
    if (this.#over) return
    this.#handler.onUpstreamBody(chunk)
  }

  takeTrailers(rawHeaders: readonly string[]): void {
    if (isOverLimits(rawHeaders, this.#connection.settings)) {
      this.fail(failure('protocol-error', 'http2.trailers.limits'))
    } else this.#trailers = receivedFields(rawHeaders)
  }

  /** END_STREAM arrived; what came before it may still be buffered. */
  takeEndStream(): void {
    this.#endStream = true
  }

  takeEnd(): void {
    if (!this.#over && this.#endStream) this.#complete()
  }

  takeError(error: unknown): void {
    this.#cause = error
  }

  takeClose(): void {
    if (!this.#over) this.fail(this.#connection.classify(this))
    this.#connection.onStreamClosed()
  }

  sendTrailers(): void {
    const stream = this.#stream
    if (stream === null || this.#over || stream.closed || stream.destroyed) return
    stream.sendTrailers(this.#requestTrailers ?? {})
  }

  #complete(): void {
    const trailers = this.#trailers
    if (this.#isGrpc) this.#observer.onAttemptGrpcStatus?.(grpcCodeOf(trailers))
    this.#finish()
    // An answer before the end of the request: nobody wants the rest of the request any more.
    if (!this.#requestEnded) this.#reset()
    this.#handler.onUpstreamEnd(trailers)
  }

  #observeHead(status: number, headers: Headers, endStream: boolean): void {
    const observer = this.#observer
    if (observer.onAttemptGrpcHead === undefined || !isGrpcAnswer(status, headers)) {
      observer.onAttemptStatus(status)
      return
    }
    observer.onAttemptGrpcHead()
    if (endStream) observer.onAttemptGrpcStatus?.(grpcCodeOf(headers))
    else this.#isGrpc = true
  }

  #canSend(): boolean {
    const stream = this.#stream
    return (
      !this.#over && !this.#requestEnded && stream !== null && !stream.closed && !stream.destroyed
    )
  }

  #reset(): void {
    if (this.#stream !== null) cancelStream(this.#stream)
  }

  #finish(): void {
    this.#over = true
    this.#observer.onAttemptEnd()
  }
}

function onStreamHeaders(
  this: OwnedStream,
  _headers: unknown,
  _flags: number,
  rawHeaders: readonly string[],
): void {
  this[attemptOf].takeInformational(rawHeaders)
}

function onStreamResponse(
  this: OwnedStream,
  _headers: unknown,
  flags: number,
  rawHeaders: readonly string[],
): void {
  this[attemptOf].takeResponse(rawHeaders, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0)
}

function onStreamTrailers(
  this: OwnedStream,
  _headers: unknown,
  _flags: number,
  rawHeaders: readonly string[],
): void {
  this[attemptOf].takeTrailers(rawHeaders)
}

function onStreamData(this: OwnedStream, chunk: Buffer): void {
  this[attemptOf].takeData(chunk)
}

function onStreamEnd(this: OwnedStream): void {
  this[attemptOf].takeEnd()
}

function onStreamError(this: OwnedStream, error: unknown): void {
  this[attemptOf].takeError(error)
}

function onStreamClose(this: OwnedStream): void {
  this[attemptOf].takeClose()
}

function onWantTrailers(this: OwnedStream): void {
  this[attemptOf].sendTrailers()
}
