import { parseDurationMs } from '../../base/duration.ts'
import type { HttpRouteSpec } from '../../config/kinds/virtual-service.ts'
import type { MeshConfigSpec } from '../../config/mesh-config.ts'
import type { RetryPlan } from '../../routing/route.ts'

type RetriesSpec = NonNullable<HttpRouteSpec['retries']>

const DEFAULT_ATTEMPTS = 2
const DEFAULT_CONDITIONS =
  'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes'
const STATUS_CONDITION = 'retriable-status-codes'

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
    const { attempts = 0, perTryTimeout, retryOn } = retries
    return plan(attempts, perTryTimeout, retryOn, timeoutMs)
  }
  const { attempts = DEFAULT_ATTEMPTS, perTryTimeout, retryOn } = mesh.defaultHttpRetryPolicy ?? {}
  return plan(attempts, perTryTimeout, retryOn, timeoutMs)
}

function plan(
  attempts: number,
  perTryTimeout: string | undefined,
  retryOn: string | undefined,
  timeoutMs: number,
): RetryPlan | null {
  if (attempts <= 0) return null
  const on = new Set<string>()
  const statuses = new Set<number>()
  const conditions = retryOn === undefined || retryOn.trim() === '' ? DEFAULT_CONDITIONS : retryOn
  for (const written of conditions.split(',')) {
    const condition = written.trim().toLowerCase()
    if (/^\d+$/.test(condition)) {
      statuses.add(Number(condition))
      on.add(STATUS_CONDITION)
    } else if (condition !== '') on.add(condition)
  }
  const perTryMs = (perTryTimeout === undefined ? null : parseDurationMs(perTryTimeout)) ?? 0
  // A try that may take as long as the whole exchange is bounded by the exchange.
  const meaningless = timeoutMs > 0 && perTryMs >= timeoutMs
  return { attempts, perTryTimeoutMs: meaningless ? 0 : perTryMs, on, statuses }
}
