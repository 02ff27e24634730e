import { ChunkedDecoder, type ChunkLimits } from './chunked-decoder.ts'
import type { UnderscoreNames } from './field-block.ts'
import type { Headers } from './headers.ts'
import type { Refusal } from './refusal.ts'
import { UNKNOWN_LENGTH } from './request.ts'

/** Reads one message body after another off a connection, of known length or chunked. */
export class BodyReader {
  /** After read(): the payload is `chunk[payloadStart, payloadEnd)`. */
  payloadStart = 0
  payloadEnd = 0
  /** After read(): index of the first byte that does not belong to the body. */
  next = 0
  /** Bytes still to come; UNKNOWN_LENGTH when chunked. */
  remaining = 0
  done = true
  trailers: Headers | null = null
  refusal: Refusal | null = null

  readonly #limits: ChunkLimits
  readonly #underscores: UnderscoreNames
  #decoder: ChunkedDecoder | null = null

  /** `underscores` as for the heads of the connection. */
  constructor(limits: ChunkLimits, underscores: UnderscoreNames) {
    this.#limits = limits
    this.#underscores = underscores
  }

  /** A body of `length` bytes, or a chunked one, follows. */
  begin(length: number): void {
    this.remaining = length
    this.done = length === 0
    this.trailers = null
    this.refusal = null
    if (length !== UNKNOWN_LENGTH) return
    if (this.#decoder === null) this.#decoder = new ChunkedDecoder(this.#limits, this.#underscores)
    else this.#decoder.reset()
  }

  /** The rest is known to be no more than `bytes`. */
  endsWithin(bytes: number): boolean {
    return this.remaining !== UNKNOWN_LENGTH && this.remaining <= bytes
  }

  /** False when the body is malformed: see `refusal`. May overwrite bytes of `chunk` it consumed. */
  read(chunk: Buffer, at: number): boolean {
    if (this.remaining === UNKNOWN_LENGTH) return this.#readChunked(this.#decoder!, chunk, at)
    const end = Math.min(chunk.length, at + this.remaining)
    this.payloadStart = at
    this.payloadEnd = end
    this.next = end
    this.remaining -= end - at
    this.done = this.remaining === 0
    return true
  }

  #readChunked(decoder: ChunkedDecoder, chunk: Buffer, at: number): boolean {
    const valid = decoder.read(chunk, at)
    this.payloadStart = decoder.payloadStart
    this.payloadEnd = decoder.payloadEnd
    this.next = decoder.next
    this.done = valid && decoder.done
    this.trailers = decoder.trailers
    this.refusal = decoder.refusal
    return valid
  }
}
