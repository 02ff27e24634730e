import { Headers } from '../http/headers.ts'
import { httpsLocation } from '../routing/redirect.ts'
import type { NoRoute } from './decision.ts'
import type { Exchange } from './exchange.ts'
import { sendLocalReply } from './local-reply.ts'
import { redirectUnescaped } from './path-redirect.ts'

/** Local answer of a request that no route takes. */
export function answerWithoutRoute(exchange: Exchange, decision: NoRoute): void {
  if (decision.kind === 'escaped-slashes') {
    redirectUnescaped(exchange)
    return
  }
  if (decision.closes) exchange.downstream.closeAfter()
  const headers = new Headers()
  if (decision.kind === 'https-redirect') headers.add('location', httpsLocation(exchange.request))
  sendLocalReply(exchange, decision.status, headers, decision.body, decision.flag, decision.details)
}
