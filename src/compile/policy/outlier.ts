import { parseDurationMs } from '../../base/duration.ts'
import type { OutlierPlan } from '../../clusters/plan.ts'
import type { TrafficPolicySpec } from '../../config/kinds/destination-rule.ts'
import type { PlacedBlock } from './traffic-policy.ts'

type OutlierSpec = NonNullable<TrafficPolicySpec['outlierDetection']>

const DEFAULT_CONSECUTIVE_ERRORS = 5
const DEFAULT_INTERVAL_MS = 10_000
const DEFAULT_BASE_EJECTION_TIME_MS = 30_000
const DEFAULT_MAX_EJECTION_PERCENT = 10

/**
 * DestinationRule outlierDetection; an empty block means its defaults.
 *
 * The deprecated `consecutiveErrors` is honoured as its comment in the API promises: an alias of
 * consecutiveGatewayErrors that stands in place of the 5xx counter. Istio drops it (`compat`).
 */
export function outlierPlan(
  block: PlacedBlock<OutlierSpec> | null,
  compat: boolean,
): OutlierPlan | null {
  if (block === null) return null
  const { spec } = block
  const alias =
    compat || spec.consecutiveGatewayErrors !== undefined ? undefined : spec.consecutiveErrors
  const default5xx = alias === undefined ? DEFAULT_CONSECUTIVE_ERRORS : 0
  const codes = spec.outlierDetectionHttpErrorCodes ?? []
  const splitLocalOrigin = spec.splitExternalLocalOriginErrors ?? false
  return {
    consecutive5xx: spec.consecutive5xxErrors ?? default5xx,
    consecutiveGatewayErrors: spec.consecutiveGatewayErrors ?? alias ?? 0,
    splitLocalOrigin,
    consecutiveLocalOriginFailures: splitLocalOrigin
      ? (spec.consecutiveLocalOriginFailures ?? DEFAULT_CONSECUTIVE_ERRORS)
      : 0,
    intervalMs: milliseconds(spec.interval, DEFAULT_INTERVAL_MS),
    baseEjectionTimeMs: milliseconds(spec.baseEjectionTime, DEFAULT_BASE_EJECTION_TIME_MS),
    // Istio takes 0 for unset here.
    maxEjectionPercent: spec.maxEjectionPercent || DEFAULT_MAX_EJECTION_PERCENT,
    minHealthPercent: spec.minHealthPercent ?? 0,
    alwaysEjectOne: !compat,
    ...(codes.length === 0 ? {} : { errorCodes: [...codes] }),
  }
}

function milliseconds(text: string | undefined, otherwise: number): number {
  return (text === undefined ? null : parseDurationMs(text)) ?? otherwise
}
