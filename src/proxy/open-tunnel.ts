import { Headers } from '../http/headers.ts'
import type { Exchange } from './exchange.ts'
import { settleRetry } from './retry.ts'

/** The upstream agreed: from here on the exchange carries raw bytes both ways. */
export function openTunnel(exchange: Exchange, status: number): void {
  exchange.tunnel = true
  exchange.status = status
  exchange.details = 'via_upstream'
  if (exchange.tries !== null) settleRetry(exchange, exchange.tries)
  exchange.clearTimers()
  exchange.downstream.sendTunnelHead(status, exchange.responseHeaders ?? new Headers())
  const { stream, body } = exchange
  const hasRoom = stream === null || body === null || body.start(stream)
  if (stream !== null && body !== null && body.tunnelEnded) stream.sendEnd(null)
  else if (hasRoom) exchange.downstream.resumeRequestBody()
}
