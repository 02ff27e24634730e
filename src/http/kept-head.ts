import { copyOf } from '../base/latin1.ts'
import { HeadForm } from './head-form.ts'

/** Start line and Host of a request, and what they were made of. */
export interface WrittenStart {
  readonly method: string
  readonly target: string
  readonly authority: string
  readonly text: string
}

/** Messages after which the form is made anew: what changes seldom (a date) is part of it again. */
const MESSAGES_PER_FORM = 1_024
/** Fields for which a message has room, so that adding a few does not move all of them. */
const ROOM = 5

/** A head that comes again and again: its fields, and what went on the wire for it. */
export class KeptHead {
  /** null: was not written, is long, or is an answer's. */
  start: WrittenStart | null = null

  /** As they came, and behind them room for others. */
  readonly #padded: readonly string[]
  /** null: nothing was written. */
  #form: HeadForm | null = null
  /** Messages that the form is still good for. */
  #left = 0

  /** `fields` as they came. */
  constructor(fields: readonly string[]) {
    // Names are those that all messages share.
    const own = fields.map((text, i) => (i % 2 === 0 ? text : copyOf(text)))
    for (let i = 0; i < ROOM; i++) own.push('', '')
    this.#padded = own
  }

  /** As they came, for a message of its own. */
  nextFields(): string[] {
    const fields = this.#padded.slice()
    // Taking elements off keeps their places; setting the length calls into the engine.
    for (let i = 0; i < ROOM; i++) {
      fields.pop()
      fields.pop()
    }
    return fields
  }

  /** `start`, the lines of `fields`, `end` and the empty line, or null when a field has no line. */
  write(start: string, fields: readonly string[], end: string): string | null {
    let form = this.#form
    if (form === null || this.#left === 0) {
      form = new HeadForm(fields)
      this.#form = form
      this.#left = MESSAGES_PER_FORM
    }
    this.#left--
    return form.write(start, fields, end)
  }
}
