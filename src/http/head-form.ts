import { MAX_REMEMBERED } from './field-block.ts'
import { fieldLines } from './field-lines.ts'
import { KeptLines } from './kept-lines.ts'

/**
 * What messages with the same head have in common on the wire. The same is done to it each time, so
 * what is written begins and ends alike, around what tells of this one message (a request id, a
 * duration).
 */
export class HeadForm {
  /** What was written first, or nothing when that is long. */
  readonly #first: readonly string[]
  /** How many elements of it all messages written so far began with, and ended with. Even. */
  #front: number
  #back: number
  readonly #opening = new KeptLines('first')
  readonly #closing = new KeptLines('last')

  /** `fields` are those of the first message. What filters add may be long. */
  constructor(fields: readonly string[]) {
    let length = 0
    for (const text of fields) length += text.length
    this.#first = length > MAX_REMEMBERED ? [] : fields.slice()
    this.#front = this.#first.length
    this.#back = this.#front
  }

  /** `start`, the lines of `fields`, `end` and the empty line, or null when a field has no line. */
  write(start: string, fields: readonly string[], end: string): string | null {
    const first = this.#first
    const front = this.#sharedFront(fields)
    const back = this.#sharedBack(fields)
    const isOneValue = fields.length - front - back === 2 && fields[front] === first[front]
    const name = isOneValue ? fields[front]! : ''
    if (!this.#opening.take(first, 0, front, name)) return null
    if (!this.#closing.take(first, first.length - back, first.length, name)) return null
    const between = isOneValue
      ? fieldLines.value(fields[front + 1]!)
      : fieldLines.range(fields, front, fields.length - back)
    return between === null ? null : this.#opening.with(start) + between + this.#closing.with(end)
  }

  /** Fewer and fewer, so that the lines are seldom made. */
  #sharedFront(fields: readonly string[]): number {
    const first = this.#first
    const most = this.#front
    let i = 0
    while (i < most && first[i] === fields[i]) i++
    this.#front = i & ~1
    return this.#front
  }

  /** Of those behind the shared front. */
  #sharedBack(fields: readonly string[]): number {
    const first = this.#first
    const front = this.#front
    if (front === first.length) return 0
    const most = Math.min(this.#back, fields.length - front)
    let i = 0
    while (i < most && first[first.length - 1 - i] === fields[fields.length - 1 - i]) i++
    this.#back = i & ~1
    return this.#back
  }
}
