import { isTokenCode } from './field-syntax.ts'
import { BAD_LINE_END, BAD_START_LINE, HEAD_TOO_LARGE } from './refusal.ts'
import type { Refusal } from './refusal.ts'

/** Heads are a few hundred bytes; a longer one is decoded by the slow path. */
const FIRST_DECODE_BYTES = 4096
const FIRST_CARRY_BYTES = 1024

const CR = 0x0d
const LF = 0x0a

/**
 * Finds the end of a message head in a byte stream. The common case, a head within one read, costs
 * one latin1 decode and one search; a head in pieces is copied and scanned byte by byte once.
 */
export class HeadReader {
  /** After `true`: the head, and possibly bytes behind it. */
  text = ''
  /** After `true`: index in `text` of the CRLF that closes the last line of the head. */
  end = 0
  /** After `true`: index in the chunk of the first byte behind the head. */
  next = 0
  /** After `false`: why the head can never become valid, or null when more bytes are needed. */
  refusal: Refusal | null = null

  readonly #maxBytes: number
  /** Empty lines tolerated before a request line (RFC 9112 2.2). */
  readonly #maxEmptyLines: number
  #carry: Buffer | null = null
  #length = 0
  /** How much of CRLFCRLF the last carried bytes match. */
  #matched = 0
  #emptyLines = 0

  constructor(maxBytes: number, maxEmptyLines: number) {
    this.#maxBytes = maxBytes
    this.#maxEmptyLines = maxEmptyLines
  }

  /** True while a head has begun and is not complete. */
  get partial(): boolean {
    return this.#carry !== null
  }

  /** The chunk begins with a head of `length` bytes that is known: only `next` is set. */
  skip(length: number): void {
    this.next = length
    this.#emptyLines = 0
  }

  /** True when the head is complete. `chunk` is not kept. */
  read(chunk: Buffer, start: number): boolean {
    if (this.#carry === null) {
      let from = start
      while (chunk[from] === CR && chunk[from + 1] === LF) {
        if (++this.#emptyLines > this.#maxEmptyLines) return this.#fail(BAD_START_LINE)
        from += 2
      }
      const text = chunk.toString('latin1', from, Math.min(chunk.length, from + FIRST_DECODE_BYTES))
      const end = text.indexOf('\r\n\r\n')
      if (end !== -1 && end + 4 <= this.#maxBytes) {
        this.text = text
        this.end = end
        this.next = from + end + 4
        this.#emptyLines = 0
        return true
      }
      return this.#readSlowly(chunk, from)
    }
    return this.#readSlowly(chunk, start)
  }

  #fail(refusal: Refusal): false {
    this.refusal = refusal
    return false
  }

  #readSlowly(chunk: Buffer, start: number): boolean {
    for (let at = start; at < chunk.length; at++) {
      const byte = chunk[at]!
      if (this.#length === 0 && byte !== CR && !isTokenCode(byte)) return this.#fail(BAD_START_LINE)
      if (this.#length >= this.#maxBytes) return this.#fail(HEAD_TOO_LARGE)
      if (byte === LF) {
        if (this.#length === 0 || this.#carry![this.#length - 1] !== CR) {
          return this.#fail(BAD_LINE_END)
        }
        if (this.#length === 1) {
          if (++this.#emptyLines > this.#maxEmptyLines) return this.#fail(BAD_START_LINE)
          this.#forget()
          continue
        }
        this.#matched++
      } else if (this.#length > 0 && this.#carry![this.#length - 1] === CR) {
        return this.#fail(BAD_LINE_END)
      } else if (byte === CR && this.#matched === 2) this.#matched = 3
      else this.#matched = byte === CR ? 1 : 0
      this.#append(byte)
      if (this.#matched === 4) return this.#complete(at + 1)
    }
    return false
  }

  #append(byte: number): void {
    let carry = this.#carry
    if (carry === null) {
      carry = Buffer.allocUnsafe(FIRST_CARRY_BYTES)
      this.#carry = carry
    } else if (this.#length === carry.length) {
      const larger = Buffer.allocUnsafe(carry.length * 2)
      carry.copy(larger)
      carry = larger
      this.#carry = carry
    }
    carry[this.#length++] = byte
  }

  #complete(next: number): true {
    this.text = this.#carry!.toString('latin1', 0, this.#length)
    this.end = this.#length - 4
    this.next = next
    this.#forget()
    this.#emptyLines = 0
    return true
  }

  #forget(): void {
    this.#carry = null
    this.#length = 0
    this.#matched = 0
  }
}
