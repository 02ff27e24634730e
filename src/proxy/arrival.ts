import { CONTINUE, WAIT } from '../filters/filter.ts'
import type { Claims } from '../base/claims.ts'
import type { Authenticator, ClientSink } from '../filters/authenticator.ts'
import type { Request } from '../http/request.ts'
import type { HttpServerPlan } from '../snapshot/listener-plan.ts'
import { decideHttp, NoRoute, refusedAtServer } from './decision.ts'
import type { Exchange } from './exchange.ts'
import { takeRoute } from './filter-chain.ts'
import { answerWithoutRoute } from './no-route-reply.ts'

type Misdirected = ((authority: string) => boolean) | null

/** A request whose client is being authenticated: what its route is chosen with afterwards. */
export class Arrival implements ClientSink {
  readonly server: HttpServerPlan
  readonly misdirected: Misdirected
  readonly #exchange: Exchange

  constructor(exchange: Exchange, server: HttpServerPlan, misdirected: Misdirected) {
    this.#exchange = exchange
    this.server = server
    this.misdirected = misdirected
  }

  identify(claims: Claims): void {
    this.#exchange.request.claims = claims
  }

  showPath(path: string): void {
    this.#exchange.originalPath = path
  }
}

/** Finds out who asks, where that is to be known, and chooses the route. */
export function arrive(exchange: Exchange, server: HttpServerPlan, misdirected: Misdirected): void {
  const { authenticator } = server
  if (authenticator === null) {
    chooseRoute(exchange, server, misdirected)
    return
  }
  const arrival = new Arrival(exchange, server, misdirected)
  authenticator.conceal(exchange.request, arrival)
  if (asksWho(exchange.request, server, misdirected)) authenticate(exchange, authenticator, arrival)
  else chooseRoute(exchange, server, misdirected)
}

/** What is refused or redirected to https whoever asks tells nobody anything. */
export function asksWho(
  request: Request,
  server: HttpServerPlan,
  misdirected: Misdirected,
): boolean {
  if (refusedAtServer(request, misdirected) !== null) return false
  if (request.scheme !== 'http') return true
  const virtualHost = server.hosts.lookup(request.authority)
  return virtualHost === null || !virtualHost.httpsRedirect
}

/** One that waits leaves the body paused; its `resume` chooses the route. */
function authenticate(exchange: Exchange, authenticator: Authenticator, arrival: Arrival): void {
  exchange.arrival = arrival
  const verdict = authenticator.authenticate(exchange, arrival)
  if (verdict === WAIT && !exchange.requestEnded) exchange.downstream.pauseRequestBody()
  else if (verdict === CONTINUE && !exchange.ended) resumeArrival(exchange, arrival)
}

export function resumeArrival(exchange: Exchange, { server, misdirected }: Arrival): void {
  exchange.arrival = null
  chooseRoute(exchange, server, misdirected)
}

function chooseRoute(exchange: Exchange, server: HttpServerPlan, misdirected: Misdirected): void {
  const decision = decideHttp(exchange.request, server, misdirected)
  if (decision instanceof NoRoute) answerWithoutRoute(exchange, decision)
  else takeRoute(exchange, decision)
}
