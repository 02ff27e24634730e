import type { DownstreamExchange } from './exchange.ts'
import { checkField } from './fastify-headers.ts'
import type { FastifyRequestFacade } from './fastify-request.ts'
import { isConnectionSpecific, parseContentLength } from './h2-fields.ts'
import { Headers } from './headers.ts'
import { LazyEmitter } from './lazy-emitter.ts'
import { UNKNOWN_LENGTH } from './request.ts'

export type HeaderValue = string | number | readonly string[]

type Callback = (error?: Error | null) => void

/**
 * The response as Fastify and its plugins see it (`reply.raw`): the members of ServerResponse that
 * Fastify uses to answer, written through the exchange. A plugin that answers costs what it costs;
 * an exchange that goes to the proxy pays for the fields below and nothing more.
 */
export class FastifyReplyFacade extends LazyEmitter {
  statusCode: number
  statusMessage: string
  headersSent: boolean
  writableEnded: boolean
  writableFinished: boolean
  destroyed: boolean
  sendDate: boolean
  exchange: DownstreamExchange
  /** Set once by the bridge, right after both facades exist. */
  req: FastifyRequestFacade | null
  #headers: Map<string, HeaderValue> | null
  #trailers: Headers | null

  constructor(exchange: DownstreamExchange) {
    super()
    this.statusCode = 200
    this.statusMessage = ''
    this.headersSent = false
    this.writableEnded = false
    this.writableFinished = false
    this.destroyed = false
    this.sendDate = true
    this.exchange = exchange
    this.req = null
    this.#headers = null
    this.#trailers = null
  }

  /** Once the proxy has the exchange, nothing that a late hook writes may mix with its answer. */
  get writable(): boolean {
    return !this.writableEnded && !this.destroyed && this.req?.isForwarded !== true
  }

  get finished(): boolean {
    return this.writableEnded
  }

  get closed(): boolean {
    return this.destroyed || this.writableFinished
  }

  get hasHeaders(): boolean {
    return this.#headers !== null && this.#headers.size > 0
  }

  get socket(): unknown {
    return this.req?.socket ?? null
  }

  /** Throws for a field that is not clean: here, where the plugin that sets it can be told. */
  setHeader(name: string, value: HeaderValue): this {
    if (this.headersSent) throw headersSentError()
    const key = name.toLowerCase()
    for (const line of linesOf(value)) checkField(key, line)
    this.#headers ??= new Map()
    this.#headers.set(key, value)
    return this
  }

  appendHeader(name: string, value: string | readonly string[]): this {
    const before = this.getHeader(name)
    const all = before === undefined ? [] : [before].flat().map(String)
    return this.setHeader(name, [...all, ...[value].flat()])
  }

  getHeader(name: string): HeaderValue | undefined {
    return this.#headers?.get(name.toLowerCase())
  }

  getHeaders(): Record<string, HeaderValue> {
    const map = Object.create(null) as Record<string, HeaderValue>
    if (this.#headers !== null) for (const [name, value] of this.#headers) map[name] = value
    return map
  }

  getHeaderNames(): string[] {
    return this.#headers === null ? [] : [...this.#headers.keys()]
  }

  hasHeader(name: string): boolean {
    return this.#headers?.has(name.toLowerCase()) ?? false
  }

  removeHeader(name: string): void {
    this.#headers?.delete(name.toLowerCase())
  }

  writeHead(
    status: number,
    second?: string | Readonly<Record<string, HeaderValue | undefined>>,
    third?: Readonly<Record<string, HeaderValue | undefined>>,
  ): this {
    if (this.headersSent) throw headersSentError()
    this.statusCode = status
    const headers = typeof second === 'object' ? second : third
    if (headers !== undefined) {
      for (const [name, value] of Object.entries(headers)) {
        if (value !== undefined) this.setHeader(name, value)
      }
    }
    return this
  }

  /**
   * Sends the head, if it was not sent, and a piece of body. False: wait for 'drain'. What cannot be
   * sent fails the exchange instead of throwing: a stream that is piped has nobody who catches.
   */
  write(
    chunk: string | Uint8Array,
    encoding?: BufferEncoding | Callback | null,
    callback?: Callback,
  ): boolean {
    const bytes = this.#bytesOf(chunk, encoding)
    if (bytes === null || !this.#openHead()) return false
    const room = this.exchange.sendBody(bytes)
    const done = typeof encoding === 'function' ? encoding : callback
    if (done) process.nextTick(done, null)
    return room
  }

  end(
    chunk?: string | Uint8Array | Callback | null,
    encoding?: BufferEncoding | Callback | null,
    callback?: Callback | null,
  ): this {
    if (!this.writable) return this
    const done = lastFunction(chunk, encoding, callback)
    if (done !== null) this.once('finish', done)
    const hasBody = typeof chunk !== 'function' && chunk !== undefined && chunk !== null
    const body = hasBody ? this.#bytesOf(chunk, encoding) : null
    if (hasBody && body === null) return this
    if (this.headersSent) {
      if (body !== null) this.write(body)
      this.writableEnded = true
      this.exchange.sendEnd(this.#trailers)
    } else this.#sendWhole(body)
    return this
  }

  /**
   * May be called by more than one: by plugins, and for the trailers of a proxied answer. A field that
   * is not clean fails the exchange: Fastify calls this from a turn of its own.
   */
  addTrailers(trailers: Readonly<Record<string, HeaderValue>>): void {
    try {
      const { fields } = toHeaders(Object.entries(trailers))
      this.#trailers ??= new Headers()
      this.#trailers.fields.push(...fields)
    } catch (error) {
      this.fail(error)
    }
  }

  flushHeaders(): void {
    this.#openHead()
  }

  writeContinue(): void {
    this.exchange.sendInformational(100, new Headers())
  }

  writeEarlyHints(
    hints: Readonly<Record<string, string | readonly string[]>>,
    callback?: Callback,
  ): void {
    this.exchange.sendInformational(103, toHeaders(Object.entries(hints)))
    if (callback) process.nextTick(callback)
  }

  /** Kills the exchange unless the answer is complete, or the proxy's business. */
  destroy(error?: Error): this {
    if (this.destroyed || this.writableFinished || this.req?.isForwarded === true) return this
    this.destroyed = true
    this.req?.answer()
    this.exchange.abort()
    process.nextTick(emitEnd, this, error)
    return this
  }

  cork(): void {}

  uncork(): void {}

  setTimeout(): this {
    return this
  }

  /** The whole answer left, whoever wrote it. */
  finish(): void {
    this.headersSent = true
    this.writableEnded = true
    this.writableFinished = true
    this.emit('finish')
    this.emit('close')
  }

  /** The client left before it had the whole answer. */
  lose(): void {
    if (this.destroyed) return
    this.destroyed = true
    this.emit('close')
  }

  /** Headers set so far without those of the framing; throws when one is not clean. */
  toHeaders(): Headers {
    return toHeaders(this.#headers ?? [])
  }

  /** 500 without looking at anything a plugin has set, or a reset when the head has left. */
  fail(error: unknown): void {
    this.req?.tellError(error)
    if (!this.writable) return
    this.req?.answer()
    if (this.headersSent || this.exchange.headSent) {
      this.destroy()
      return
    }
    this.statusCode = 500
    this.headersSent = true
    this.writableEnded = true
    this.#tellStatus()
    this.exchange.sendWhole(500, new Headers(['content-type', 'text/plain']), FAILURE_TEXT)
  }

  /** False when nothing can follow. */
  #openHead(): boolean {
    if (!this.writable) return false
    if (this.headersSent) return true
    if (!this.#hasStatus()) return false
    const headers = this.toHeaders()
    const length = this.#contentLength()
    this.headersSent = true
    this.#beginAnswer()
    this.exchange.sendHead(this.statusCode, headers, length, false)
    return true
  }

  /** Null when there are none: a plugin may write what it likes. */
  #bytesOf(chunk: string | Uint8Array, encoding?: BufferEncoding | Callback | null): Buffer | null {
    const isChunk = typeof chunk === 'string' || chunk instanceof Uint8Array
    if (isChunk) return toBytes(chunk, encoding)
    this.fail(new TypeError(`A body takes strings and bytes, not ${typeof chunk}`))
    return null
  }

  /** A plugin may set what it likes; 1xx is no answer. */
  #hasStatus(): boolean {
    const { statusCode } = this
    if (Number.isInteger(statusCode) && statusCode >= 200 && statusCode <= 999) return true
    this.fail(new RangeError(`Invalid status code: ${statusCode}`))
    return false
  }

  #sendWhole(body: Buffer | null): void {
    if (!this.#hasStatus()) return
    const headers = this.toHeaders()
    const { statusCode, exchange } = this
    const withTrailers = this.#trailers !== null
    this.headersSent = true
    this.writableEnded = true
    this.#beginAnswer()
    if (body === null || body.length === 0) {
      const bodiless = exchange.request.method === 'HEAD' || statusCode === 304
      const length = bodiless ? Math.max(0, this.#contentLength()) : 0
      exchange.sendHead(statusCode, headers, withTrailers ? UNKNOWN_LENGTH : length, !withTrailers)
      if (withTrailers) exchange.sendEnd(this.#trailers)
    } else exchange.sendWhole(statusCode, headers, body)
  }

  #beginAnswer(): void {
    const connection = this.getHeader('connection')
    if (typeof connection === 'string' && connection.toLowerCase() === 'close') {
      this.exchange.closeAfter()
    }
    this.req?.answer()
    this.#tellStatus()
  }

  /** The proxy hears what became of its status, for the log. */
  #tellStatus(): void {
    this.exchange.handler?.onStatusReplaced?.(this.statusCode)
  }

  #contentLength(): number {
    const value = this.getHeader('content-length')
    return value === undefined ? UNKNOWN_LENGTH : parseContentLength(String(value))
  }
}

const FAILURE_TEXT = 'Internal Server Error'

function toHeaders(entries: Iterable<readonly [string, HeaderValue]>): Headers {
  const fields: string[] = []
  for (const [name, value] of entries) {
    for (const line of linesOf(value)) addField(fields, name, line)
  }
  return new Headers(fields)
}

function addField(fields: string[], rawName: string, value: string): void {
  const name = rawName.toLowerCase()
  if (name === 'content-length' || isConnectionSpecific(name)) return
  checkField(name, value)
  fields.push(name, value)
}

/** Plugins set what Node lets them set: whatever it is becomes text, except undefined. */
function linesOf(value: HeaderValue | undefined): string[] {
  if (value === undefined) throw new TypeError('Invalid value "undefined" for a header')
  return typeof value === 'object' ? value.map(String) : [String(value)]
}

function toBytes(chunk: string | Uint8Array, encoding?: BufferEncoding | Callback | null): Buffer {
  if (typeof chunk === 'string') {
    return Buffer.from(chunk, typeof encoding === 'string' ? encoding : 'utf8')
  }
  return Buffer.isBuffer(chunk)
    ? chunk
    : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
}

function lastFunction(...values: readonly unknown[]): Callback | null {
  for (const value of values) if (typeof value === 'function') return value as Callback
  return null
}

function headersSentError(): Error {
  return Object.assign(new Error('Cannot write headers after they are sent to the client'), {
    code: 'ERR_HTTP_HEADERS_SENT',
  })
}

function emitEnd(reply: FastifyReplyFacade, error: Error | undefined): void {
  if (error !== undefined && reply.listenerCount('error') > 0) reply.emit('error', error)
  reply.emit('close')
}
