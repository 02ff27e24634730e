import type { Mirrors } from './mirrors.ts'

/** Request bytes one shadow may hold back before it is given up: 1 MiB. */
export const MAX_BACKLOG_BYTES = 1_048_576
/** Bytes are copied into blocks of this size, so that many small chunks cost no more than few large ones. */
export const BLOCK_BYTES = 16_384

/** Body bytes that a shadow was given and could not send yet, in order. */
export class MirrorBacklog {
  readonly #mirrors: Mirrors
  readonly #blocks: Buffer[]
  /** Bytes used of the last block. */
  #filled: number

  constructor(mirrors: Mirrors) {
    this.#mirrors = mirrors
    this.#blocks = []
    this.#filled = BLOCK_BYTES
  }

  get empty(): boolean {
    return this.#blocks.length === 0
  }

  /** Copies the chunk. False: there is no room for all of it, and the backlog is of no use any more. */
  push(chunk: Buffer): boolean {
    let at = 0
    while (at < chunk.length) {
      if (this.#filled === BLOCK_BYTES && !this.#addBlock()) return false
      const block = this.#blocks[this.#blocks.length - 1]!
      const copied = chunk.copy(block, this.#filled, at)
      this.#filled += copied
      at += copied
    }
    return true
  }

  /** Takes the oldest bytes out, or null. */
  take(): Buffer | null {
    const block = this.#blocks.shift()
    if (block === undefined) return null
    this.#mirrors.release(BLOCK_BYTES)
    if (this.#blocks.length > 0) return block
    const filled = this.#filled
    this.#filled = BLOCK_BYTES
    return block.subarray(0, filled)
  }

  clear(): void {
    this.#mirrors.release(this.#blocks.length * BLOCK_BYTES)
    this.#blocks.length = 0
    this.#filled = BLOCK_BYTES
  }

  #addBlock(): boolean {
    const held = this.#blocks.length * BLOCK_BYTES
    if (held + BLOCK_BYTES > MAX_BACKLOG_BYTES || !this.#mirrors.reserve(BLOCK_BYTES)) return false
    this.#blocks.push(Buffer.allocUnsafeSlow(BLOCK_BYTES))
    this.#filled = 0
    return true
  }
}
