import { MAX_REMEMBERED } from './field-block.ts'
import { leadingView } from './read-buffers.ts'

/**
 * The head that came last on a connection, to the byte: one that comes again need not be read anew.
 * Whoever reads heads keeps what was made of it.
 *
 * Kept step by step, its length from the first time, its text from the second, its bytes from the
 * third: a connection that is used once keeps nothing.
 */
export class HeadMemory {
  #length = 0
  #text = ''
  #bytes: Buffer | null = null

  /** Length of the head that `chunk` begins with, when that is the one that is kept; else 0. */
  lengthIn(chunk: Buffer): number {
    const bytes = this.#bytes
    if (bytes === null || chunk.length < bytes.length) return 0
    const view = leadingView(chunk, bytes.length)
    return view !== null && view.equals(bytes) ? bytes.length : 0
  }

  /** `text` begins with a head of `length` bytes, which was read. True: it is the one kept from now on. */
  note(text: string, length: number): boolean {
    this.#bytes = null
    const isSameLength = length === this.#length
    if (isSameLength && this.#text !== '' && text.startsWith(this.#text)) {
      this.#bytes = Buffer.allocUnsafeSlow(length)
      this.#bytes.write(this.#text, 'latin1')
      this.#text = ''
      return true
    }
    this.#length = length
    this.#text = isSameLength && length <= MAX_REMEMBERED ? text.slice(0, length) : ''
    return false
  }
}
