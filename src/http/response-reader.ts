import { HeadReader } from './head-reader.ts'
import { Headers } from './headers.ts'
import { KeptHead } from './kept-head.ts'
import type { Refusal } from './refusal.ts'
import { ResponseHeadParser } from './response-head.ts'

/** Reads the response heads of one upstream connection. */
export class ResponseReader {
  /** Describes the head read last. */
  readonly head: ResponseHeadParser
  /** After `false`: why the head can never become valid, or null when more bytes are needed. */
  refusal: Refusal | null = null

  readonly #reader: HeadReader
  /** Fields of the head that is kept. The parser has read no other since. */
  #fields: KeptHead | null = null

  /** In bytes and in fields. */
  constructor(maxHeadBytes: number, maxFields: number) {
    this.#reader = new HeadReader(maxHeadBytes, 0)
    this.head = new ResponseHeadParser(maxFields)
  }

  /** Index in the chunk of the first byte behind the head. */
  get next(): number {
    return this.#reader.next
  }

  /** True when a head is complete. `chunk` is not kept. */
  read(chunk: Buffer, at: number): boolean {
    const reader = this.#reader
    const { head } = this
    if (!head.keepsSpellings && reader.readKept(chunk, at)) {
      head.headers = Headers.again(this.#fields!)
      return true
    }
    if (!reader.read(chunk, at)) return this.#refuse(reader.refusal)
    const refusal = head.parse(reader.text, reader.end)
    if (refusal !== null) return this.#refuse(refusal)
    if (reader.keep()) this.#fields = new KeptHead(head.headers.fields)
    reader.text = ''
    return true
  }

  #refuse(refusal: Refusal | null): false {
    this.refusal = refusal
    return false
  }
}
