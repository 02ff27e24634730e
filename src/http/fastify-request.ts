import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { ClientView } from './client-view.ts'
import type { AbortReason, DownstreamExchange, ExchangeHandler } from './exchange.ts'
import { FastifyBody } from './fastify-body.ts'
import {
  adoptHeaders,
  headerList,
  headerMap,
  NO_NODE_HEADERS,
  type NodeHeaders,
} from './fastify-headers.ts'
import { FastifyReadable } from './fastify-readable.ts'
import type { FastifyReplyFacade } from './fastify-reply.ts'
import { FastifySocketFacade } from './fastify-socket.ts'
import type { Headers } from './headers.ts'

/** Told of a request that a plugin answers by itself, and of one that it fails to answer. */
export interface AnswerWatcher {
  onPluginAnswer(facade: FastifyRequestFacade): void
  onPluginError(error: unknown): void
}

/** Fastify is still at it. */
const PENDING = 0
/** The proxy has the exchange. */
const FORWARDED = 1
/** The proxy has answered; plugins have that answer in their hands. */
const RELAYED = 2
/** A plugin answers it. */
const ANSWERED = 3
/** The client left before either. */
const LOST = 4

/**
 * The request as Fastify and its plugins see it (`request.raw`): the members of IncomingMessage
 * that Fastify reads, the body as a stream for who asks for it, and the exchange itself.
 *
 * While hooks run it is the exchange's handler: body is held back, its end and a lost client are
 * remembered.
 */
export class FastifyRequestFacade extends FastifyReadable implements ExchangeHandler {
  exchange: DownstreamExchange
  readonly reply: FastifyReplyFacade
  /** Stand-ins until the router has matched, then what the client sent (normalised). */
  method: string
  url: string
  aborted: boolean
  /** Set once by the bridge, with plugins; null: nobody looked for it yet. */
  client: ClientView | null

  readonly #watcher: AnswerWatcher | null
  #state: number
  #socket: FastifySocketFacade | null
  #headers: NodeHeaders | null
  #rawHeaders: string[] | null
  #body: FastifyBody | null

  /** `watcher` null: there are no plugins, and nobody looks at headers or body. */
  constructor(
    exchange: DownstreamExchange,
    reply: FastifyReplyFacade,
    method: string,
    url: string,
    watcher: AnswerWatcher | null,
  ) {
    super()
    this.exchange = exchange
    this.reply = reply
    this.method = method
    this.url = url
    this.aborted = false
    this.client = null
    this.#watcher = watcher
    this.#state = PENDING
    this.#socket = null
    this.#headers = watcher === null ? NO_NODE_HEADERS : null
    this.#rawHeaders = null
    this.#body = null
  }

  /**
   * Shows another exchange. Only without plugins, and after forward(): nobody but Fastify's own
   * router has seen this facade then, and it is done with it.
   */
  reuse(exchange: DownstreamExchange, method: string, url: string): void {
    this.exchange = exchange
    this.reply.exchange = exchange
    this.method = method
    this.url = url
    this.#state = PENDING
    this.#socket = null
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
    return this.#body === null ? this.exchange.request.bodyLength === 0 : this.#body.ended
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
    if (this.exchange.request.bodyLength === 0 || this.#body?.isWanted === true) return
    this.exchange.pauseRequestBody()
  }

  /** One of a plugin's own routes has matched. */
  keepNoBody(): void {
    this.#hold().keepNothing()
  }

  /** A plugin answers. It may go on reading the body until the answer is complete. */
  answer(): void {
    if (this.#state !== PENDING) return
    this.#state = ANSWERED
    this.#body?.keepNothing()
    this.exchange.handler = this
    this.#watcher?.onPluginAnswer(this)
  }

  /** What a plugin wanted to answer cannot be sent. */
  tellError(error: unknown): void {
    this.#watcher?.onPluginError(error)
  }

  /** Takes over what hooks made of the headers; `map` is `request.headers` as Fastify shows it. */
  adoptHeaders(map: NodeHeaders): void {
    adoptHeaders(this.exchange.request, this.rawHeaders, map)
  }

  /** No plugin answers: the proxy takes the exchange. */
  forward(): void {
    this.#state = FORWARDED
    this.#body?.closeReader()
  }

  /** The proxy's answer comes back to be sent by Fastify. */
  relay(): void {
    this.#state = RELAYED
  }

  /** Gives the proxy's handler what came in the meantime. */
  replay(handler: ExchangeHandler | null): void {
    this.#body?.replay(handler)
  }

  /** As pipelines do after an error: gives up the body if it is being read, else the exchange. */
  destroy(): this {
    if (this.openedBody === null) this.reply.destroy()
    else this.openedBody.destroy()
    return this
  }

  setTimeout(): this {
    return this
  }

  protected override get openedBody(): Readable | null {
    return this.#body === null ? null : this.#body.opened
  }

  protected override openBody(): Readable {
    const stream = this.#hold().open()
    if (this.#state !== PENDING && this.#state !== ANSWERED) stream.destroy()
    return stream
  }

  onRequestBody(chunk: Buffer): void {
    const isRead =
      this.#state === PENDING || (this.#state === ANSWERED && !this.reply.writableEnded)
    if (isRead) this.#hold().take(chunk)
  }

  onRequestEnd(trailers: Headers | null): void {
    this.#hold().end(trailers)
  }

  #hold(): FastifyBody {
    if (this.#body === null) {
      this.#body = new FastifyBody(this.exchange)
      if (this.#state === ANSWERED) this.#body.keepNothing()
    }
    return this.#body
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
    this.#body?.fail()
    this.emit('aborted')
    this.emit('close')
    this.reply.lose()
  }
}

/** `raw` is the facade that the request was routed with; Fastify's types name node:http's class. */
export function facadeOf(request: FastifyRequest): FastifyRequestFacade {
  return request.raw as unknown as FastifyRequestFacade
}
