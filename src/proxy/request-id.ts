import { randomUUID } from 'node:crypto'

/** Ids that share their random part. */
export const IDS_PER_TAIL = 4_096
/** Where the part of a UUID behind its first eight digits begins. */
const TAIL_START = 8
/** Odd, so that adding it again and again meets every 32-bit number once. */
const STEP = 0x9e3779b9

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
)

/**
 * Request ids: version 4 UUIDs, a fifth as dear as randomUUID(). Their last 90 random bits are drawn
 * anew for every 4,096 ids; within those the first eight digits differ, and are spread evenly, as
 * those who sample by them expect. They name a request and are no secret.
 */
export class RequestIds {
  #tail = ''
  #left = 0
  #state = 0

  next(): string {
    if (this.#left === 0) this.#renew()
    this.#left--
    this.#state = (this.#state + STEP) | 0
    const bits = scattered(this.#state)
    return (
      HEX[bits >>> 24]! +
      HEX[(bits >>> 16) & 0xff]! +
      HEX[(bits >>> 8) & 0xff]! +
      HEX[bits & 0xff]! +
      this.#tail
    )
  }

  #renew(): void {
    const id = randomUUID()
    this.#tail = id.slice(TAIL_START)
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
