import { MAX_TIMER_MS } from '../base/deadlines.ts'
import { pickWeighted } from '../base/weighted-pick.ts'
import { splitHostPort } from '../base/host-port.ts'
import { Headers } from '../http/headers.ts'
import type { ForwardAction } from '../routing/route.ts'
import type { Exchange } from './exchange.ts'
import { appendForwardedHost } from './forwarded-headers.ts'
import { sendLocalReply } from './local-reply.ts'
import { prepareShadows } from './mirror.ts'
import { isGrpcContentType } from './grpc-content-type.ts'
import { grpcTimeoutMs, setGrpcTimeout } from './grpc-timeout.ts'
import { stickyDestination } from './sticky-destination.ts'
import { replayLimit, retryAfterTimeout } from './retry.ts'
import { Tries } from './tries.ts'

const DEADLINE_EXCEEDED = '4'

/** Picks one of the route's destinations. Before the filters: they and the log name its cluster. */
export function pickDestination(exchange: Exchange, action: ForwardAction): void {
  const destinations = action.destinations
  const destination =
    destinations.length === 1
      ? destinations[0]!
      : destinations[
          action.sticky === null
            ? pickWeighted(action.cumulativeWeights, exchange.runtime.random())
            : stickyDestination(exchange, action.sticky)
        ]!
  exchange.destination = destination
  exchange.cluster = destination.cluster
  exchange.clusterLabel = destination.clusterName
}

/**
 * Applies the request operations of the picked destination and of the route, the rewrites, and
 * starts the first attempt. `action` is null for PassthroughCluster.
 */
export function startForward(exchange: Exchange, action: ForwardAction | null): void {
  const request = exchange.request
  if (action !== null) {
    const destination = exchange.destination!
    if (destination.cluster === null) {
      sendLocalReply(exchange, 503, new Headers(), '', 'NC', 'cluster_not_found')
      return
    }
    if (destination.requestHeaders !== null)
      destination.requestHeaders.apply(request.headers, exchange)
  }
  const route = exchange.route!
  if (route.requestHeaders !== null) route.requestHeaders.apply(request.headers, exchange)
  if (action !== null) {
    rewrite(exchange, action)
    prepareTries(exchange, action)
  }
  const shadows =
    action === null || action.mirrors === null
      ? null
      : prepareShadows(
          exchange,
          action.mirrors,
          exchange.tries === null ? 0 : exchange.tries.timeoutMs,
        )
  startAttempt(exchange)
  if (shadows !== null) shadows.start()
}

function prepareTries(exchange: Exchange, action: ForwardAction): void {
  const { method, headers } = exchange.request
  const grpc = method === 'POST' && isGrpcContentType(headers.get('content-type'))
  const perTryTimeoutMs = action.retry === null ? 0 : action.retry.perTryTimeoutMs
  if (!grpc && action.timeoutMs === 0 && perTryTimeoutMs === 0) return
  const tries = new Tries()
  tries.perTryTimeoutMs = perTryTimeoutMs
  tries.timeoutMs = action.timeoutMs
  exchange.tries = tries
  if (!grpc) return
  tries.grpc = true
  // A gRPC client's own deadline takes the place of the route's timeout, unless that is shorter.
  const clientMs = grpcTimeoutMs(headers)
  if (clientMs === 0 || (action.timeoutMs > 0 && clientMs > action.timeoutMs)) return
  tries.timeoutMs = clientMs
  tries.clientDeadline = true
}

function rewrite(exchange: Exchange, action: ForwardAction): void {
  const request = exchange.request
  if (action.rewrite !== null) {
    const path = action.rewrite.apply(request.path, exchange.route!.match)
    if (path !== request.path) {
      if (exchange.mesh.debugHeaders) {
        request.headers.set('x-envoy-original-path', exchange.originalPath)
      }
      request.path = path
    }
  }
  const authority = action.rewriteAuthority ?? exchange.destination!.authority
  if (authority !== null) {
    if (exchange.mesh.forwardedHost) appendForwardedHost(request.headers, request.authority)
    request.authority = authority
  }
}

/** One try: the first, or a retry. The body stays paused until a connection took the head. */
export function startAttempt(exchange: Exchange): void {
  exchange.attempts++
  const request = exchange.request
  if (!exchange.requestEnded) exchange.downstream.pauseRequestBody()
  if (exchange.mesh.attemptCountHeader) {
    request.headers.set('x-envoy-attempt-count', String(exchange.attempts))
  }
  startClocks(exchange)
  if (exchange.body !== null) exchange.body.keep(replayLimit(exchange))
  if (exchange.tries !== null) announceTimeout(exchange, exchange.tries)
  if (exchange.cluster !== null) {
    const cluster = exchange.runtimeCluster
    if (cluster === null) {
      sendLocalReply(exchange, 503, new Headers(), '', 'NC', 'cluster_not_found')
      return
    }
    const attempt = cluster.startRequest(request, exchange, exchange)
    exchange.clusterAttempt = attempt
    exchange.attempt = attempt
    return
  }
  const { host } = splitHostPort(request.authority)
  const { passthrough, declaredPassthrough } = exchange.runtime
  const target = exchange.declaredByName ? declaredPassthrough : passthrough
  exchange.attempt = target.startRequest(host, exchange.port, request, exchange)
}

/** How long this attempt may take, for the upstream: x-envoy-expected-rq-timeout-ms, grpc-timeout. */
function announceTimeout(exchange: Exchange, tries: Tries): void {
  const perTryMs = tries.perTryTimeoutMs === 0 ? Infinity : tries.perTryTimeoutMs
  const expectedMs = Math.max(1, Math.round(Math.min(perTryMs, tries.leftMs())))
  if (expectedMs === Infinity) return
  const { headers } = exchange.request
  if (exchange.mesh.debugHeaders) headers.set('x-envoy-expected-rq-timeout-ms', String(expectedMs))
  if (tries.grpc) setGrpcTimeout(headers, expectedMs)
}

/**
 * VirtualService.http.timeout and retries.perTryTimeout. They run while the gateway or an upstream
 * is at work: not while the client uploads, and from zero again when the request is complete.
 */
export function startClocks(exchange: Exchange): void {
  const tries = exchange.tries
  if (tries === null) return
  if (tries.timeoutMs > 0 && tries.routeTimer === null) {
    tries.routeTimer = setTimeout(onRouteTimeout, timerMs(tries.timeoutMs), exchange)
    tries.deadlineMs = performance.now() + tries.timeoutMs
  }
  if (tries.perTryTimeoutMs > 0 && tries.tryTimer === null) {
    tries.tryTimer = setTimeout(onTryTimeout, timerMs(tries.perTryTimeoutMs), exchange)
  }
}

/** Longer ones would fire at once. */
function timerMs(ms: number): number {
  return Math.min(ms, MAX_TIMER_MS)
}

/** VirtualService.http.timeout passed: 504 UT, or a reset when the answer was already begun. */
function onRouteTimeout(exchange: Exchange): void {
  const tries = exchange.tries
  if (tries !== null) tries.routeTimer = null
  if (exchange.ended) return
  reportTimeout(exchange)
  if (exchange.downstream.headSent) {
    exchange.addFlag('UT')
    exchange.details = 'response_timeout'
    exchange.downstream.abort()
    exchange.finish()
    return
  }
  const headers = new Headers()
  // The gRPC client's own deadline passed; other timeouts are the gateway's.
  if (tries !== null && tries.clientDeadline) headers.add('grpc-status', DEADLINE_EXCEEDED)
  answerTimeout(exchange, headers, 'response_timeout')
}

function answerTimeout(exchange: Exchange, headers: Headers, details: string): void {
  sendLocalReply(exchange, 504, headers, 'upstream request timeout', 'UT', details)
}

/** Outlier detection counts an endpoint that did not begin its answer in time. */
function reportTimeout(exchange: Exchange): void {
  const cluster = exchange.runtimeCluster
  const attempt = exchange.clusterAttempt
  if (cluster !== null && attempt !== null && !exchange.downstream.headSent)
    cluster.reportTimeout(attempt)
}

/** retries.perTryTimeout passed: another try where the policy retries timeouts, else 504 UT. */
function onTryTimeout(exchange: Exchange): void {
  if (exchange.tries !== null) exchange.tries.tryTimer = null
  if (exchange.ended || exchange.downstream.headSent) return
  reportTimeout(exchange)
  if (retryAfterTimeout(exchange)) return
  answerTimeout(exchange, new Headers(), 'upstream_per_try_timeout')
}
