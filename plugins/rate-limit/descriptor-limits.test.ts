import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DescriptorNode, explainNoLimit, matchDescriptor } from './descriptor-tree.ts'
import { fixedQuota, type Limit } from './limit.ts'

interface Sketch {
  readonly key: string
  readonly value: string
  readonly shared: boolean
  readonly limited: boolean
  readonly children: readonly Sketch[]
}

const { tree } = fc.letrec<{ tree: readonly Sketch[] }>((tie) => ({
  tree: fc.array(
    fc.record({
      key: fc.constantFrom('a', 'b', 'a_b'),
      value: fc.constantFrom('', 'x', 'x*', '*', 'b_x'),
      shared: fc.boolean(),
      limited: fc.boolean(),
      children: fc.oneof({ depthSize: 'small' }, fc.constant([]), tie('tree')),
    }),
    { maxLength: 4 },
  ),
}))

function build(sketches: readonly Sketch[], node = new DescriptorNode('', null)): DescriptorNode {
  for (const { key, value, shared, limited, children } of sketches) {
    const limit: Limit = {
      quota: fixedQuota(1, 60),
      unlimited: false,
      path: `${node.key}.${key}_${value}`,
      line: null,
      name: '',
      replaces: [],
      shadowMode: false,
      quotaMode: false,
    }
    const child = new DescriptorNode(key, limited ? limit : null)
    const added = node.addChild(value, child, shared && value.includes('*'))
    if (added) build(children, child)
  }
  return node
}

test('a limit with one counter is reached by its entries, which name that counter', () => {
  fc.assert(
    fc.property(tree, (sketches) => {
      const root = build(sketches)
      for (const [limit, entries] of root.limits()) {
        if (entries === null) continue
        const asked = [...entries]
        expect(matchDescriptor(root, asked)).toBe(limit)
        expect(asked).toEqual(entries)
      }
    }),
    { numRuns: 200 },
  )
})

test('every limit is listed once', () => {
  fc.assert(
    fc.property(tree, (sketches) => {
      const limits = [...build(sketches).limits()].map(([limit]) => limit)
      expect(new Set(limits).size).toBe(limits.length)
    }),
    { numRuns: 50 },
  )
})

test.each([
  [['c', 'x'], 'no descriptor takes the entry c=x'],
  [['a', 'x'], 'the descriptor that takes a=x has no rate_limit: nothing is counted'],
  [['b', 'x', 'a', 'x'], 'the descriptor that takes b=x has none below it for the entries behind'],
  [['a', 'x', 'b', 'Ã¼'], 'no descriptor takes the entry b=ü'],
  [[], 'there are no entries'],
])('%j: %s', (entries, reason) => {
  const leaf = { key: 'a', value: 'x', shared: false, limited: true, children: [] }
  const root = build([
    { ...leaf, limited: false, children: [leaf] },
    { ...leaf, key: 'b' },
  ])
  expect(matchDescriptor(root, [...entries])).toBeNull()
  expect(explainNoLimit(root, entries)).toBe(reason)
})
