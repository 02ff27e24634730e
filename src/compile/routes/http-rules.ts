import { formatPath } from '../../config/problems.ts'
import type {
  HttpMatchSpec,
  HttpRouteSpec,
  VirtualServiceSpec,
} from '../../config/kinds/virtual-service.ts'
import type { Resource } from '../../config/resource.ts'
import type { RouteOrigin } from '../../routing/route.ts'
import { compileRouteMatch } from '../../routing/route-match.ts'
import type { CompileSettings } from '../compile-input.ts'
import type { Findings, Place } from '../findings.ts'
import { selects } from '../labels.ts'
import { MESH, resolveGatewayName } from './gateway-names.ts'
import type { RouteActions } from './route-actions.ts'
import { isCatchAll, type RouteDraft } from './route-draft.ts'

/** For whom a VirtualService's rules are compiled. */
export interface RuleScope {
  /** `namespace/name`, or `mesh`. */
  readonly gateway: string
  /** The VirtualService's own `gateways` name it; otherwise only match.gateways can. */
  readonly listed: boolean
  /** The Gateway server's number, or the port the egress client asked for. */
  readonly port: number
}

/** Compiles the http rules of VirtualServices, each once for a gateway and port. */
export class HttpRules {
  readonly #cache = new Map<string, readonly RouteDraft[]>()
  readonly #actions: RouteActions
  readonly #settings: CompileSettings
  readonly #findings: Findings

  constructor(actions: RouteActions, settings: CompileSettings, findings: Findings) {
    this.#actions = actions
    this.#settings = settings
    this.#findings = findings
  }

  /** In order; what stands behind an unconditional route of the same VirtualService is left out. */
  drafts(service: Resource<VirtualServiceSpec>, scope: RuleScope): readonly RouteDraft[] {
    const { namespace, name } = service.metadata
    const key = `${namespace}/${name} ${scope.gateway} ${scope.listed} ${scope.port}`
    const present = this.#cache.get(key)
    if (present !== undefined) return present
    const drafts = this.#compile(service, scope)
    this.#cache.set(key, drafts)
    return drafts
  }

  #compile(service: Resource<VirtualServiceSpec>, scope: RuleScope): readonly RouteDraft[] {
    const drafts: RouteDraft[] = []
    for (const [index, rule] of (service.spec.http ?? []).entries()) {
      const place = { resource: service, path: ['spec', 'http', index] }
      for (const draft of this.#ruleDrafts(rule, place, scope)) {
        drafts.push(draft)
        if (isCatchAll(draft.match)) return drafts
      }
    }
    return drafts
  }

  #ruleDrafts(rule: HttpRouteSpec, place: Place, scope: RuleScope): readonly RouteDraft[] {
    const matches = rule.match ?? []
    if (matches.length === 0) {
      return scope.listed ? this.#draft(rule, null, place, place, scope) : []
    }
    return matches.flatMap((match, index) => {
      const matchPlace = { resource: place.resource, path: [...place.path, 'match', index] }
      return this.#applies(match, matchPlace, scope)
        ? this.#draft(rule, match, place, matchPlace, scope)
        : []
    })
  }

  /** Conditions that are decided here and now: port, gateways, and what Istio calls the source. */
  #applies(match: HttpMatchSpec, place: Place, scope: RuleScope): boolean {
    if (match.port !== undefined && match.port !== 0 && match.port !== scope.port) return false
    const { namespace } = place.resource.metadata
    if (match.gateways !== undefined && match.gateways.length > 0) {
      return match.gateways.some((name) => resolveGatewayName(name, namespace) === scope.gateway)
    }
    if (!scope.listed) return false
    const { ownLabels, namespace: ownNamespace } = this.#settings
    const identities = ownLabels.length === 0 ? [{}] : ownLabels
    const { sourceLabels, sourceNamespace = '' } = match
    const isSource =
      identities.some((labels) => selects(sourceLabels, labels)) &&
      (sourceNamespace === '' || sourceNamespace === ownNamespace)
    if (!isSource) {
      this.#findings.report(
        'info',
        'source-match-not-met',
        place,
        'sourceLabels and sourceNamespace are compared with the gateway itself, never with the client: this match is left out',
      )
    }
    return isSource
  }

  #draft(
    rule: HttpRouteSpec,
    match: HttpMatchSpec | null,
    place: Place,
    matchPlace: Place,
    scope: RuleScope,
  ): readonly RouteDraft[] {
    const compiled = match === null ? { match: null, errors: [] } : compileRouteMatch(match)
    for (const error of compiled.errors) {
      this.#findings.report('error', 'match-invalid', matchPlace, error)
    }
    if (compiled.errors.length > 0) return []
    const outcome = this.#actions.compile(rule, place, {
      listenerPort: scope.port,
      side: scope.gateway === MESH ? 'mesh' : 'gateway',
    })
    if (outcome === null) return []
    const suffix = match?.name === undefined || match.name === '' ? '' : `.${match.name}`
    return [
      {
        name: (rule.name ?? '') + suffix,
        origin: originOf(matchPlace),
        match: compiled.match,
        action: outcome.action,
        requestHeaders: outcome.requestHeaders,
        responseHeaders: outcome.responseHeaders,
      },
    ]
  }
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
