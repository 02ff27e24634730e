import type {
  AbortReason,
  DownstreamConnection,
  DownstreamExchange,
  ExchangeHandler,
} from './exchange.ts'
import type { FastifyRequestFacade } from './fastify-request.ts'
import type { Headers } from './headers.ts'
import type { Request } from './request.ts'

/**
 * The exchange the proxy gets when a plugin wants a part in the answer: hooks that wait for its end
 * (onResponse), or response headers they set before the proxy took over. Without such plugins the
 * proxy gets the wire's own exchange.
 */
export class ForwardedExchange implements DownstreamExchange, ExchangeHandler {
  handler: ExchangeHandler | null
  readonly #inner: DownstreamExchange
  readonly #facade: FastifyRequestFacade
  readonly #extra: Headers

  /** `extra` are response headers that are added unless the answer has them. */
  constructor(facade: FastifyRequestFacade, extra: Headers) {
    this.handler = null
    this.#inner = facade.exchange
    this.#facade = facade
    this.#extra = extra
  }

  get request(): Request {
    return this.#inner.request
  }

  get connection(): DownstreamConnection {
    return this.#inner.connection
  }

  get bytesReceived(): number {
    return this.#inner.bytesReceived
  }

  get bytesSent(): number {
    return this.#inner.bytesSent
  }

  get headSent(): boolean {
    return this.#inner.headSent
  }

  get ownStatus(): number {
    return this.#inner.ownStatus
  }

  get trailersMayFollow(): boolean {
    return this.handler !== null && this.handler.trailersMayFollow === true
  }

  pauseRequestBody(): void {
    this.#inner.pauseRequestBody()
  }

  resumeRequestBody(): void {
    this.#inner.resumeRequestBody()
  }

  sendInformational(status: number, headers: Headers): void {
    this.#inner.sendInformational(status, headers)
  }

  sendHead(status: number, headers: Headers, bodyLength: number, last: boolean): boolean {
    this.#noteHead(status)
    return this.#inner.sendHead(status, this.#withExtra(headers), bodyLength, last)
  }

  sendWhole(status: number, headers: Headers, body: Buffer | string): void {
    this.#noteHead(status)
    this.#inner.sendWhole(status, this.#withExtra(headers), body)
  }

  sendBody(chunk: Buffer): boolean {
    return this.#inner.sendBody(chunk)
  }

  sendEnd(trailers: Headers | null): void {
    this.#inner.sendEnd(trailers)
  }

  sendTunnelHead(status: number, headers: Headers): void {
    this.#noteHead(status)
    this.#inner.sendTunnelHead(status, headers)
  }

  closeAfter(): void {
    this.#inner.closeAfter()
  }

  /** No callback follows for the proxy; plugins still learn that it is over. */
  abort(): void {
    this.#inner.abort()
    this.#facade.lose()
  }

  onRequestBody(chunk: Buffer): void {
    this.handler?.onRequestBody(chunk)
  }

  onRequestEnd(trailers: Headers | null): void {
    this.handler?.onRequestEnd(trailers)
  }

  onDownstreamDrain(): void {
    this.handler?.onDownstreamDrain()
  }

  onDownstreamAbort(reason: AbortReason): void {
    this.handler?.onDownstreamAbort(reason)
    this.#facade.lose()
  }

  onResponseSent(): void {
    this.handler?.onResponseSent()
    this.#facade.onResponseSent()
  }

  #noteHead(status: number): void {
    this.#facade.reply.statusCode = status
    this.#facade.reply.headersSent = true
  }

  #withExtra(headers: Headers): Headers {
    const extra = this.#extra.fields
    if (extra.length === 0) return headers
    const all = headers.clone()
    for (let i = 0; i < extra.length; i += 2) {
      const name = extra[i]!
      if (isAdded(name) || !headers.has(name)) all.add(name, extra[i + 1]!)
    }
    return all
  }
}

/** Fields whose lines add up rather than replace each other. */
export function isAdded(name: string): boolean {
  return name === 'set-cookie' || name === 'vary'
}
