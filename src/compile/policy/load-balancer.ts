import { parseDurationMs } from '../../base/duration.ts'
import type { HashKeyPlan, LoadBalancerPlan, WarmupPlan } from '../../clusters/plan.ts'
import type { TrafficPolicySpec } from '../../config/kinds/destination-rule.ts'
import type { Findings } from '../findings.ts'
import type { PlacedBlock } from './traffic-policy.ts'

type LoadBalancerSpec = NonNullable<TrafficPolicySpec['loadBalancer']>
type ConsistentHashSpec = NonNullable<LoadBalancerSpec['consistentHash']>

const LEAST_REQUEST: LoadBalancerPlan = { policy: 'least-request' }
const DEFAULT_RING_SIZE = 1024
/** Istio's default of warmup.minimumPercent. */
const DEFAULT_WARMUP_PERCENT = 10
const DEFAULT_MAGLEV_TABLE_SIZE = 65_537

/** DestinationRule loadBalancer; without one, or without a policy in it, LEAST_REQUEST. */
export function loadBalancerPlan(
  block: PlacedBlock<LoadBalancerSpec> | null,
  findings: Findings,
): LoadBalancerPlan {
  if (block === null) return LEAST_REQUEST
  const { simple, consistentHash } = block.spec
  if (consistentHash !== undefined) return hashPlan(consistentHash)
  switch (simple) {
    case 'ROUND_ROBIN':
      return withWarmup('round-robin', block.spec)
    case 'RANDOM':
      return { policy: 'random' }
    case 'PASSTHROUGH': {
      const path = [...block.place.path, 'simple']
      findings.report(
        'warning',
        'load-balancer-passthrough',
        { resource: block.place.resource, path },
        'PASSTHROUGH means the address the caller asked for, which a gateway does not have: LEAST_REQUEST is used',
      )
      return LEAST_REQUEST
    }
    default:
      return withWarmup('least-request', block.spec)
  }
}

function withWarmup(
  policy: 'round-robin' | 'least-request',
  { warmup, warmupDurationSecs }: LoadBalancerSpec,
): LoadBalancerPlan {
  const durationMs = parseDurationMs(warmup?.duration ?? warmupDurationSecs ?? '') ?? 0
  if (durationMs === 0) return policy === 'least-request' ? LEAST_REQUEST : { policy }
  const plan: WarmupPlan = {
    durationMs,
    minimumPercent: warmup?.minimumPercent ?? DEFAULT_WARMUP_PERCENT,
    aggression: warmup?.aggression ?? 1,
  }
  return { policy, warmup: plan }
}

function hashPlan(spec: ConsistentHashSpec): LoadBalancerPlan {
  const key = hashKey(spec)
  if (key === null) return LEAST_REQUEST
  if (spec.maglev !== undefined) {
    const tableSize = spec.maglev.tableSize ?? DEFAULT_MAGLEV_TABLE_SIZE
    return { policy: 'maglev', key, tableSize }
  }
  const minimumRingSize =
    spec.ringHash?.minimumRingSize ?? spec.minimumRingSize ?? DEFAULT_RING_SIZE
  return { policy: 'ring-hash', key, minimumRingSize }
}

function hashKey(spec: ConsistentHashSpec): HashKeyPlan | null {
  if (spec.httpHeaderName !== undefined) {
    return { from: 'header', name: spec.httpHeaderName.toLowerCase() }
  }
  const cookie = spec.httpCookie
  if (cookie !== undefined) {
    return {
      from: 'cookie',
      name: cookie.name ?? '',
      path: cookie.path ?? null,
      ttlMs: cookie.ttl === undefined ? null : parseDurationMs(cookie.ttl),
      attributes: (cookie.attributes ?? []).map((attribute) => ({
        name: attribute.name ?? '',
        value: attribute.value ?? '',
      })),
    }
  }
  if (spec.httpQueryParameterName !== undefined) {
    return { from: 'query', name: spec.httpQueryParameterName }
  }
  return spec.useSourceIp === true ? { from: 'source-ip' } : null
}
