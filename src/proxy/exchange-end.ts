import { turnClock } from '../base/clock.ts'
import type { Exchange } from './exchange.ts'
import { endTries } from './retry.ts'

/** Frees everything that an exchange holds, and reports it. Called once, when it has ended. */
export function endExchange(exchange: Exchange): void {
  if (exchange.tries !== null) endTries(exchange, exchange.tries)
  const open = exchange.tunnel || !exchange.upstreamEnded || !exchange.requestEnded
  if (exchange.attempt !== null && open) exchange.attempt.abort()
  exchange.waiter?.exchangeEnded()
  exchange.waiter = null
  exchange.endedMonotonicMs = turnClock.now()
  exchange.runtime.observer?.onExchangeEnd(exchange)
  exchange.attempt = null
  exchange.stream = null
  if (exchange.body !== null) exchange.body.close()
  exchange.runtime.active--
}
