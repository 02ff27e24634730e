import { HeadReader } from './head-reader.ts'
import { Headers } from './headers.ts'
import type { HttpSettings } from './http-settings.ts'
import { KeptHead } from './kept-head.ts'
import type { Refusal } from './refusal.ts'
import { Request } from './request.ts'
import { RequestHeadParser } from './request-head.ts'

/** Empty lines before a request line, left behind by old clients after a body (RFC 9112 2.2). */
export const MAX_EMPTY_LINES = 1

/** Reads the request heads of one connection. */
export class RequestReader {
  readonly #keeps: boolean
  readonly #head: HeadReader
  readonly #parser: RequestHeadParser
  /** What the head that is kept asks for, and with which fields. The parser has read no other since. */
  #kept: Request | null = null
  #fields: KeptHead | null = null

  constructor(settings: HttpSettings, scheme: 'http' | 'https') {
    this.#keeps = !settings.preserveHeaderCase
    this.#head = new HeadReader(settings.maxHeadBytes, MAX_EMPTY_LINES)
    this.#parser = new RequestHeadParser(settings, scheme)
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

  /** A complete request, why there will be none, or null while more bytes are needed. */
  read(chunk: Buffer, at: number): Request | Refusal | null {
    const head = this.#head
    if (head.readKept(chunk, at)) return this.#kept!.again(Headers.again(this.#fields!))
    if (!head.read(chunk, at)) return head.refusal
    const request = this.#parser.parse(head.text, head.end)
    if (this.#keeps && request instanceof Request) this.#note(request)
    head.text = ''
    return request
  }

  #note(request: Request): void {
    if (!this.#head.keep()) return
    this.#fields = new KeptHead(request.headers.fields)
    this.#kept = request.again(new Headers())
  }
}
