import {
  isAlias,
  isMap,
  isScalar,
  type LineCounter,
  type ParsedNode,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml'
import { movedTo, packPosition, type PositionTree } from './position-tree.ts'
import type { Severity } from './problems.ts'

/** How deep mappings and lists may nest. */
export const MAX_DEPTH = 64
/** How many aliases (`*name`) one document may use, those reached through other aliases included. */
export const MAX_ALIASES = 100
/** How many nodes aliases may add to a document. */
const MAX_ALIASED_NODES = 100_000

/** Keys that plain objects treat specially: refused, so that no reader has to think of them. */
const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])
/** Free text lives here; `//` in it is somebody's prose. */
const FREE_TEXT: ReadonlySet<string> = new Set(['annotations', 'data', 'stringData'])

export interface NodeFinding {
  readonly severity: Severity
  readonly code: string
  readonly path: readonly (string | number)[]
  readonly message: string
  readonly hint: string | null
  readonly position: number
}

export interface NodeValue {
  readonly value: unknown
  readonly positions: PositionTree
}

/** Thrown inside this file only, to leave a document that is too expensive to read. */
class LimitReached extends Error {}

/**
 * Turns the nodes of one document into frozen plain data (objects without prototype) and the
 * positions of its fields. Aliases are copied within bounds, `<<` merges as YAML 1.1 says, duplicate
 * keys keep the first value; every oddity is a finding.
 */
export class NodeReader {
  readonly findings: NodeFinding[] = []
  readonly #lines: LineCounter
  readonly #firstLine: number
  readonly #anchors = new Map<string, ParsedNode>()
  readonly #open = new Set<ParsedNode>()
  readonly #path: (string | number)[] = []
  #aliases = 0
  #aliasedNodes = 0
  #aliasDepth = 0

  constructor(lines: LineCounter, firstLine: number) {
    this.#lines = lines
    this.#firstLine = firstLine
  }

  /** `null` when the document passes a limit; `findings` says which. */
  readDocument(root: ParsedNode): NodeValue | null {
    try {
      return this.#read(root)
    } catch (error) {
      if (error instanceof LimitReached) return null
      throw error
    }
  }

  #read(node: ParsedNode | null): NodeValue {
    if (node === null) return { value: null, positions: packPosition(this.#firstLine, 1) }
    if (this.#aliasDepth > 0 && ++this.#aliasedNodes > MAX_ALIASED_NODES) {
      this.#limit('alias-bomb', node, `aliases expand to more than ${MAX_ALIASED_NODES} values`)
    }
    if (isAlias(node)) return this.#readAlias(node)
    if (node.anchor !== undefined && this.#aliasDepth === 0) this.#anchors.set(node.anchor, node)
    if (isScalar(node)) return this.#readScalar(node)
    if (this.#path.length >= MAX_DEPTH) {
      this.#limit(
        'document-too-deep',
        node,
        `mappings and lists nest deeper than ${MAX_DEPTH} levels`,
      )
    }
    this.#open.add(node)
    const result = isMap(node) ? this.#readMap(node) : this.#readSeq(node as YAMLSeq.Parsed)
    this.#open.delete(node)
    return result
  }

  #readScalar(node: ParsedNode & { value?: unknown; type?: string }): NodeValue {
    const { value } = node
    if (
      typeof value === 'string' &&
      node.type === 'PLAIN' &&
      /(?:[ \t]\/\/|^\/\/[ \t])/.test(value)
    ) {
      const severity = this.#path.some((step) => FREE_TEXT.has(String(step))) ? 'warning' : 'error'
      const message = '`//` does not start a comment in YAML: it is part of the value'
      this.#find(
        severity,
        'slash-comment',
        node,
        message,
        'start the comment with ` #`, or quote the value',
      )
    }
    return { value, positions: this.#positionOf(node) }
  }

  #readAlias(node: ParsedNode & { source: string }): NodeValue {
    const target = this.#anchors.get(node.source)
    if (target === undefined) {
      this.#find(
        'error',
        'unknown-alias',
        node,
        `nothing before this line is anchored as &${node.source}`,
      )
      return { value: null, positions: this.#positionOf(node) }
    }
    if (this.#open.has(target)) {
      this.#limit('alias-cycle', node, `*${node.source} stands inside &${node.source} itself`)
    }
    if (++this.#aliases > MAX_ALIASES) {
      this.#limit('alias-bomb', node, `the document uses more than ${MAX_ALIASES} aliases`)
    }
    this.#aliasDepth++
    const result = this.#read(target)
    this.#aliasDepth--
    return result
  }

  #readSeq(node: YAMLSeq.Parsed): NodeValue {
    const items: unknown[] = []
    const positions: PositionTree[] = []
    for (const [index, item] of node.items.entries()) {
      this.#path.push(index)
      const read = this.#read(item as ParsedNode | null)
      this.#path.pop()
      items.push(read.value)
      positions.push(item === null ? this.#positionOf(node) : read.positions)
    }
    return {
      value: Object.freeze(items),
      positions: { at: this.#positionOf(node), fields: null, items: positions },
    }
  }

  #readMap(node: YAMLMap.Parsed): NodeValue {
    const value: Record<string, unknown> = Object.create(null)
    const fields: Record<string, PositionTree> = Object.create(null)
    const merges: { read: NodeValue; node: ParsedNode }[] = []
    for (const pair of node.items) {
      const key = this.#keyOf(pair.key)
      if (key === null) continue
      this.#path.push(key)
      const position = this.#positionOf(pair.key)
      if (key in value) {
        this.#find(
          'error',
          'duplicate-key',
          pair.key,
          `\`${key}\` is written twice in one mapping`,
          'keep one of them',
        )
        this.#path.pop()
        continue
      }
      const read = this.#read(pair.value)
      this.#path.pop()
      if (key === '<<' && pair.value !== null) {
        merges.push({ read, node: pair.value })
        continue
      }
      value[key] = read.value
      fields[key] = movedTo(read.positions, position)
    }
    for (const merge of merges) this.#merge(merge.read, merge.node, { value, fields })
    const positions = { at: this.#positionOf(node), fields, items: null }
    return { value: Object.freeze(value), positions }
  }

  /** YAML 1.1 merge key, as Kubernetes reads it: the mapping's own keys win, then earlier sources. */
  #merge(
    { value: source, positions }: NodeValue,
    node: ParsedNode,
    into: { value: Record<string, unknown>; fields: Record<string, PositionTree> },
  ): void {
    if (Array.isArray(source)) {
      const items = typeof positions === 'number' ? [] : (positions.items ?? [])
      for (const [index, item] of source.entries()) {
        if (Array.isArray(item))
          this.#find('error', 'bad-merge', node, '`<<` can only merge mappings')
        else this.#merge({ value: item, positions: items[index] ?? positions }, node, into)
      }
      return
    }
    if (typeof source !== 'object' || source === null) {
      this.#find('error', 'bad-merge', node, '`<<` can only merge mappings')
      return
    }
    for (const [key, item] of Object.entries(source)) {
      if (key in into.value) continue
      into.value[key] = item
      const fields = typeof positions === 'number' ? null : positions.fields
      into.fields[key] = fields?.[key] ?? positions
    }
  }

  #keyOf(node: ParsedNode): string | null {
    if (!isScalar(node) || node.value === null) {
      this.#find(
        'error',
        'bad-key',
        node,
        'the key of a mapping must be a plain word or a quoted string',
      )
      return null
    }
    const key = typeof node.value === 'string' ? node.value : (node.source ?? String(node.value))
    if (FORBIDDEN_KEYS.has(key)) {
      this.#find('error', 'forbidden-key', node, `\`${key}\` is not allowed as a key`, 'rename it')
      return null
    }
    return key
  }

  #positionOf(node: ParsedNode): number {
    const { line, col } = this.#lines.linePos(node.range[0])
    return packPosition(line + this.#firstLine - 1, col)
  }

  #find(
    severity: Severity,
    code: string,
    node: ParsedNode,
    message: string,
    hint: string | null = null,
  ): void {
    const position = this.#positionOf(node)
    this.findings.push({ severity, code, path: [...this.#path], message, hint, position })
  }

  #limit(code: string, node: ParsedNode, message: string): never {
    this.#find('error', code, node, message, 'write the document out in a simpler form')
    throw new LimitReached(message)
  }
}
