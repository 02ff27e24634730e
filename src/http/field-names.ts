import { copyOf } from '../base/latin1.ts'
import { isToken } from './field-syntax.ts'

/** What the codec does with a field. Small integers: switched on once per field line. */
export const ORDINARY = 0
export const HOST = 1
export const CONTENT_LENGTH = 2
export const TRANSFER_ENCODING = 3
export const CONNECTION = 4
export const UPGRADE = 5
export const TE = 6
export const EXPECT = 7
export const KEEP_ALIVE = 8
/** Hop-by-hop without meaning for us: dropped. */
export const DROPPED = 9
export const AUTHORIZATION = 10
export const CONTENT_TYPE = 11

export class FieldName {
  /** Lower-case. */
  readonly text: string
  readonly kind: number
  readonly hasUnderscore: boolean

  constructor(text: string, kind: number) {
    this.text = text
    this.kind = kind
    this.hasUnderscore = text.indexOf('_') !== -1
  }
}

const SPECIAL: readonly (readonly [string, number])[] = [
  ['Host', HOST],
  ['Content-Length', CONTENT_LENGTH],
  ['Transfer-Encoding', TRANSFER_ENCODING],
  ['Connection', CONNECTION],
  ['Upgrade', UPGRADE],
  ['TE', TE],
  ['Expect', EXPECT],
  ['Keep-Alive', KEEP_ALIVE],
  ['Proxy-Connection', DROPPED],
  ['HTTP2-Settings', DROPPED],
  ['Authorization', AUTHORIZATION],
  ['Content-Type', CONTENT_TYPE],
]

const SPECIAL_KINDS: ReadonlyMap<string, number> = new Map(
  SPECIAL.map(([name, kind]) => [name.toLowerCase(), kind]),
)

/** Names seen lately, as spelled. Longer ones are not worth keeping. */
const MAX_CACHED_NAMES = 512
const MAX_CACHED_LENGTH = 64
/** A power of two. */
const SLOTS = 1_024
const COLON = 0x3a

/**
 * Lower-cases and classifies field names, and remembers the spellings it met: a client repeats the
 * same few names. Bounded: when strangers fill it, it starts again.
 */
export class FieldNameCache {
  /** After read: index of the colon behind the name. */
  colon = 0
  readonly #names = new Map<string, FieldName>()
  /** What read met last in each slot of a table by hash. */
  readonly #spellings: string[] = Array.from({ length: SLOTS }, () => '')
  readonly #bySlot: (FieldName | null)[] = Array.from({ length: SLOTS }, () => null)

  get size(): number {
    return this.#names.size
  }

  /** null when `raw` is not a token. */
  find(raw: string): FieldName | null {
    return this.#names.get(raw) ?? this.#learn(raw)
  }

  /**
   * Reads the name at `start`, which a colon before `end` closes; null when there is none, or it is
   * no token. A name met before costs one look at each of its characters and no string of its own.
   */
  read(text: string, start: number, end: number): FieldName | null {
    let hash = 0
    let at = start
    for (; at < end; at++) {
      const code = text.charCodeAt(at)
      if (code === COLON) break
      hash = (Math.imul(hash, 31) + code) | 0
    }
    if (at === end) return null
    this.colon = at
    const slot = hash & (SLOTS - 1)
    const seen = this.#spellings[slot]!
    if (seen.length === at - start && seen.length > 0 && text.startsWith(seen, start)) {
      return this.#bySlot[slot]!
    }
    const raw = copyOf(text.slice(start, at))
    const name = this.find(raw)
    if (name !== null && raw.length <= MAX_CACHED_LENGTH) {
      this.#spellings[slot] = raw
      this.#bySlot[slot] = name
    }
    return name
  }

  #learn(raw: string): FieldName | null {
    if (!isToken(raw)) return null
    const text = raw.toLowerCase()
    const name = new FieldName(text, SPECIAL_KINDS.get(text) ?? ORDINARY)
    if (raw.length > MAX_CACHED_LENGTH) return name
    if (this.#names.size >= MAX_CACHED_NAMES) this.#names.clear()
    this.#names.set(copyOf(raw), name)
    return name
  }
}

/** Field names are the same for every connection of the process. */
export const fieldNames = new FieldNameCache()
