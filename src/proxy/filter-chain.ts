import { ANSWERED, WAIT } from '../filters/filter.ts'
import type { Exchange } from './exchange.ts'
import { act } from './act.ts'

/**
 * Runs the route's filters from where the exchange stands. A filter that waits leaves the body
 * paused; its `resume` continues behind it.
 */
export function runFilters(exchange: Exchange): void {
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
