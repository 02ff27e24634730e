import type { PickPreferences } from '../clusters/pick.ts'
import type { ClusterPlan } from '../clusters/plan.ts'
import type { Filter } from '../filters/filter.ts'
import type { HeaderMutation } from './header-mutation.ts'
import type { MirrorPlan } from './mirror-plan.ts'
import type { PathRewrite } from './path-rewrite.ts'
import type { RedirectPlan } from './redirect.ts'
import type { RouteMatch } from './route-match.ts'
import type { StickyPlan } from './sticky-plan.ts'

/** Where a route was written: for people, never for matching. */
export interface RouteOrigin {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  /** `spec.http[0].match[1]` */
  readonly path: string
  readonly file: string | null
  readonly line: number | null
}

/** One weighted destination of a route. */
export class Destination {
  /** What configuration asked for, e.g. `outbound|8080|v2|reviews.default.svc.cluster.local`. */
  readonly clusterName: string
  /** null: no such host, subset or port: 503 NC. */
  readonly cluster: ClusterPlan | null
  /** 0 or more; share = weight / sum. */
  readonly weight: number
  readonly requestHeaders: HeaderMutation | null
  readonly responseHeaders: HeaderMutation | null
  /** Replaces Host upstream where the route does not, or null. */
  readonly authority: string | null

  constructor(
    clusterName: string,
    cluster: ClusterPlan | null,
    weight: number,
    requestHeaders: HeaderMutation | null,
    responseHeaders: HeaderMutation | null,
    authority: string | null = null,
  ) {
    this.clusterName = clusterName
    this.cluster = cluster
    this.weight = weight
    this.requestHeaders = requestHeaders
    this.responseHeaders = responseHeaders
    this.authority = authority
  }
}

/** VirtualService http[].retries. */
export interface RetryPlan {
  /** Retries after the first try. */
  readonly attempts: number
  readonly perTryTimeoutMs: number
  /** Lower-case Envoy condition names: `connect-failure`, `refused-stream`, `5xx`, ... */
  readonly on: ReadonlySet<string>
  readonly statuses: ReadonlySet<number>
  /** Values of grpc-status that the conditions name: `14` for `unavailable`. */
  readonly grpcStatuses: ReadonlySet<string>
  /** Base of the backoff; waits grow to ten times as much. */
  readonly backoffMs: number
  /** The route itself says what to retry, so requests of every method are. */
  readonly anyMethod: boolean
  /** Endpoints that were tried are avoided: retryIgnorePreviousHosts. */
  readonly avoidsTried: boolean
  /** So are failover levels: retryRemoteLocalities. */
  readonly remoteLocalities: boolean
  /** Neither the route nor MeshConfig says anything of retries. */
  readonly isDefault: boolean
}

export interface ForwardAction {
  readonly type: 'forward'
  /** One entry: always taken. Several: zero weights were removed, at least one is left. */
  readonly destinations: readonly Destination[]
  /** Cumulative weights, same length; last = total. */
  readonly cumulativeWeights: readonly number[]
  /** The same key always gets the same destination; null: drawn for each request. */
  readonly sticky: StickyPlan | null
  /** null: load balancers need to know nothing of the route. */
  readonly preferences: PickPreferences | null
  readonly rewrite: PathRewrite | null
  /** Replaces Host upstream whatever the destination, or null. */
  readonly rewriteAuthority: string | null
  /** Whole exchange, 0 = none. */
  readonly timeoutMs: number
  readonly retry: RetryPlan | null
  /** Copies of the request go there as well, or null. */
  readonly mirrors: readonly MirrorPlan[] | null
}

/** Goes where the request itself says (egress ALLOW_ANY): PassthroughCluster. */
export interface PassthroughAction {
  readonly type: 'passthrough'
  /** On a Gateway: the ServiceEntry (resolution DYNAMIC_DNS) that the request's own host belongs to. */
  readonly declared?: { readonly clusterName: string; readonly port: number }
}

export interface RedirectAction {
  readonly type: 'redirect'
  readonly redirect: RedirectPlan
}

export interface DirectResponseAction {
  readonly type: 'direct-response'
  readonly status: number
  readonly body: Buffer
}

/** Refuses (egress REGISTRY_ONLY): BlackHoleCluster, 502. */
export interface BlackHoleAction {
  readonly type: 'black-hole'
}

export type RouteAction =
  ForwardAction | PassthroughAction | RedirectAction | DirectResponseAction | BlackHoleAction

/** One compiled route: one match entry of one http rule. */
export class Route {
  /** `%ROUTE_NAME%`; '' when the rule has no name. */
  readonly name: string
  readonly origin: RouteOrigin
  /** null matches every request. */
  readonly match: RouteMatch | null
  readonly action: RouteAction
  readonly requestHeaders: HeaderMutation | null
  readonly responseHeaders: HeaderMutation | null
  /** Filters that do something here, in order. */
  readonly filters: readonly Filter[]

  constructor(init: {
    name: string
    origin: RouteOrigin
    match: RouteMatch | null
    action: RouteAction
    requestHeaders: HeaderMutation | null
    responseHeaders: HeaderMutation | null
    filters: readonly Filter[]
  }) {
    this.name = init.name
    this.origin = init.origin
    this.match = init.match
    this.action = init.action
    this.requestHeaders = init.requestHeaders
    this.responseHeaders = init.responseHeaders
    this.filters = init.filters
  }
}
