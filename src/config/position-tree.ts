/**
 * Where every field of a document stands, kept small: a scalar is one packed number, a mapping or
 * list a node with its children. Fields stand where their key is written.
 */
export type PositionTree = number | PositionNode

export interface PositionNode {
  readonly at: number
  readonly fields: Readonly<Record<string, PositionTree>> | null
  readonly items: readonly PositionTree[] | null
}

const COLUMNS = 65_536

/** 1-based line and column in one number; columns beyond 65535 count as 65535. */
export function packPosition(line: number, column: number): number {
  return line * COLUMNS + Math.min(column, COLUMNS - 1)
}

export function lineOf(tree: PositionTree): number {
  return Math.floor(positionOf(tree) / COLUMNS)
}

export function columnOf(tree: PositionTree): number {
  return positionOf(tree) % COLUMNS
}

/** The same subtree, standing at another place (a mapping's field stands at its key). */
export function movedTo(tree: PositionTree, at: number): PositionTree {
  return typeof tree === 'number' ? at : { at, fields: tree.fields, items: tree.items }
}

/** The position of the field at `path`, or of its nearest written parent. */
export function nearest(tree: PositionTree, path: readonly (string | number)[]): PositionTree {
  let current = tree
  for (const step of path) {
    if (typeof current === 'number') return current
    const child = typeof step === 'number' ? current.items?.[step] : current.fields?.[step]
    if (child === undefined) return current
    current = child
  }
  return current
}

function positionOf(tree: PositionTree): number {
  return typeof tree === 'number' ? tree : tree.at
}
