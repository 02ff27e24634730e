import { type CompileInput, settingsOf } from '../../src/compile/compile-input.ts'
import { compileSnapshot } from '../../src/compile/compile.ts'
import { ResourceStore } from '../../src/config/store.ts'
import { CallProblem, type ExplainCall } from '../../src/explain/call.ts'
import { Explainer } from '../../src/explain/explainer.ts'
import type { Explanation } from '../../src/explain/explanation.ts'

export type ExplainSetup = Partial<Omit<CompileInput, 'set' | 'generation'>>

/** YAML compiled as a file source would, with an explainer on it. */
export function explainerOf(yaml: string, setup: ExplainSetup = {}): Explainer {
  const compat = setup.compat ?? false
  const loaded = new ResourceStore({ compat }).load([
    { path: 'test.yaml', text: yaml, error: null },
  ])
  const input: CompileInput = {
    generation: 1,
    ownLabels: [],
    namespace: 'istio-system',
    domain: 'cluster.local',
    meshConfig: null,
    filterFactories: [],
    ...setup,
    compat,
    set: loaded.set,
  }
  const { snapshot, problems } = compileSnapshot(input)
  return new Explainer({
    snapshot,
    set: loaded.set,
    settings: settingsOf(input),
    problems: [...loaded.problems, ...problems],
    live: false,
    bound: [],
  })
}

export type CallSketch = Partial<Omit<ExplainCall, 'headers'>> & {
  readonly headers?: Readonly<Record<string, string>>
}

/** GET of a URL unless told otherwise. */
export function callOf(url: string, sketch: CallSketch = {}): ExplainCall {
  return {
    method: 'GET',
    sni: null,
    port: null,
    egress: false,
    from: null,
    ...sketch,
    url,
    headers: Object.entries(sketch.headers ?? {}),
  }
}

/** The explanation of a call that makes sense. */
export function explained(explainer: Explainer, url: string, sketch: CallSketch = {}): Explanation {
  const found = explainer.explain(callOf(url, sketch))
  if (found instanceof CallProblem) throw new Error(`${found.message}: ${found.hint}`)
  return found
}
