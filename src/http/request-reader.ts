import { HeadMemory } from './head-memory.ts'
import { HeadReader } from './head-reader.ts'
import type { Headers } from './headers.ts'
import type { HttpSettings } from './http-settings.ts'
import type { Refusal } from './refusal.ts'
import { RepeatedHeads } from './repeated-head.ts'
import { Request } from './request.ts'
import { RequestHeadParser } from './request-head.ts'
import { withoutNominated } from './trailers.ts'

/** Empty lines before a request line, left behind by old clients after a body (RFC 9112 2.2). */
export const MAX_EMPTY_LINES = 1

/** Reads the request heads of one connection. */
export class RequestReader {
  readonly #keeps: boolean
  readonly #forwardsTrailers: boolean
  readonly #head: HeadReader
  readonly #parser: RequestHeadParser
  /** The parser has read no other head since the one that is kept. */
  readonly #memory: HeadMemory

  /** `heads` were all read with the same settings; `sender` is the client's address. */
  constructor(
    settings: HttpSettings,
    scheme: 'http' | 'https',
    heads: RepeatedHeads = new RepeatedHeads(),
    sender: string = '',
  ) {
    this.#keeps = !settings.preserveHeaderCase
    this.#forwardsTrailers = settings.forwardRequestTrailers
    this.#head = new HeadReader(settings.maxHeadBytes, MAX_EMPTY_LINES)
    this.#parser = new RequestHeadParser(settings, scheme)
    this.#memory = new HeadMemory(heads, sender)
  }

  /** A head has begun and is not complete. */
  get partial(): boolean {
    return this.#head.partial
  }

  /** After a request: index of the first byte behind its head. */
  get next(): number {
    return this.#head.next
  }

  /** After a request: no other may follow it on the connection. */
  get closes(): boolean {
    return this.#parser.closes
  }

  /** After a request: the client said `te: trailers`. */
  get wantsTrailers(): boolean {
    return this.#parser.wantsTrailers
  }

  /** What may be passed on of the trailers of the request read last; takes the rest out of them. */
  passing(trailers: Headers): Headers | null {
    return this.#forwardsTrailers ? withoutNominated(trailers, this.#parser.connection) : null
  }

  /** A complete request, why there will be none, or null while more bytes are needed. */
  read(chunk: Buffer, at: number): Request | Refusal | null {
    const head = this.#head
    const kept = this.#memory.take(head, chunk, at)
    if (kept !== null) return kept.nextRequest()
    if (!head.read(chunk, at)) return head.refusal
    const request = this.#parser.parse(head.text, head.end)
    if (this.#keeps && request instanceof Request) {
      this.#memory.note(head, request.headers.fields, request)
    }
    head.text = ''
    return request
  }
}
