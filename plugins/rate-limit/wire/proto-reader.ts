const VARINT = 0
const FIXED64 = 1
const LENGTH_DELIMITED = 2
const FIXED32 = 5
const MAX_VARINT_BYTES = 10
const UINT32 = 2 ** 32

const EMPTY: Buffer = Buffer.alloc(0)

/**
 * Reads the fields of one protobuf message in turn. Never throws: bytes that are no message end the
 * reading and set `failed`.
 */
export class ProtoReader {
  readonly #bytes: Buffer
  #at = 0
  /** Number of the field `next` found. */
  field = 0
  /** What a varint field holds; 0 for others. Not exact beyond 2^53. */
  number = 0
  /** What a field of bytes, text or a message holds; empty for others. */
  bytes = EMPTY
  failed = false

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** False at the end, or when the message is broken. */
  next(): boolean {
    if (this.failed || this.#at >= this.#bytes.length) return false
    const tag = this.#varint()
    this.field = Math.floor(tag / 8)
    this.number = 0
    this.bytes = EMPTY
    if (this.field === 0) this.failed = true
    switch (tag % 8) {
      case VARINT:
        this.number = this.#varint()
        break
      case LENGTH_DELIMITED:
        this.bytes = this.#take(this.#varint())
        break
      case FIXED64:
        this.#take(8)
        break
      case FIXED32:
        this.#take(4)
        break
      default:
        this.failed = true
    }
    return !this.failed
  }

  /** The number as uint32: bits beyond are cut off. */
  get uint32(): number {
    return this.number % UINT32
  }

  /** The bytes as text, one latin1 character each. */
  get text(): string {
    return this.bytes.toString('latin1')
  }

  #varint(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) break
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
    this.failed = true
    return 0
  }

  #take(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#bytes.length) {
      this.failed = true
      return EMPTY
    }
    const taken = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return taken
  }
}
