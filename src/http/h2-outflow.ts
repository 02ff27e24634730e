import type { Http2Stream } from 'node:http2'
import { PassingBytes } from './passing-bytes.ts'

/** Told when an outflow that was full has room again, and whenever the peer took some bytes. */
export interface H2OutflowOwner {
  onOutflowProgress(): void
  onOutflowDrain(): void
}

/**
 * The sending side of one HTTP/2 stream's body. node:http2 counts a chunk as written when the
 * peer's flow-control windows let it out, so writableLength is the true backlog; its own
 * high-water mark cannot be chosen, hence the write callback, bound once for each streamed body.
 */
export class H2Outflow {
  readonly #stream: Http2Stream
  readonly #passing: PassingBytes
  readonly #owner: H2OutflowOwner
  readonly #highWaterBytes: number
  readonly #onWritten: (error?: Error | null) => void
  #full: boolean

  constructor(stream: Http2Stream, owner: H2OutflowOwner, highWaterBytes: number) {
    this.#stream = stream
    this.#passing = new PassingBytes(stream)
    this.#owner = owner
    this.#highWaterBytes = highWaterBytes
    this.#onWritten = this.#written.bind(this)
    this.#full = false
  }

  /** `chunk` need not outlive the call. False at the high-water mark. */
  write(chunk: Buffer): boolean {
    this.#passing.write('', chunk, this.#onWritten)
    if (this.#stream.writableLength >= this.#highWaterBytes) this.#full = true
    return !this.#full
  }

  #written(error?: Error | null): void {
    if (error) return
    this.#passing.settle()
    this.#owner.onOutflowProgress()
    // Half the mark, so that a slow peer does not switch the source on and off for every frame.
    if (this.#full && this.#stream.writableLength * 2 <= this.#highWaterBytes) {
      this.#full = false
      this.#owner.onOutflowDrain()
    }
  }
}
