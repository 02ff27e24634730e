import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ClusterPlan } from '../../src/clusters/plan.ts'
import { CompileMemory } from '../../src/compile/compile-memory.ts'
import type { CompileInput, CompileResult } from '../../src/compile/compile-input.ts'
import type { ResourceSet } from '../../src/config/resource-set.ts'
import { ResourceStore } from '../../src/config/store.ts'
import { HostTable } from '../../src/routing/host-table.ts'
import type { HttpServerPlan } from '../../src/snapshot/listener-plan.ts'
import { compileCorpus, CORPUS, dumpOf, loadedCorpus, setsFrom } from '../support/compile-corpus.ts'

const RUNS = 60

/** Changes of the corpus that reach routes from outside their VirtualService, or move it. */
const EDITS: readonly (readonly [string, string])[] = [
  ['subsets: [{ name: v1, labels: { version: v1 } }]', 'subsets: []'],
  ['loadBalancer: { simple: RANDOM }', 'loadBalancer: { consistentHash: { useSourceIp: true } }'],
  ['{ name: http, port: 80, targetPort: web }, ', ''],
  ['podIP: 10.0.0.2', 'podIP: 10.0.0.9'],
  ['resolution: STATIC, endpoints: [{ address: 10.1.0.1 }]', 'resolution: NONE'],
  ['redirect: { uri: /moved }', 'directResponse: { status: 418 }'],
  ['hosts: [a.com]\n', '# a comment\n  hosts: [a.com]\n'],
]

const settings: fc.Arbitrary<Partial<CompileInput>> = fc.record({
  namespace: fc.constantFrom('istio-system', 'default'),
  compat: fc.boolean(),
  meshConfig: fc.constantFrom<CompileInput['meshConfig']>(null, {
    outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' },
    defaultHttpRetryPolicy: { attempts: 5 },
  }),
})

describe('a compilation that remembers those before it', () => {
  test('says what one without memory says, whichever resources come and go', () => {
    const step = fc.tuple(setsFrom(loadedCorpus.set, false), fc.oneof(fc.constant({}), settings))
    fc.assert(
      fc.property(fc.array(step, { minLength: 2, maxLength: 4 }), (steps) => {
        const memory = new CompileMemory()
        for (const [set, options] of steps) {
          const remembered = compileCorpus(set, { ...options, memory })
          expect(dumpOf(remembered)).toBe(dumpOf(compileCorpus(set, options)))
          expectBindable(remembered)
        }
      }),
      { numRuns: RUNS },
    )
  })

  test('says what one without memory says, whichever texts change', () => {
    const edited = fc.subarray([...EDITS]).map(corpusWith)
    fc.assert(
      fc.property(fc.array(edited, { minLength: 2, maxLength: 4 }), (texts) => {
        const memory = new CompileMemory()
        const store = new ResourceStore({ compat: false })
        for (const text of texts) {
          const { set } = store.load([{ path: 'corpus.yaml', text, error: null }])
          expect(dumpOf(compileCorpus(set, { memory }))).toBe(dumpOf(compileCorpus(set)))
        }
      }),
      { numRuns: RUNS },
    )
  })

  test('takes over what nothing happened to, and makes anew what changed', () => {
    const memory = new CompileMemory()
    const first = routesOf(compileCorpus(loadedCorpus.set, { memory }))
    const again = routesOf(compileCorpus(loadedCorpus.set, { memory }))
    expect([...again.keys()]).toEqual([...first.keys()])
    for (const [name, action] of again) expect(action, name).toBe(first.get(name))

    const set: ResourceSet = { ...loadedCorpus.set, destinationRules: [] }
    const changed = routesOf(compileCorpus(set, { memory }))
    const kept = [...changed].filter(([name, action]) => action === first.get(name))
    expect(kept.length).toBeGreaterThan(0)
    expect(kept.length).toBeLessThan(first.size)
  })
})

function corpusWith(edits: typeof EDITS): string {
  let text = CORPUS
  for (const [from, to] of edits) {
    expect(text).toContain(from)
    text = text.replace(from, to)
  }
  return text
}

/** The registry binds runtimes to the clusters of the snapshot: routes must not lead to others. */
function expectBindable({ snapshot }: CompileResult): void {
  const listed = new Set(snapshot.clusters)
  const seen = new Set<unknown>()
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return
    seen.add(value)
    if (value instanceof ClusterPlan) expect(listed.has(value), value.name).toBe(true)
    else if (value instanceof HostTable) visit(value.entries)
    else if (value instanceof Map) for (const one of value.values()) visit(one)
    else for (const one of Object.values(value)) visit(one)
  }
  visit(snapshot.listeners)
  visit(snapshot.egress)
}

/** What each route does, by virtual host and place. */
function routesOf({ snapshot }: CompileResult): Map<string, unknown> {
  const routes = new Map<string, unknown>()
  const add = ({ name, hosts }: HttpServerPlan): void => {
    for (const [domain, host] of hosts.entries) {
      for (const [at, route] of host.routes.entries()) {
        routes.set(`${name} ${domain} ${at}`, route.action)
      }
    }
  }
  for (const { accept } of snapshot.listeners) if (accept.type === 'http') add(accept.http)
  return routes
}
