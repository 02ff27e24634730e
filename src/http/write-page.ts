export const PAGE_BYTES = 32_768
/** Pages in use or kept: 8 MiB. Without one a message waits as text. */
export const MAX_PAGES = 256
/** Of them kept for later: 1 MiB. */
export const MAX_SPARE_PAGES = 32
/** Room behind each message for what follows its body: the end of a chunk and of all chunks. */
const TAIL_BYTES = 64

let current: WritePage | null = null
const spares: WritePage[] = []
let pages = 0

/**
 * Memory in which messages of several connections wait until they are written, mostly for the end of
 * this turn of the event loop: each a head and the bytes behind it, copied once, without text made of
 * them. A page is used again when all its messages are written or given up.
 */
export class WritePage {
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(PAGE_BYTES)
  #used = 0
  #messages = 0

  /** A page with room for a message of `length` bytes. null: too long, or too many pages wait. */
  static withRoom(length: number): WritePage | null {
    const needed = length + TAIL_BYTES
    if (needed > PAGE_BYTES) return null
    if (current !== null && PAGE_BYTES - current.#used >= needed) return current
    const next = spares.pop() ?? freshPage()
    if (next !== null) current = next
    return next
  }

  /** Puts `text` (latin1) and `chunk` behind what is there; returns where they begin. */
  put(text: string, chunk: Buffer): number {
    const start = this.#used
    const bodyStart = start + this.bytes.write(text, start, 'latin1')
    this.bytes.set(chunk, bodyStart)
    this.#used = bodyStart + chunk.length + TAIL_BYTES
    this.#messages++
    return start
  }

  /** Puts `text` (latin1) behind the message that ends at `end`. False: it is too long. */
  putTail(text: string, end: number): boolean {
    if (text.length > TAIL_BYTES) return false
    if (text !== '') this.bytes.write(text, end, 'latin1')
    return true
  }

  /** One of its messages is written, or given up. */
  free(): void {
    this.#messages--
    if (this.#messages > 0) return
    this.#used = 0
    if (this === current) return
    if (spares.length < MAX_SPARE_PAGES) spares.push(this)
    else pages--
  }
}

function freshPage(): WritePage | null {
  if (pages >= MAX_PAGES) return null
  pages++
  return new WritePage()
}
