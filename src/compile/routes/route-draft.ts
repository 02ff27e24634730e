import type { HeaderMutation } from '../../routing/header-mutation.ts'
import type { RouteAction, RouteOrigin } from '../../routing/route.ts'
import type { RouteMatch } from '../../routing/route-match.ts'

/** A route before it is put into a virtual host: only the filters are missing. */
export interface RouteDraft {
  readonly name: string
  readonly origin: RouteOrigin
  readonly match: RouteMatch | null
  readonly action: RouteAction
  readonly requestHeaders: HeaderMutation | null
  readonly responseHeaders: HeaderMutation | null
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
