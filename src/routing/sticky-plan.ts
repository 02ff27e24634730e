import type { HashKeyPlan } from '../clusters/plan.ts'

/** How a request finds its own among weighted destinations: the same key, the same destination. */
export interface StickyPlan {
  /** What the DestinationRule of the first destination hashes. */
  readonly key: HashKeyPlan
  /** Tell the destinations apart, whatever their order: unsigned 32 bits, one for each. */
  readonly seeds: readonly number[]
  /** One for each destination, all positive. */
  readonly weights: readonly number[]
}
