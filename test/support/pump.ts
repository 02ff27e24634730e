import type { Readable, Writable } from 'node:stream'
import { untilStill } from './wait.ts'

const BLOCK = Buffer.alloc(64 * 1024, 97)

/** Writes `total` bytes as fast as the other side takes them; never more than one block ahead. */
export class Pump {
  readonly total: number
  /** Bytes given to the writable. */
  sent = 0
  readonly #writable: Writable

  constructor(writable: Writable, total: number) {
    this.total = total
    this.#writable = writable
    writable.on('drain', () => this.#fill())
    this.#fill()
  }

  /** Bytes that left the writable's own queue. */
  get taken(): number {
    return this.sent - this.#writable.writableLength
  }

  /** Waits until nothing moves any more. */
  async untilStalled(): Promise<void> {
    await untilStill('the flow', () => this.taken)
  }

  #fill(): void {
    while (this.sent < this.total) {
      const block = BLOCK.subarray(0, Math.min(BLOCK.length, this.total - this.sent))
      this.sent += block.length
      if (!this.#writable.write(block)) return
    }
    if (!this.#writable.writableEnded) this.#writable.end()
  }
}

/** Counts what a readable gives until it ends. */
export async function drainedBytes(readable: Readable): Promise<number> {
  let bytes = 0
  for await (const chunk of readable) bytes += (chunk as Buffer).length
  return bytes
}
