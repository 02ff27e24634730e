import type { Headers } from '../http/headers.ts'
import type { RetryPlan } from '../routing/route.ts'
import type { UpstreamFailure } from '../upstream/failure.ts'
import type { UpstreamStream } from '../upstream/transport.ts'
import type { Exchange } from './exchange.ts'
import { startAttempt } from './forward.ts'
import { grpcStatusOf } from './grpc-status.ts'
import { MAX_REFUSED_REPLAY_BYTES, MAX_REPLAY_BYTES } from './replay-budget.ts'
import {
  matchesAfterBody,
  matchesAnswer,
  matchesFailure,
  matchesTimeout,
} from './retry-conditions.ts'
import { Tries } from './tries.ts'

/** Full jitter in [0, base * (2^n - 1)) before retry n, at most ten times the base. */
const MAX_BACKOFF_FACTOR = 10

/** Tries of one request on connections that the upstream closed just then; not a policy's matter. */
export const MAX_STALE_CONNECTIONS = 2

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/**
 * Starts another attempt after a failure, when the route's policy names it and either no byte of
 * the request reached an upstream or the request may be repeated. False: the failure is final.
 */
export function retryAfterFailure(
  exchange: Exchange,
  failure: UpstreamFailure,
  stream: UpstreamStream | null,
): boolean {
  if (exchange.ended) return false
  const policy = retryPlanOf(exchange)
  const staleConnection = failure.retryable === 'if-reused' && stream !== null && stream.reused
  if (
    staleConnection &&
    exchange.route !== null &&
    exchange.attempts - retriesOf(exchange) <= MAX_STALE_CONNECTIONS &&
    // No policy asked for this one, so neither the route nor --compat widens it.
    IDEMPOTENT.has(exchange.request.method) &&
    canSendAgain(exchange)
  ) {
    scheduleAttempt(exchange, policy, 0)
    return true
  }
  if (policy === null) return false
  if (!isLostByDefault(exchange, policy, failure)) {
    if (!matchesFailure(policy, failure)) return false
    if (failure.retryable !== 'always' && !mayRepeat(exchange, policy)) return false
  }
  return retryOnce(exchange, policy)
}

/**
 * Nobody wrote a policy, and an endpoint went away before it answered a request that may be
 * repeated: its clients need not hear of that. Istio's default passes the failure on.
 */
function isLostByDefault(exchange: Exchange, policy: RetryPlan, failure: UpstreamFailure): boolean {
  return (
    policy.isDefault &&
    failure.retryable === 'if-reused' &&
    IDEMPOTENT.has(exchange.request.method) &&
    !exchange.mesh.retryAnyMethod
  )
}

/**
 * The same for the head of an answer of which nothing was passed on: its status, or the grpc-status
 * of a trailers-only answer, is one that the policy retries.
 */
export function retryAfterAnswer(
  exchange: Exchange,
  status: number,
  headers: Headers,
  grpcStatus: string | null,
): boolean {
  const policy = retryPlanOf(exchange)
  if (policy === null || !matchesAnswer(policy, status, headers, grpcStatus)) return false
  if (!mayRepeat(exchange, policy)) return false
  return retryOnce(exchange, policy)
}

/** The same for retries.perTryTimeout. The endpoint may have seen the request and be at work on it. */
export function retryAfterTimeout(exchange: Exchange): boolean {
  const policy = retryPlanOf(exchange)
  if (policy === null || !matchesTimeout(policy)) return false
  if (exchange.stream !== null && !mayRepeat(exchange, policy)) return false
  return retryOnce(exchange, policy)
}

/** An answer is passed on. Where the retry that led to it is not over, it did its work. */
export function settleRetry(exchange: Exchange, tries: Tries): void {
  if (!tries.entered) return
  const cluster = exchange.runtimeCluster
  if (cluster !== null) cluster.counters.rqRetrySuccess++
  leaveRetry(exchange, tries)
}

/** The exchange is over. A gRPC call whose answer names no status has that of its HTTP status. */
export function endTries(exchange: Exchange, tries: Tries): void {
  tries.stop()
  leaveRetry(exchange, tries)
  if (tries.grpc && exchange.grpcStatus === '' && exchange.status > 0) {
    exchange.grpcStatus = String(grpcStatusOf(exchange.status))
  }
}

/** The try that was a retry is over; its place among the cluster's retries is free. */
function leaveRetry(exchange: Exchange, tries: Tries): void {
  if (!tries.entered) return
  tries.entered = false
  exchange.runtimeCluster?.retries.leave()
}

/** Bytes of the body that the attempt about to begin keeps for the next one. */
export function replayLimit(exchange: Exchange): number {
  const policy = retryPlanOf(exchange)
  if (policy === null || retriesOf(exchange) >= policy.attempts) return 0
  if (matchesAfterBody(policy) && mayRepeat(exchange, policy)) return MAX_REPLAY_BYTES
  if (isGrpcCall(exchange) && policy.grpcStatuses.size > 0) return MAX_REPLAY_BYTES
  const refusable = exchange.cluster !== null && exchange.cluster.protocol === 'http2'
  return refusable && policy.on.has('refused-stream') ? MAX_REFUSED_REPLAY_BYTES : 0
}

/** null for CONNECT tunnels and everything that is not forwarded to a cluster. */
function retryPlanOf(exchange: Exchange): RetryPlan | null {
  const action = exchange.route === null ? null : exchange.route.action
  return action !== null && action.type === 'forward' ? action.retry : null
}

/**
 * May an upstream see the request twice? By its method; because its route says itself what to
 * retry; or because it is a gRPC call, whose method says nothing, under a policy with gRPC
 * conditions.
 */
function mayRepeat(exchange: Exchange, policy: RetryPlan): boolean {
  return (
    IDEMPOTENT.has(exchange.request.method) ||
    policy.anyMethod ||
    exchange.mesh.retryAnyMethod ||
    (isGrpcCall(exchange) && policy.grpcStatuses.size > 0)
  )
}

function isGrpcCall(exchange: Exchange): boolean {
  return exchange.tries !== null && exchange.tries.grpc
}

function retriesOf(exchange: Exchange): number {
  return exchange.tries === null ? 0 : exchange.tries.retries
}

function canSendAgain(exchange: Exchange): boolean {
  return exchange.body === null || exchange.body.repeatable
}

/** The policy wants a retry; false when attempts, time, the body or the cluster do not admit one. */
function retryOnce(exchange: Exchange, policy: RetryPlan): boolean {
  const tries = (exchange.tries ??= new Tries())
  leaveRetry(exchange, tries)
  if (!canSendAgain(exchange)) return false
  const cluster = exchange.runtimeCluster
  if (tries.retries >= policy.attempts) {
    if (cluster !== null) cluster.counters.rqRetryLimitExceeded++
    exchange.addFlag('URX')
    return false
  }
  const factor = Math.min(2 ** (tries.retries + 1) - 1, MAX_BACKOFF_FACTOR)
  const waitMs = exchange.runtime.random() * policy.backoffMs * factor
  if (waitMs >= tries.leftMs()) return false
  if (cluster !== null && !cluster.retries.enter()) {
    exchange.addFlag('UO')
    return false
  }
  tries.entered = cluster !== null
  tries.retries++
  exchange.attempt?.abort()
  scheduleAttempt(exchange, policy, waitMs)
  return true
}

function scheduleAttempt(exchange: Exchange, policy: RetryPlan | null, waitMs: number): void {
  exchange.attempt = null
  exchange.stream = null
  noteTried(exchange, policy === null || policy.avoidsTried || policy.remoteLocalities)
  if (!exchange.requestEnded) exchange.downstream.pauseRequestBody()
  const tries = (exchange.tries ??= new Tries())
  if (tries.tryTimer !== null) clearTimeout(tries.tryTimer)
  tries.tryTimer = setTimeout(attemptAgain, waitMs, exchange)
}

/** Balancers tell a retry by `tried`, also when there is nothing to avoid. */
function noteTried(exchange: Exchange, avoided: boolean): void {
  exchange.tried ??= []
  if (avoided && exchange.clusterAttempt !== null)
    exchange.tried.push(exchange.clusterAttempt.remote)
}

function attemptAgain(exchange: Exchange): void {
  if (exchange.tries !== null) exchange.tries.tryTimer = null
  if (!exchange.ended) startAttempt(exchange)
}
