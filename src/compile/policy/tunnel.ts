import { isIP } from 'node:net'
import type { ClusterPlan } from '../../clusters/plan.ts'
import type { MergedRule, RuleSubset } from './destination-rules.ts'

/**
 * The tunnel of a destination: a subset has its own or none, the ports have the rule's (Istio
 * DestinationRule trafficPolicy.tunnel).
 */
export function tunnelPlan(
  rule: MergedRule | null,
  subset: RuleSubset | null,
): ClusterPlan['tunnel'] {
  const policy = subset === null ? rule?.policy : subset.policy
  const tunnel = policy?.spec.tunnel
  if (tunnel === undefined) return null
  const { targetHost = '', targetPort = 0 } = tunnel
  const host = isIP(targetHost) === 6 ? `[${targetHost}]` : targetHost
  return {
    method: tunnel.protocol === 'POST' ? 'POST' : 'CONNECT',
    authority: `${host}:${targetPort}`,
  }
}
