import { formatPath } from '../../config/problems.ts'
import type { HttpMatchSpec } from '../../config/kinds/virtual-service.ts'
import { matchCovers } from '../../config/kinds/match-coverage.ts'
import { describe, type Findings, type Place } from '../findings.ts'
import type { RouteDraft } from '../routes/route-draft.ts'
import { EarlierRoutes } from './earlier-routes.ts'

/** Pairs of match entries compared in one compilation; what comes after is not judged. */
const MAX_COMPARISONS = 100_000
/** Hosts that one finding names. */
const MAX_NAMED_HOSTS = 3

/** A route written down, for findings: drafts that nobody wrote hide nothing. */
interface WrittenRoute {
  readonly place: Place
  /** Without what was decided when the route was put into its table. */
  readonly match: HttpMatchSpec
}

interface Conflict {
  readonly loser: Place
  readonly winner: Place
  readonly domains: string[]
}

/**
 * Finds routes that get no request because one before them, of another VirtualService or of a
 * delegate, takes everything they match. Within one VirtualService validation has told already.
 */
export class RouteConflicts {
  readonly #conflicts = new Map<string, Conflict>()
  readonly #findings: Findings
  #comparisons = 0

  constructor(findings: Findings) {
    this.#findings = findings
  }

  /** `drafts`: all of one virtual host, in the order in which they are tried. */
  check(domain: string, drafts: readonly RouteDraft[]): void {
    if (!mayConflict(drafts)) return
    const earlier = new EarlierRoutes<WrittenRoute>()
    for (const draft of drafts) {
      if (draft.place === null) continue
      const later = { place: draft.place, match: withoutScope(draft.spec) }
      const winner = earlier.find(later.match, (one) => this.#hides(one, later))
      if (winner !== null) this.#add(domain, later.place, winner.place)
      // What is hidden itself hides nothing that its own winner does not hide.
      else earlier.add(later.match, later)
    }
  }

  /** Call once, when all hosts were checked. */
  report(): void {
    for (const { loser, winner, domains } of this.#conflicts.values()) {
      const named = domains.slice(0, MAX_NAMED_HOSTS).join(', ')
      const more = domains.length - MAX_NAMED_HOSTS
      const hosts = `${named}${more > 0 ? ` and ${more} more hosts` : ''}`
      this.#findings.report(
        'warning',
        'route-shadowed',
        loser,
        `no request for ${hosts} comes here: ${formatPath(winner.path)} of VirtualService ${describe(winner.resource, winner.path)} is tried before and takes every request that this matches`,
        'VirtualServices of one host are tried from the oldest (creationTimestamp, then name) to the newest, rules for every request last: narrow the older rule, or put the rules into one VirtualService in the order that is meant',
      )
    }
  }

  #hides(earlier: WrittenRoute, later: WrittenRoute): boolean {
    if (earlier.place.resource === later.place.resource) return false
    if (++this.#comparisons > MAX_COMPARISONS) return false
    return matchCovers(earlier.match, later.match, [])
  }

  #add(domain: string, loser: Place, winner: Place): void {
    const key = `${keyOf(loser)} ${keyOf(winner)}`
    const present = this.#conflicts.get(key)
    if (present === undefined) this.#conflicts.set(key, { loser, winner, domains: [domain] })
    else if (!present.domains.includes(domain)) present.domains.push(domain)
  }
}

/** Most virtual hosts have one VirtualService. */
function mayConflict(drafts: readonly RouteDraft[]): boolean {
  const first = drafts[0]?.place?.resource
  return drafts.some(({ place }) => place !== null && place.resource !== first)
}

function withoutScope(spec: HttpMatchSpec | null): HttpMatchSpec {
  const {
    gateways: _gateways,
    port: _port,
    sourceLabels: _labels,
    sourceNamespace: _namespace,
    ...match
  } = spec ?? {}
  return match
}

function keyOf({ resource, path }: Place): string {
  return `${resource.metadata.namespace}/${resource.metadata.name} ${path.join('.')}`
}
