import { copyOf } from '../base/latin1.ts'
import { fieldLines } from './field-lines.ts'

/** Start line and Host of a request, and what they were made of. */
export interface WrittenStart {
  readonly method: string
  readonly target: string
  readonly authority: string
  readonly text: string
}

/** A head that comes again and again: its fields, and how it went on the wire the last time. */
export class KeptHead {
  readonly fields: readonly string[]
  /** null: was not written, or is an answer's. */
  start: WrittenStart | null = null
  /** null: were not written. */
  #lines: string | null = null

  constructor(fields: readonly string[]) {
    // Names are those that all messages share.
    this.fields = fields.map((text, i) => (i % 2 === 0 ? text : copyOf(text)))
  }

  /** Whether `fields` begins with these: nobody changed them since. */
  begins(fields: readonly string[]): boolean {
    const own = this.fields
    if (fields.length < own.length) return false
    for (let i = 0; i < own.length; i++) if (fields[i] !== own[i]) return false
    return true
  }

  /** Lines of these fields, or null when there is none of one of them. */
  lines(): string | null {
    if (this.#lines !== null) return this.#lines
    const lines = fieldLines.all(this.fields, 0)
    if (lines !== null) this.#lines = copyOf(lines)
    return lines
  }
}
