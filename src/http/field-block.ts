import {
  AUTHORIZATION,
  CONNECTION,
  CONTENT_LENGTH,
  CONTENT_TYPE,
  DROPPED,
  EXPECT,
  fieldNames,
  HOST,
  KEEP_ALIVE,
  ORDINARY,
  TE,
  TRANSFER_ENCODING,
  UPGRADE,
} from './field-names.ts'
import { REPEATED_FIELD, BAD_FIELD_NAME, TOO_MANY_FIELDS, UNDERSCORE_NAME } from './refusal.ts'
import type { Refusal } from './refusal.ts'

/** What to do with field names that hold `_`: backends that map `-` to `_` cannot tell them apart. */
export type UnderscoreNames = 'reject' | 'drop' | 'allow'

/** Characters of the longest head that a connection remembers. */
export const MAX_REMEMBERED = 2_048

/**
 * The field lines of one message: ordinary ones in `fields` (name, value, ...), those that belong
 * to this hop in members of their own. Lists that came in several lines are joined with a comma.
 */
export class FieldBlock {
  fields: string[] = []
  host: string | null = null
  hostCount = 0
  contentLength: string | null = null
  contentLengthCount = 0
  transferEncoding: string | null = null
  transferEncodingCount = 0
  connection: string | null = null
  upgrade: string | null = null
  te: string | null = null
  expect: string | null = null
  keepAlive: string | null = null
  /** Authorization or Content-Type came twice. */
  repeatedSingleton = false

  #authorized = false
  #typed = false
  /**
   * Length of the lines read last. Their text and fields from the second time on that lines of this
   * length came: a connection that is used once keeps nothing.
   */
  #lastLength = 0
  #lastText = ''
  #lastFields: readonly string[] = []

  /**
   * Whether the lines behind `start` are those read last, to the letter: a peer repeats itself on a
   * connection (what HPACK makes use of). Then `repeat` takes over what was read.
   */
  repeats(text: string, start: number): boolean {
    const last = this.#lastText
    return last !== '' && text.length - start === last.length && text.slice(start) === last
  }

  /** Instead of `read`, when the lines are those read last. */
  repeat(): void {
    this.fields = this.#lastFields.slice()
  }

  /** `fields` is handed to the message, so it starts anew; the rest is forgotten. */
  #reset(): void {
    this.#lastText = ''
    this.fields = []
    this.host = null
    this.hostCount = 0
    this.contentLength = null
    this.contentLengthCount = 0
    this.transferEncoding = null
    this.transferEncodingCount = 0
    this.connection = null
    this.upgrade = null
    this.te = null
    this.expect = null
    this.keepAlive = null
    this.repeatedSingleton = false
    this.#authorized = false
    this.#typed = false
  }

  /**
   * Reads the lines behind `start`, each closed by CRLF (checked before, as is the absence of other
   * controls). Obsolete folding and white space before the colon fail as bad names.
   */
  read(
    text: string,
    start: number,
    maxFields: number,
    underscores: UnderscoreNames,
  ): Refusal | null {
    this.#reset()
    const refusal = this.#parse(text, start, maxFields, underscores)
    if (refusal === null) this.#remember(text, start)
    return refusal
  }

  #remember(text: string, start: number): void {
    const length = text.length - start
    const seemsTwice = length === this.#lastLength
    this.#lastLength = length
    if (!seemsTwice || text.length > MAX_REMEMBERED) return
    this.#lastText = text.slice(start)
    this.#lastFields = this.fields.slice()
  }

  #parse(
    text: string,
    start: number,
    maxFields: number,
    underscores: UnderscoreNames,
  ): Refusal | null {
    let count = 0
    let at = start
    while (at < text.length) {
      const lineEnd = text.indexOf('\r\n', at)
      const name = fieldNames.read(text, at, lineEnd)
      if (name === null) return BAD_FIELD_NAME
      const colon = fieldNames.colon
      if (++count > maxFields) return TOO_MANY_FIELDS
      at = lineEnd + 2
      if (name.hasUnderscore && underscores !== 'allow') {
        if (underscores === 'reject') return UNDERSCORE_NAME
        continue
      }
      const value = trimmed(text, colon + 1, lineEnd)
      if (name.kind === ORDINARY) this.fields.push(name.text, value)
      else this.#special(name.kind, name.text, value)
    }
    return this.repeatedSingleton ? REPEATED_FIELD : null
  }

  #special(kind: number, name: string, value: string): void {
    switch (kind) {
      case HOST:
        this.host = value
        this.hostCount++
        break
      case CONTENT_LENGTH:
        this.contentLength = value
        this.contentLengthCount++
        break
      case TRANSFER_ENCODING:
        this.transferEncoding = value
        this.transferEncodingCount++
        break
      case CONNECTION:
        this.connection = joined(this.connection, value)
        break
      case UPGRADE:
        this.upgrade = joined(this.upgrade, value)
        break
      case TE:
        this.te = joined(this.te, value)
        break
      case EXPECT:
        this.expect = joined(this.expect, value)
        break
      case KEEP_ALIVE:
        this.keepAlive = joined(this.keepAlive, value)
        break
      case AUTHORIZATION:
        if (this.#authorized) this.repeatedSingleton = true
        this.#authorized = true
        this.fields.push(name, value)
        break
      case CONTENT_TYPE:
        if (this.#typed) this.repeatedSingleton = true
        this.#typed = true
        this.fields.push(name, value)
        break
      case DROPPED:
        break
    }
  }

  /** Takes a field out of the ordinary ones: Connection named it. */
  drop(name: string): void {
    const fields = this.fields
    let kept = 0
    for (let i = 0; i < fields.length; i += 2) {
      if (fields[i] === name) continue
      fields[kept] = fields[i]!
      fields[kept + 1] = fields[i + 1]!
      kept += 2
    }
    fields.length = kept
  }
}

function joined(before: string | null, value: string): string {
  return before === null ? value : `${before},${value}`
}

/** Text between `start` and `end` without surrounding spaces and tabs. */
function trimmed(text: string, start: number, end: number): string {
  let from = start
  let to = end
  while (from < to && isBlank(text.charCodeAt(from))) from++
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--
  return text.slice(from, to)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}
