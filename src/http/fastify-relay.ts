import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { AbortReason } from './exchange.ts'
import { FastifyAnswer } from './fastify-answer.ts'
import { isAdded } from './fastify-exchange.ts'
import type { HeaderValue, FastifyReplyFacade } from './fastify-reply.ts'
import type { FastifyRequestFacade } from './fastify-request.ts'
import { fieldObject } from './h2-fields.ts'
import type { Headers } from './headers.ts'

/** Answers of a known length up to this reach onSend hooks as one Buffer, longer ones as a stream. */
export const MAX_WHOLE_ANSWER_BYTES = 16_384

/** What hooks may lag behind before the upstream is stopped. */
const READ_AHEAD_BYTES = 32_768

/** Body of a proxied answer on its way through plugins. */
class AnswerStream extends Readable {
  readonly #onRoom: () => void

  constructor(onRoom: () => void) {
    super({ highWaterMark: READ_AHEAD_BYTES })
    this.#onRoom = onRoom
    this.on('error', ignoreError)
  }

  override _read(): void {
    this.#onRoom()
  }
}

/**
 * The exchange the proxy gets when plugins have onSend hooks: its answer does not go to the wire but
 * to Fastify, whose hooks may change status, headers and body before the reply facade writes them.
 * Tunnels and 1xx pass by.
 */
export class RelayedExchange extends FastifyAnswer {
  readonly #facade: FastifyRequestFacade
  readonly #reply: FastifyReply
  #begun: boolean
  #dropped: boolean
  #tunnel: boolean
  #status: number
  /** Names the answer came with, and what plugins had set under them before. */
  #replaced: [name: string, before: HeaderValue | undefined][]
  #whole: Buffer | null
  #wholeLength: number
  #stream: AnswerStream | null
  #waitsForRoom: boolean

  constructor(facade: FastifyRequestFacade, reply: FastifyReply) {
    super(facade)
    this.#facade = facade
    this.#reply = reply
    this.#begun = false
    this.#dropped = false
    this.#tunnel = false
    this.#status = 0
    this.#replaced = []
    this.#whole = null
    this.#wholeLength = 0
    this.#stream = null
    this.#waitsForRoom = false
    // `reply.sent`: until the proxy has answered, a plugin's own late answer is ignored.
    this.raw.writableEnded = true
  }

  override get headSent(): boolean {
    return this.#begun
  }

  override sendHead(status: number, headers: Headers, bodyLength: number, last: boolean): boolean {
    if (this.#begun || this.isOver) return true
    this.#begin(status, headers, bodyLength)
    if (last) this.#send(undefined)
    else if (isWhole(headers, bodyLength)) this.#whole = Buffer.allocUnsafe(bodyLength)
    else this.#sendStream()
    return true
  }

  override sendWhole(status: number, headers: Headers, body: Buffer | string): void {
    if (this.#begun || this.isOver) return
    const bytes = typeof body === 'string' ? Buffer.from(body) : Buffer.from(body)
    const last =
      bytes.length === 0 || status === 204 || status === 304 || this.request.method === 'HEAD'
    this.#begin(status, headers, bytes.length)
    if (last) this.#send(undefined)
    else if (headers.has('content-type')) this.#send(bytes)
    else {
      this.#sendStream()
      this.sendBody(bytes)
      this.sendEnd(null)
    }
  }

  override sendBody(chunk: Buffer): boolean {
    if (this.#tunnel) return super.sendBody(chunk)
    if (this.#whole !== null) {
      this.#wholeLength += chunk.copy(this.#whole, this.#wholeLength)
      return true
    }
    const stream = this.#stream
    if (stream === null || stream.destroyed) return true
    const hasRoom = stream.push(Buffer.from(chunk))
    this.#waitsForRoom = !hasRoom
    return hasRoom
  }

  override sendEnd(trailers: Headers | null): void {
    if (this.#tunnel) {
      super.sendEnd(trailers)
      return
    }
    const whole = this.#whole
    this.#whole = null
    if (whole !== null) this.#send(whole.subarray(0, this.#wholeLength))
    const stream = this.#stream
    if (stream === null || stream.destroyed) return
    if (trailers !== null) this.raw.addTrailers(fieldObject(trailers))
    stream.push(null)
  }

  override sendTunnelHead(status: number, headers: Headers): void {
    this.#tunnel = true
    this.#begun = true
    super.sendTunnelHead(status, headers)
  }

  override abort(): void {
    super.abort()
    this.#end()
  }

  override onDownstreamDrain(): void {
    if (this.#tunnel) this.handler?.onDownstreamDrain()
    else super.onDownstreamDrain()
  }

  override onDownstreamAbort(reason: AbortReason): void {
    super.onDownstreamAbort(reason)
    this.#end()
  }

  override onResponseSent(): void {
    super.onResponseSent()
    // Of a body that a plugin has replaced nobody wants the rest.
    this.#end()
  }

  override onStatusReplaced(status: number): void {
    if (status !== this.#status) super.onStatusReplaced(status)
  }

  /**
   * An onSend hook failed: nothing of the proxied answer may stick to the one that says so. Once,
   * for the hooks run again for that answer and may fail again.
   */
  dropAnswer(): void {
    if (!this.#begun || this.#dropped || this.raw.headersSent) return
    this.#dropped = true
    for (const [name, before] of this.#replaced) {
      this.#reply.removeHeader(name)
      if (before !== undefined) this.#reply.header(name, before)
    }
    this.raw.statusCode = 200
    this.#stream?.destroy()
  }

  #begin(status: number, headers: Headers, bodyLength: number): void {
    this.#begun = true
    this.#status = status
    this.#facade.relay()
    this.raw.writableEnded = false
    this.raw.statusCode = status
    for (const [name, value] of Object.entries(fieldObject(headers))) this.#show(name, value)
    this.#reply.removeHeader('content-length')
    if (bodyLength > 0) this.#show('content-length', String(bodyLength))
  }

  /** Makes a field of the answer known to hooks: it wins over what they have set before. */
  #show(name: string, value: string | string[]): void {
    const reply = this.#reply
    const before = reply.getHeader(name) as HeaderValue | undefined
    this.#replaced.push([name, before])
    reply.removeHeader(name)
    const all = before !== undefined && isAdded(name) ? [value, before].flat().map(String) : value
    reply.header(name, isList(name) || typeof all === 'string' ? all : all.join(', '))
  }

  #send(payload: Buffer | Readable | undefined): void {
    try {
      this.#reply.send(payload)
    } catch (error) {
      this.raw.fail(error)
    }
  }

  #sendStream(): void {
    this.#stream = new AnswerStream(() => this.#onRoom())
    // Fastify lets the head wait for the first byte: streams and gRPC need it before.
    this.raw.once('pipe', () => setImmediate(flushHead, this.raw))
    this.#send(this.#stream)
  }

  #onRoom(): void {
    if (!this.#waitsForRoom || this.isOver) return
    this.#waitsForRoom = false
    this.handler?.onDownstreamDrain()
  }

  #end(): void {
    this.#whole = null
    this.#stream?.destroy()
  }
}

/** Without content-type Fastify would invent one for a Buffer; trailers need a stream. */
function isWhole(headers: Headers, bodyLength: number): boolean {
  if (bodyLength < 0 || bodyLength > MAX_WHOLE_ANSWER_BYTES) return false
  return headers.has('content-type') && !headers.has('trailer')
}

/** Fields whose lines clients do not expect to find joined. */
function isList(name: string): boolean {
  return name === 'set-cookie' || name.endsWith('-authenticate')
}

function flushHead(raw: FastifyReplyFacade): void {
  raw.flushHeaders()
}

function ignoreError(): void {}
