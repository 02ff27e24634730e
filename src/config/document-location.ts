import { columnOf, lineOf, nearest, type PositionTree } from './position-tree.ts'
import type { Location } from './resource.ts'

/** Where a resource stands in a file. */
export class DocumentLocation implements Location {
  readonly file: string | null
  readonly line: number
  readonly #positions: PositionTree

  constructor(file: string | null, positions: PositionTree) {
    this.file = file
    this.line = lineOf(positions)
    this.#positions = positions
  }

  lineOf(path: readonly (string | number)[]): number {
    return lineOf(nearest(this.#positions, path))
  }

  columnOf(path: readonly (string | number)[]): number {
    return columnOf(nearest(this.#positions, path))
  }

  /** Every field stands where the other's does. */
  sameAs(other: Location): boolean {
    if (!(other instanceof DocumentLocation)) return false
    return this.file === other.file && samePositions(this.#positions, other.#positions)
  }
}

function samePositions(left: PositionTree, right: PositionTree): boolean {
  if (typeof left === 'number' || typeof right === 'number') return left === right
  if (left.at !== right.at || left.items?.length !== right.items?.length) return false
  for (const [index, item] of (left.items ?? []).entries()) {
    const other = right.items?.[index]
    if (other === undefined || !samePositions(item, other)) return false
  }
  const leftFields = Object.entries(left.fields ?? {})
  if (leftFields.length !== Object.keys(right.fields ?? {}).length) return false
  return leftFields.every(([name, field]) => {
    const other = right.fields?.[name]
    return other !== undefined && samePositions(field, other)
  })
}
