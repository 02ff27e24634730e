import type { Headers } from '../http/headers.ts'
import type { RetryPlan } from '../routing/route.ts'
import type { UpstreamFailure } from '../upstream/failure.ts'
import type { UpstreamStream } from '../upstream/transport.ts'
import type { Exchange } from './exchange.ts'
import { startAttempt } from './forward.ts'

/** Backoff base and cap of VirtualService.http.retries: full jitter in [0, base * (2^n - 1)), at most 10 * base. */
const BACKOFF_BASE_MS = 25
const BACKOFF_CAP_MS = 250

/** Tries of one request on connections that the upstream closed just then; not a policy's matter. */
const MAX_STALE_CONNECTIONS = 2

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/**
 * Starts another attempt after a failure, when the route's policy names it and nothing can happen
 * twice: either no byte of the request reached an upstream, or the method is idempotent and no body
 * was sent. False: the failure is final.
 */
export function retryAfterFailure(
  exchange: Exchange,
  failure: UpstreamFailure,
  stream: UpstreamStream | null,
): boolean {
  const policy = retryPlanOf(exchange)
  const staleConnection = failure.retryable === 'if-reused' && stream !== null && stream.reused
  if (exchange.bodyForwarded || exchange.ended) return false
  if (
    staleConnection &&
    exchange.route !== null &&
    exchange.attempts <= MAX_STALE_CONNECTIONS &&
    // No policy asked for this one, so --compat does not widen it.
    IDEMPOTENT.has(exchange.request.method)
  ) {
    return scheduleAttempt(exchange, 0)
  }
  if (policy === null || !matchesFailure(policy.on, failure)) return false
  if (failure.retryable !== 'always' && !mayRepeat(exchange)) return false
  if (exchange.attempts > policy.attempts) {
    if (policy.attempts > 0) exchange.addFlag('URX')
    return false
  }
  return scheduleAttempt(exchange, exchange.attempts)
}

/** The same for a response: its status is one the policy retries and its body was not begun. */
export function retryAfterStatus(exchange: Exchange, status: number, headers: Headers): boolean {
  if (status < 400) return false
  const policy = retryPlanOf(exchange)
  if (policy === null || exchange.bodyForwarded) return false
  if (!matchesStatus(policy.on, policy.statuses, status)) return false
  if (headers.has('x-envoy-overloaded') || headers.has('x-envoy-ratelimited')) return false
  if (!mayRepeat(exchange)) return false
  if (exchange.attempts > policy.attempts) {
    if (policy.attempts > 0) exchange.addFlag('URX')
    return false
  }
  exchange.attempt?.abort()
  return scheduleAttempt(exchange, exchange.attempts)
}

/**
 * The same for retries.perTryTimeout. The endpoint has seen the request and may be at work on it,
 * so only what is idempotent is asked again.
 */
export function retryAfterTimeout(exchange: Exchange): boolean {
  const policy = retryPlanOf(exchange)
  if (policy === null || exchange.bodyForwarded) return false
  if (!policy.on.has('5xx') && !policy.on.has('gateway-error') && !policy.on.has('reset'))
    return false
  if (exchange.stream !== null && !mayRepeat(exchange)) return false
  if (exchange.attempts > policy.attempts) {
    if (policy.attempts > 0) exchange.addFlag('URX')
    return false
  }
  exchange.attempt?.abort()
  return scheduleAttempt(exchange, exchange.attempts)
}

function mayRepeat(exchange: Exchange): boolean {
  return exchange.mesh.retryAnyMethod || IDEMPOTENT.has(exchange.request.method)
}

/** null for CONNECT tunnels and everything that is not forwarded to a cluster. */
function retryPlanOf(exchange: Exchange): RetryPlan | null {
  const action = exchange.route === null ? null : exchange.route.action
  return action !== null && action.type === 'forward' ? action.retry : null
}

function matchesFailure(on: ReadonlySet<string>, failure: UpstreamFailure): boolean {
  const anyReset = on.has('5xx') || on.has('gateway-error') || on.has('reset')
  switch (failure.type) {
    case 'connect-refused':
    case 'connect-timeout':
    case 'connect-error':
    case 'tls-error':
      return anyReset || on.has('connect-failure') || on.has('reset-before-request')
    case 'refused-stream':
      return anyReset || on.has('refused-stream')
    case 'reset-before-headers':
    case 'protocol-error':
      return anyReset
    default:
      // No endpoint, overflow, no address: nothing was asked, and asking again helps nobody.
      return false
  }
}

function matchesStatus(
  on: ReadonlySet<string>,
  statuses: ReadonlySet<number>,
  status: number,
): boolean {
  if (status >= 500 && on.has('5xx')) return true
  if (status >= 502 && status <= 504 && on.has('gateway-error')) return true
  if (status === 409 && on.has('retriable-4xx')) return true
  return on.has('retriable-status-codes') && statuses.has(status)
}

function scheduleAttempt(exchange: Exchange, retry: number): boolean {
  exchange.attempt = null
  exchange.stream = null
  const failed = exchange.clusterAttempt
  if (failed !== null) exchange.tried = [...(exchange.tried ?? []), failed.remote]
  if (!exchange.requestEnded) exchange.downstream.pauseRequestBody()
  if (exchange.tryTimer !== null) clearTimeout(exchange.tryTimer)
  const spread = Math.min(BACKOFF_BASE_MS * (2 ** retry - 1), BACKOFF_CAP_MS)
  exchange.tryTimer = setTimeout(attemptAgain, exchange.runtime.random() * spread, exchange)
  return true
}

function attemptAgain(exchange: Exchange): void {
  exchange.tryTimer = null
  if (!exchange.ended) startAttempt(exchange)
}
