import { ConnectionOptions } from './connection-options.ts'
import { FieldBlock } from './field-block.ts'
import { framedLength, NO_FRAMING } from './framing.ts'
import { Headers } from './headers.ts'
import {
  BAD_CONNECTION,
  BAD_CONTROL,
  BAD_START_LINE,
  BAD_TRANSFER_ENCODING,
  REPEATED_FIELD,
} from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { UNKNOWN_LENGTH } from './request.ts'
import { hasForbiddenControl } from './request-head.ts'
import { readSpellings } from './spellings.ts'

/** The body ends where the connection ends. */
export const CLOSE_DELIMITED = 2
export const CHUNKED = 1
export const FIXED_LENGTH = 0

/**
 * Reads response heads of one upstream connection as strictly as requests. One instance per
 * connection; its members describe the head read last.
 */
export class ResponseHeadParser {
  status = 0
  headers = new Headers()
  /** Bytes of body as the framing tells, whether or not a body follows; UNKNOWN_LENGTH else. */
  length = 0
  framing: number = FIXED_LENGTH
  /** The connection takes no further request. */
  closes = false
  /** Lower-case protocol of a 101 that names one in Upgrade and Connection, or null. */
  upgrade: string | null = null
  /** Set before a head is read: keep the spelling of its names, as those of the request were kept. */
  keepsSpellings = false
  /** `timeout` of Keep-Alive in milliseconds, or -1. */
  keepAliveMs = -1

  readonly #maxFields: number
  readonly #block = new FieldBlock()
  readonly #options = new ConnectionOptions()

  constructor(maxFields: number) {
    this.#maxFields = maxFields
  }

  /** The Connection field as it came, or null. */
  get connection(): string | null {
    return this.#block.connection
  }

  /** `end` is the index of the CRLF closing the last line. null: the members are set. */
  parse(text: string, end: number): Refusal | null {
    const head = text.slice(0, end + 2)
    const block = this.#block
    const lineEnd = head.indexOf('\r\n')
    const repeated = block.repeats(head, lineEnd + 2)
    if (hasForbiddenControl(repeated ? head.slice(0, lineEnd + 2) : head)) return BAD_CONTROL
    const old = this.#readStatusLine(head, lineEnd)
    if (old === null) return BAD_START_LINE
    if (repeated) block.repeat()
    else {
      const refusal = block.read(head, lineEnd + 2, this.#maxFields, 'allow')
      // A repeated Content-Type is the backend's business; framing fields are checked below.
      if (refusal !== null && refusal !== REPEATED_FIELD) return refusal
    }
    if (!this.#options.read(block)) return BAD_CONNECTION
    this.closes = this.#options.close || (old && !this.#options.keepAlive)
    this.upgrade = this.#options.upgrade && block.upgrade ? block.upgrade.toLowerCase() : null
    this.keepAliveMs = block.keepAlive === null ? -1 : keepAliveTimeout(block.keepAlive)
    this.headers = new Headers(block.fields)
    if (this.keepsSpellings) this.headers.spellings = readSpellings(head, lineEnd + 2)
    return this.#readFraming(old)
  }

  #readFraming(old: boolean): Refusal | null {
    const length = framedLength(this.#block)
    if (typeof length !== 'number') return length
    if (old && length === UNKNOWN_LENGTH) return BAD_TRANSFER_ENCODING
    this.length = length === NO_FRAMING ? UNKNOWN_LENGTH : length
    this.framing = length === NO_FRAMING ? CLOSE_DELIMITED : length < 0 ? CHUNKED : FIXED_LENGTH
    return null
  }

  /** `HTTP/1.x SP 3DIGIT [SP reason]`: whether it is HTTP/1.0, or null when malformed. */
  #readStatusLine(head: string, lineEnd: number): boolean | null {
    if (!head.startsWith('HTTP/1.') || head.charCodeAt(8) !== 0x20) return null
    const minor = head.charCodeAt(7) - 0x30
    if (minor < 0 || minor > 9) return null
    if (lineEnd !== 12 && (lineEnd < 13 || head.charCodeAt(12) !== 0x20)) return null
    let status = 0
    for (let i = 9; i < 12; i++) {
      const digit = head.charCodeAt(i) - 0x30
      if (digit < 0 || digit > 9) return null
      status = status * 10 + digit
    }
    if (status < 100) return null
    this.status = status
    return minor === 0
  }
}

const MAX_KEEP_ALIVE_MS = 86_400_000
const TIMEOUT = 'timeout='

function keepAliveTimeout(text: string): number {
  for (const part of text.split(',')) {
    const item = part.trim().toLowerCase()
    if (!item.startsWith(TIMEOUT)) continue
    const seconds = Number(item.slice(TIMEOUT.length))
    return seconds >= 0 ? Math.min(seconds * 1000, MAX_KEEP_ALIVE_MS) : -1
  }
  return -1
}
