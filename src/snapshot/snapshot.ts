import type { ClusterPlan } from '../clusters/plan.ts'
import type { EgressPlan } from './egress-plan.ts'
import type { ListenerPlan } from './listener-plan.ts'
import type { MeshSettings } from './mesh-settings.ts'

/** One generation of configuration, compiled and immutable. Replaced whole, by one pointer. */
export interface Snapshot {
  /** Grows by one with each published set. */
  readonly generation: number
  readonly listeners: readonly ListenerPlan[]
  readonly egress: EgressPlan
  /** Every cluster that a route or the egress plan can reach, unique by name. */
  readonly clusters: readonly ClusterPlan[]
  readonly mesh: MeshSettings
}
