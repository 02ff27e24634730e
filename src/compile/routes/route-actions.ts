import { parseDurationMs } from '../../base/duration.ts'
import { cumulativeWeights } from '../../base/weighted-pick.ts'
import type { HttpRouteSpec } from '../../config/kinds/virtual-service.ts'
import type { HeaderMutation } from '../../routing/header-mutation.ts'
import { compileHeaders, compileRouteHeaders } from '../../routing/header-mutation.ts'
import { Destination, type RouteAction } from '../../routing/route.ts'
import type { CompileSettings } from '../compile-input.ts'
import type { DestinationScope, Destinations, ResolvedDestination } from '../destinations.ts'
import type { Findings, Place } from '../findings.ts'
import { pathRewrite, redirectPlan } from './path-actions.ts'
import { retryPlan } from './retry-policy.ts'
import { weighted } from './weights.ts'

/** What a rule does, with the header operations that surround it. */
export interface RouteOutcome {
  readonly action: RouteAction
  readonly requestHeaders: HeaderMutation | null
  readonly responseHeaders: HeaderMutation | null
}

type RouteDestination = NonNullable<HttpRouteSpec['route']>[number]

interface WeighedDestination {
  readonly spec: RouteDestination
  readonly weight: number
  readonly resolved: ResolvedDestination
}

/** Compiles what stands beside `match` in an http rule. */
export class RouteActions {
  readonly #destinations: Destinations
  readonly #settings: CompileSettings
  readonly #findings: Findings

  constructor(destinations: Destinations, settings: CompileSettings, findings: Findings) {
    this.#destinations = destinations
    this.#settings = settings
    this.#findings = findings
  }

  /** null when the rule says nothing to do. */
  compile(rule: HttpRouteSpec, place: Place, scope: DestinationScope): RouteOutcome | null {
    if (rule.redirect !== undefined) {
      return this.#answered(rule, place, {
        type: 'redirect',
        redirect: redirectPlan(rule.redirect, scope.listenerPort),
      })
    }
    if (rule.directResponse !== undefined) {
      const { status = 0, body } = rule.directResponse
      const bytes = body?.bytes === undefined ? null : Buffer.from(body.bytes, 'base64')
      const content = bytes ?? Buffer.from(body?.string ?? '', 'utf8')
      return this.#answered(rule, place, { type: 'direct-response', status, body: content })
    }
    if (rule.route === undefined || rule.route.length === 0) return null
    return this.#forwarded(rule, rule.route, place, scope)
  }

  #answered(rule: HttpRouteSpec, place: Place, action: RouteAction): RouteOutcome {
    const { mutation, errors } = compileHeaders([rule.headers?.response], 'response')
    this.#reportHeaders(place, errors)
    return { action, requestHeaders: null, responseHeaders: mutation }
  }

  #forwarded(
    rule: HttpRouteSpec,
    routes: readonly RouteDestination[],
    place: Place,
    scope: DestinationScope,
  ): RouteOutcome | null {
    const chosen = weighted(routes).map(({ item, weight, index }) => {
      const path = [...place.path, 'route', index, 'destination']
      const spot = { resource: place.resource, path }
      const resolved = this.#destinations.resolve(item.destination ?? {}, spot, scope)
      return { spec: item, weight, resolved }
    })
    if (chosen.length === 0) return null
    const requests = chosen.map(({ spec }) => spec.headers?.request)
    const responses = chosen.map(({ spec }) => spec.headers?.response)
    const request = compileRouteHeaders(rule.headers?.request, requests, 'request')
    const response = compileRouteHeaders(rule.headers?.response, responses, 'response')
    this.#reportHeaders(place, [...request.errors, ...response.errors])
    const outcome = { requestHeaders: request.route, responseHeaders: response.route }
    if (scope.side === 'mesh' && chosen.every(isPassthrough)) {
      return { action: { type: 'passthrough' }, ...outcome }
    }
    const timeoutMs = (rule.timeout === undefined ? null : parseDurationMs(rule.timeout)) ?? 0
    const ownAuthority = rule.rewrite?.authority
    const action: RouteAction = {
      type: 'forward',
      destinations: chosen.map(
        ({ resolved, weight }, index) =>
          new Destination(
            resolved.clusterName,
            resolved.cluster,
            weight,
            request.destinations[index] ?? null,
            response.destinations[index] ?? null,
          ),
      ),
      cumulativeWeights: cumulativeWeights(chosen.map(({ weight }) => weight)),
      rewrite: pathRewrite(rule.rewrite, place, this.#findings),
      rewriteAuthority:
        ownAuthority !== undefined && ownAuthority !== ''
          ? ownAuthority
          : (request.authority ?? this.#commonAuthority(request.destinationAuthorities, place)),
      timeoutMs,
      retry: retryPlan(rule.retries, this.#settings.mesh, timeoutMs),
    }
    this.#reportBackoff(rule, place)
    return { action, ...outcome }
  }

  /** Host set by the destinations' own operations counts when all of several agree. */
  #commonAuthority(authorities: readonly (string | null)[], place: Place): string | null {
    const distinct = new Set(authorities)
    const [first = null] = distinct
    if (distinct.size <= 1) return first
    this.#findings.report(
      'warning',
      'destination-authority-not-served',
      { resource: place.resource, path: [...place.path, 'route'] },
      'the destinations set different Host headers: Host is left as it is',
      'set rewrite.authority on the rule, or use one rule for each Host',
    )
    return null
  }

  #reportHeaders(place: Place, errors: readonly string[]): void {
    for (const error of errors)
      this.#findings.report('error', 'header-operation-invalid', place, error)
  }

  #reportBackoff(rule: HttpRouteSpec, place: Place): void {
    if (rule.retries?.backoff === undefined && rule.retries?.retryIgnorePreviousHosts !== false)
      return
    const field = rule.retries.backoff === undefined ? 'retryIgnorePreviousHosts' : 'backoff'
    this.#findings.report(
      'warning',
      'retry-setting-ignored',
      { resource: place.resource, path: [...place.path, 'retries', field] },
      `retries.${field} has no effect: retries wait 25 ms with full jitter and avoid hosts already tried`,
    )
  }
}

function isPassthrough({ resolved }: WeighedDestination): boolean {
  return resolved.service?.discovery === 'passthrough'
}
