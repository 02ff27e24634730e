import { Headers } from '../http/headers.ts'
import { splitHostPort } from '../base/host-port.ts'
import type { Exchange } from './exchange.ts'
import { startForward } from './forward.ts'
import { sendLocalReply } from './local-reply.ts'
import { refuseEgress } from './egress-refusal.ts'

/** Does what the chosen route says, after its filters let the request pass. */
export function act(exchange: Exchange): void {
  const action = exchange.route!.action
  switch (action.type) {
    case 'forward':
      startForward(exchange, action)
      return
    case 'redirect': {
      const headers = new Headers()
      headers.add(
        'location',
        action.redirect.location(exchange.request, exchange.port, exchange.route!.match),
      )
      sendLocalReply(exchange, action.redirect.status, headers, '', '', 'direct_response')
      return
    }
    case 'direct-response':
      sendLocalReply(
        exchange,
        action.status,
        directHeaders(exchange, action.status),
        action.body,
        '',
        'direct_response',
      )
      return
    case 'passthrough':
      startForward(exchange, null)
      return
    case 'black-hole':
      refuseEgress(exchange, splitHostPort(exchange.request.authority).host)
  }
}

/** 201 and 3xx name the place they are about: the request's own, which header operations may replace. */
function directHeaders(exchange: Exchange, status: number): Headers {
  const headers = new Headers()
  if (status !== 201 && (status < 300 || status > 399)) return headers
  const { scheme, authority, path, query } = exchange.request
  headers.add('location', `${scheme}://${authority}${path}${query}`)
  return headers
}
