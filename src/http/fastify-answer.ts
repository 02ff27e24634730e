import type { AbortReason } from './exchange.ts'
import { ForwardedExchange } from './fastify-exchange.ts'
import type { FastifyReplyFacade } from './fastify-reply.ts'
import type { FastifyRequestFacade } from './fastify-request.ts'
import { Headers } from './headers.ts'

const NO_HEADERS = new Headers()

/**
 * An exchange whose answer Fastify writes. Its handler learns how that goes; the room it waits for,
 * plugins wait for.
 */
export abstract class FastifyAnswer extends ForwardedExchange {
  protected readonly raw: FastifyReplyFacade
  protected isOver: boolean

  constructor(facade: FastifyRequestFacade) {
    super(facade, NO_HEADERS)
    this.raw = facade.reply
    this.isOver = false
    this.raw.once('close', () => this.#onClose())
  }

  override abort(): void {
    this.isOver = true
    super.abort()
  }

  override onDownstreamDrain(): void {
    this.raw.emit('drain')
  }

  override onDownstreamAbort(reason: AbortReason): void {
    this.isOver = true
    super.onDownstreamAbort(reason)
  }

  override onResponseSent(): void {
    this.isOver = true
    super.onResponseSent()
  }

  onStatusReplaced(status: number): void {
    this.handler?.onStatusReplaced?.(status)
  }

  /** The reply facade is through. When nobody told us before, a plugin broke the answer off. */
  #onClose(): void {
    if (!this.isOver) this.onDownstreamAbort('plugin-failed')
  }
}

/** An exchange that a plugin answers by itself; who watches it gets neither its body nor a say. */
export class PluginExchange extends FastifyAnswer {
  readonly #facade: FastifyRequestFacade

  constructor(facade: FastifyRequestFacade) {
    super(facade)
    this.#facade = facade
  }

  override onRequestBody(chunk: Buffer): void {
    this.#facade.onRequestBody(chunk)
  }

  override onRequestEnd(trailers: Headers | null): void {
    this.#facade.onRequestEnd(trailers)
  }
}
