import { splitHostPort } from '../base/host-port.ts'
import type { DownstreamExchange } from '../http/exchange.ts'
import { NoRoute, refusedOutright, decideIn } from './decision.ts'
import {
  admitClient,
  passesUndeclared,
  refuseHidden,
  undeclaredHost,
  visibleHost,
} from './egress-access.ts'
import { askedPort, knownHost } from './egress-decision.ts'
import { EgressExchange } from './egress-exchange.ts'
import { takeParent } from './egress-parent.ts'
import { refuseLoop } from './egress-refusal.ts'
import { connectTo } from './egress-tunnel.ts'
import { wayOf } from './egress-way.ts'
import { takeRoute } from './filter-chain.ts'
import { answerWithoutRoute } from './no-route-reply.ts'
import { ownEgressHeaders } from './own-headers.ts'
import type { ProxyRuntime } from './runtime.ts'
import { addVia, wentInCircles } from './via.ts'

/**
 * An exchange on the egress proxy: absolute-form (or redirected origin-form) requests are routed by
 * host and port like a sidecar would; CONNECT opens a tunnel to the cluster of that host and port.
 */
export function handleEgress(runtime: ProxyRuntime, downstream: DownstreamExchange): void {
  const request = downstream.request
  const { host } = splitHostPort(request.authority)
  const connect = request.method === 'CONNECT' && request.upgrade === null
  const way = wayOf(downstream.connection)
  const redirectedFrom = way === null || request.absoluteForm ? 0 : way.originalPort
  const asked = askedPort(request.authority, connect, redirectedFrom)
  const exchange = new EgressExchange(runtime, downstream, host, asked)
  const credentials = request.headers.get('proxy-authorization')
  exchange.destinationHost = `${host}:${asked}`
  const client = ownEgressHeaders(request, exchange.connection, exchange.mesh)
  exchange.clientAddress = client.clientAddress
  exchange.requestId = client.requestId
  const refused = refusedOutright(request)
  if (refused !== null) {
    answerWithoutRoute(exchange, refused)
    return
  }
  const plan = exchange.plan
  if (!admitClient(exchange, credentials)) return
  if (wentInCircles(request.headers, runtime.pseudonym) || (way !== null && way.isLoop)) {
    refuseLoop(exchange)
    return
  }
  addVia(request.headers, request.protocol, runtime.pseudonym)
  if (connect) {
    connectTo(exchange, plan, host, asked)
    return
  }
  const known = visibleHost(exchange, knownHost(exchange.tables, host, asked))
  if (known === null && refuseHidden(exchange)) return
  exchange.declared = known !== null
  exchange.declaredByName = known !== null && !known.name.startsWith('*')
  if (known === null && passesUndeclared(exchange) && !takeParent(exchange)) return
  const decision = decideIn(known ?? undeclaredHost(exchange), request)
  if (decision instanceof NoRoute) answerWithoutRoute(exchange, decision)
  else takeRoute(exchange, decision)
}
