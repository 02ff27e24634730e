import type { HttpMatchSpec } from '../../config/kinds/virtual-service.ts'
import type { HeaderMutation } from '../../routing/header-mutation.ts'
import type { RouteAction, RouteOrigin } from '../../routing/route.ts'
import type { RouteMatch } from '../../routing/route-match.ts'
import type { RuleSettings } from '../envoy-filters-scope.ts'
import type { Place } from '../findings.ts'

/** A route before it is put into a virtual host: only the filters are missing. */
export interface RouteDraft {
  readonly name: string
  readonly origin: RouteOrigin
  /** Where the match, or the rule without one, is written; null when nobody wrote it. */
  readonly place: Place | null
  readonly match: RouteMatch | null
  /** What `match` was compiled from; null for a rule without match. */
  readonly spec: HttpMatchSpec | null
  readonly action: RouteAction
  readonly requestHeaders: HeaderMutation | null
  readonly responseHeaders: HeaderMutation | null
  /** What the rule says to filters. */
  readonly settings: RuleSettings
}

/** Takes every request: where VirtualServices meet in one virtual host it goes behind the others. */
export function isCatchAll(match: RouteMatch | null): boolean {
  return match === null || match.isCatchAll
}

/** Catch-alls moved stably to the end. */
export function catchAllsLast(drafts: readonly RouteDraft[]): readonly RouteDraft[] {
  const last = drafts.filter((draft) => isCatchAll(draft.match))
  return [...drafts.filter((draft) => !isCatchAll(draft.match)), ...last]
}
