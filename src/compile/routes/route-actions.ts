import { parseDurationMs } from '../../base/duration.ts'
import { cumulativeWeights } from '../../base/weighted-pick.ts'
import type { HttpRouteSpec } from '../../config/kinds/virtual-service.ts'
import type { HeaderMutation } from '../../routing/header-mutation.ts'
import { compileHeaders, compileRouteHeaders } from '../../routing/header-mutation.ts'
import { Destination, type RetryPlan, type RouteAction } from '../../routing/route.ts'
import type { CompileSettings } from '../compile-input.ts'
import type { DestinationResolver, DestinationScope, ResolvedDestination } from '../destinations.ts'
import type { RuleSettings } from '../envoy-filters-scope.ts'
import type { Findings, Place } from '../findings.ts'
import { pickPreferences } from './pick-preferences.ts'
import { Mirrors } from './mirrors.ts'
import { pathRewrite, redirectPlan } from './path-actions.ts'
import { retryPlan } from './retry-policy.ts'
import { ruleSettings } from './rule-settings.ts'
import { stickyPlan } from './sticky-weights.ts'
import { weighted } from './weights.ts'

/** What a rule does, with the header operations that surround it. */
export interface RouteOutcome {
  readonly action: RouteAction
  readonly requestHeaders: HeaderMutation | null
  readonly responseHeaders: HeaderMutation | null
  readonly settings: RuleSettings
}

type RouteDestination = NonNullable<HttpRouteSpec['route']>[number]

interface WeighedDestination {
  readonly spec: RouteDestination
  readonly weight: number
  readonly resolved: ResolvedDestination
}

/** Compiles what stands beside `match` in an http rule. */
export class RouteActions {
  readonly #destinations: DestinationResolver
  readonly #settings: CompileSettings
  readonly #findings: Findings
  readonly #mirrors: Mirrors
  /** By timeout in milliseconds. */
  readonly #defaultRetries = new Map<number, RetryPlan | null>()

  constructor(destinations: DestinationResolver, settings: CompileSettings, findings: Findings) {
    this.#destinations = destinations
    this.#settings = settings
    this.#findings = findings
    this.#mirrors = new Mirrors(destinations, findings)
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
    this.#mirrors.reportAnswered(rule, place)
    const { mutation, errors } = compileHeaders([rule.headers?.response], 'response')
    this.#reportHeaders(place, errors)
    const settings = ruleSettings(rule, place)
    return { action, requestHeaders: null, responseHeaders: mutation, settings }
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
    const outcome = {
      requestHeaders: request.route,
      responseHeaders: response.route,
      settings: ruleSettings(rule, place),
    }
    if (scope.side === 'mesh' && chosen.every(isPassthrough)) {
      this.#mirrors.reportPassthrough(rule, place)
      return { action: { type: 'passthrough' }, ...outcome }
    }
    const dynamic = chosen.find(({ resolved }) => resolved.dynamicPort !== 0)
    if (scope.side === 'gateway' && chosen.length === 1 && dynamic !== undefined) {
      this.#mirrors.reportPassthrough(rule, place)
      const { clusterName, dynamicPort: port } = dynamic.resolved
      return { action: { type: 'passthrough', declared: { clusterName, port } }, ...outcome }
    }
    const timeoutMs = (rule.timeout === undefined ? null : parseDurationMs(rule.timeout)) ?? 0
    const ownAuthority = rule.rewrite?.authority
    const destinations = chosen.map(
      ({ resolved, weight }, index) =>
        new Destination(
          resolved.clusterName,
          resolved.cluster,
          weight,
          request.destinations[index] ?? null,
          response.destinations[index] ?? null,
          request.destinationAuthorities[index] ?? null,
        ),
    )
    const retry = this.#retry(rule, timeoutMs)
    const action: RouteAction = {
      type: 'forward',
      destinations,
      cumulativeWeights: cumulativeWeights(chosen.map(({ weight }) => weight)),
      sticky: stickyPlan(destinations, place, this.#findings),
      preferences: pickPreferences(destinations, retry),
      rewrite: pathRewrite(rule.rewrite, place, this.#findings),
      rewriteAuthority:
        ownAuthority !== undefined && ownAuthority !== '' ? ownAuthority : request.authority,
      timeoutMs,
      retry,
      mirrors: this.#mirrors.compile(rule, place, scope),
    }
    return { action, ...outcome }
  }

  /** Most rules have no retries of their own: those of one timeout share a plan. */
  #retry(rule: HttpRouteSpec, timeoutMs: number): RetryPlan | null {
    const { mesh } = this.#settings
    if (rule.retries !== undefined) return retryPlan(rule.retries, mesh, timeoutMs)
    const present = this.#defaultRetries.get(timeoutMs)
    if (present !== undefined) return present
    const plan = retryPlan(undefined, mesh, timeoutMs)
    this.#defaultRetries.set(timeoutMs, plan)
    return plan
  }

  #reportHeaders(place: Place, errors: readonly string[]): void {
    for (const error of errors)
      this.#findings.report('error', 'header-operation-invalid', place, error)
  }
}

function isPassthrough({ resolved }: WeighedDestination): boolean {
  // A host that a DestinationRule wants TLS for is never passed on in the clear.
  return resolved.service?.discovery === 'passthrough' && (resolved.cluster?.tls ?? null) === null
}
