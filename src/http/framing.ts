import { UNKNOWN_LENGTH } from './request.ts'
import type { FieldBlock } from './field-block.ts'
import {
  BAD_CONTENT_LENGTH,
  BAD_TRANSFER_ENCODING,
  LENGTH_AND_ENCODING,
  UNKNOWN_TRANSFER_CODING,
} from './refusal.ts'
import type { Refusal } from './refusal.ts'

/** 15 digits stay exact in a double. */
export const MAX_LENGTH_DIGITS = 15

/** No Content-Length and no Transfer-Encoding. */
export const NO_FRAMING = -2

/**
 * Body length as the framing fields say it: bytes, UNKNOWN_LENGTH for chunked, NO_FRAMING when
 * there are none, or why they cannot be trusted. Both at once, repeated or odd values are refused
 * rather than repaired (RFC 9112 6.3 and 11.2).
 */
export function framedLength(block: FieldBlock): number | Refusal {
  if (block.transferEncodingCount === 0) {
    if (block.contentLengthCount === 0) return NO_FRAMING
    if (block.contentLengthCount > 1) return BAD_CONTENT_LENGTH
    return parseLength(block.contentLength!)
  }
  if (block.contentLengthCount > 0) return LENGTH_AND_ENCODING
  if (block.transferEncodingCount > 1) return BAD_TRANSFER_ENCODING
  const coding = block.transferEncoding!
  if (coding === 'chunked' || coding.toLowerCase() === 'chunked') return UNKNOWN_LENGTH
  return isCodingList(coding) ? UNKNOWN_TRANSFER_CODING : BAD_TRANSFER_ENCODING
}

function parseLength(text: string): number | Refusal {
  if (text.length === 0 || text.length > MAX_LENGTH_DIGITS) return BAD_CONTENT_LENGTH
  let length = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return BAD_CONTENT_LENGTH
    length = length * 10 + digit
  }
  return length
}

/** Letters, digits and list punctuation: something a newer protocol might mean, not an attack. */
function isCodingList(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    const letter = code | 0x20
    const known =
      (letter >= 0x61 && letter <= 0x7a) ||
      (code >= 0x30 && code <= 0x39) ||
      code === 0x2d ||
      code === 0x2c ||
      code === 0x20 ||
      code === 0x3b ||
      code === 0x3d
    if (!known) return false
  }
  return text.length > 0
}
