import { pickWeighted } from '../base/weighted-pick.ts'
import { splitHostPort } from '../base/host-port.ts'
import { Headers } from '../http/headers.ts'
import type { Request } from '../http/request.ts'
import type { ForwardAction } from '../routing/route.ts'
import type { UpstreamRequest } from '../upstream/transport.ts'
import type { Exchange } from './exchange.ts'
import { sendLocalReply } from './local-reply.ts'
import { retryAfterTimeout } from './retry.ts'

/** The canonical request as an upstream transport takes it. */
class OutboundRequest implements UpstreamRequest {
  readonly method: string
  readonly scheme: 'http' | 'https'
  readonly authority: string
  readonly target: string
  readonly headers: Headers
  readonly bodyLength: number
  readonly upgrade: string | null
  readonly expectsContinue: boolean

  constructor(request: Request) {
    this.method = request.method
    this.scheme = request.scheme
    this.authority = request.authority
    this.target = request.path + request.query
    this.headers = request.headers
    this.bodyLength = request.bodyLength
    this.upgrade = request.upgrade
    this.expectsContinue = request.expectsContinue
  }
}

/** Picks one of the route's destinations. Before the filters: they and the log name its cluster. */
export function pickDestination(exchange: Exchange, action: ForwardAction): void {
  const destinations = action.destinations
  const destination =
    destinations.length === 1
      ? destinations[0]!
      : destinations[pickWeighted(action.cumulativeWeights, exchange.runtime.random())]!
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
  if (action !== null) rewrite(exchange, action)
  if (action !== null && action.timeoutMs > 0) {
    request.headers.set('x-envoy-expected-rq-timeout-ms', String(action.timeoutMs))
  }
  startAttempt(exchange)
}

function rewrite(exchange: Exchange, action: ForwardAction): void {
  const request = exchange.request
  if (action.rewrite !== null) {
    const path = action.rewrite.apply(request.path, exchange.route!.match)
    if (path !== request.path) {
      request.headers.set('x-envoy-original-path', exchange.originalPath)
      request.path = path
    }
  }
  if (action.rewriteAuthority !== null) request.authority = action.rewriteAuthority
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
  const outbound = new OutboundRequest(request)
  if (exchange.cluster !== null) {
    const cluster = exchange.runtimeCluster
    if (cluster === null) {
      sendLocalReply(exchange, 503, new Headers(), '', 'NC', 'cluster_not_found')
      return
    }
    const attempt = cluster.startRequest(outbound, exchange, exchange)
    exchange.clusterAttempt = attempt
    exchange.attempt = attempt
    return
  }
  const { host } = splitHostPort(request.authority)
  const { passthrough, declaredPassthrough } = exchange.runtime
  const target = exchange.declaredByName ? declaredPassthrough : passthrough
  exchange.attempt = target.startRequest(host, exchange.port, outbound, exchange)
}

/**
 * VirtualService.http.timeout and retries.perTryTimeout. They run while the gateway or an upstream
 * is at work: not while the client uploads, and from zero again when the request is complete.
 */
export function startClocks(exchange: Exchange): void {
  const action = exchange.route === null ? null : exchange.route.action
  if (action === null || action.type !== 'forward') return
  if (action.timeoutMs > 0 && exchange.routeTimer === null) {
    exchange.routeTimer = setTimeout(onRouteTimeout, action.timeoutMs, exchange)
  }
  if (action.retry !== null && action.retry.perTryTimeoutMs > 0 && exchange.tryTimer === null) {
    exchange.tryTimer = setTimeout(onTryTimeout, action.retry.perTryTimeoutMs, exchange)
  }
}

/** VirtualService.http.timeout passed: 504 UT, or a reset when the answer was already begun. */
function onRouteTimeout(exchange: Exchange): void {
  exchange.routeTimer = null
  if (exchange.ended) return
  reportTimeout(exchange)
  if (exchange.downstream.headSent) {
    exchange.addFlag('UT')
    exchange.details = 'response_timeout'
    exchange.downstream.abort()
    exchange.finish()
    return
  }
  sendLocalReply(exchange, 504, new Headers(), 'upstream request timeout', 'UT', 'response_timeout')
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
  exchange.tryTimer = null
  if (exchange.ended || exchange.downstream.headSent) return
  reportTimeout(exchange)
  if (retryAfterTimeout(exchange)) return
  sendLocalReply(
    exchange,
    504,
    new Headers(),
    'upstream request timeout',
    'UT',
    'upstream_per_try_timeout',
  )
}
