import type { UnderscoreNames } from './field-block.ts'
import type { Headers } from './headers.ts'
import { BAD_CHUNK, CHUNK_EXTENSIONS_TOO_LARGE, HEAD_TOO_LARGE, Refusal } from './refusal.ts'
import { parseTrailers } from './trailers.ts'

const SIZE_FIRST = 0
const SIZE = 1
const EXTENSION = 2
const SIZE_LF = 3
const PAYLOAD = 4
const PAYLOAD_CR = 5
const PAYLOAD_LF = 6
const TRAILER_START = 7
const TRAILER_LINE = 8
const TRAILER_LF = 9
const END_LF = 10
const DONE = 11

/** 8 digits: a chunk of 4 GiB is no honest chunk, and the number stays exact. */
export const MAX_SIZE_DIGITS = 8

const CR = 0x0d
const LF = 0x0a
const SEMICOLON = 0x3b

/** Limits of one chunked body, from the settings of its connection. */
export interface ChunkLimits {
  readonly maxChunkExtensionBytes: number
  readonly maxHeadBytes: number
  readonly maxHeaderFields: number
}

/**
 * Decodes one chunked body (RFC 9112 7.1). Within one read all payload is moved together, so that
 * a million one-byte chunks do not become a million callbacks.
 */
export class ChunkedDecoder {
  /** After read(): the payload is `chunk[payloadStart, payloadEnd)`. */
  payloadStart = 0
  payloadEnd = 0
  /** After read(): index of the first byte that was not consumed. */
  next = 0
  trailers: Headers | null = null
  refusal: Refusal | null = null

  readonly #limits: ChunkLimits
  readonly #underscores: UnderscoreNames
  #state = SIZE_FIRST
  #size = 0
  #digits = 0
  #extensionBytes = 0
  #trailerText = ''

  /** `underscores`: what becomes of trailers with such names. */
  constructor(limits: ChunkLimits, underscores: UnderscoreNames) {
    this.#limits = limits
    this.#underscores = underscores
  }

  get done(): boolean {
    return this.#state === DONE
  }

  /** Prepares for the next body of the connection. */
  reset(): void {
    this.trailers = null
    this.refusal = null
    this.#state = SIZE_FIRST
    this.#size = 0
    this.#digits = 0
    this.#extensionBytes = 0
    this.#trailerText = ''
  }

  /** Reads on from `start`; overwrites consumed bytes of `chunk`. False when malformed. */
  read(chunk: Buffer, start: number): boolean {
    let at = start
    this.payloadStart = start
    this.payloadEnd = start
    while (at < chunk.length && this.#state !== DONE) {
      if (this.#state === PAYLOAD) at = this.#takePayload(chunk, at)
      else if (this.#state === TRAILER_LINE) {
        at = this.#takeTrailerLine(chunk, at)
        if (this.refusal !== null) return false
      } else if (!this.#step(chunk[at++]!)) {
        this.refusal ??= BAD_CHUNK
        return false
      }
    }
    this.next = at
    return true
  }

  #takePayload(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#size)
    if (this.payloadEnd === this.payloadStart) {
      this.payloadStart = at
      this.payloadEnd = end
    } else {
      chunk.copyWithin(this.payloadEnd, at, end)
      this.payloadEnd += end - at
    }
    this.#size -= end - at
    if (this.#size === 0) this.#state = PAYLOAD_CR
    return end
  }

  #takeTrailerLine(chunk: Buffer, at: number): number {
    let end = at
    while (end < chunk.length && chunk[end] !== CR && chunk[end] !== LF) end++
    this.#trailerText += chunk.toString('latin1', at, end)
    if (this.#trailerText.length > this.#limits.maxHeadBytes) this.refusal = HEAD_TOO_LARGE
    else if (end < chunk.length) {
      if (chunk[end] === LF) this.refusal = BAD_CHUNK
      this.#state = TRAILER_LF
      end++
    }
    return end
  }

  /** One byte of the syntax around the payload. False when it does not fit. */
  #step(byte: number): boolean {
    switch (this.#state) {
      case SIZE_FIRST:
        this.#state = SIZE
        return this.#digit(byte)
      case SIZE:
        if (byte === CR) this.#state = SIZE_LF
        else if (byte === SEMICOLON) return this.#extension(byte)
        else return this.#digit(byte)
        return true
      case EXTENSION:
        if (byte !== CR) return this.#extension(byte)
        this.#state = SIZE_LF
        return true
      case SIZE_LF:
        this.#state = this.#size === 0 ? TRAILER_START : PAYLOAD
        return byte === LF
      case PAYLOAD_CR:
        this.#state = PAYLOAD_LF
        return byte === CR
      case PAYLOAD_LF:
        this.#state = SIZE_FIRST
        this.#digits = 0
        return byte === LF
      case TRAILER_START:
        if (byte === CR) this.#state = END_LF
        else {
          this.#state = TRAILER_LINE
          this.#trailerText += String.fromCharCode(byte)
        }
        return byte !== LF
      case TRAILER_LF:
        this.#trailerText += '\r\n'
        this.#state = TRAILER_START
        return byte === LF
      case END_LF:
        return byte === LF && this.#finish()
      default:
        return false
    }
  }

  #digit(byte: number): boolean {
    const value = hexDigit(byte)
    if (value === -1 || ++this.#digits > MAX_SIZE_DIGITS) return false
    this.#size = this.#size * 16 + value
    return true
  }

  /** Extensions are read, counted and never passed on. */
  #extension(byte: number): boolean {
    this.#state = EXTENSION
    if (++this.#extensionBytes > this.#limits.maxChunkExtensionBytes) {
      this.refusal = CHUNK_EXTENSIONS_TOO_LARGE
      return false
    }
    return (byte >= 0x20 && byte !== 0x7f) || byte === 0x09
  }

  #finish(): boolean {
    this.#state = DONE
    const { maxHeaderFields } = this.#limits
    const trailers = parseTrailers(this.#trailerText, maxHeaderFields, this.#underscores)
    if (trailers instanceof Refusal) {
      this.refusal = trailers
      return false
    }
    this.trailers = trailers
    return true
  }
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}
