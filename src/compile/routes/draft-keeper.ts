import type { Problem } from '../../config/problems.ts'
import type { Resource } from '../../config/resource.ts'
import type { DestinationSpec } from '../../config/kinds/virtual-service.ts'
import type { DestinationResolver, DestinationScope, ResolvedDestination } from '../destinations.ts'
import { Findings, type Place } from '../findings.ts'
import type { Kept } from '../kept.ts'
import type { ServiceDiscovery } from '../registry/mesh-service.ts'
import type { RouteDraft } from './route-draft.ts'

/** A destination as it was asked for, and all of where it led that a draft is made of. */
interface Resolution {
  readonly spec: DestinationSpec
  readonly place: Place
  readonly scope: DestinationScope
  readonly goal: Goal
}

/** Not the service itself: it would keep alive every registry there ever was. */
type Goal = Pick<ResolvedDestination, 'clusterName' | 'cluster' | 'dynamicPort'> & {
  readonly discovery: ServiceDiscovery | null
}

/** The drafts of a VirtualService in one scope, with all that they were made of beside its text. */
interface DraftsMade {
  readonly drafts: readonly RouteDraft[]
  readonly resolutions: readonly Resolution[]
  /** What was found out about the rules themselves. */
  readonly problems: readonly Problem[]
}

/** What was made of one VirtualService. */
export type DraftsByScope = Map<string, DraftsMade>

/** Takes over the drafts of VirtualServices to which nothing happened, and has the others compiled. */
export class DraftKeeper {
  readonly #kept: Kept<DraftsByScope>
  readonly #plainDestinations: DestinationResolver
  readonly #resolutions: ResolutionTape
  readonly #told: FindingsTape

  constructor(kept: Kept<DraftsByScope>, destinations: DestinationResolver, findings: Findings) {
    this.#kept = kept
    this.#plainDestinations = destinations
    this.#resolutions = new ResolutionTape(destinations)
    this.#told = new FindingsTape(findings)
  }

  /** What `compile` has to resolve destinations with. */
  get destinations(): DestinationResolver {
    return this.#resolutions
  }

  /** Where `compile` has to report to. */
  get findings(): Findings {
    return this.#told
  }

  /** `compile` depends on the VirtualService, the scope, the settings and its destinations alone. */
  drafts(
    service: Resource<unknown>,
    scope: string,
    compile: () => readonly RouteDraft[],
  ): readonly RouteDraft[] {
    const before = this.#kept.before(service)?.get(scope)
    const now = this.#kept.now(service, () => new Map())
    if (before !== undefined && this.#areAsBefore(before.resolutions)) {
      for (const problem of before.problems) this.#told.add(problem)
      now.set(scope, before)
      return before.drafts
    }
    this.#resolutions.take()
    this.#told.take()
    const drafts = compile()
    const [resolutions, problems] = [this.#resolutions.take(), this.#told.take()]
    now.set(scope, { drafts, resolutions, problems })
    return drafts
  }

  /** Resolves all again, so that what there is to say about them is said. */
  #areAsBefore(resolutions: readonly Resolution[]): boolean {
    let same = true
    for (const { spec, place, scope, goal } of resolutions) {
      if (!leadsTo(this.#plainDestinations.resolve(spec, place, scope), goal)) same = false
    }
    return same
  }
}

/** Resolves destinations and remembers which. */
class ResolutionTape implements DestinationResolver {
  readonly #destinations: DestinationResolver
  #resolutions: Resolution[] = []

  constructor(destinations: DestinationResolver) {
    this.#destinations = destinations
  }

  resolve(spec: DestinationSpec, place: Place, scope: DestinationScope): ResolvedDestination {
    const result = this.#destinations.resolve(spec, place, scope)
    const { clusterName, cluster, dynamicPort, service } = result
    const goal = { clusterName, cluster, dynamicPort, discovery: service?.discovery ?? null }
    this.#resolutions.push({ spec, place, scope, goal })
    return result
  }

  /** What was resolved since the last call. */
  take(): readonly Resolution[] {
    const taken = this.#resolutions
    this.#resolutions = []
    return taken
  }
}

function leadsTo(now: ResolvedDestination, goal: Goal): boolean {
  return (
    now.cluster === goal.cluster &&
    now.clusterName === goal.clusterName &&
    now.dynamicPort === goal.dynamicPort &&
    (now.service?.discovery ?? null) === goal.discovery
  )
}

/** Reports to `whole` and remembers what. */
class FindingsTape extends Findings {
  readonly #whole: Findings
  #problems: Problem[] = []

  constructor(whole: Findings) {
    super()
    this.#whole = whole
  }

  override add(problem: Problem): void {
    this.#problems.push(problem)
    this.#whole.add(problem)
  }

  /** What was reported since the last call. */
  take(): readonly Problem[] {
    const taken = this.#problems
    this.#problems = []
    return taken
  }
}
