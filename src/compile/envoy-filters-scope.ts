import type { FilterLayer, RouteKind, RuleField } from '../filters/filter.ts'
import type { RouteOrigin } from '../routing/route.ts'

type PatchContext = 'GATEWAY' | 'SIDECAR_OUTBOUND'

/** One route as EnvoyFilter's match sees it. */
export interface RouteScope {
  /** SIDECAR_OUTBOUND stands for the egress listeners. */
  readonly context: PatchContext
  /** `namespace/name` of the Gateways that share the route table. */
  readonly gateways: readonly string[]
  /** The Gateway server port. */
  readonly portNumber: number
  /** `http.8080`, `https.443.https.gw.ns`. */
  readonly routeTable: string
  /** `<host>:<Gateway server port>` */
  readonly virtualHostName: string
  readonly domains: readonly string[]
  /** VirtualService `http[].name`, or ''. */
  readonly routeName: string
  readonly action: RouteKind
  /** The resource that wrote the route; absent: nobody did. */
  readonly origin?: Pick<RouteOrigin, 'kind' | 'namespace' | 'name'>
}

/** What a route's rule says to the filters of Istio's own chain. */
export type RuleSettings = Readonly<Partial<Record<RuleField, FilterLayer>>>

export const NO_RULE_SETTINGS: RuleSettings = {}

/** A port number of EnvoyFilter may be the Gateway's or the one the listener is bound to. */
export function hasPort(scope: RouteScope, port: number): boolean {
  return scope.portNumber === port || tablePort(scope.routeTable) === port
}

function tablePort(routeTable: string): number | null {
  const part = routeTable.split('.')[1]
  return part !== undefined && /^\d+$/.test(part) ? Number(part) : null
}
