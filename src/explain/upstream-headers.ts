import type { Headers } from '../http/headers.ts'
import type { SubstitutionContext } from '../routing/substitution.ts'
import type { Decided } from './decided.ts'

/**
 * The headers that the upstream behind one destination gets: those of the request with the edge's
 * own, changed by the operations of the destination and of the route in the data path's order. What
 * only a connection knows (an endpoint's address, the time) is empty.
 */
export function upstreamHeaders(decided: Decided, destination: number): Headers {
  const { route, request } = decided
  const headers = request.headers.clone()
  const { action } = route
  const picked = action.type === 'forward' ? (action.destinations[destination] ?? null) : null
  const values = substitutionOf(decided, picked === null ? '' : picked.clusterName)
  picked?.requestHeaders?.apply(headers, values)
  route.requestHeaders?.apply(headers, values)
  return headers
}

/** Host as the upstream behind one destination gets it. */
export function upstreamAuthority({ route, request }: Decided, destination: number): string {
  const { action } = route
  if (action.type !== 'forward') return request.authority
  const own = action.destinations[destination]?.authority ?? null
  return action.rewriteAuthority ?? own ?? request.authority
}

function substitutionOf(
  { route, request, accepted }: Decided,
  clusterName: string,
): SubstitutionContext {
  return {
    request,
    connection: accepted.connection,
    clientAddress: accepted.clientAddress,
    startedAtMs: 0,
    requestId: request.headers.get('x-request-id') ?? '',
    routeName: route.name,
    clusterName,
    upstreamHost: '',
    upstreamLocal: '',
    status: 0,
    flags: '',
    details: '',
    originalPath: accepted.sentTarget,
    responseHeaders: null,
  }
}
