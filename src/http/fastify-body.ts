import { Readable } from 'node:stream'
import type { DownstreamExchange, ExchangeHandler } from './exchange.ts'
import { Headers } from './headers.ts'

/** Most of a body that a plugin may read before the request goes upstream. */
export const MAX_KEPT_BODY_BYTES = 1_048_576

/** Bytes a plugin's reader may lag behind before the client is stopped. */
const READ_AHEAD_BYTES = 65_536

/** What a plugin reads. An error that nobody listens for must not end the process. */
class BodyStream extends Readable {
  readonly #onWanted: () => void

  constructor(onWanted: () => void) {
    super({ highWaterMark: READ_AHEAD_BYTES })
    this.#onWanted = onWanted
    this.on('error', ignoreError)
  }

  override _read(): void {
    this.#onWanted()
  }
}

/**
 * A request's body while plugins have the request: kept for the upstream, and readable meanwhile.
 * What a hook reads still goes upstream; a route of a plugin's own reads without that limit.
 */
export class FastifyBody {
  ended: boolean
  readonly #exchange: DownstreamExchange
  #trailers: Headers | null
  #chunks: Buffer[]
  #bytes: number
  /** The upstream may get the request: chunks are kept although a plugin has read them. */
  #keeps: boolean
  /** The reader has room. */
  #wanted: boolean
  #stream: BodyStream | null

  constructor(exchange: DownstreamExchange) {
    this.ended = false
    this.#exchange = exchange
    this.#trailers = null
    this.#chunks = []
    this.#bytes = 0
    this.#keeps = true
    this.#wanted = false
    this.#stream = null
  }

  get isWanted(): boolean {
    return this.#wanted
  }

  get opened(): Readable | null {
    return this.#stream
  }

  /** The body as a stream, from its first byte. */
  open(): Readable {
    if (this.#stream !== null) return this.#stream
    const stream = new BodyStream(() => this.#want())
    this.#stream = stream
    for (const chunk of this.#chunks) stream.push(chunk)
    if (!this.#keeps) this.#chunks = []
    if (this.ended) stream.push(null)
    return stream
  }

  #want(): void {
    if (this.#wanted || this.ended) return
    this.#wanted = true
    const { request } = this.#exchange
    if (request.expectsContinue && this.#bytes === 0) {
      this.#exchange.sendInformational(100, new Headers())
    }
    this.#exchange.resumeRequestBody()
  }

  /** A plugin's route or answer has the request: no upstream will ask for the body. */
  keepNothing(): void {
    this.#keeps = false
    if (this.#stream !== null) this.#chunks = []
  }

  take(chunk: Buffer): void {
    // Valid only until the wire's callback returns.
    const copy = Buffer.from(chunk)
    this.#bytes += copy.length
    const stream = this.#stream
    if (this.#keeps || stream === null) this.#chunks.push(copy)
    if (stream === null) this.#pause()
    else if (stream.destroyed) {
      // Nobody reads it: kept for the upstream, within what the wire has read already, or dropped.
      if (this.#keeps) this.#pause()
    } else if (this.#keeps && this.#bytes > MAX_KEPT_BODY_BYTES) {
      this.#pause()
      stream.destroy(bodyTooLarge())
    } else if (!stream.push(copy)) this.#pause()
  }

  #pause(): void {
    this.#wanted = false
    this.#exchange.pauseRequestBody()
  }

  end(trailers: Headers | null): void {
    this.ended = true
    this.#trailers = trailers
    if (this.#stream !== null && !this.#stream.destroyed) this.#stream.push(null)
  }

  /** The client left. */
  fail(): void {
    this.#chunks = []
    if (this.#stream !== null && !this.ended) this.#stream.destroy(clientGone())
  }

  /** The upstream gets the body: a reader that was not done gets no more. */
  closeReader(): void {
    this.#stream?.destroy()
  }

  /** Gives the proxy's handler what came in the meantime. */
  replay(handler: ExchangeHandler | null): void {
    const chunks = this.#chunks
    this.#chunks = []
    if (handler === null) return
    for (const chunk of chunks) handler.onRequestBody(chunk)
    if (this.ended) handler.onRequestEnd(this.#trailers)
  }
}

function bodyTooLarge(): Error {
  return Object.assign(new Error('Request body is too large to be read by a plugin'), {
    statusCode: 413,
    code: 'TIDEGATE_BODY_TOO_LARGE',
  })
}

function clientGone(): Error {
  return Object.assign(new Error('aborted'), { code: 'ECONNRESET' })
}

function ignoreError(): void {}
