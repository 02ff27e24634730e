import { columnOf, lineOf, nearest, packPosition, type PositionTree } from './position-tree.ts'
import type { Location } from './resource.ts'

/** Where a resource stands in a file. */
export class DocumentLocation implements Location {
  readonly file: string | null
  readonly line: number
  readonly #positions: PositionTree
  /** Lines between the positions and where the document stands now. */
  readonly #offset: number

  constructor(file: string | null, positions: PositionTree, offset = 0) {
    this.file = file
    this.line = lineOf(positions) + offset
    this.#positions = positions
    this.#offset = offset
  }

  /** The same document, `lines` further down. */
  moved(lines: number): DocumentLocation {
    return new DocumentLocation(this.file, this.#positions, this.#offset + lines)
  }

  lineOf(path: readonly (string | number)[]): number {
    return lineOf(nearest(this.#positions, path)) + this.#offset
  }

  columnOf(path: readonly (string | number)[]): number {
    return columnOf(nearest(this.#positions, path))
  }

  /** Every field stands where the other's does. */
  sameAs(other: Location): boolean {
    if (!(other instanceof DocumentLocation)) return false
    if (this.file !== other.file || this.line !== other.line) return false
    if (this.#positions === other.#positions) return this.#offset === other.#offset
    const distance = packPosition(this.#offset - other.#offset, 0)
    return samePositions(this.#positions, other.#positions, distance)
  }
}

/** Positions on the left are `distance` before those on the right. */
function samePositions(left: PositionTree, right: PositionTree, distance: number): boolean {
  if (typeof left === 'number' || typeof right === 'number') {
    return typeof left === 'number' && typeof right === 'number' && left + distance === right
  }
  if (left.at + distance !== right.at || left.items?.length !== right.items?.length) return false
  for (const [index, item] of (left.items ?? []).entries()) {
    const other = right.items?.[index]
    if (other === undefined || !samePositions(item, other, distance)) return false
  }
  const leftFields = Object.entries(left.fields ?? {})
  if (leftFields.length !== Object.keys(right.fields ?? {}).length) return false
  return leftFields.every(([name, field]) => {
    const other = right.fields?.[name]
    return other !== undefined && samePositions(field, other, distance)
  })
}
