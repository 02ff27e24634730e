import { copyOf } from '../base/latin1.ts'
import { MAX_REMEMBERED } from './field-block.ts'
import { fieldLines } from './field-lines.ts'

/**
 * Field lines that stay the same, and the text beside them that mostly does: a start line in front of
 * the first ones, framing and the empty line behind the last ones. Both are one text from the second
 * time on that they met.
 */
export class KeptLines {
  readonly #isFirst: boolean
  #from = 0
  #to = 0
  #lines = ''
  #beside = ''
  /** '': the next one is made of its two parts. */
  #joined = ''

  constructor(place: 'first' | 'last') {
    this.#isFirst = place === 'first'
  }

  /**
   * The lines are those of `fields[from, to)`, and of these alone: an index always names the same one.
   * How many elements of it they stand for: none when one has no line.
   */
  take(fields: readonly string[], from: number, to: number): number {
    if (from !== this.#from || to !== this.#to) this.#make(fields, from, to)
    return this.#lines === '' ? 0 : to - from
  }

  #make(fields: readonly string[], from: number, to: number): void {
    this.#from = from
    this.#to = to
    this.#lines = copyOf(fieldLines.range(fields, from, to) ?? '')
    this.#joined = ''
  }

  /** The lines with the start line or framing `beside`. */
  with(beside: string): string {
    const isSame = beside === this.#beside
    if (isSame && this.#joined !== '') return this.#joined
    const text = this.#isFirst ? beside + this.#lines : `${this.#lines}${beside}\r\n`
    if (text.length > MAX_REMEMBERED) return text
    this.#beside = beside
    this.#joined = isSame ? copyOf(text) : ''
    return text
  }
}
