import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { CompileInput } from '../../src/compile/compile-input.ts'
import type { ResourceSet } from '../../src/config/resource-set.ts'
import { compileCorpus, dumpOf, loadedCorpus, setsFrom } from '../support/compile-corpus.ts'

const RUNS = 60

const loaded = loadedCorpus

function compile(set: ResourceSet, options: Partial<CompileInput> = {}): string {
  return dumpOf(compileCorpus(set, options))
}

describe('compilation', () => {
  test('the corpus is read without errors', () => {
    expect(loaded.problems.filter((problem) => problem.severity === 'error')).toEqual([])
  })

  test('does not depend on the order of resources', () => {
    const expected = compile(loaded.set)
    fc.assert(
      fc.property(setsFrom(loaded.set, true), (set) => {
        expect(compile(set)).toBe(expected)
      }),
      { numRuns: RUNS },
    )
  })

  test('never throws, whatever is missing, and repeats itself', () => {
    const options = fc.record({
      ownLabels: fc.constantFrom([], [{ istio: 'ingressgateway' }], [{ a: 'b' }]),
      namespace: fc.constantFrom('istio-system', 'default', 'team'),
      compat: fc.boolean(),
      meshConfig: fc.constantFrom(
        null,
        {},
        { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' as const } },
      ),
    })
    fc.assert(
      fc.property(setsFrom(loaded.set, false), options, (set, settings) => {
        expect(compile(set, settings)).toBe(compile(set, settings))
      }),
      { numRuns: RUNS },
    )
  })

  test('every cluster a route leads to is listed, once', () => {
    fc.assert(
      fc.property(setsFrom(loaded.set, false), (set) => {
        const dump = compile(set)
        const { clusters } = JSON.parse(dump.slice(0, dump.indexOf('\n[')) || '{}') as {
          clusters: { name: string }[]
        }
        const names = clusters.map((cluster) => cluster.name)
        expect(new Set(names).size).toBe(names.length)
        for (const [, used = ''] of dump.matchAll(/"cluster": "([^"]+)"/g))
          expect(names).toContain(used)
      }),
      { numRuns: RUNS },
    )
  })
})
