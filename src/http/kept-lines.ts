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
  #name = ''
  /** null: they may not be written. */
  #lines: string | null = ''
  #beside = ''
  /** '': the next one is made of its two parts. */
  #joined = ''

  constructor(place: 'first' | 'last') {
    this.#isFirst = place === 'first'
  }

  /**
   * The lines are those of `fields[from, to)`, and of these alone: an index always names the same one.
   * `name` is that of the one field between the first and the last ones, where its value alone is
   * written there: its start belongs to the first, its end to the last. '': whole lines are.
   * False: one of them has no line.
   */
  take(fields: readonly string[], from: number, to: number, name: string): boolean {
    if (from !== this.#from || to !== this.#to || name !== this.#name)
      this.#make(fields, from, to, name)
    return this.#lines !== null
  }

  #make(fields: readonly string[], from: number, to: number, name: string): void {
    this.#from = from
    this.#to = to
    this.#name = name
    const lines = fieldLines.range(fields, from, to)
    const edge = name === '' ? '' : this.#isFirst ? fieldLines.start(name) : '\r\n'
    this.#lines =
      lines === null || edge === null ? null : copyOf(this.#isFirst ? lines + edge : edge + lines)
    this.#joined = ''
  }

  /** The lines with the start line or framing `beside`. */
  with(beside: string): string {
    const isSame = beside === this.#beside
    if (isSame && this.#joined !== '') return this.#joined
    const lines = this.#lines ?? ''
    const text = this.#isFirst ? beside + lines : `${lines}${beside}\r\n`
    if (text.length > MAX_REMEMBERED) return text
    this.#beside = beside
    this.#joined = isSame ? copyOf(text) : ''
    return text
  }
}
