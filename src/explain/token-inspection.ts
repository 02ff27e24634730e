import type { Claims } from '../base/claims.ts'
import type { Request } from '../http/request.ts'
import { asksWho } from '../proxy/arrival.ts'
import type { HttpServerPlan } from '../snapshot/listener-plan.ts'
import type { ExplainedAuthentication, Refusal } from './explanation.ts'

/** What is known of a request's token before its route is chosen. */
export interface TokenInspection {
  readonly authentication: ExplainedAuthentication | null
  /** The request ends here; null: it goes on. */
  readonly refusal: Refusal | null
  readonly claims: Claims | null
}

/**
 * Asks the authenticator of a route table about a request. Signatures stay unchecked: that may need
 * keys that have to be fetched, and nothing is sent anywhere for an explanation.
 */
export function inspectToken(
  server: HttpServerPlan,
  request: Request,
  misdirected: ((authority: string) => boolean) | null,
): TokenInspection {
  const { authenticator } = server
  if (authenticator === null || !asksWho(request, server, misdirected)) {
    return { authentication: null, refusal: null, claims: null }
  }
  const { result, status, text, claims } = authenticator.inspect(request)
  const authentication = { result, text }
  if (result !== 'refused') return { authentication, refusal: null, claims }
  return { authentication, refusal: { status, flag: '', reason: text }, claims: null }
}
