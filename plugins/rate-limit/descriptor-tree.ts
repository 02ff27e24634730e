import { fromBytes } from '../../src/base/latin1.ts'
import type { Limit } from './limit.ts'

/** A child with `*` in it: every star takes any run of characters, none included. */
class Wildcard {
  readonly node: DescriptorNode
  /** Literal pieces between the stars of the composite `key_value`. */
  readonly #pieces: readonly string[]
  /** The configured value, counted instead of the request's (`share_threshold`), or null. */
  readonly sharedValue: string | null

  constructor(composite: string, node: DescriptorNode, sharedValue: string | null) {
    this.#pieces = composite.split('*')
    this.node = node
    this.sharedValue = sharedValue
  }

  matches(composite: string): boolean {
    const pieces = this.#pieces
    const first = pieces[0] ?? ''
    const last = pieces.at(-1) ?? ''
    const end = composite.length - last.length
    if (end < first.length || !composite.startsWith(first) || !composite.endsWith(last))
      return false
    let at = first.length
    for (let i = 1; i < pieces.length - 1; i++) {
      const piece = pieces[i] ?? ''
      const found = composite.indexOf(piece, at)
      if (found < 0 || found + piece.length > end) return false
      at = found + piece.length
    }
    return true
  }
}

/** One configured descriptor with its children. */
export class DescriptorNode {
  readonly key: string
  readonly limit: Limit | null
  readonly #children = new Map<string, DescriptorNode>()
  readonly #wildcards: Wildcard[] = []
  /** Children with the value that a counter is named by; null: by the request's, one for each. */
  readonly #counted: (readonly [child: DescriptorNode, value: string | null])[] = []

  constructor(key: string, limit: Limit | null) {
    this.key = key
    this.limit = limit
  }

  get isLeaf(): boolean {
    return this.#children.size === 0
  }

  get children(): Iterable<DescriptorNode> {
    return this.#children.values()
  }

  /** False when a sibling has the same composite key. Key and value join with `_`, unescaped. */
  addChild(value: string, child: DescriptorNode, shareThreshold: boolean): boolean {
    const composite = value === '' ? child.key : `${child.key}_${value}`
    if (this.#children.has(composite)) return false
    this.#children.set(composite, child)
    const isOne = value !== '' && (shareThreshold || !value.includes('*'))
    this.#counted.push([child, isOne ? value : null])
    if (composite.includes('*')) {
      this.#wildcards.push(new Wildcard(composite, child, shareThreshold ? value : null))
    }
    return true
  }

  /** All limits below, each with the entries of its only counter; null: it has one for each value. */
  *limits(
    above: readonly string[] | null = [],
  ): Iterable<readonly [limit: Limit, entries: readonly string[] | null]> {
    for (const [child, value] of this.#counted) {
      const entries = above === null || value === null ? null : [...above, child.key, value]
      if (child.limit !== null) yield [child.limit, entries]
      yield* child.limits(entries)
    }
  }

  /**
   * The child one entry leads to: exact, else the first wildcard in order of configuration, else
   * the key alone. A wildcard that shares its counter replaces the value in `entries[at + 1]`.
   */
  step(entries: string[], at: number): DescriptorNode | null {
    const key = entries[at] ?? ''
    const composite = `${key}_${entries[at + 1] ?? ''}`
    const exact = this.#children.get(composite)
    if (exact !== undefined) return exact
    for (const wildcard of this.#wildcards) {
      if (!wildcard.matches(composite)) continue
      if (wildcard.sharedValue !== null) entries[at + 1] = wildcard.sharedValue
      return wildcard.node
    }
    return this.#children.get(key) ?? null
  }

  /** Children an entry may lead to when its value is not known. */
  stepWithAnyValue(key: string): readonly DescriptorNode[] {
    const prefix = `${key}_`
    const possible: DescriptorNode[] = []
    for (const [composite, child] of this.#children) {
      const star = composite.indexOf('*')
      const start = star < 0 ? composite : composite.slice(0, star)
      const fits = start.startsWith(prefix) || (star >= 0 && prefix.startsWith(start))
      if (composite === key || fits) possible.push(child)
    }
    return possible
  }
}

/** Why `matchDescriptor` finds no limit, for people. */
export function explainNoLimit(root: DescriptorNode, described: readonly string[]): string {
  const entries = [...described]
  let node = root
  for (let at = 0; at < entries.length; at += 2) {
    const entry = `${fromBytes(entries[at] ?? '')}=${fromBytes(entries[at + 1] ?? '')}`
    const next = node.step(entries, at)
    if (next === null) return `no descriptor takes the entry ${entry}`
    const isLast = at + 2 >= entries.length
    if (isLast) return `the descriptor that takes ${entry} has no rate_limit: nothing is counted`
    if (next.isLeaf)
      return `the descriptor that takes ${entry} has none below it for the entries behind`
    node = next
  }
  return 'there are no entries'
}

/**
 * The limit of a descriptor, found by a greedy walk without backtracking: it counts only where the
 * last entry ends, and a chosen child without children ends the walk. May write shared values into
 * `entries`, which from then on identify the counter.
 */
export function matchDescriptor(root: DescriptorNode, entries: string[]): Limit | null {
  let node = root
  for (let at = 0; at < entries.length; at += 2) {
    const next = node.step(entries, at)
    if (next === null) return null
    if (at + 2 >= entries.length) return next.limit
    if (next.isLeaf) return null
    node = next
  }
  return null
}
