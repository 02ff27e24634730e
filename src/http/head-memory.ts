import { MAX_REMEMBERED } from './field-block.ts'
import type { HeadReader } from './head-reader.ts'
import type { RepeatedHead, RepeatedHeads } from './repeated-head.ts'
import type { Request } from './request.ts'

/**
 * The head that came last on a connection, to the byte: one that comes again need not be read anew.
 *
 * Kept step by step, its length from the first time, its text from the second, what was read from it
 * from the third: a connection that is used once keeps nothing.
 */
export class HeadMemory {
  readonly #heads: RepeatedHeads
  readonly #sender: string
  #length = 0
  #text = ''
  #head: RepeatedHead | null = null

  /** `heads` are those of all connections that read with the same settings; `sender` is the peer's address. */
  constructor(heads: RepeatedHeads, sender: string) {
    this.#heads = heads
    this.#sender = sender
  }

  /** Where `reader` waits for a head and `chunk` brings the one that is kept: that one, now read. */
  take(reader: HeadReader, chunk: Buffer, start: number): RepeatedHead | null {
    const head = this.#head
    if (head === null || start !== 0 || reader.partial || !head.begins(chunk)) return null
    reader.skip(head.bytes.length)
    return head
  }

  /** `reader` has read another head, which is valid and says this. */
  note(reader: HeadReader, fields: readonly string[], request: Request | null): void {
    const { text } = reader
    const length = reader.end + 4
    const isSameLength = length === this.#length
    if (isSameLength && this.#text !== '' && text.startsWith(this.#text)) {
      this.#head = this.#heads.of(this.#sender, this.#text, fields, request)
      this.#text = ''
      return
    }
    this.#head = null
    this.#length = length
    this.#text = isSameLength && length <= MAX_REMEMBERED ? text.slice(0, length) : ''
  }
}
