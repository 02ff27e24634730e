import { copyOf } from '../base/latin1.ts'
import { MAX_REMEMBERED } from './field-block.ts'
import { fieldLines } from './field-lines.ts'
import { KeptLines } from './kept-lines.ts'

/** Start line and Host of a request, and what they were made of. */
export interface WrittenStart {
  readonly method: string
  readonly target: string
  readonly authority: string
  readonly text: string
}

/**
 * A head that comes again and again: its fields, and what went on the wire for it. The same is done to
 * it each time, so what is written begins and ends alike, around what tells of this one message (a
 * request id, a duration).
 */
export class KeptHead {
  /** As they came. */
  readonly fields: readonly string[]
  /** null: was not written, is long, or is an answer's. */
  start: WrittenStart | null = null

  /** What was written first, or nothing when that is long; null: nothing was written. */
  #first: readonly string[] | null = null
  /** How many elements of it all messages written so far began with, and ended with. Even. */
  #front = 0
  #back = 0
  readonly #opening = new KeptLines('first')
  readonly #closing = new KeptLines('last')

  constructor(fields: readonly string[]) {
    // Names are those that all messages share.
    const own = fields.map((text, i) => (i % 2 === 0 ? text : copyOf(text)))
    // An empty array is one of small integers until it had something else: copies would change their kind.
    own.push('')
    own.pop()
    this.fields = own
  }

  /** `start`, the lines of `fields`, `end` and the empty line, or null when a field has no line. */
  write(start: string, fields: readonly string[], end: string): string | null {
    const first = this.#first ?? this.#begin(fields)
    const front = this.#opening.take(first, 0, this.#sharedFront(first, fields))
    const back = this.#closing.take(
      first,
      first.length - this.#sharedBack(first, fields),
      first.length,
    )
    const middle = fieldLines.range(fields, front, fields.length - back)
    return middle === null ? null : this.#opening.with(start) + middle + this.#closing.with(end)
  }

  /** What filters add may be long. */
  #begin(fields: readonly string[]): readonly string[] {
    let length = 0
    for (const text of fields) length += text.length
    const first = length > MAX_REMEMBERED ? [] : fields.slice()
    this.#front = first.length
    this.#back = first.length
    this.#first = first
    return first
  }

  /** Fewer and fewer, so that the lines are seldom made. */
  #sharedFront(first: readonly string[], fields: readonly string[]): number {
    const most = this.#front
    let i = 0
    while (i < most && first[i] === fields[i]) i++
    this.#front = i & ~1
    return this.#front
  }

  /** Of those behind the shared front. */
  #sharedBack(first: readonly string[], fields: readonly string[]): number {
    const front = this.#front
    if (front === first.length) return 0
    const most = Math.min(this.#back, fields.length - front)
    let i = 0
    while (i < most && first[first.length - 1 - i] === fields[fields.length - 1 - i]) i++
    this.#back = i & ~1
    return this.#back
  }
}
