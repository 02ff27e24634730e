import type { KeptHead } from './kept-head.ts'
import type { Spellings } from './spellings.ts'

/**
 * Header fields in the order they arrived.
 *
 * `fields` is flat: name, value, name, value. Names are lower-case; values are the bytes as sent,
 * one latin1 character per byte, without surrounding white space. Repeated names stay repeated.
 */
export class Headers {
  readonly fields: string[]
  /** How the names were spelled, where that is to be kept; null otherwise. */
  spellings: Spellings | null
  /** What `fields` began with, when they came so before; null otherwise. */
  readonly kept: KeptHead | null

  constructor(fields: string[] = [], kept: KeptHead | null = null) {
    this.fields = fields
    this.spellings = null
    this.kept = kept
  }

  /** Fields that came so before. */
  static again(kept: KeptHead): Headers {
    return new Headers(kept.nextFields(), kept)
  }

  /** Number of field lines. */
  get size(): number {
    return this.fields.length >> 1
  }

  /** First value of `name` (lower-case), or null. */
  get(name: string): string | null {
    const fields = this.fields
    for (let i = 0; i < fields.length; i += 2) {
      if (fields[i] === name) return fields[i + 1]!
    }
    return null
  }

  has(name: string): boolean {
    const fields = this.fields
    for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return true
    return false
  }

  /** All values of `name` joined with a comma (what Istio's header match sees), or null. */
  combined(name: string): string | null {
    const fields = this.fields
    let value: string | null = null
    for (let i = 0; i < fields.length; i += 2) {
      if (fields[i] === name) value = value === null ? fields[i + 1]! : `${value},${fields[i + 1]!}`
    }
    return value
  }

  /** Appends a field line. */
  add(name: string, value: string): void {
    this.fields.push(name, value)
  }

  /** Replaces every field line of `name` by one, at the place of the first. */
  set(name: string, value: string): void {
    const fields = this.fields
    for (let i = 0; i < fields.length; i += 2) {
      if (fields[i] === name) {
        fields[i + 1] = value
        this.#removeFrom(i + 2, name)
        return
      }
    }
    fields.push(name, value)
  }

  remove(name: string): void {
    this.#removeFrom(0, name)
  }

  clone(): Headers {
    const copy = new Headers(this.fields.slice())
    copy.spellings = this.spellings
    return copy
  }

  #removeFrom(start: number, name: string): void {
    const fields = this.fields
    let i = start
    while (i < fields.length && fields[i] !== name) i += 2
    if (i >= fields.length) return
    let kept = i
    for (; i < fields.length; i += 2) {
      if (fields[i] === name) continue
      fields[kept] = fields[i]!
      fields[kept + 1] = fields[i + 1]!
      kept += 2
    }
    fields.length = kept
  }
}
