import { copyOf } from '../base/latin1.ts'

/** Names met lately; longer ones are not worth keeping, nor are longer values. */
const MAX_KNOWN_NAMES = 512
const MAX_KNOWN_NAME = 64
const MAX_KNOWN_VALUE = 64
/** To keep a name costs twenty times a look at it: who sends new ones all the time pays for few. */
const MISSES_UNTIL_ANEW = 65_536
/** Of so many other values of a name one takes the place of the kept one. */
const MISSES_UNTIL_OTHER = 64

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const UNSAFE_NAME = /[\0-\x20:\x7f-\uffff]/
const FRAMING = /^(?:connection|content-length|host|transfer-encoding|upgrade)$/i
/** Names of secrets, to which no table holds on, and of what is another in each message. */
const NEVER_KEPT = /auth|cookie|credential|key|pass|secret|session|signature|token|-id$|trace/i
/** Any control but tab, and what latin1 has not. */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const UNSAFE_VALUE = /[\0-\x08\x0a-\x1f\x7f\u0100-\uffff]/

/**
 * Field lines as they go on the wire. What was found safe once is not looked at in every message:
 * names, and of each name one value with its line, as most fields say the same all day. Bounded: when
 * it is full, other names are looked at each time, and after many of those it starts again.
 */
export class FieldLines {
  readonly #names = new Map<string, KnownName>()
  /** Names that were not kept since it is full. */
  #misses = 0

  /** Names that are known. */
  get size(): number {
    return this.#names.size
  }

  /** The value of `name` that is kept, or null. */
  kept(name: string): string | null {
    return this.#names.get(name)?.value ?? null
  }

  /**
   * `name: value` and the line end, or null for what could be read as something else (in a name a
   * control, a blank, a colon or a character beyond ASCII; in a value a control or a character beyond
   * latin1, whose low byte could be CR or LF), and for fields that only the wire may write.
   */
  of(name: string, value: string): string | null {
    const known = this.#names.get(name) ?? this.#learn(name)
    if (known === null) return null
    if (known.value === value) return known.line
    return this.value(value) === null ? null : known.lineOf(value)
  }

  /** `name: `, or null for a name that may not be written. */
  start(name: string): string | null {
    return (this.#names.get(name) ?? this.#learn(name))?.start ?? null
  }

  /** `value`, or null for one that may not be written. */
  value(value: string): string | null {
    return UNSAFE_VALUE.test(value) ? null : value
  }

  /** The lines of `fields[from, to)`, or null when there is none of one of them. */
  range(fields: readonly string[], from: number, to: number): string | null {
    let out = ''
    for (let i = from; i < to; i += 2) {
      const line = this.of(fields[i]!, fields[i + 1]!)
      if (line === null) return null
      out += line
    }
    return out
  }

  #learn(name: string): KnownName | null {
    if (!isSafeName(name)) return null
    if (name.length > MAX_KNOWN_NAME || !this.#hasPlace()) return new KnownName(`${name}: `, false)
    const start = copyOf(`${name}: `)
    const known = new KnownName(start, !NEVER_KEPT.test(name))
    this.#names.set(start.slice(0, name.length), known)
    return known
  }

  #hasPlace(): boolean {
    if (this.#names.size < MAX_KNOWN_NAMES) return true
    if (++this.#misses < MISSES_UNTIL_ANEW) return false
    this.#misses = 0
    this.#names.clear()
    return true
  }
}

class KnownName {
  /** null: none is kept. */
  value: string | null = null
  line = ''

  /** The name with its colon and blank. */
  readonly start: string
  readonly #keeps: boolean
  /** Values that may still come until one is kept. */
  #left = 0

  constructor(start: string, keeps: boolean) {
    this.start = start
    this.#keeps = keeps
  }

  /** `value` is safe. */
  lineOf(value: string): string {
    const line = `${this.start}${value}\r\n`
    if (this.#keeps && --this.#left < 0 && value.length <= MAX_KNOWN_VALUE) this.#keep(value, line)
    return line
  }

  #keep(value: string, line: string): void {
    this.#left = MISSES_UNTIL_OTHER
    this.value = copyOf(value)
    this.line = copyOf(line)
  }
}

/** Field lines are the same for every connection of the process. */
export const fieldLines = new FieldLines()

function isSafeName(name: string): boolean {
  return name !== '' && !UNSAFE_NAME.test(name) && !FRAMING.test(name)
}
