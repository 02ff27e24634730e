import type { Headers } from '../http/headers.ts'
import type { RetryPlan } from '../routing/route.ts'
import type { FailureType, UpstreamFailure } from '../upstream/failure.ts'

/** Does the policy retry after this failure? It says nothing of whether that is safe. */
export function matchesFailure(policy: RetryPlan, failure: UpstreamFailure): boolean {
  const { on } = policy
  switch (failure.type satisfies FailureType) {
    case 'connect-refused':
    case 'connect-timeout':
    case 'connect-error':
    case 'tls-error':
      return matchesAnyReset(on) || on.has('connect-failure') || on.has('reset-before-request')
    case 'refused-stream':
      return matchesAnyReset(on) || on.has('refused-stream')
    case 'reset-before-headers':
    case 'protocol-error':
      return matchesAnyReset(on)
    default:
      // No endpoint, overflow, no address: nothing was asked, and asking again helps nobody.
      return false
  }
}

/** Does the policy retry a try that ran into perTryTimeout? */
export function matchesTimeout(policy: RetryPlan): boolean {
  return matchesAnyReset(policy.on)
}

/** Envoy counts every failure without an answer as a 5xx and as a gateway error. */
function matchesAnyReset(on: ReadonlySet<string>): boolean {
  return on.has('5xx') || on.has('gateway-error') || on.has('reset')
}

/** Does the policy retry after this head of an answer? `grpcStatus` is of the head, or null. */
export function matchesAnswer(
  policy: RetryPlan,
  status: number,
  headers: Headers,
  grpcStatus: string | null,
): boolean {
  const { on, statuses } = policy
  if (headers.has('x-envoy-overloaded')) return false
  if (headers.has('x-envoy-ratelimited')) return on.has('envoy-ratelimited')
  if (grpcStatus !== null && policy.grpcStatuses.has(grpcStatus)) return true
  if (status >= 500 && on.has('5xx')) return true
  if (status >= 502 && status <= 504 && on.has('gateway-error')) return true
  if (status === 409 && on.has('retriable-4xx')) return true
  return status >= 400 && on.has('retriable-status-codes') && statuses.has(status)
}

/** Can an answer or a reset that comes after the body lead to a retry, whatever the upstream speaks? */
export function matchesAfterBody(policy: RetryPlan): boolean {
  const { on } = policy
  if (matchesAnyReset(on) || on.has('retriable-4xx') || on.has('envoy-ratelimited')) return true
  return policy.statuses.size > 0 && on.has('retriable-status-codes')
}
