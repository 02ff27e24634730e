import { formatPath } from '../../config/problems.ts'
import { expandHost } from '../../config/hosts.ts'
import type {
  DestinationSpec,
  HttpMatchSpec,
  HttpRouteSpec,
  VirtualServiceSpec,
} from '../../config/kinds/virtual-service.ts'
import type { Resource } from '../../config/resource.ts'
import type { RouteOrigin } from '../../routing/route.ts'
import { compileRouteMatch } from '../../routing/route-match.ts'
import type { CompileSettings } from '../compile-input.ts'
import { describe, type Findings, type Place } from '../findings.ts'
import type { Delegation } from './delegation.ts'
import { MESH } from './gateway-names.ts'
import type { DraftKeeper } from './draft-keeper.ts'
import { type RuleScope, scopeMismatch } from './match-scope.ts'
import type { PlacedMatch, PlacedRule } from './placed-rule.ts'
import type { RouteActions, RouteOutcome } from './route-actions.ts'
import { isCatchAll, type RouteDraft } from './route-draft.ts'

interface CommonRules {
  readonly rules: HttpRules
  /** Whether hosts that routes lead to are reached as by everybody. */
  readonly areSame: (hosts: ReadonlySet<string>) => boolean
}

/** Compiles the http rules of VirtualServices, each once for a gateway and port. */
export class HttpRules {
  readonly #cache = new Map<string, readonly RouteDraft[]>()
  readonly #hosts = new Map<Resource<VirtualServiceSpec>, ReadonlySet<string>>()
  readonly #delegation: Delegation
  readonly #actions: RouteActions
  readonly #settings: CompileSettings
  readonly #findings: Findings
  /** Compiles those that mean the same to everybody; null: all are its own. */
  readonly #common: CommonRules | null
  /** null: nothing of the compilation before is taken over. */
  readonly #keeper: DraftKeeper | null

  constructor(init: {
    delegation: Delegation
    actions: RouteActions
    settings: CompileSettings
    findings: Findings
    common?: CommonRules
    /** `actions` and `findings` have to be made with it. */
    keeper?: DraftKeeper
  }) {
    this.#delegation = init.delegation
    this.#actions = init.actions
    this.#settings = init.settings
    this.#findings = init.findings
    this.#common = init.common ?? null
    this.#keeper = init.keeper ?? null
  }

  /**
   * The same rules with other destinations, for egress clients of another namespace. `areSame` tells
   * whether these clients reach hosts as everybody does: rules all of whose destinations are such are
   * compiled once for all.
   */
  seenFrom(actions: RouteActions, areSame: CommonRules['areSame']): HttpRules {
    return new HttpRules({
      delegation: this.#delegation,
      actions,
      settings: this.#settings,
      findings: this.#findings,
      common: { rules: this, areSame },
    })
  }

  /** In order; what stands behind an unconditional route of the same VirtualService is left out. */
  drafts(service: Resource<VirtualServiceSpec>, scope: RuleScope): readonly RouteDraft[] {
    const common = this.#common
    if (common !== null && common.areSame(common.rules.#destinationHosts(service))) {
      return common.rules.drafts(service, scope)
    }
    const { namespace, name } = service.metadata
    const key = `${namespace}/${name} ${scope.gateway} ${scope.listed} ${scope.port}`
    const present = this.#cache.get(key)
    if (present !== undefined) return present
    const drafts = this.#kept(service, scope, key)
    this.#cache.set(key, drafts)
    return drafts
  }

  /** Delegates are parts of others: whether they changed is not looked into. */
  #kept(
    service: Resource<VirtualServiceSpec>,
    scope: RuleScope,
    key: string,
  ): readonly RouteDraft[] {
    if (this.#keeper === null || this.#delegation.delegates(service)) {
      return this.#compile(service, scope)
    }
    return this.#keeper.drafts(service, key, () => this.#compile(service, scope))
  }

  /** The hosts that its routes and mirrors lead to. */
  #destinationHosts(service: Resource<VirtualServiceSpec>): ReadonlySet<string> {
    const present = this.#hosts.get(service)
    if (present !== undefined) return present
    const hosts = new Set<string>()
    for (const { rule, place } of this.#delegation.rulesOf(service)) {
      const { namespace } = place.resource.metadata
      for (const { host = '' } of destinationsOf(rule)) {
        hosts.add(expandHost(host, namespace, this.#settings.domain).toLowerCase())
      }
    }
    this.#hosts.set(service, hosts)
    return hosts
  }

  #compile(service: Resource<VirtualServiceSpec>, scope: RuleScope): readonly RouteDraft[] {
    const drafts: RouteDraft[] = []
    const rules = this.#delegation.rulesOf(service)
    for (const [index, rule] of rules.entries()) {
      for (const draft of this.#ruleDrafts(rule, scope)) {
        drafts.push(draft)
        if (!isCatchAll(draft.match)) continue
        if (rule.place.resource !== service) this.#reportBehind(draft, rules.slice(index + 1))
        return drafts
      }
    }
    return drafts
  }

  /** Validation has not told: it sees the delegating rule only. */
  #reportBehind(catchAll: RouteDraft, behind: readonly PlacedRule[]): void {
    const { place: winner } = catchAll
    if (winner === null) return
    for (const { place } of behind) {
      this.#findings.report(
        'warning',
        'route-shadowed',
        place,
        `no request comes here: ${formatPath(winner.path)} of VirtualService ${describe(winner.resource, winner.path)} is delegated to before and takes every request`,
        'move this rule up, or have the delegating rule match less',
      )
    }
  }

  #ruleDrafts(placed: PlacedRule, scope: RuleScope): readonly RouteDraft[] {
    const { rule, place, matches } = placed
    const applying = matches.filter((match) => this.#applies(match.spec, match.place, scope))
    if (matches.length === 0 ? !scope.listed : applying.length === 0) return []
    const outcome = this.#actions.compile(rule, place, {
      listenerPort: scope.port,
      side: scope.gateway === MESH ? 'mesh' : 'gateway',
    })
    if (outcome === null) return []
    const name = rule.name ?? ''
    if (matches.length === 0) return [draft(name, place, outcome)]
    return applying.flatMap((match) => this.#matchDraft(name, match, outcome))
  }

  /** Conditions that are decided here and now: port, gateways, and what Istio calls the source. */
  #applies(match: HttpMatchSpec, place: Place, scope: RuleScope): boolean {
    const { namespace } = place.resource.metadata
    const mismatch = scopeMismatch(match, namespace, scope, this.#settings)
    if (mismatch === 'source') {
      this.#findings.report(
        'info',
        'source-match-not-met',
        place,
        'sourceLabels and sourceNamespace are compared with the gateway itself, never with the client: this match is left out',
      )
    }
    return mismatch === null
  }

  #matchDraft(name: string, { spec, place }: PlacedMatch, outcome: RouteOutcome): RouteDraft[] {
    const compiled = compileRouteMatch(spec)
    for (const error of compiled.errors) {
      this.#findings.report('error', 'match-invalid', place, error)
    }
    if (compiled.errors.length > 0) return []
    const suffix = spec.name === undefined || spec.name === '' ? '' : `.${spec.name}`
    return [{ ...draft(name + suffix, place, outcome), match: compiled.match, spec }]
  }
}

function destinationsOf({ route = [], mirror, mirrors = [] }: HttpRouteSpec): DestinationSpec[] {
  const written = [
    ...route.map(({ destination }) => destination),
    mirror,
    ...mirrors.map(({ destination }) => destination),
  ]
  return written.filter((destination) => destination !== undefined)
}

function draft(name: string, place: Place, outcome: RouteOutcome): RouteDraft {
  return { name, origin: originOf(place), place, match: null, spec: null, ...outcome }
}

export function originOf(place: Place): RouteOrigin {
  const { resource, path } = place
  return {
    kind: resource.kind,
    namespace: resource.metadata.namespace,
    name: resource.metadata.name,
    path: formatPath(path),
    file: resource.location.file,
    line: resource.location.lineOf(path),
  }
}
