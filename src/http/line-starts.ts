import { copyOf } from '../base/latin1.ts'

/** Names met lately. Longer ones are not worth keeping. */
const MAX_LINE_STARTS = 512
const MAX_KEPT_NAME = 64
/** To keep a name costs twenty times a look at it: who sends new ones all the time pays for few. */
const MISSES_UNTIL_ANEW = 65_536

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const UNSAFE_NAME = /[\0-\x20:\x7f-\uffff]/
const FRAMING = /^(?:connection|content-length|host|transfer-encoding|upgrade)$/i

/**
 * `name: ` of field names that may be written: looked at once and not in every message. Bounded: when
 * it is full, other names are looked at each time, and after many of those it starts again.
 */
export class LineStarts {
  readonly #starts = new Map<string, string>()
  /** Names that were not kept since it is full. */
  #misses = 0

  get size(): number {
    return this.#starts.size
  }

  /**
   * null for a name that could be read as something else (a control, a blank, a colon, a character
   * beyond ASCII), and for fields that only the wire may write.
   */
  of(name: string): string | null {
    return this.#starts.get(name) ?? this.#learn(name)
  }

  #learn(name: string): string | null {
    if (!isSafeName(name)) return null
    if (name.length > MAX_KEPT_NAME || !this.#hasPlace()) return `${name}: `
    const start = copyOf(`${name}: `)
    this.#starts.set(start.slice(0, name.length), start)
    return start
  }

  #hasPlace(): boolean {
    if (this.#starts.size < MAX_LINE_STARTS) return true
    if (++this.#misses < MISSES_UNTIL_ANEW) return false
    this.#misses = 0
    this.#starts.clear()
    return true
  }
}

/** Field names are the same for every connection of the process. */
export const lineStarts = new LineStarts()

function isSafeName(name: string): boolean {
  return name !== '' && !UNSAFE_NAME.test(name) && !FRAMING.test(name)
}
