/** Names met lately. Longer ones are not worth keeping. */
const MAX_LINE_STARTS = 512
const MAX_KEPT_NAME = 64

/**
 * `name: ` of field names that may be written: looked at once and not in every message. Bounded: when
 * strangers fill it, it starts again.
 */
export class LineStarts {
  readonly #starts = new Map<string, string>()

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
    if (name.length > MAX_KEPT_NAME) return `${name}: `
    if (this.#starts.size >= MAX_LINE_STARTS) this.#starts.clear()
    const start = flat(`${name}: `)
    this.#starts.set(start.slice(0, name.length), start)
    return start
  }
}

/** Field names are the same for every connection of the process. */
export const lineStarts = new LineStarts()

function isSafeName(name: string): boolean {
  if (name.length === 0) return false
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    if (code <= 0x20 || code >= 0x7f || code === 0x3a) return false
  }
  return !FRAMING.has(name.toLowerCase())
}

const FRAMING: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'host',
  'transfer-encoding',
  'upgrade',
])

/** A string of its own: parts would keep the head they came from alive. ASCII. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}
