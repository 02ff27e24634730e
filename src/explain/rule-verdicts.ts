import type { Request } from '../http/request.ts'
import type { Route } from '../routing/route.ts'
import type { VirtualHost } from '../routing/virtual-host.ts'
import type { ExplainedRule } from './explanation.ts'
import { conditionsOf } from './match-conditions.ts'
import { placeOfOrigin, resourceName } from './resource-places.ts'
import { commonPrefix } from './string-difference.ts'

/** Every rule of a virtual host in order; `winner` is the route that the data path's decision took. */
export function ruleVerdicts(
  virtualHost: VirtualHost,
  request: Request,
  winner: Route | null,
): readonly ExplainedRule[] {
  let won = false
  return virtualHost.routes.map((route, index) => {
    const conditions = conditionsOf(route.match, request)
    const matches = route.match === null || route.match.matches(request)
    const verdict = won ? 'not-reached' : route === winner ? 'matched' : 'rejected'
    if (route === winner) won = true
    return {
      position: index + 1,
      verdict,
      wouldMatch: verdict === 'not-reached' && matches,
      name: route.name,
      place: placeOfOrigin(route.origin),
      conditions,
    }
  })
}

/** Rules that miss equally little are told together. */
const MAX_NEAREST = 3

/** Where no rule matched: those that miss least, a sentence each. */
export function nearestRules(
  virtualHost: VirtualHost,
  request: Request,
  rules: readonly ExplainedRule[],
): readonly string[] {
  const scored = rules.map((rule, index) => {
    const uri = virtualHost.routes[index]?.match?.uri ?? null
    return {
      rule,
      failed: rule.conditions.filter(({ holds }) => !holds).length,
      alike: uri === null ? 0 : commonPrefix(uri.text, request.path),
    }
  })
  const fewest = Math.min(...scored.map(({ failed }) => failed))
  const near = scored.filter(({ failed }) => failed === fewest)
  const likest = Math.max(...near.map(({ alike }) => alike))
  return near
    .filter(({ alike }) => alike === likest)
    .slice(0, MAX_NEAREST)
    .map(({ rule }) => nearSentence(rule))
}

function nearSentence({ place, conditions }: ExplainedRule): string {
  const reasons = conditions.flatMap(({ reason }) => reason ?? [])
  const where = place.line === null ? '' : ` (${place.file}:${place.line})`
  return `near: ${place.kind} ${resourceName(place)} ${place.path}${where}: ${reasons.join('; ')}`
}
