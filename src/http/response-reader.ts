import { HeadMemory } from './head-memory.ts'
import { HeadReader } from './head-reader.ts'
import type { Headers } from './headers.ts'
import type { Refusal } from './refusal.ts'
import { RepeatedHeads } from './repeated-head.ts'
import { ResponseHeadParser } from './response-head.ts'
import { withoutNominated } from './trailers.ts'

/** Reads the response heads of one upstream connection. */
export class ResponseReader {
  /** Describes the head read last. */
  readonly head: ResponseHeadParser
  /** After `false`: why the head can never become valid, or null when more bytes are needed. */
  refusal: Refusal | null = null

  readonly #reader: HeadReader
  /** The parser has read no other head since the one that is kept. */
  readonly #memory: HeadMemory

  /** In bytes and in fields. `heads` are those of all connections to the same backend. */
  constructor(maxHeadBytes: number, maxFields: number, heads: RepeatedHeads = new RepeatedHeads()) {
    this.#reader = new HeadReader(maxHeadBytes, 0)
    this.head = new ResponseHeadParser(maxFields)
    this.#memory = new HeadMemory(heads, '')
  }

  /** Index in the chunk of the first byte behind the head. */
  get next(): number {
    return this.#reader.next
  }

  /** True when a head is complete. `chunk` is not kept. */
  read(chunk: Buffer, at: number): boolean {
    const reader = this.#reader
    const { head } = this
    const kept = head.keepsSpellings ? null : this.#memory.take(reader, chunk, at)
    if (kept !== null) {
      head.headers = kept.nextHeaders()
      return true
    }
    if (!reader.read(chunk, at)) return this.#refuse(reader.refusal)
    const refusal = head.parse(reader.text, reader.end)
    if (refusal !== null) return this.#refuse(refusal)
    this.#memory.note(reader, head.headers.fields, null)
    reader.text = ''
    return true
  }

  /** What may be passed on of the trailers of the answer read last; takes the rest out of them. */
  passing(trailers: Headers): Headers | null {
    return withoutNominated(trailers, this.head.connection)
  }

  #refuse(refusal: Refusal | null): false {
    this.refusal = refusal
    return false
  }
}
