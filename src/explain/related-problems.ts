import { formatPath, type Problem } from '../config/problems.ts'
import type { Explanation, Place } from './explanation.ts'
import { sameResource } from './resource-places.ts'

/** More than this is a list, not an explanation: see `tidegate validate`. */
const MAX_PROBLEMS = 20

/** Errors and warnings about the resources that an explanation names. */
export function relatedProblems(
  found: Omit<Explanation, 'generation' | 'live' | 'problems'>,
  problems: readonly Problem[],
): Explanation['problems'] {
  const places: (Place | null)[] = [
    ...(found.listener?.servers ?? []).map(({ place }) => place),
    ...(found.tls?.chains ?? []).filter(({ chosen }) => chosen).map(({ place }) => place),
    // A rule that won is told alone; where none did, any may be the broken one.
    ...(found.route === null ? (found.virtualHost?.sources ?? []) : [ruleOf(found.route.place)]),
    ...found.elsewhere.map(({ place }) => place),
    ...found.destinations.flatMap(({ details }) => details?.destinationRules ?? []),
  ]
  return problems
    .filter(({ severity }) => severity !== 'info')
    .flatMap(({ ref, path, file, line, message, hint }) => {
      if (ref === null) return []
      const place = { ...ref, path: formatPath(path), file, line }
      if (!places.some((one) => one !== null && touches(place, one))) return []
      return [{ place, message: hint === null ? message : `${message} (${hint})` }]
    })
    .slice(0, MAX_PROBLEMS)
}

/** Servers of one Gateway, and rules of one VirtualService, have nothing to do with each other. */
const APART = ['spec.servers[', 'spec.http[']

/** Is the problem about the place, or about its resource as a whole? */
function touches(problem: Place, place: Place): boolean {
  if (!sameResource(problem, place)) return false
  const apart = APART.some((list) => problem.path.startsWith(list) && place.path.startsWith(list))
  return !apart || `${problem.path}.`.startsWith(`${place.path}.`)
}

/** The whole rule of a match: `spec.http[0]`. */
function ruleOf(place: Place): Place {
  return { ...place, path: place.path.replace(/\.match\[\d+\]$/, '') }
}
