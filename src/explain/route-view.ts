import { fromBytes } from '../base/latin1.ts'
import type { Problem } from '../config/problems.ts'
import type { Request } from '../http/request.ts'
import type { ForwardAction, Route } from '../routing/route.ts'
import type { ClusterView } from './cluster-view.ts'
import { explainDestinations, missingCluster } from './destination-view.ts'
import type { ExplainedDestination, ExplainedRoute } from './explanation.ts'
import { placeOfOrigin } from './resource-places.ts'
import { explainHeaders, routeFeatures } from './route-features.ts'

/** What the winning route does with the request. */
export function explainRoute(route: Route, request: Request): ExplainedRoute {
  const { action } = route
  const forward = action.type === 'forward' ? action : null
  return {
    name: route.name,
    place: placeOfOrigin(route.origin),
    action: action.type,
    filters: route.filters.map((filter) => ({
      name: filter.name,
      settings: filter.describe?.() ?? null,
    })),
    requestHeaders: explainHeaders(route.requestHeaders),
    responseHeaders: explainHeaders(route.responseHeaders),
    forwardedAs:
      forward !== null || action.type === 'passthrough' ? forwardedAs(route, request) : null,
    timeoutMs: forward === null ? 0 : forward.timeoutMs,
    retry: forward === null ? null : retryOf(forward),
    features: routeFeatures(route, forward),
  }
}

/** Where the winning route leads; empty for what the gateway answers itself. */
export function routeDestinations(
  { action, origin }: Route,
  view: ClusterView,
  problems: readonly Problem[],
): readonly ExplainedDestination[] {
  if (action.type !== 'forward') return []
  const { destinations, cumulativeWeights } = action
  return explainDestinations(
    destinations,
    cumulativeWeights,
    view,
    missingCluster(origin, problems),
  )
}

function forwardedAs(
  { action, match }: Route,
  request: Request,
): { readonly target: string; readonly authority: string } {
  const { rewrite, rewriteAuthority } =
    action.type === 'forward' ? action : { rewrite: null, rewriteAuthority: null }
  const path = rewrite === null ? request.path : rewrite.apply(request.path, match)
  return {
    target: fromBytes(path + request.query),
    authority: rewriteAuthority ?? request.authority,
  }
}

function retryOf({ retry }: ForwardAction): ExplainedRoute['retry'] {
  if (retry === null) return null
  const { attempts, perTryTimeoutMs, on, statuses, backoffMs } = retry
  return { attempts, perTryTimeoutMs, on: [...on], statuses: [...statuses], backoffMs }
}
