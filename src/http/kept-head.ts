import { copyOf } from '../base/latin1.ts'
import { MAX_REMEMBERED } from './field-block.ts'
import { fieldLines } from './field-lines.ts'

/** Start line and Host of a request, and what they were made of. */
export interface WrittenStart {
  readonly method: string
  readonly target: string
  readonly authority: string
  readonly text: string
}

/**
 * A head that comes again and again: its fields, and what went on the wire for it. The same is done to
 * it each time, so the fields it is written with begin alike, up to the first that tells of this one
 * message (a request id).
 */
export class KeptHead {
  /** As they came. */
  readonly fields: readonly string[]
  /** null: was not written, is long, or is an answer's. */
  start: WrittenStart | null = null
  /** What all messages written so far began with; null: none was. */
  #same: string[] | null = null
  /** The lines of those, MAX_REMEMBERED characters at most; null: to be made. */
  #lines: string | null = null

  constructor(fields: readonly string[]) {
    // Names are those that all messages share.
    const own = fields.map((text, i) => (i % 2 === 0 ? text : copyOf(text)))
    // An empty array is one of small integers until it had something else: copies would change their kind.
    own.push('')
    own.pop()
    this.fields = own
  }

  /** As `fieldLines.all`, of all of `fields`. */
  write(fields: readonly string[]): string | null {
    const same = this.#sameOf(fields)
    if (this.#lines === null) {
      const lines = fieldLines.all(same, 0)
      // What filters add may be long.
      if (lines === null || lines.length > MAX_REMEMBERED) {
        same.length = 0
        this.#lines = ''
      } else this.#lines = copyOf(lines)
    }
    const rest = fieldLines.all(fields, same.length)
    return rest === null ? null : this.#lines + rest
  }

  /** What `fields` has in common with all before: less and less, so that the lines are seldom made. */
  #sameOf(fields: readonly string[]): string[] {
    const same = this.#same
    if (same === null) return (this.#same = fields.slice())
    let i = 0
    while (i < same.length && same[i] === fields[i]) i++
    if (i < same.length) {
      same.length = i & ~1
      this.#lines = null
    }
    return same
  }
}
