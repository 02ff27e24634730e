import { isUtf8 } from 'node:buffer'

/**
 * Protobuf messages as byte strings, one latin1 character per byte: the length of a nested message
 * is the length of its string, so a message is put together without measuring it first.
 */

/** `value` is a whole number from 0 to 2^53. */
export function varint(value: number): string {
  let text = ''
  let rest = value
  while (rest > 0x7f) {
    text += String.fromCharCode((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  return text + String.fromCharCode(rest)
}

const VARINT = 0
const LENGTH_DELIMITED = 2

/** A number, or nothing for 0: that is what an absent field means. */
export function numberField(field: number, value: number): string {
  return value === 0 ? '' : varint((field << 3) | VARINT) + varint(value)
}

/** A string, bytes or a nested message, also an empty one. */
export function bytesField(field: number, bytes: string): string {
  return varint((field << 3) | LENGTH_DELIMITED) + varint(bytes.length) + bytes
}

/** A string, or nothing for ''. */
export function textField(field: number, bytes: string): string {
  return bytes === '' ? '' : bytesField(field, utf8Bytes(bytes))
}

/**
 * Bytes that may stand in a protobuf string. Receivers refuse a message with others, and a client
 * that sends such a value must not get past its limit: each byte beyond ASCII then becomes a
 * character of its own.
 */
export function utf8Bytes(bytes: string): string {
  if (!/[^\0-\x7f]/.test(bytes) || isUtf8(Buffer.from(bytes, 'latin1'))) return bytes
  return Buffer.from(bytes, 'utf8').toString('latin1')
}

/** The message for the wire. */
export function messageOf(bytes: string): Buffer {
  return Buffer.from(bytes, 'latin1')
}
