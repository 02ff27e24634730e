import { once } from 'node:events'
import type { Duplex } from 'node:stream'

/** The peer sent its FIN instead of what was waited for. */
class PeerEnded extends Error {}

/** Reads a byte stream in pieces of known length, as binary protocols do. */
export class PacketReader {
  readonly #stream: Duplex
  readonly #ended: Promise<never>

  constructor(stream: Duplex) {
    this.#stream = stream
    this.#ended = new Promise((_resolve, reject) => {
      stream.once('end', () => reject(new PeerEnded('the peer ended')))
      stream.once('error', reject)
      stream.once('close', () => reject(new Error('the connection is closed')))
    })
    // Nobody may be waiting for bytes when the stream is over.
    this.#ended.catch(() => undefined)
  }

  /** Exactly `length` bytes; rejects when the peer ends before. */
  async take(length: number): Promise<Buffer> {
    const pieces: Buffer[] = []
    for (let missing = length; missing > 0;) {
      // No more than there is: a stream asked for more would never let go of what it has.
      const piece: unknown = this.#stream.read(Math.min(missing, this.#stream.readableLength) || 1)
      if (Buffer.isBuffer(piece)) {
        pieces.push(piece)
        missing -= piece.length
      } else await Promise.race([once(this.#stream, 'readable'), this.#ended])
    }
    return Buffer.concat(pieces)
  }

  /** Resolves at the peer's FIN; rejects when it says something more before. */
  async end(): Promise<void> {
    let byte: Buffer
    try {
      byte = await this.take(1)
    } catch (error) {
      if (error instanceof PeerEnded) return
      throw error
    }
    throw new Error(`byte ${byte[0]} came instead of the end`)
  }
}
