import { parseDurationMs } from '../../base/duration.ts'
import type { HttpRouteSpec } from '../../config/kinds/virtual-service.ts'
import type { MeshConfigSpec } from '../../config/mesh-config.ts'
import type { RetryPlan } from '../../routing/route.ts'

type RetriesSpec = NonNullable<HttpRouteSpec['retries']>

const DEFAULT_ATTEMPTS = 2
const DEFAULT_BACKOFF_MS = 25
const DEFAULT_CONDITIONS =
  'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes'
const STATUS_CONDITION = 'retriable-status-codes'

/** Conditions that mean a grpc-status. */
const GRPC_STATUSES: ReadonlyMap<string, string> = new Map([
  ['cancelled', '1'],
  ['deadline-exceeded', '4'],
  ['resource-exhausted', '8'],
  ['internal', '13'],
  ['unavailable', '14'],
])

/**
 * VirtualService retries, which replaces MeshConfig.defaultHttpRetryPolicy whole; without either
 * Istio retries twice on failures in which no upstream saw the request. null: no retries.
 */
export function retryPlan(
  retries: RetriesSpec | undefined,
  mesh: MeshConfigSpec,
  timeoutMs: number,
): RetryPlan | null {
  if (retries !== undefined) {
    return plan(retries, retries.attempts ?? 0, timeoutMs, isWritten(retries.retryOn))
  }
  const byMesh = mesh.defaultHttpRetryPolicy
  if (byMesh !== undefined) {
    return plan(byMesh, byMesh.attempts ?? DEFAULT_ATTEMPTS, timeoutMs, false)
  }
  const byDefault = plan({}, DEFAULT_ATTEMPTS, timeoutMs, false)
  return byDefault === null ? null : { ...byDefault, isDefault: true }
}

function plan(
  spec: RetriesSpec,
  attempts: number,
  timeoutMs: number,
  anyMethod: boolean,
): RetryPlan | null {
  if (attempts <= 0) return null
  const on = new Set<string>()
  const statuses = new Set<number>()
  const grpcStatuses = new Set<string>()
  for (const condition of conditionsOf(spec.retryOn)) {
    const grpcStatus = GRPC_STATUSES.get(condition)
    if (grpcStatus !== undefined) grpcStatuses.add(grpcStatus)
    if (/^\d+$/.test(condition)) {
      statuses.add(Number(condition))
      on.add(STATUS_CONDITION)
    } else if (condition !== '') on.add(condition)
  }
  return {
    attempts,
    perTryTimeoutMs: perTryTimeoutMs(spec.perTryTimeout, timeoutMs),
    on,
    statuses,
    grpcStatuses,
    backoffMs:
      (spec.backoff === undefined ? null : parseDurationMs(spec.backoff)) ?? DEFAULT_BACKOFF_MS,
    anyMethod,
    avoidsTried: spec.retryIgnorePreviousHosts ?? true,
    remoteLocalities: spec.retryRemoteLocalities ?? false,
    isDefault: false,
  }
}

function isWritten(retryOn: string | undefined): retryOn is string {
  return retryOn !== undefined && retryOn.trim() !== ''
}

function conditionsOf(retryOn: string | undefined): readonly string[] {
  const list = isWritten(retryOn) ? retryOn : DEFAULT_CONDITIONS
  return list.split(',').map((condition) => condition.trim().toLowerCase())
}

/** A try that may take as long as the whole exchange is bounded by the exchange. */
function perTryTimeoutMs(text: string | undefined, timeoutMs: number): number {
  const ms = (text === undefined ? null : parseDurationMs(text)) ?? 0
  return timeoutMs > 0 && ms >= timeoutMs ? 0 : ms
}
