import type { Socket } from 'node:net'
import { DirectWrites } from './direct-write.ts'
import { PassingBytes } from './passing-bytes.ts'

/** Bodies up to this size travel as text behind the head: one write, no copy kept. */
const SMALL_BYTES = 8_192
/** Text collected beyond this is written at once. */
const MAX_TEXT = 16_384

/**
 * The sending side of a connection. Text (latin1) is collected until flush(). A socket keeps what
 * the kernel did not take, and chunks are the reader's memory: the reader gives it up, or it is
 * copied.
 */
export class SocketWriter {
  /** The socket holds more than its high-water mark; cleared by drained(). */
  blocked = false

  readonly #socket: Socket
  readonly #passing: PassingBytes
  /** null: the socket is written to as a stream. */
  readonly #direct: DirectWrites | null
  #text = ''

  constructor(socket: Socket) {
    this.#socket = socket
    this.#direct = DirectWrites.of(socket)
    this.#passing = new PassingBytes(socket, this.#direct)
  }

  get pending(): boolean {
    return this.#text !== ''
  }

  text(text: string): void {
    this.#text += text
    if (this.#text.length > MAX_TEXT) this.flush()
  }

  bytes(chunk: Buffer): void {
    if (chunk.length <= SMALL_BYTES) {
      this.text(chunk.toString('latin1'))
      return
    }
    const socket = this.#socket
    if (!socket.writable) return
    const text = this.#text
    this.#text = ''
    this.#passing.write(text, chunk)
    if (socket.writableNeedDrain) this.blocked = true
  }

  flush(): void {
    if (this.#text === '') return
    const text = this.#text
    this.#text = ''
    const socket = this.#socket
    if (!socket.writable) return
    if (this.#direct?.write(text) !== true) socket.write(text, 'latin1')
    if (socket.writableNeedDrain) this.blocked = true
  }

  drained(): void {
    this.blocked = false
    this.#passing.settle()
  }
}
