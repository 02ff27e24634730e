import { closest } from '../../src/base/closest.ts'
import type { DescriptorRule } from './descriptors.ts'
import type { DescriptorNode } from './descriptor-tree.ts'

/**
 * Whether the descriptor of a rule can reach a limit at all. Values that depend on the request are
 * taken to be anything; entries that may be left out are tried both ways.
 */
export function reachesLimit(root: DescriptorNode, rule: DescriptorRule): boolean {
  let reached: readonly DescriptorNode[] = [root]
  for (const { key, fixedValue, optional } of rule.actions) {
    const next = reached.flatMap((node) => {
      if (fixedValue === null) return node.stepWithAnyValue(key)
      const child = node.step([key, fixedValue], 0)
      return child === null ? [] : [child]
    })
    reached = optional ? [...next, ...reached] : next
  }
  return reached.some(({ limit }) => limit !== null)
}

/** What the domain has instead of the first key that leads nowhere. */
export function suggestKey(root: DescriptorNode, rule: DescriptorRule): string | null {
  const keys = new Set<string>()
  for (const { key } of root.children) keys.add(key)
  const first = rule.actions[0]?.key ?? ''
  if (keys.has(first)) return null
  const near = closest(first, keys)
  return near === null
    ? `Its outermost keys are: ${[...keys].join(', ')}.`
    : `Did you mean "${near}"?`
}
