import type { TrafficPolicySpec } from '../../config/kinds/destination-rule.ts'
import type { Place } from '../findings.ts'
import type { MergedRule, PlacedPolicy, RuleSubset } from './destination-rules.ts'

/** One block of a traffic policy and where it stands. */
export interface PlacedBlock<T> {
  readonly spec: T
  readonly place: Place
}

type Blocks = 'loadBalancer' | 'connectionPool' | 'outlierDetection' | 'tls'
type BlockSpec<K extends Blocks> = NonNullable<TrafficPolicySpec[K]>

/** The blocks that apply to one port and subset. */
export type EffectivePolicy = {
  readonly [K in Blocks]: PlacedBlock<BlockSpec<K>> | null
} & {
  /** Never of a portLevelSettings entry: Istio's schema has none there. */
  readonly retryBudget: NonNullable<TrafficPolicySpec['retryBudget']> | null
  /** Never of a portLevelSettings entry, as retryBudget. */
  readonly proxyProtocol: NonNullable<TrafficPolicySpec['proxyProtocol']> | null
}

const NO_POLICY: EffectivePolicy = {
  loadBalancer: null,
  connectionPool: null,
  outlierDetection: null,
  tls: null,
  retryBudget: null,
  proxyProtocol: null,
}

/**
 * Precedence of DestinationRule policies: a subset's block hides the whole block above it; a
 * portLevelSettings entry replaces all four blocks at its level, so that what it leaves out goes to
 * defaults.
 */
export function effectivePolicy(
  rule: MergedRule | null,
  subset: RuleSubset | null,
  port: number,
): EffectivePolicy {
  if (rule === null) return NO_POLICY
  const top = overlaid(NO_POLICY, rule.policy, port)
  return subset === null ? top : overlaid(top, subset.policy, port)
}

function overlaid(
  base: EffectivePolicy,
  policy: PlacedPolicy | null,
  port: number,
): EffectivePolicy {
  if (policy === null) return base
  const { spec, place } = policy
  const index = spec.portLevelSettings?.findIndex((entry) => entry.port?.number === port) ?? -1
  const entry = spec.portLevelSettings?.[index]
  if (entry !== undefined) {
    const path = [...place.path, 'portLevelSettings', index]
    return blocksOf(NO_POLICY, entry, { resource: place.resource, path })
  }
  const retryBudget = spec.retryBudget ?? base.retryBudget
  const proxyProtocol = spec.proxyProtocol ?? base.proxyProtocol
  return { ...blocksOf(base, spec, place), retryBudget, proxyProtocol }
}

function blocksOf(
  base: EffectivePolicy,
  spec: Pick<TrafficPolicySpec, Blocks>,
  place: Place,
): EffectivePolicy {
  return {
    loadBalancer: block(spec.loadBalancer, place, 'loadBalancer') ?? base.loadBalancer,
    connectionPool: block(spec.connectionPool, place, 'connectionPool') ?? base.connectionPool,
    outlierDetection:
      block(spec.outlierDetection, place, 'outlierDetection') ?? base.outlierDetection,
    tls: block(spec.tls, place, 'tls') ?? base.tls,
    retryBudget: null,
    proxyProtocol: null,
  }
}

function block<T>(spec: T | undefined, place: Place, name: Blocks): PlacedBlock<T> | null {
  if (spec === undefined) return null
  return { spec, place: { resource: place.resource, path: [...place.path, name] } }
}
