import { isDeepStrictEqual } from 'node:util'
import type { ClusterPlan } from '../clusters/plan.ts'
import type { CompileSettings } from './compile-input.ts'
import type { WrittenNames } from './gateway/bindings.ts'
import { KeptHosts } from './gateway/kept-hosts.ts'
import { Kept } from './kept.ts'
import type { DraftsByScope } from './routes/draft-keeper.ts'

/**
 * What a compilation leaves for the next one: what nobody changed is taken over instead of made
 * again. It decides how long a compilation takes and never what comes out. One for each line of
 * configurations that follow one another.
 */
export class CompileMemory {
  readonly drafts = new Kept<DraftsByScope>()
  readonly names = new Kept<WrittenNames>()
  readonly hosts = new KeptHosts()
  #clusters: ReadonlyMap<string, ClusterPlan> = new Map()
  #settings: CompileSettings | null = null

  /** Call before a compilation. Other settings may change anything but clusters, which are compared. */
  begin(settings: CompileSettings): void {
    const same = this.#settings !== null && isDeepStrictEqual(settings, this.#settings)
    this.drafts.begin(same)
    this.names.begin(same)
    this.#settings = settings
  }

  /** The plan of the same cluster that says the same, else `plan`. */
  sameAsBefore(plan: ClusterPlan): ClusterPlan {
    const before = this.#clusters.get(plan.name)
    return before !== undefined && saysTheSame(before, plan) ? before : plan
  }

  /** Call behind a compilation. */
  keep(clusters: readonly ClusterPlan[]): void {
    this.drafts.keep()
    this.names.keep()
    this.#clusters = new Map(clusters.map((cluster) => [cluster.name, cluster]))
  }
}

/** `runtime` is bound to the plan that serves: it is no part of what the plan says. */
function saysTheSame(left: ClusterPlan, right: ClusterPlan): boolean {
  const { runtime: _left, ...one } = left
  const { runtime: _right, ...other } = right
  return isDeepStrictEqual(one, other)
}
