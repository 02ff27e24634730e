import type { Writable } from 'node:stream'
import { releaseBuffer } from './read-buffers.ts'
import { isLendable, isVolatile, lendBuffer } from './shared-read.ts'

/**
 * Hands chunks that are valid only now to a stream that may keep them for later. Most are taken by
 * the kernel at once and need no copy; what is kept is copied only when it stands in the buffer that
 * all sockets share.
 */
export class PassingBytes {
  readonly #stream: Writable
  /** Read buffers that the stream still writes from. At most what backpressure lets through. */
  readonly #lent: Buffer[] = []

  constructor(stream: Writable) {
    this.#stream = stream
  }

  /** Writes `text` (latin1, may be empty) and `chunk` as one; `onWritten` as in stream.write. */
  write(text: string, chunk: Buffer, onWritten?: (error?: Error | null) => void): void {
    const stream = this.#stream
    this.settle()
    const lendable = isLendable(chunk)
    const bytes = lendable || !isVolatile(chunk) ? chunk : Buffer.from(chunk)
    if (text === '') stream.write(bytes, onWritten)
    else {
      stream.cork()
      stream.write(text, 'latin1')
      stream.write(bytes, onWritten)
      stream.uncork()
    }
    if (lendable && stream.writableLength > 0) this.#lent.push(lendBuffer())
  }

  /** Gives back what was lent once the stream holds nothing any more. */
  settle(): void {
    if (this.#lent.length === 0 || this.#stream.writableLength > 0) return
    for (const buffer of this.#lent) releaseBuffer(buffer)
    this.#lent.length = 0
  }
}
