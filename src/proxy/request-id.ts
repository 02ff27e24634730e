import { randomUUID } from 'node:crypto'

/** Ids made at once, as parts of one text: what keeps one of them keeps all, 576 bytes. */
const IDS_PER_TEXT = 16
/** Ids that share their random part: whole texts of them. */
export const IDS_PER_TAIL = 256 * IDS_PER_TEXT
const ID_LENGTH = 36
/** Where the part of a UUID behind its first eight digits begins. */
const TAIL_START = 8
/** Odd, so that adding it again and again meets every 32-bit number once. */
const STEP = 0x9e3779b9

const DIGITS = Buffer.from('0123456789abcdef', 'latin1')

/**
 * Request ids: version 4 UUIDs, a quarter as dear as randomUUID(). Their last 90 random bits are drawn
 * anew for every 4,096 ids; within those the first eight digits differ, and are spread evenly, as
 * those who sample by them expect. They name a request and are no secret.
 */
export class RequestIds {
  readonly #bytes = Buffer.alloc(IDS_PER_TEXT * ID_LENGTH)
  #text = ''
  /** Of the next id in the text. */
  #at = 0
  /** Ids that the tail is still good for. */
  #left = 0
  #state = 0

  next(): string {
    if (this.#at === this.#text.length) this.#makeText()
    const start = this.#at
    this.#at = start + ID_LENGTH
    return this.#text.slice(start, this.#at)
  }

  #makeText(): void {
    if (this.#left === 0) this.#renew()
    this.#left -= IDS_PER_TEXT
    const bytes = this.#bytes
    for (let id = 0; id < bytes.length; id += ID_LENGTH) {
      this.#state = (this.#state + STEP) | 0
      let bits = scattered(this.#state)
      for (let i = id; i < id + TAIL_START; i++) {
        bytes[i] = DIGITS[bits >>> 28]!
        bits <<= 4
      }
    }
    this.#text = bytes.toString('latin1')
    this.#at = 0
  }

  #renew(): void {
    const id = randomUUID()
    const bytes = this.#bytes
    for (let at = 0; at < bytes.length; at += ID_LENGTH) bytes.write(id, at, 'latin1')
    this.#state = Number.parseInt(id.slice(0, TAIL_START), 16) | 0
    this.#left = IDS_PER_TAIL
  }
}

/** A permutation of the 32-bit integers whose bits depend on all bits (MurmurHash3's last step). */
function scattered(value: number): number {
  let bits = value ^ (value >>> 16)
  bits = Math.imul(bits, 0x85ebca6b)
  bits ^= bits >>> 13
  bits = Math.imul(bits, 0xc2b2ae35)
  return bits ^ (bits >>> 16)
}

/** One for the process. */
export const requestIds = new RequestIds()
