import type { Filter } from '../../filters/filter.ts'
import { Route, type RouteAction } from '../../routing/route.ts'
import { VirtualHost } from '../../routing/virtual-host.ts'
import type { RouteScope, RuleSettings } from '../envoy-filters-scope.ts'
import type { RouteDraft } from './route-draft.ts'

/** The part of a target that all routes of a table share. */
export type TableTarget = Pick<RouteScope, 'context' | 'gateways' | 'portNumber' | 'routeTable'>

export type FiltersFor = (target: RouteScope, rule?: RuleSettings) => readonly Filter[]

export interface VirtualHostInit {
  readonly name: string
  readonly domains: readonly string[]
  readonly drafts: readonly RouteDraft[]
  readonly httpsRedirect: boolean
}

/** Finishes routes with the filters of their virtual host. */
export function buildVirtualHost(
  init: VirtualHostInit,
  table: TableTarget,
  filtersFor: FiltersFor,
): VirtualHost {
  const routes = init.drafts.map(
    (draft) =>
      new Route({
        ...draft,
        filters: filtersFor(
          {
            ...table,
            virtualHostName: init.name,
            domains: init.domains,
            routeName: draft.name,
            action: actionKind(draft.action),
            origin: draft.origin,
          },
          draft.settings,
        ),
      }),
  )
  return new VirtualHost(init.name, routes, init.httpsRedirect)
}

function actionKind(action: RouteAction): RouteScope['action'] {
  if (action.type === 'redirect') return 'REDIRECT'
  return action.type === 'direct-response' ? 'DIRECT_RESPONSE' : 'ROUTE'
}
