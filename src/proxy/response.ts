import { turnClock } from '../base/clock.ts'
import type { UpstreamObserver } from '../filters/filter.ts'
import type { Headers } from '../http/headers.ts'
import { dateHeader } from './date-header.ts'
import type { Exchange } from './exchange.ts'
import { dropMeshHeaders } from './mesh-response-headers.ts'

/** True: one of them will not have the upstream asked again. */
export function tellObservers(
  observers: readonly UpstreamObserver[],
  status: number,
  headers: Headers,
): boolean {
  let closed = false
  for (let i = 0; i < observers.length; i++) {
    if (observers[i]!.upstreamAnswered(status, headers)) closed = true
  }
  return closed
}

/** Passes the upstream's response head on to the client. */
export function relayHead(
  exchange: Exchange,
  status: number,
  headers: Headers,
  bodyLength: number,
  grpcStatus: string | null,
): void {
  exchange.status = status
  if (exchange.body !== null) exchange.body.settle()
  if (exchange.details === '') exchange.details = 'via_upstream'
  if (exchange.direction === 'ingress') dropMeshHeaders(headers)
  if (exchange.mesh.debugHeaders) {
    headers.set('x-envoy-upstream-service-time', String(exchange.upstreamServiceTimeMs))
  }
  ownResponseHeaders(exchange, headers)
  exchange.responseHeaders = headers
  if (grpcStatus !== null) exchange.grpcStatus = grpcStatus
  const last =
    bodyLength === 0 || status === 204 || status === 304 || exchange.request.method === 'HEAD'
  exchange.headWasLast = last
  // A refused upgrade: what the client sent behind its head may be no HTTP.
  if (exchange.request.upgrade !== null) exchange.downstream.closeAfter()
  if (
    !exchange.downstream.sendHead(status, headers, bodyLength, last) &&
    exchange.stream !== null
  ) {
    exchange.stream.pauseResponse()
  }
}

/** Route and destination operations, what filters change, then the edge's own: date, server, added ones. */
export function ownResponseHeaders(exchange: Exchange, headers: Headers): void {
  const route = exchange.route
  if (route !== null) {
    const destination = exchange.destination
    if (destination !== null && destination.responseHeaders !== null) {
      destination.responseHeaders.apply(headers, exchange)
    }
    if (route.responseHeaders !== null) route.responseHeaders.apply(headers, exchange)
  }
  const editors = exchange.responseEditors
  if (editors !== null) for (let i = 0; i < editors.length; i++) editors[i]!.editResponse(headers)
  const added = exchange.addedHeaders
  if (added !== null)
    for (let i = 0; i < added.length; i += 2) headers.add(added[i]!, added[i + 1]!)
  if (!headers.has('date')) headers.add('date', dateHeader(turnClock.wallNow()))
  const server = exchange.mesh.serverHeader
  if (server === null) return
  // What an outside server says of itself is the pod's to see; the edge hides what is inside.
  if (exchange.direction === 'ingress' || !headers.has('server')) headers.set('server', server)
}
