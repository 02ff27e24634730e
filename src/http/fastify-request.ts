import { EventEmitter } from 'node:events'
import type { AbortReason, DownstreamExchange, ExchangeHandler } from './exchange.ts'
import type { FastifyReplyFacade } from './fastify-reply.ts'
import { FastifySocketFacade } from './fastify-socket.ts'
import type { Headers } from './headers.ts'
import { UNKNOWN_LENGTH } from './request.ts'

/** Node's header map: repeated names joined, no prototype. */
export type NodeHeaders = Record<string, string>

/** Fastify is still at it. */
const PENDING = 0
/** The proxy has the exchange. */
const FORWARDED = 1
/** A plugin answers it. */
const ANSWERED = 2
/** The client left before either. */
const LOST = 3

/**
 * The request as Fastify and its plugins see it (`request.raw`): the members of IncomingMessage
 * that Fastify reads, and the exchange itself. The body is not offered here; it goes to the proxy.
 *
 * While hooks run it is the exchange's handler: body is held back, its end and a lost client are
 * remembered.
 */
export class FastifyRequestFacade extends EventEmitter implements ExchangeHandler {
  readonly exchange: DownstreamExchange
  readonly reply: FastifyReplyFacade
  /** Stand-ins until the router has matched, then what the client sent (normalised). */
  method: string
  url: string
  aborted: boolean

  #state: number
  #socket: FastifySocketFacade | null
  #headers: NodeHeaders | null
  #rawHeaders: string[] | null
  #held: Buffer[] | null
  #ended: boolean
  #trailers: Headers | null

  constructor(
    exchange: DownstreamExchange,
    reply: FastifyReplyFacade,
    method: string,
    url: string,
  ) {
    super()
    this.exchange = exchange
    this.reply = reply
    this.method = method
    this.url = url
    this.aborted = false
    this.#state = PENDING
    this.#socket = null
    this.#headers = null
    this.#rawHeaders = null
    this.#held = null
    this.#ended = false
    this.#trailers = null
  }

  get isPending(): boolean {
    return this.#state === PENDING
  }

  get isForwarded(): boolean {
    return this.#state === FORWARDED
  }

  get httpVersion(): string {
    return this.exchange.request.protocol === 'HTTP/2'
      ? '2.0'
      : this.exchange.request.protocol.slice(5)
  }

  /** Always 1: Fastify must not use HTTP/2 ways with the reply; the wire does that itself. */
  get httpVersionMajor(): number {
    return 1
  }

  get httpVersionMinor(): number {
    return this.exchange.request.protocol === 'HTTP/1.0' ? 0 : 1
  }

  get socket(): FastifySocketFacade {
    this.#socket ??= new FastifySocketFacade(this.exchange.connection, this.reply)
    return this.#socket
  }

  get connection(): FastifySocketFacade {
    return this.socket
  }

  get complete(): boolean {
    return this.#ended
  }

  get destroyed(): boolean {
    return this.aborted
  }

  get headers(): NodeHeaders {
    this.#headers ??= headerMap(this.rawHeaders)
    return this.#headers
  }

  get rawHeaders(): string[] {
    this.#rawHeaders ??= headerList(this.exchange)
    return this.#rawHeaders
  }

  /** The router is through: from now on the real request line shows. */
  unveil(): void {
    const request = this.exchange.request
    this.method = request.method
    this.url = request.method === 'CONNECT' ? request.authority : request.path + request.query
  }

  /** Hooks took more than the turn of the event loop: hold the exchange meanwhile. */
  wait(): void {
    this.exchange.handler = this
    this.exchange.pauseRequestBody()
  }

  /** A plugin answers: the body is of no interest any more. */
  answer(): void {
    if (this.#state !== PENDING) return
    this.#state = ANSWERED
    this.#held = null
    this.exchange.handler = this
    this.exchange.resumeRequestBody()
  }

  /** False when the client has left and nobody is to be bothered with the exchange. */
  forward(): boolean {
    if (this.#state !== PENDING) return false
    this.#state = FORWARDED
    return true
  }

  /** Gives the proxy's handler what came in the meantime. */
  replay(handler: ExchangeHandler | null): void {
    const held = this.#held
    this.#held = null
    if (handler !== null && held !== null) {
      for (let i = 0; i < held.length; i++) handler.onRequestBody(held[i]!)
    }
    if (this.#ended) handler?.onRequestEnd(this.#trailers)
    else this.exchange.resumeRequestBody()
  }

  /** Fastify destroys a request it cannot go on with. */
  destroy(): this {
    this.reply.destroy()
    return this
  }

  setTimeout(): this {
    return this
  }

  onRequestBody(chunk: Buffer): void {
    if (this.#state !== PENDING) return
    this.#held ??= []
    this.#held.push(Buffer.from(chunk))
  }

  onRequestEnd(trailers: Headers | null): void {
    this.#ended = true
    this.#trailers = trailers
  }

  onDownstreamDrain(): void {
    this.reply.emit('drain')
  }

  onDownstreamAbort(_reason: AbortReason): void {
    if (this.#state === PENDING) this.#state = LOST
    this.lose()
  }

  onResponseSent(): void {
    this.reply.finish()
    this.emit('close')
  }

  /** Tells listeners that the client is gone. */
  lose(): void {
    this.aborted = true
    if (this.#socket !== null) this.#socket.destroyed = true
    this.#held = null
    this.emit('aborted')
    this.emit('close')
    this.reply.lose()
  }
}

function headerList(exchange: DownstreamExchange): string[] {
  const request = exchange.request
  const list = ['host', request.authority]
  const fields = request.headers.fields
  for (let i = 0; i < fields.length; i++) list.push(fields[i]!)
  if (request.bodyLength > 0) list.push('content-length', String(request.bodyLength))
  else if (request.bodyLength === UNKNOWN_LENGTH && request.protocol !== 'HTTP/2') {
    list.push('transfer-encoding', 'chunked')
  }
  if (request.upgrade !== null) list.push('connection', 'upgrade', 'upgrade', request.upgrade)
  return list
}

function headerMap(list: readonly string[]): NodeHeaders {
  const map = Object.create(null) as NodeHeaders
  for (let i = 0; i + 1 < list.length; i += 2) {
    const name = list[i]!
    const before = map[name]
    const separator = name === 'cookie' ? '; ' : ', '
    map[name] = before === undefined ? list[i + 1]! : before + separator + list[i + 1]!
  }
  return map
}
