import {
  ANY_BUT_NEWLINE,
  type AsciiSet,
  classSource,
  complement,
  escapedSet,
  foldCase,
  range,
  single,
} from './ascii-set.ts'

/** More character positions than this: not worth proving. */
const MAX_POSITIONS = 256
const MAX_GROUP_DEPTH = 16

/**
 * A native RegExp that accepts exactly the ASCII strings the RE2 expression `pattern` accepts as a
 * whole, and takes time linear in them; null when that cannot be shown. `pattern` must be valid RE2.
 *
 * Shown for expressions in which every next character leaves one way to go: after each position the
 * sets of the characters that may follow are disjoint (Glushkov's automaton is deterministic), `*`
 * and `+` stand behind single characters or classes only, and a group with `?` cannot be empty. A
 * backtracking engine then gives up each alternative at its first character. The source is written
 * from the parsed sets, so RE2 and JavaScript need not agree on any syntax.
 */
export function nativeEquivalent(pattern: string): RegExp | null {
  const parser = new Parser(pattern)
  const root = parser.parse()
  if (root === null || !isUnambiguous(root.first)) return null
  return parser.positions.every((position) => isUnambiguous(position.follow))
    ? new RegExp(`^(?:${root.source})$`)
    : null
}

/** One occurrence of a character set in the expression. */
interface Position {
  readonly set: AsciiSet
  /** Positions that may come next. */
  readonly follow: Set<Position>
}

/** A parsed part of the expression. */
interface Part {
  readonly source: string
  readonly nullable: boolean
  readonly first: ReadonlySet<Position>
  readonly last: ReadonlySet<Position>
}

function isUnambiguous(next: ReadonlySet<Position>): boolean {
  let seen = 0n
  for (const { set } of next) {
    if ((seen & set) !== 0n) return false
    seen |= set
  }
  return true
}

function union(left: ReadonlySet<Position>, right: ReadonlySet<Position>): ReadonlySet<Position> {
  return new Set([...left, ...right])
}

const EMPTY: Part = { source: '', nullable: true, first: new Set(), last: new Set() }

/** Recursive descent over the subset of RE2 that can be shown; null as soon as something else comes. */
class Parser {
  readonly positions: Position[]
  readonly #pattern: string
  readonly #foldsCase: boolean
  #at: number

  constructor(pattern: string) {
    this.positions = []
    this.#pattern = pattern
    this.#foldsCase = pattern.startsWith('(?i)')
    this.#at = this.#foldsCase ? 4 : 0
  }

  parse(): Part | null {
    const part = this.#alternatives(0)
    return this.#at === this.#pattern.length ? part : null
  }

  #alternatives(depth: number): Part | null {
    let result = this.#sequence(depth)
    while (result !== null && this.#take('|')) {
      const other = this.#sequence(depth)
      if (other === null) return null
      result = {
        source: `${result.source}|${other.source}`,
        nullable: result.nullable || other.nullable,
        first: union(result.first, other.first),
        last: union(result.last, other.last),
      }
    }
    return result
  }

  /** One or more items. The whole value must match, so anchors around it say nothing. */
  #sequence(depth: number): Part | null {
    if (depth === 0) this.#take('^')
    let result = EMPTY
    while (this.#at < this.#pattern.length && !this.#atEndOfSequence(depth)) {
      const item = this.#item(depth)
      if (item === null) return null
      result = concatenate(result, item)
    }
    if (depth === 0) this.#take('$')
    return result === EMPTY ? null : result
  }

  #atEndOfSequence(depth: number): boolean {
    const next = this.#pattern[this.#at]
    return next === '|' || next === ')' || (depth === 0 && next === '$')
  }

  #item(depth: number): Part | null {
    if (this.#take('(')) return this.#group(depth)
    const set = this.#set()
    if (set === null) return null
    const folded = this.#foldsCase ? foldCase(set) : set
    const count = this.#count()
    if (count === null) return null
    let part = this.#position(folded)
    for (let i = 1; part !== null && i < count; i++) {
      const next = this.#position(folded)
      if (next === null) return null
      part = concatenate(part, next)
    }
    if (part === null || count > 1) return part
    return this.#repeated(part)
  }

  #group(depth: number): Part | null {
    if (depth === MAX_GROUP_DEPTH) return null
    this.#take('?:')
    const body = this.#alternatives(depth + 1)
    if (body === null || !this.#take(')')) return null
    const group = { ...body, source: `(?:${body.source})` }
    const next = this.#pattern[this.#at]
    if (next === '*' || next === '+' || next === '{') return null
    if (!this.#take('?')) return group
    this.#take('?')
    return group.nullable ? null : { ...group, source: `${group.source}?`, nullable: true }
  }

  /** `*`, `+` or `?` behind a single position; laziness changes which match is found, not whether. */
  #repeated(part: Part): Part {
    const quantifier = this.#pattern[this.#at]
    if (quantifier !== '*' && quantifier !== '+' && quantifier !== '?') return part
    this.#at++
    this.#take('?')
    if (quantifier !== '?') for (const position of part.last) position.follow.add(position)
    return {
      ...part,
      source: part.source + quantifier,
      nullable: quantifier !== '+',
    }
  }

  /** `{n}`; 1 when there is none, null for the other forms. */
  #count(): number | null {
    if (this.#pattern[this.#at] !== '{') return 1
    const close = this.#pattern.indexOf('}', this.#at)
    const digits = this.#pattern.slice(this.#at + 1, close)
    if (close === -1 || !/^[1-9]\d{0,2}$/.test(digits)) return null
    this.#at = close + 1
    const next = this.#pattern[this.#at]
    return next === '?' || next === '*' || next === '+' || next === '{' ? null : Number(digits)
  }

  #position(set: AsciiSet): Part | null {
    if (set === 0n || this.positions.length === MAX_POSITIONS) return null
    const position: Position = { set, follow: new Set() }
    this.positions.push(position)
    const only = new Set([position])
    return { source: classSource(set), nullable: false, first: only, last: only }
  }

  #set(): AsciiSet | null {
    const character = this.#pattern[this.#at++]!
    if (character === '.') return ANY_BUT_NEWLINE
    if (character === '[') return this.#class()
    if (character === '\\') return escapedSet(this.#pattern[this.#at++] ?? '')
    if (/[\^$*+?{}()|\]]/.test(character)) return null
    const code = character.charCodeAt(0)
    return code < 0x80 ? single(code) : null
  }

  /** Behind `[`. */
  #class(): AsciiSet | null {
    const negated = this.#take('^')
    let set = 0n
    let first = true
    while (first || !this.#take(']')) {
      first = false
      const low = this.#classMember()
      if (low === null) return null
      if (this.#pattern[this.#at] !== '-' || this.#pattern[this.#at + 1] === ']') {
        set |= low.set
        continue
      }
      this.#at++
      const high = this.#classMember()
      if (high === null || low.code === null || high.code === null || low.code > high.code)
        return null
      set |= range(low.code, high.code)
    }
    if (this.#foldsCase) set = foldCase(set)
    return negated ? complement(set) : set
  }

  /** A character (with its code) or an escaped set (code null). */
  #classMember(): { set: AsciiSet; code: number | null } | null {
    const character = this.#pattern[this.#at++]
    if (character === undefined || character === '[') return null
    if (character === '\\') {
      const escaped = this.#pattern[this.#at++] ?? ''
      const set = escapedSet(escaped)
      if (set === null) return null
      return { set, code: /[a-z]/i.test(escaped) ? null : escaped.charCodeAt(0) }
    }
    const code = character.charCodeAt(0)
    return code < 0x80 ? { set: single(code), code } : null
  }

  #take(text: string): boolean {
    if (!this.#pattern.startsWith(text, this.#at)) return false
    this.#at += text.length
    return true
  }
}

function concatenate(left: Part, right: Part): Part {
  for (const position of left.last) for (const next of right.first) position.follow.add(next)
  return {
    source: left.source + right.source,
    nullable: left.nullable && right.nullable,
    first: left.nullable ? union(left.first, right.first) : left.first,
    last: right.nullable ? union(left.last, right.last) : right.last,
  }
}
