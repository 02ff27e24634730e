import { isUtf8 } from 'node:buffer'

/**
 * Header values and paths are strings of bytes (one latin1 character per byte); configuration is
 * text. Text is compared as the bytes of its UTF-8 form.
 */
export function toBytes(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

/** The text that `bytes` spells: UTF-8 when it is valid UTF-8, else one character per byte. */
export function fromBytes(bytes: string): string {
  if (isAscii(bytes)) return bytes
  const buffer = Buffer.from(bytes, 'latin1')
  return isUtf8(buffer) ? buffer.toString('utf8') : bytes
}

const NOT_ASCII = /[^\0-\x7f]/

export function isAscii(text: string): boolean {
  return !NOT_ASCII.test(text)
}

/**
 * Percent-encodes everything but visible ASCII: white space, controls and bytes beyond would end
 * or split a request line or a URL in a header.
 */
export function encodeUnsafe(bytes: string): string {
  return bytes.replace(
    /[^!-~]/g,
    (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
}

/** A string of its own: a part of a larger one would keep all of that alive. latin1. */
export function copyOf(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}
