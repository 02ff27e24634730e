import type { Headers } from '../http/headers.ts'
import type { Request } from '../http/request.ts'
import type { UpstreamStream } from '../upstream/transport.ts'
import { MAX_KEPT_CHUNKS, type ReplayBudget } from './replay-budget.ts'

/**
 * Who hears the request body beside the upstream: the mirrors. Each byte comes once, in order,
 * whatever the retries do; a chunk is valid until the callback returns. After onEnd or onAbort
 * nothing follows.
 */
export interface BodyShadow {
  onBody(chunk: Buffer): void
  /** The request is complete. */
  onEnd(trailers: Headers | null): void
  /** The exchange ended before the client had sent its whole request. */
  onAbort(): void
}

/**
 * The body of one request, or the client's half of a tunnel: what came before an upstream took the
 * head, what a retry would have to send again, and the way on to the upstream. Requests that have
 * neither body nor tunnel have none.
 *
 * What comes before the head is taken is bounded by the wire (what it had read when it was told to
 * pause); what is kept beyond that, by `keep` and by the budget that all exchanges share.
 */
export class RequestBody {
  /** The client sent all of the message. A tunnel's request is complete from the start. */
  ended: boolean
  trailers: Headers | null
  /** The client ended its side: what a tunnel that opens later has to hear. */
  tunnelEnded: boolean
  shadow: BodyShadow | null
  readonly #budget: ReplayBudget
  #kept: Buffer[] | null
  /** `#kept` is everything that the client sent so far: an attempt may begin with it. */
  #complete: boolean
  #limit: number
  #reserved: number

  constructor(budget: ReplayBudget, ended: boolean) {
    this.ended = ended
    this.trailers = null
    this.tunnelEnded = false
    this.shadow = null
    this.#budget = budget
    this.#kept = null
    this.#complete = true
    this.#limit = 0
    this.#reserved = 0
  }

  /** null: the request has no body and asks for no tunnel. */
  static of(request: Request, budget: ReplayBudget): RequestBody | null {
    return request.endsWithHead ? null : new RequestBody(budget, request.bodyLength === 0)
  }

  /** Another attempt could send what was sent so far. */
  get repeatable(): boolean {
    return this.#complete
  }

  /** Keeps up to `limit` bytes beyond their way to the upstream, for a retry. 0: nothing. */
  keep(limit: number): void {
    this.#limit = limit
    if (limit === 0) this.#release()
    else if (this.#kept !== null && this.#reserved === 0) {
      for (let i = 0; i < this.#kept.length; i++) this.#reserve(this.#kept[i]!.length)
    }
  }

  /** A chunk that comes while no upstream stream is there. */
  hold(chunk: Buffer): void {
    if (this.shadow !== null) this.shadow.onBody(chunk)
    this.#add(chunk)
  }

  /** A chunk on its way. False: the upstream has no room. */
  forward(chunk: Buffer, stream: UpstreamStream): boolean {
    if (this.shadow !== null) this.shadow.onBody(chunk)
    if (this.#complete) {
      if (this.#limit > 0) this.#add(chunk)
      if (this.#limit === 0) this.#drop()
    }
    return stream.sendBody(chunk)
  }

  /** The message is complete. False: it was already. */
  end(trailers: Headers | null): boolean {
    if (this.ended) return false
    this.ended = true
    this.trailers = trailers
    if (this.shadow !== null) this.shadow.onEnd(trailers)
    return true
  }

  /** An upstream took the head: sends what is there. False: it has no room for more. */
  start(stream: UpstreamStream): boolean {
    const kept = this.#kept
    if (kept === null) return true
    if (this.#limit === 0) this.#drop()
    let hasRoom = true
    for (let i = 0; i < kept.length; i++) hasRoom = stream.sendBody(kept[i]!)
    return hasRoom
  }

  /**
   * Mirrors from here on; what the client sent before is told at once. To be called before the first
   * attempt begins.
   */
  shadowWith(shadow: BodyShadow): void {
    this.shadow = shadow
    const kept = this.#kept
    if (kept !== null) for (let i = 0; i < kept.length; i++) shadow.onBody(kept[i]!)
    if (this.ended) shadow.onEnd(this.trailers)
  }

  /** An answer is on its way to the client: no attempt follows. */
  settle(): void {
    this.#limit = 0
    this.#drop()
  }

  /** The exchange is over. */
  close(): void {
    this.settle()
    const shadow = this.shadow
    this.shadow = null
    if (shadow !== null && !this.ended) shadow.onAbort()
  }

  /** Copies: the wire takes its bytes back. Over the limit, what is there may be sent only once more. */
  #add(chunk: Buffer): void {
    this.#reserve(chunk.length)
    const copy = Buffer.from(chunk)
    if (this.#kept === null) this.#kept = [copy]
    else this.#kept.push(copy)
  }

  #reserve(bytes: number): void {
    if (this.#limit === 0) return
    const chunks = this.#kept === null ? 0 : this.#kept.length
    const fits = this.#reserved + bytes <= this.#limit && chunks < MAX_KEPT_CHUNKS
    if (fits && this.#budget.reserve(bytes)) this.#reserved += bytes
    else this.keep(0)
  }

  #drop(): void {
    this.#kept = null
    this.#complete = false
    this.#release()
  }

  #release(): void {
    if (this.#reserved > 0) this.#budget.release(this.#reserved)
    this.#reserved = 0
  }
}
