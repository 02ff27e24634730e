import type { Writable } from 'node:stream'
import type { DirectWrites } from './direct-write.ts'
import { READ_BUFFER_BYTES, releaseBuffer, spareBuffer } from './read-buffers.ts'
import { isLendable, isVolatile, lendBuffer } from './socket-reads.ts'

/** A copy from this size on goes to a read buffer that is free: fresh memory costs more than the copy. */
const LARGE_COPY_BYTES = READ_BUFFER_BYTES / 2

/**
 * Hands chunks that are valid only now to a stream that may keep them for later. Most are taken by
 * the kernel at once and need no copy; what is kept is copied only when it stands in the buffer that
 * all sockets share.
 */
export class PassingBytes {
  readonly #stream: Writable
  readonly #direct: DirectWrites | null
  /** Read buffers that the stream still writes from, or null. At most what backpressure lets through. */
  #lent: Buffer[] | null = null

  /** `direct`: a way past the stream, for writes without `onWritten`. */
  constructor(stream: Writable, direct: DirectWrites | null = null) {
    this.#stream = stream
    this.#direct = direct
  }

  /** Writes `text` (latin1, may be empty) and `chunk` as one; `onWritten` as in stream.write. */
  write(text: string, chunk: Buffer, onWritten?: (error?: Error | null) => void): void {
    const stream = this.#stream
    this.settle()
    const lendable = isLendable(chunk)
    let copy: Buffer | null = null
    let bytes = chunk
    if (!lendable && isVolatile(chunk)) {
      // One at a time: in front of a stream that waits already, each would hold more than its bytes.
      if (chunk.length >= LARGE_COPY_BYTES && stream.writableLength === 0) {
        copy = spareBuffer()
        bytes = copy.subarray(0, chunk.copy(copy))
      } else bytes = Buffer.from(chunk)
    }
    if (onWritten !== undefined || this.#direct?.writeBytes(text, bytes) !== true) {
      this.#direct?.giveWay()
      this.#write(text, bytes, onWritten)
    }
    if (stream.writableLength === 0) {
      if (copy !== null) releaseBuffer(copy)
    } else if (copy !== null) this.#keep(copy)
    else if (lendable) this.#keep(lendBuffer())
  }

  /** Through the stream, as one write. */
  #write(text: string, bytes: Buffer, onWritten?: (error?: Error | null) => void): void {
    const stream = this.#stream
    if (text === '') stream.write(bytes, onWritten)
    else {
      stream.cork()
      stream.write(text, 'latin1')
      stream.write(bytes, onWritten)
      stream.uncork()
    }
  }

  /** Gives back what was lent once the stream holds nothing any more. */
  settle(): void {
    if (this.#lent === null || this.#stream.writableLength > 0) return
    for (const buffer of this.#lent) releaseBuffer(buffer)
    this.#lent = null
  }

  #keep(buffer: Buffer): void {
    this.#lent ??= []
    this.#lent.push(buffer)
  }
}
