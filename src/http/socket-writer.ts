import type { Socket } from 'node:net'
import { DirectWrites } from './direct-write.ts'
import { PassingBytes } from './passing-bytes.ts'
import { WritePage } from './write-page.ts'

/** A chunk of these sizes waits in a page behind the head, where there is one: one write of both. */
const MIN_PAGED_BYTES = 256
const MAX_PAGED_BYTES = 16_384
/** Others up to this size wait as text; what is larger is written at once. */
const SMALL_BYTES = 8_192
/** Text collected beyond this is written at once. */
const MAX_TEXT = 16_384

/**
 * The sending side of a connection. Text (latin1) and one small chunk are collected until flush(). A
 * socket keeps what the kernel did not take, and chunks are the reader's memory: the reader gives it
 * up, or it is copied.
 */
export class SocketWriter {
  /** The socket holds more than its high-water mark; cleared by drained(). */
  blocked = false

  readonly #socket: Socket
  readonly #passing: PassingBytes
  /** null: the socket is written to as a stream. */
  readonly #direct: DirectWrites | null
  /** In front of the text: a message in `#page.bytes[#start, #end)`, or null. */
  #page: WritePage | null = null
  #start = 0
  #end = 0
  #text = ''

  constructor(socket: Socket) {
    this.#socket = socket
    this.#direct = DirectWrites.of(socket)
    this.#passing = new PassingBytes(socket, this.#direct)
  }

  /** Nothing is collected, and the kernel has all that was written. */
  get isClear(): boolean {
    if (this.#text !== '' || this.#page !== null) return false
    return this.#direct === null ? this.#socket.writableLength === 0 : this.#direct.isClear
  }

  text(text: string): void {
    this.#text += text
    if (this.#text.length > MAX_TEXT) this.flush()
  }

  bytes(chunk: Buffer): void {
    if (this.#putInPage(chunk)) return
    if (chunk.length <= SMALL_BYTES) {
      this.text(chunk.toString('latin1'))
      return
    }
    this.#takeFromPage()
    if (!this.#socket.writable) return
    const text = this.#text
    this.#text = ''
    this.#passing.write(text, chunk)
    this.#noteRoom()
  }

  flush(): void {
    if (this.#page !== null && this.#flushPage(this.#page)) return
    if (this.#text === '') return
    const text = this.#text
    this.#text = ''
    const direct = this.#direct
    if (direct !== null && direct.write(text)) {
      if (!direct.isClear) this.#noteRoom()
      return
    }
    if (!this.#socket.writable) return
    this.#socket.write(text, 'latin1')
    this.#noteRoom()
  }

  #noteRoom(): void {
    if (this.#socket.writableNeedDrain) this.blocked = true
  }

  /** Only for a socket that is written to directly: a stream would keep the page for a while. */
  #putInPage(chunk: Buffer): boolean {
    const { length } = chunk
    if (length < MIN_PAGED_BYTES || length > MAX_PAGED_BYTES) return false
    if (this.#direct === null || this.#page !== null || !this.#socket.writable) return false
    const text = this.#text
    const page = WritePage.withRoom(text.length + length)
    if (page === null) return false
    this.#page = page
    this.#start = page.put(text, chunk)
    this.#end = this.#start + text.length + length
    this.#text = ''
    return true
  }

  /** False: what was in the page is text now. */
  #flushPage(page: WritePage): boolean {
    const text = this.#text
    const direct = this.#direct!
    if (page.putTail(text, this.#end)) {
      const message = page.bytes.subarray(this.#start, this.#end + text.length)
      if (direct.writeBytes('', message, page)) {
        this.#page = null
        this.#text = ''
        if (!direct.isClear) this.#noteRoom()
        return true
      }
    }
    this.#takeFromPage()
    return false
  }

  #takeFromPage(): void {
    const page = this.#page
    if (page === null) return
    this.#text = page.bytes.toString('latin1', this.#start, this.#end) + this.#text
    this.#page = null
    page.free()
  }

  drained(): void {
    this.blocked = false
    this.#passing.settle()
  }

  /** Instead of flush(): what was collected is given up. */
  discard(): void {
    this.#page?.free()
    this.#page = null
    this.#text = ''
  }
}
