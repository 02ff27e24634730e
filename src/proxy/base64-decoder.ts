const INVALID = 255
const PAD = 64
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

const VALUES = new Uint8Array(256).fill(INVALID)
for (let i = 0; i < ALPHABET.length; i++) VALUES[ALPHABET.charCodeAt(i)] = i
VALUES[0x3d] = PAD

/**
 * Decodes base64 (RFC 4648 4) that comes in chunks of any size. Padding may stand within, where a
 * sender flushed, and then a new group of four begins. Holds at most three characters.
 */
export class Base64Decoder {
  #bits = 0
  #count = 0
  #pads = 0

  /** A group of four is begun: an end here cuts it off. */
  get isOpen(): boolean {
    return this.#count !== 0
  }

  /** The bytes that are complete with `chunk`, or null when it is no base64. */
  decode(chunk: Buffer): Buffer | null {
    const out = Buffer.allocUnsafe(((this.#count + chunk.length) >> 2) * 3)
    let length = 0
    for (let i = 0; i < chunk.length; i++) {
      const value = VALUES[chunk[i]!]!
      if (value === INVALID) return null
      if (value === PAD) {
        if (this.#count < 2) return null
        this.#pads++
        this.#bits <<= 6
      } else {
        if (this.#pads > 0) return null
        this.#bits = (this.#bits << 6) | value
      }
      if (++this.#count < 4) continue
      out[length++] = this.#bits >> 16
      if (this.#pads < 2) out[length++] = this.#bits >> 8
      if (this.#pads === 0) out[length++] = this.#bits
      this.#bits = 0
      this.#count = 0
      this.#pads = 0
    }
    return out.subarray(0, length)
  }
}
