import type { AbortReason, DownstreamExchange, ExchangeHandler } from '../../src/http/exchange.ts'
import type { Headers } from '../../src/http/headers.ts'

/** Remembers every callback of one exchange; the hooks let a test answer at the right moment. */
export class RecordingHandler implements ExchangeHandler {
  readonly exchange: DownstreamExchange
  trailersMayFollow = false
  body = ''
  bodyBytes = 0
  ended = false
  trailers: Headers | null = null
  drains = 0
  abortReason: AbortReason | null = null
  sent = false
  /** Statuses that plugins sent in place of the given ones. */
  statuses: number[] = []
  onEnd: () => void = () => {}
  onDrain: () => void = () => {}
  /** Callbacks that came after the exchange was over. */
  late: string[] = []

  constructor(exchange: DownstreamExchange) {
    this.exchange = exchange
    exchange.handler = this
  }

  get over(): boolean {
    return this.sent || this.abortReason !== null
  }

  onRequestBody(chunk: Buffer): void {
    this.#note('body')
    this.bodyBytes += chunk.length
    if (this.bodyBytes <= 65_536) this.body += chunk.toString('latin1')
  }

  onRequestEnd(trailers: Headers | null): void {
    this.#note('end')
    this.ended = true
    this.trailers = trailers
    this.onEnd()
  }

  onDownstreamDrain(): void {
    this.#note('drain')
    this.drains++
    this.onDrain()
  }

  onDownstreamAbort(reason: AbortReason): void {
    this.#note('abort')
    this.abortReason = reason
  }

  onStatusReplaced(status: number): void {
    this.#note('status')
    this.statuses.push(status)
  }

  onResponseSent(): void {
    this.#note('sent')
    this.sent = true
  }

  #note(callback: string): void {
    if (this.over) this.late.push(callback)
  }
}
