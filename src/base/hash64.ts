/**
 * An unsigned 64-bit number that is computed in place, in two halves: numbers of JavaScript stop at
 * 53 bits, and a bigint for every step costs more than the step. Both halves are signed 32-bit
 * integers with the bits of the value.
 */
export class Hash64 {
  high: number
  low: number

  constructor(high: number = 0, low: number = 0) {
    this.high = high | 0
    this.low = low | 0
  }

  set(high: number, low: number): void {
    this.high = high | 0
    this.low = low | 0
  }

  add(other: Hash64): void {
    const low = (this.low >>> 0) + (other.low >>> 0)
    this.high = (this.high + other.high + (low >= UINT32 ? 1 : 0)) | 0
    this.low = low | 0
  }

  subtract(other: Hash64): void {
    const borrow = this.low >>> 0 < other.low >>> 0 ? 1 : 0
    this.high = (this.high - other.high - borrow) | 0
    this.low = (this.low - other.low) | 0
  }

  /** Keeps the low 64 bits of the product. */
  multiply(other: Hash64): void {
    const { high, low } = this
    const across = (Math.imul(low, other.high) + Math.imul(high, other.low)) | 0
    this.high = (highProduct(low, other.low) + across) | 0
    this.low = Math.imul(low, other.low)
  }

  xor(other: Hash64): void {
    this.high ^= other.high
    this.low ^= other.low
  }

  /** `bits` is 1 to 31. */
  rotate(bits: number): void {
    const { high, low } = this
    this.high = (high << bits) | (low >>> (32 - bits))
    this.low = (low << bits) | (high >>> (32 - bits))
  }

  /** `this ^= this >>> bits`; `bits` is 1 to 63. */
  foldRight(bits: number): void {
    const { high, low } = this
    if (bits >= 32) {
      this.low = low ^ (high >>> (bits - 32))
      return
    }
    this.low = low ^ ((low >>> bits) | (high << (32 - bits)))
    this.high = high ^ (high >>> bits)
  }

  /** Remainder of a division by `divisor`, an integer below 2^26. */
  modulo(divisor: number): number {
    const carried = ((this.high >>> 0) % divisor) * (UINT32 % divisor)
    return ((carried % divisor) + (this.low >>> 0)) % divisor
  }
}

const UINT32 = 2 ** 32

/** Upper 32 bits of the product of two unsigned 32-bit numbers; no partial sum leaves 32 bits. */
function highProduct(a: number, b: number): number {
  const a0 = a & 0xffff
  const a1 = a >>> 16
  const b0 = b & 0xffff
  const b1 = b >>> 16
  const left = (Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16)) | 0
  const right = (Math.imul(a0, b1) + (left & 0xffff)) | 0
  return (Math.imul(a1, b1) + (left >>> 16) + (right >>> 16)) | 0
}
