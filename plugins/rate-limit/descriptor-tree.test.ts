import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseDescriptorConfig } from './descriptor-config.ts'
import { DescriptorNode, matchDescriptor } from './descriptor-tree.ts'
import { fixedQuota, type Limit } from './limit.ts'

/** Every limit carries its own name. */
const TREE = `
domain: d
descriptors:
- { key: path, value: /free }
- { key: path, value: /login, rate_limit: { unit: minute, name: login } }
- { key: path, value: /api/*, rate_limit: { unit: minute, name: api } }
- { key: path, value: "/api/*/admin", rate_limit: { unit: minute, name: never-reached } }
- { key: path, value: "*.png", rate_limit: { unit: minute, name: png } }
- { key: path, rate_limit: { unit: minute, name: any-path } }
- key: tenant
  value: acme
  rate_limit: { unit: minute, name: acme }
  descriptors:
  - { key: user, rate_limit: { unit: minute, name: acme-user } }
- key: tenant
  rate_limit: { unit: minute, name: tenant }
- { key: only, value: "", rate_limit: { unit: minute, name: only } }
- key: shared
  value: "group-*"
  share_threshold: true
  descriptors:
  - { key: user, rate_limit: { unit: minute, name: shared-user } }
`

function tree(): DescriptorNode {
  const config = parseDescriptorConfig(TREE)
  if ('error' in config) throw new Error(config.error)
  return config.root
}

describe('the limit of a descriptor', () => {
  const cases: readonly (readonly [name: string, entries: string[], limit: string | null])[] = [
    ['exact value', ['path', '/login'], 'login'],
    ['exact value without limit is an allow-list', ['path', '/free'], null],
    ['wildcard', ['path', '/api/x'], 'api'],
    ['a star takes nothing at all', ['path', '/api/'], 'api'],
    ['the first wildcard in order of configuration', ['path', '/api/x/admin'], 'api'],
    ['a star at the front of the value', ['path', '/logo.png'], 'png'],
    ['the key alone', ['path', '/else'], 'any-path'],
    ['an empty value finds the key alone', ['path', ''], 'any-path'],
    ['an empty configured value is the key alone', ['only', 'x'], 'only'],
    ['nested', ['tenant', 'acme', 'user', 'ann'], 'acme-user'],
    ['a limit on the way does not count', ['tenant', 'acme'], 'acme'],
    ['no way back to the key alone', ['tenant', 'acme', 'nobody', 'x'], null],
    ['a leaf ends the walk', ['tenant', 'other', 'user', 'ann'], null],
    ['more entries than levels', ['path', '/login', 'user', 'ann'], null],
    ['unknown key', ['color', 'red'], null],
    ['no entries', [], null],
  ]

  test.each(cases)('%s', (_name, entries, limit) => {
    expect(matchDescriptor(tree(), entries)?.name ?? null).toBe(limit)
  })

  test('a shared wildcard counts all its values in one counter, on ancestors too', () => {
    const entries = ['shared', 'group-1', 'user', 'ann']
    expect(matchDescriptor(tree(), entries)?.name).toBe('shared-user')
    expect(entries).toEqual(['shared', 'group-*', 'user', 'ann'])
  })
})

interface Configured {
  readonly key: string
  readonly value: string
  readonly limited: boolean
  readonly children: readonly Configured[]
}

const { configured } = fc.letrec<{ configured: Configured }>((tie) => ({
  configured: fc.record({
    key: fc.constantFrom('a', 'b', 'a_b'),
    value: fc.constantFrom('', 'b', 'x', 'x*', '*x', '*', 'b_*x'),
    limited: fc.boolean(),
    children: fc.oneof(
      { depthSize: 'small', maxDepth: 2 },
      fc.constant<Configured[]>([]),
      fc.array(tie('configured'), { maxLength: 4 }),
    ),
  }),
}))

interface Built {
  readonly composite: string
  readonly limit: Limit | null
  readonly children: readonly Built[]
}

let serial = 0

function build(list: readonly Configured[], into: DescriptorNode): Built[] {
  const built: Built[] = []
  for (const { key, value, limited, children } of list) {
    const limit: Limit | null = limited
      ? {
          quota: fixedQuota(1, 60),
          unlimited: false,
          path: 'a',
          line: null,
          name: `limit-${serial++}`,
          replaces: [],
          shadowMode: false,
          quotaMode: false,
        }
      : null
    const node = new DescriptorNode(key, limit)
    if (!into.addChild(value, node, false)) continue
    const composite = value === '' ? key : `${key}_${value}`
    built.push({ composite, limit, children: build(children, node) })
  }
  return built
}

/** The rules word by word, with backtracking left out and nothing prepared. */
function naiveMatch(
  level: readonly Built[],
  entries: readonly (readonly [string, string])[],
): Limit | null {
  const [entry, ...rest] = entries
  if (entry === undefined) return null
  const wanted = `${entry[0]}_${entry[1]}`
  const chosen =
    level.find(({ composite }) => composite === wanted) ??
    level.find(({ composite }) => composite.includes('*') && globMatches(composite, wanted)) ??
    level.find(({ composite }) => composite === entry[0])
  if (chosen === undefined) return null
  return rest.length === 0 ? chosen.limit : naiveMatch(chosen.children, rest)
}

function globMatches(pattern: string, text: string): boolean {
  if (pattern === '') return text === ''
  if (pattern[0] !== '*')
    return pattern[0] === text[0] && globMatches(pattern.slice(1), text.slice(1))
  if (globMatches(pattern.slice(1), text)) return true
  return text !== '' && globMatches(pattern, text.slice(1))
}

test('matching equals the rules taken word by word', () => {
  const entry = fc.tuple(
    fc.constantFrom('a', 'b', 'a_b'),
    fc.constantFrom('', 'b', 'x', 'xx', 'b_x', 'y'),
  )
  fc.assert(
    fc.property(
      fc.array(configured, { maxLength: 6 }),
      fc.array(entry, { maxLength: 3 }),
      (list, entries) => {
        const root = new DescriptorNode('', null)
        const built = build(list, root)
        expect(matchDescriptor(root, entries.flat())).toBe(naiveMatch(built, entries))
      },
    ),
    { numRuns: 2000 },
  )
})
