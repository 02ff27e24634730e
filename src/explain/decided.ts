import type { Request } from '../http/request.ts'
import type { Route } from '../routing/route.ts'
import type { AcceptedCall } from './call-request.ts'
import type { Explanation } from './explanation.ts'

/** The compiled route that took a request. */
export interface Decided {
  readonly route: Route
  /** As matched: with the headers that the edge owns, gRPC-Web translated. */
  readonly request: Request
  readonly accepted: AcceptedCall
}

export interface Trace {
  readonly explanation: Explanation
  /** null: refused before a route was found, a tunnel or a TCP connection. */
  readonly decided: Decided | null
}
