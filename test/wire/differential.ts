import type { NodeRequest, ParsedPair, ParsedRequest } from '../support/parser-pair.ts'

/**
 * The first thing two parsers do not agree on in one connection.
 * `refuses`: Node has a request that we do not have; `accepts`: the other way round; `reads`: both
 * have it and see something else.
 */
export interface Difference {
  readonly kind: 'refuses' | 'accepts' | 'reads'
  readonly pair: ParsedPair
  readonly index: number
  readonly ours: ParsedRequest | null
  readonly node: NodeRequest | null
  readonly detail: string
}

export function firstDifference(pair: ParsedPair): Difference | null {
  const count = Math.max(pair.ours.length, pair.node.length)
  for (let index = 0; index < count; index++) {
    const ours = pair.ours[index] ?? null
    const node = pair.node[index] ?? null
    const found = (kind: Difference['kind'], detail: string): Difference => ({
      kind,
      pair,
      index,
      ours,
      node,
      detail,
    })
    // A request that one of them never saw whole counts as not accepted.
    const weHave = ours !== null && ours.complete
    const nodeHas = node !== null && node.complete
    if (weHave && !nodeHas) return found('accepts', pair.nodeError ?? '')
    if (nodeHas && !weHave) return found('refuses', pair.refusal ?? '')
    if (ours === null || node === null || !weHave) return null
    const detail = readOtherwise(ours, node)
    if (detail !== null) return found('reads', detail)
  }
  return null
}

/** A target that every normalisation leaves as it is. */
const PLAIN_TARGET = /^(?:\/(?!\.)[A-Za-z0-9\-_~!$&'()*+,;=:@.]*)+(?:\?[!$-~]*)?$/

function readOtherwise(ours: ParsedRequest, node: NodeRequest): string | null {
  if (ours.method !== node.method) return `method ${ours.method} / ${node.method}`
  if (PLAIN_TARGET.test(node.target) && ours.target !== node.target) {
    return `target ${ours.target} / ${node.target}`
  }
  const [mine, theirs] = [ours.fields.join('\n'), node.fields.join('\n')]
  if (mine !== theirs) return `fields ${JSON.stringify(mine)} / ${JSON.stringify(theirs)}`
  if (ours.body !== node.body) {
    return `body ${JSON.stringify(ours.body)} / ${JSON.stringify(node.body)}`
  }
  return null
}
