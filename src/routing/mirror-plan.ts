import type { ClusterPlan } from '../clusters/plan.ts'

/** One mirror of a route: VirtualService.http.mirror or an entry of http.mirrors. */
export class MirrorPlan {
  /** What configuration asked for, e.g. `outbound|8000|v2|httpbin.default.svc.cluster.local`. */
  readonly clusterName: string
  /** null: no such host, subset or port: nothing is mirrored. */
  readonly cluster: ClusterPlan | null
  /** Chance of a request to be mirrored, in (0, 1]; every mirror draws for itself. */
  readonly chance: number
  /** `-shadow` is put behind the host of Host, so that the copy can be told from the original. */
  readonly suffixesHost: boolean

  constructor(init: {
    clusterName: string
    cluster: ClusterPlan | null
    chance: number
    suffixesHost: boolean
  }) {
    this.clusterName = init.clusterName
    this.cluster = init.cluster
    this.chance = init.chance
    this.suffixesHost = init.suffixesHost
  }
}
