import { ANSWERED, WAIT } from '../filters/filter.ts'
import { splitHostPort } from '../base/host-port.ts'
import type { Route } from '../routing/route.ts'
import { act } from './act.ts'
import { PASSTHROUGH } from './egress-refusal.ts'
import type { Exchange } from './exchange.ts'
import { pickDestination } from './forward.ts'

/**
 * The route is chosen: picks its destination, so that filters, their answers and the log know the
 * cluster, and runs its filters. The body waits meanwhile.
 */
export function takeRoute(exchange: Exchange, route: Route): void {
  exchange.route = route
  const action = route.action
  if (action.type === 'forward') pickDestination(exchange, action)
  else if (action.type === 'passthrough') {
    if (action.declared === undefined) exchange.clusterLabel = passthroughLabel(exchange)
    else {
      exchange.declared = true
      exchange.port = action.declared.port
      exchange.clusterLabel = action.declared.clusterName
    }
  }
  if (!exchange.requestEnded && route.filters.length > 0) exchange.downstream.pauseRequestBody()
  runFilters(exchange)
}

function passthroughLabel(exchange: Exchange): string {
  if (exchange.cluster !== null) return exchange.cluster.name
  if (!exchange.declared) return PASSTHROUGH
  return `outbound|${exchange.port}||${splitHostPort(exchange.request.authority).host}`
}

/**
 * Runs the route's filters from where the exchange stands. A filter that waits leaves the body
 * paused; its `resume` continues behind it.
 */
function runFilters(exchange: Exchange): void {
  const filters = exchange.route!.filters
  while (exchange.filterIndex < filters.length) {
    const filter = filters[exchange.filterIndex++]!
    const verdict = filter.onRequest(exchange)
    if (verdict === ANSWERED || exchange.ended) return
    if (verdict === WAIT) {
      exchange.filterWaits = true
      return
    }
  }
  act(exchange)
}

export function resumeFilters(exchange: Exchange): void {
  if (!exchange.filterWaits) return
  exchange.filterWaits = false
  runFilters(exchange)
}
