/** Something that can be in one Roster. */
export interface Listed {
  /** Belongs to the roster; -1 outside of one. */
  rosterPlace: number
}

/**
 * A set of objects that come and go by the thousand, in no order. A Set of the engine keeps what it
 * held when it last grew or shrank alive until the next full collection, and its successors with it,
 * once it is old: every connection that was ever in it was promoted and collected the dear way.
 */
export class Roster<T extends Listed> {
  readonly #items: T[] = []

  get size(): number {
    return this.#items.length
  }

  has(item: T): boolean {
    return item.rosterPlace !== -1 && this.#items[item.rosterPlace] === item
  }

  /** `item` is in no other roster. No effect on one that is in this one. */
  add(item: T): void {
    if (this.has(item)) return
    item.rosterPlace = this.#items.length
    this.#items.push(item)
  }

  /** False: it was not in it. */
  delete(item: T): boolean {
    if (!this.has(item)) return false
    const last = this.#items.pop()!
    if (last !== item) {
      this.#items[item.rosterPlace] = last
      last.rosterPlace = item.rosterPlace
    }
    item.rosterPlace = -1
    return true
  }

  /** Those of the moment: what happens to the roster meanwhile does not show. */
  [Symbol.iterator](): ArrayIterator<T> {
    return this.#items.slice()[Symbol.iterator]()
  }
}
